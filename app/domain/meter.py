"""Energy meters: where they sit, and what a reading says with its age and quality."""

from __future__ import annotations

import enum

import msgspec

from app.domain.units import PhaseCurrents


class MeterPlacement(enum.StrEnum):
    """What the meter sees of its circuit; the installer says which."""

    SUPPLY = "supply"
    """Building and charging together."""
    CHARGING = "charging"
    """Only the managed stations."""
    BUILDING = "building"
    """Only the loads other than the managed stations."""


class MeterConfig(msgspec.Struct, frozen=True):
    """A Modbus TCP meter, as configured.

    ``model`` is brand and reference ("IME Nemo D4-Le"); ``word_format`` is ``big``, ``little`` or
    ``swap`` for 32-bit values; ``circuit_id`` names the circuit it measures.
    ``generation`` says that a source (solar panels) feeds in behind it, so that it may show export.
    """

    meter_id: str
    model: str
    host: str
    circuit_id: str
    port: int = 502
    unit_id: int = 1
    placement: MeterPlacement = MeterPlacement.SUPPLY
    word_format: str = "big"
    poll_period_s: float = 1.0
    generation: bool = False


class Quality(enum.StrEnum):
    """How far a reading can be trusted."""

    GOOD = "good"
    IMPLAUSIBLE = "implausible"
    """Decoded, but outside what the meter can show; never used for control."""
    DISTRUSTED = "distrusted"
    """Possible in itself, but at odds with what the stations do: the meter counts as lost at once."""


class MeterReading(msgspec.Struct, frozen=True):
    """One complete reading.

    ``at_s`` is the monotonic instant of the answer; ``currents`` are signed mA per phase
    (import positive); ``power_w`` is total active power or ``None``; ``voltages_v`` per phase
    or ``None``; ``energy_wh`` is the import register or ``None``; ``raw`` keeps other decoded
    quantities by name for the page.
    """

    meter_id: str
    at_s: float
    currents: PhaseCurrents
    quality: Quality = Quality.GOOD
    power_w: float | None = None
    voltages_v: tuple[float, float, float] | None = None
    energy_wh: float | None = None
    reason: str = ""

    def age_s(self, now_s: float) -> float:
        """Seconds since the answer."""
        return max(0.0, now_s - self.at_s)
