"""What can be wrong with a meter that answers, and what a verdict does to its readings."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from app.domain.meter import MeterReading, Quality


class Lie(enum.StrEnum):
    """Message keys of what a meter does wrong (entries of ``errors.toml``)."""

    FROZEN = "MTR-001"
    """It repeats old values."""
    SIGN = "MTR-002"
    """Import shows as export, on one phase or all."""
    TOO_LOW = "MTR-003"
    """It shows less than the stations below it certainly draw."""
    RATIO = "MTR-004"
    """What the stations do shows on it smaller than it is."""
    ORDER = "MTR-005"
    """Its phases are not those of the site."""
    BLIND = "MTR-006"
    """What the stations do does not show on it at all."""
    ABSURD = "MTR-007"
    """It shows what no supply of this size can carry."""
    RATIO_HIGH = "MTR-008"
    """What the stations do shows on it greater than it is."""


class Verdict(msgspec.Struct, frozen=True):
    """The judgement on the meter of a circuit.

    ``numbers`` fill the text of ``lie``. ``distrusted`` says whether its readings may still be used:
    one that only shows too much is told, but charging goes on, on the safe side.
    """

    circuit_id: str
    lie: Lie
    confidence: float
    since_s: float
    numbers: dict[str, int | float | str]
    distrusted: bool = True


def apply(
    readings: Mapping[str, MeterReading | None], verdicts: Mapping[str, Verdict]
) -> dict[str, MeterReading | None]:
    """The readings as the planner may use them: those of a lying meter count as implausible."""
    return {
        circuit_id: _marked(reading, verdicts.get(circuit_id))
        for circuit_id, reading in readings.items()
    }


def _marked(reading: MeterReading | None, verdict: Verdict | None) -> MeterReading | None:
    if reading is None or verdict is None or not verdict.distrusted:
        return reading
    return msgspec.structs.replace(reading, quality=Quality.DISTRUSTED, reason=verdict.lie.value)
