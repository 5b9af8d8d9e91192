"""What the poller of a meter reports to the pages besides its readings."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from app.domain.meter import MeterReading
from app.meters.scale import UNKNOWN_RATIOS, Ratios


class Trouble(enum.StrEnum):
    """Message keys of what keeps a meter from being read."""

    UNREACHABLE = "meter-unreachable"
    """No TCP connection to the meter or its gateway."""
    TIMEOUT = "meter-timeout"
    """Connected, but no answer in time."""
    GATEWAY = "meter-gateway"
    """The gateway says that the meter behind it does not answer (exceptions 0A and 0B)."""
    REFUSED = "meter-refused"
    """The meter refuses the request (another exception)."""
    GARBAGE = "meter-garbage"
    """The answer is not Modbus, or not an answer to the request."""


class MeterStatus(msgspec.Struct, frozen=True):
    """The state of one poller.

    ``family`` and ``read_plan`` are the register map and the way of reading it that work;
    ``quantities`` are those of the last complete reading; ``unchanged_polls`` counts the polls in
    a row that returned exactly the same words, for the suspicion of a frozen meter.
    """

    connected: bool = False
    error_key: Trouble | None = None
    error_code: int | None = None
    consecutive_failures: int = 0
    last_reading: MeterReading | None = None
    quantities: Mapping[str, float] = {}
    ratios: Ratios = UNKNOWN_RATIOS
    family: str = ""
    read_plan: str = ""
    unchanged_polls: int = 0
