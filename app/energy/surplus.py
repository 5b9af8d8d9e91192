"""Charging from the sun: what a circuit would export if no car charged, and what of it is given out.

At the meter's instant the surplus is what the stations draw less what flows in (export counts
negative). The meter is a second old, the stations' samples up to half a minute: while a car
follows a new limit its draw is only known to lie between its last sample and that limit. The
estimate is kept as long as it agrees with these bounds, and moves when it does not: down within
seconds, up within half a minute, so that a passing cloud costs little and a gap in the clouds
does not set the whole park in motion.

Everything is in watts over the three phases together, as energy is billed.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from math import exp

import msgspec

from app.domain.limits import CircuitCap, LimitSource
from app.domain.meter import MeterReading, Quality
from app.domain.rules import SolarMode
from app.domain.station import ConnectorKey
from app.domain.units import NOMINAL_VOLTAGE_V
from app.energy.site_state import ConnectorState

PLAUSIBLE_VOLTAGES_V = (180.0, 270.0)
"""A measured voltage outside says nothing of the power."""


class SolarSettings(msgspec.Struct, frozen=True):
    """Every constant of following the sun."""

    fall_s: float = 5.0
    """Time constant of the estimate on its way down."""
    rise_s: float = 30.0
    """Time constant of the estimate on its way up."""
    start_s: float = 60.0
    """The surplus must have been enough for one car this long before charging begins."""
    stop_s: float = 120.0
    """The surplus must have been too little this long before charging ends; till then the least
    that one car needs is given out, from the grid where the sun falls short."""
    stop_share: float = 0.8
    """Below this share of what one car needs the surplus is too little."""
    stale_s: float = 15.0
    """Without a good reading for this long the sun is not known, and counts for nothing."""
    settle_s: float = 8.0
    """A sample tells what a car draws once its limit has stood this long before."""
    reserve: float = 1.02
    """What a car needs is counted with this factor, lest rounding leave it a hair below."""


class Car(msgspec.Struct, frozen=True):
    """One running session (W): the bounds of its draw, the least it needs, the most it may take.

    ``followed`` is false for a station that is offline: what it may draw cannot be changed.
    """

    low_w: float
    high_w: float
    need_w: float
    rating_w: float
    followed: bool = True


class SolarState(enum.StrEnum):
    """What the sun allows now."""

    STARTING = "starting"
    """The meter has not told anything yet."""
    WAITING = "waiting"
    """Too little surplus, or not for long enough."""
    CHARGING = "charging"
    LOST = "lost"
    """The meter is silent: charging from the sun alone cannot be assured, so it counts as none."""


class DrawWatch:
    """Bounds of what a session draws, from its sample and the limit it follows."""

    def __init__(self, settings: SolarSettings | None = None) -> None:
        self._settings = settings or SolarSettings()
        self._limits: dict[ConnectorKey, tuple[int, float]] = {}

    def car(
        self,
        state: ConnectorState,
        wired: int,
        min_ma: int,
        max_ma: int,
        limit_ma: int,
        volts: float,
        now_s: float,
    ) -> Car:
        """The session on an outlet of ``wired`` conductors whose limit is now ``limit_ma``."""
        before = self._limits.get(state.key)
        if before is None or before[0] != limit_ma:
            before = self._limits[state.key] = (limit_ma, now_s)
        sample = state.sample
        if sample is not None and now_s - sample.at_s > 2 * state.sample_interval_s:
            sample = None
        phases = wired
        if sample is not None and sample.conductors_in_use:
            phases = len(sample.conductors_in_use)
        allowed_ma = phases * limit_ma
        low_ma, high_ma = 0, allowed_ma
        if sample is not None:
            low_ma, high_ma = sample.low.total(), sample.high.total()
            if sample.at_s < before[1] + self._settings.settle_s:
                low_ma, high_ma = min(low_ma, allowed_ma), max(high_ma, allowed_ma)
        return Car(
            low_w=low_ma * volts / 1000,
            high_w=high_ma * volts / 1000,
            need_w=phases * min_ma * volts / 1000 * self._settings.reserve,
            rating_w=wired * max_ma * volts / 1000,
            followed=state.online,
        )


class SurplusTracker:
    """Follows the surplus of one circuit and says what of it may be charged."""

    def __init__(
        self, circuit_id: str, mode: SolarMode, now_s: float, settings: SolarSettings | None = None
    ) -> None:
        self._settings = settings or SolarSettings()
        self._circuit_id = circuit_id
        self._mode = mode
        self._good_s = now_s
        self._reading_s: float | None = None
        self._since_s: float | None = None
        self._need_w = 0.0
        self._minimum_w = 0.0
        self.state = SolarState.STARTING
        self.surplus_w: float | None = None

    def update(self, reading: MeterReading | None, cars: Sequence[Car], now_s: float) -> None:
        """Takes what one cycle saw; ``cars`` are those that the reading counts in."""
        self._need_w = min(
            (car.need_w for car in cars), default=6 * NOMINAL_VOLTAGE_V * self._settings.reserve
        )
        self._minimum_w = sum(car.need_w if car.followed else car.rating_w for car in cars)
        if reading is not None and reading.quality is Quality.GOOD:
            if reading.at_s != self._reading_s:
                self._take(reading, cars)
            self._good_s = max(self._good_s, reading.at_s)
        if now_s - self._good_s > self._settings.stale_s:
            self.state = SolarState.LOST
            self.surplus_w = self._reading_s = self._since_s = None
        elif self.surplus_w is not None:
            self._decide(self.surplus_w, now_s)

    def cap(self) -> CircuitCap | None:
        """The limit on charging that the sun sets now; ``None`` before anything is known."""
        if self.state is SolarState.STARTING:
            return None
        allowed_w = 0.0
        if self.state is SolarState.CHARGING:
            allowed_w = max(self.surplus_w or 0.0, self._need_w)
        if self._mode is SolarMode.SURPLUS_PLUS_MINIMUM:
            allowed_w = max(self.surplus_w or 0.0, self._minimum_w)
        return CircuitCap(self._circuit_id, LimitSource.SOLAR, charging_power_w=int(allowed_w))

    def _take(self, reading: MeterReading, cars: Sequence[Car]) -> None:
        net_w = imported_w(reading)
        low_w = sum(car.low_w for car in cars) - net_w
        high_w = sum(car.high_w for car in cars) - net_w
        before_w, before_s = self.surplus_w, self._reading_s
        self._reading_s = reading.at_s
        if before_w is None or before_s is None:
            # What ran before the start drew up to its limits; after a silence nobody can tell.
            self.surplus_w = high_w if self.state is SolarState.STARTING else low_w
            return
        target_w = min(max(before_w, low_w), high_w)
        constant_s = self._settings.fall_s if target_w < before_w else self._settings.rise_s
        share = 1.0 - exp(-max(0.0, reading.at_s - before_s) / constant_s)
        self.surplus_w = before_w + (target_w - before_w) * share

    def _decide(self, surplus_w: float, now_s: float) -> None:
        settings = self._settings
        if self.state is SolarState.STARTING:
            # What ran before the manager started goes on when the sun is there.
            enough = surplus_w >= self._need_w
            self.state = SolarState.CHARGING if enough else SolarState.WAITING
            return
        if self.state is SolarState.CHARGING:
            turns = surplus_w < self._need_w * settings.stop_share
            patience_s, other = settings.stop_s, SolarState.WAITING
        else:
            self.state = SolarState.WAITING
            turns = surplus_w >= self._need_w
            patience_s, other = settings.start_s, SolarState.CHARGING
        if not turns:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s >= patience_s:
            self.state, self._since_s = other, None


def imported_w(reading: MeterReading) -> float:
    """Power that flows in (W); negative when it flows out."""
    if reading.power_w is not None:
        return reading.power_w
    volts = reading.voltages_v or (NOMINAL_VOLTAGE_V,) * 3
    return sum(ma * v for ma, v in zip(reading.currents, volts, strict=True)) / 1000


def highest_voltage_v(reading: MeterReading | None) -> float:
    """The highest voltage of the phases, or the nominal one where none was measured."""
    measured = 0.0 if reading is None or reading.voltages_v is None else max(reading.voltages_v)
    lowest, highest = PLAUSIBLE_VOLTAGES_V
    return measured if lowest <= measured <= highest else float(NOMINAL_VOLTAGE_V)
