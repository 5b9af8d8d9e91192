"""What waits to be written as evidence: events at once, accounts of months every few minutes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from app.domain.errors import StorageError
from app.domain.evidence import EvidenceEvent, EvidenceMonth
from app.services.energy_ports import EvidenceRepository
from app.services.ports import Clock

log = logging.getLogger(__name__)

ACCOUNT_PERIOD_S = 300.0
"""How often the account of the month is written when nothing happens."""

WAITING_MOST = 1_000
"""Events kept while the disk cannot follow; then the oldest are given up."""


class EvidenceLog:
    """Keeps events and accounts until they are on disk; ``timezone`` says when a month begins."""

    def __init__(
        self, repository: EvidenceRepository, timezone: Callable[[], str], clock: Clock
    ) -> None:
        self._repository = repository
        self._timezone = timezone
        self._clock = clock
        self._events: list[EvidenceEvent] = []
        self._months: dict[str, EvidenceMonth] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    def keep(self, event: EvidenceEvent) -> None:
        """Writes an event as soon as may be."""
        self._events = [*self._events, event][-WAITING_MOST:]
        self._wake.set()

    def account(self, *, longest_s: float = 0.0, **more: float) -> None:
        """Adds to the account of the present month; the fields are those of ``EvidenceMonth``."""
        now_utc = self._clock.utc_now()
        month = f"{now_utc.astimezone(ZoneInfo(self._timezone())):%Y-%m}"
        account = self._months.get(month) or EvidenceMonth(month, now_utc)
        fields = {name: getattr(account, name) + value for name, value in more.items()}
        fields["longest_s"] = max(account.longest_s, longest_s)
        self._months[month] = msgspec.structs.replace(account, **fields)

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), ACCOUNT_PERIOD_S)
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits; on failure it waits for the next time."""
        async with self._writing:
            events, self._events = self._events, []
            months, self._months = self._months, {}
            if not events and not months:
                return
            try:
                await self._repository.record(events, list(months.values()))
            except StorageError as error:
                log.warning("evidence was not written: %s", error)
                self._events = [*events, *self._events][-WAITING_MOST:]
                later, self._months = self._months, months
                for month, account in later.items():
                    self._months[month] = _sum(self._months.get(month), account)

    async def events(
        self, since_utc: datetime, circuit_id: str | None, limit: int
    ) -> Sequence[EvidenceEvent]:
        """As recorded, newest first."""
        await self.flush()
        return await self._repository.events(since_utc, circuit_id, limit)

    async def months(self) -> Sequence[EvidenceMonth]:
        """The accounts, oldest first."""
        await self.flush()
        return await self._repository.months()


def _sum(first: EvidenceMonth | None, second: EvidenceMonth) -> EvidenceMonth:
    """Two accounts of one month together."""
    if first is None:
        return second
    fields = {
        name: getattr(first, name) + getattr(second, name)
        for name in EvidenceMonth.__struct_fields__
        if name not in ("month", "since_utc", "longest_s")
    }
    fields["longest_s"] = max(first.longest_s, second.longest_s)
    return msgspec.structs.replace(first, **fields)
