"""Shared by the meter tests: the shipped catalogue, and a source that reads a simulated meter."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.adapters.meter_catalogue import load_catalogue
from app.adapters.meter_poller import MeterReadError
from app.meters.catalogue import Catalogue
from app.meters.status import Trouble
from simulators.meter.bank import NoAnswerError, RefusedError, RegisterBank

_GATEWAY_CODES = {0x0A, 0x0B}


@functools.cache
def catalogue() -> Catalogue:
    """The shipped profiles, loaded once."""
    return load_catalogue()


class LoopClock:
    """The clock of the running event loop, virtual or not."""

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc_now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic_s())


class BankSource:
    """A simulated meter's registers, without a network; ``unreachable`` pulls the cable."""

    def __init__(self, bank: RegisterBank) -> None:
        self.bank = bank
        self.unreachable = False

    async def read(self, function_code: int, address: int, count: int) -> Sequence[int]:
        if self.unreachable:
            raise MeterReadError(Trouble.UNREACHABLE)
        try:
            return self.bank.read(function_code, address, count)
        except RefusedError as refusal:
            trouble = Trouble.GATEWAY if refusal.code in _GATEWAY_CODES else Trouble.REFUSED
            raise MeterReadError(trouble, refusal.code) from refusal
        except NoAnswerError:
            await asyncio.sleep(0.8)
            raise MeterReadError(Trouble.TIMEOUT) from None
