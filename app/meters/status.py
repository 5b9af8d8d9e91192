"""What the poller of a meter reports to the pages besides its readings."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from app.domain.meter import MeterReading
from app.meters.scale import UNKNOWN_RATIOS, Ratios
from app.meters.schema import Confidence, WordFormat


class Trouble(enum.StrEnum):
    """Message keys of what keeps a meter from being read."""

    UNREACHABLE = "meter.unreachable"
    """No TCP connection to the meter or its gateway."""
    TIMEOUT = "meter.timeout"
    """Connected, but no answer in time."""
    GATEWAY = "meter.gateway"
    """The gateway says that the meter behind it does not answer (exceptions 0A and 0B)."""
    REFUSED = "meter.refused"
    """The meter refuses the request (another exception)."""
    GARBAGE = "meter.garbage"
    """The answer is not Modbus, or not an answer to the request."""


class MeterStatus(msgspec.Struct, frozen=True):
    """The state of one poller.

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
    read_plan: str = ""
    unchanged_polls: int = 0


class DecodedValue(msgspec.Struct, frozen=True):
    """One quantity, for the installer to compare with the meter's display."""

    name: str
    value: float
    unit: str
    confidence: Confidence


class MeterTest(msgspec.Struct, frozen=True):
    """The result of trying a meter before it is saved.

    ``error_key`` is ``None`` when values were read; ``reason`` is then empty or the doubt about
    them. ``detected_family`` and ``detected_format`` are what probing found, to be compared with
    the configured ones; ``matching_models`` are the references whose identifier answered.
    """

    model: str
    family: str
    word_format: WordFormat
    identity_confidence: Confidence
    map_confidence: Confidence
    error_key: Trouble | None = None
    error_code: int | None = None
    reading: MeterReading | None = None
    reason: str = ""
    values: tuple[DecodedValue, ...] = ()
    ratios: Ratios = UNKNOWN_RATIOS
    detected_family: str | None = None
    detected_format: WordFormat | None = None
    matching_models: tuple[str, ...] = ()

    @property
    def as_configured(self) -> bool:
        """Whether values were read, are plausible, and probing agrees with the configuration."""
        return (
            self.error_key is None
            and not self.reason
            and self.detected_family == self.family
            and self.detected_format == self.word_format
        )
