"""A site whose wiring is known to the test alone: outlets in any rotation, a meter that may lie.

Written for the tests of the phase detective and of the meter watch: a building with lifts, single
loads that switch, cars that come, follow limits and leave, stations that report in their own
rhythm and fashion. It knows nothing of how conclusions are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from app.domain.limits import Reason, ReasonCode
from app.domain.meter import MeterReading
from app.domain.station import ConnectorKey, ConnectorStatus
from app.domain.transaction import Sample
from app.domain.units import PhaseCurrents, Rotation
from app.energy.plan import LimitChange
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Lie = Callable[[float, list[float]], list[float]]


@dataclass
class Building:
    """Loads other than the stations, per phase in A."""

    random: Random
    base_a: tuple[float, float, float] = (20.0, 25.0, 18.0)
    deviation_a: float = 2.0
    correlation: float = 0.98
    lifts: bool = True
    switching: bool = True
    wander: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    lift_until_s: float = 0.0
    lift_a: float = 0.0
    loads: list[tuple[float, int, float]] = field(default_factory=list)

    def step(self, now_s: float) -> list[float]:
        """One second later."""
        fresh = (1 - self.correlation**2) ** 0.5 * self.deviation_a
        for phase in range(3):
            noise = self.random.gauss(0.0, fresh) if fresh else 0.0
            self.wander[phase] = self.correlation * self.wander[phase] + noise
        if self.lifts and now_s > self.lift_until_s and self.random.random() < 1 / 180:
            self.lift_until_s = now_s + self.random.uniform(10, 30)
            self.lift_a = self.random.uniform(8, 25)
        if self.switching and self.random.random() < 1 / 60:
            load = (now_s + self.random.uniform(30, 600), self.random.randrange(3))
            self.loads.append((*load, self.random.uniform(2, 12)))
        self.loads = [load for load in self.loads if load[0] > now_s]
        lift = self.lift_a if now_s < self.lift_until_s else 0.0
        sums = [base + lift + own for base, own in zip(self.base_a, self.wander, strict=True)]
        for _, phase, current in self.loads:
            sums[phase] += current
        return sums


@dataclass
class Outlet:
    """One outlet and its car; currents in A."""

    key: ConnectorKey
    wired: int
    rotation: Rotation
    random: Random
    interval_s: float = 10.0
    unphased: bool = False
    with_power: bool = True
    whole: bool = False
    seen: bool = True
    offset_s: float = 0.0
    car_phases: int = 0
    transaction_id: int | None = None
    wants_a: float = 0.0
    limit_a: float = 0.0
    limit_from_s: float = 0.0
    old_limit_a: float = 0.0
    draw_a: float = 0.0
    until_s: float = 0.0
    arrived_s: float = 0.0
    sample: ConnectorSample | None = None
    lag_s: float = 2.0
    history: list[float] = field(default_factory=list)

    def step(self, now_s: float) -> None:
        """One second later: the car follows, the station may report."""
        limit = self.limit_a if now_s >= self.limit_from_s + self.lag_s else self.old_limit_a
        goal = min(self.wants_a, limit) if self.transaction_id is not None else 0.0
        goal = goal if goal >= 6.0 else 0.0
        rate = 8.0 if goal < self.draw_a else 4.0
        self.draw_a += max(-rate, min(rate, goal - self.draw_a))
        if goal == 0.0 and self.draw_a < 6.0:
            self.draw_a = 0.0
        self.history = [*self.history[-2:], self.draw_a]
        if self.transaction_id is not None and (now_s - self.offset_s) % self.interval_s < 1.0:
            self._report(now_s)

    def _report(self, now_s: float) -> None:
        shown = self.history[self.random.randrange(len(self.history))]
        shown_ma = round(shown * 1000 * self.random.uniform(0.99, 1.01))
        if self.whole:
            shown_ma -= shown_ma % 1000
        power_w = None
        currents: list[int | None] = [None, None, None]
        if not self.unphased:
            currents[: self.wired] = [
                shown_ma if n < self.car_phases else 0 for n in range(self.wired)
            ]
        elif self.with_power:
            power_w = round(shown * 230 * self.car_phases)
        sample = Sample(
            at_utc=EPOCH,
            received_s=now_s,
            current_ma=(currents[0], currents[1], currents[2]),
            current_unphased_ma=shown_ma if self.unphased else None,
            power_w=power_w,
        )
        self.sample = ConnectorSample.of(sample, self.wired)

    def loads(self) -> list[float]:
        """What it draws on each site phase, where it is really wired."""
        values = [0.0, 0.0, 0.0]
        for conductor in range(min(self.wired, self.car_phases)):
            values[self.rotation.site_phases[conductor]] += self.draw_a
        return values


class WiredSite:
    """Everything together, one second at a time."""

    def __init__(
        self, outlets: list[Outlet], building: Building, seed: int, resolution_ma: int = 1
    ) -> None:
        self.outlets = outlets
        self.building = building
        self.random = Random(seed)
        self.now_s = 1_000.0
        self.lie: Lie | None = None
        self.resolution_ma = resolution_ma
        self.changes: list[LimitChange] = []
        self.truth: list[float] = [0.0, 0.0, 0.0]
        self.placid = False
        """No car comes, goes or is told anything else by itself."""
        self.numbers = 0
        self.energy_wh = 0.0
        self.past: list[list[float]] = []

    def command(self, outlet: Outlet, limit_a: float) -> None:
        """A limit is sent; the station answers within a second."""
        outlet.old_limit_a = outlet.limit_a
        outlet.limit_a = limit_a
        outlet.limit_from_s = self.now_s + self.random.uniform(0.1, 1.0)
        self.changes.append(
            LimitChange(
                outlet.key,
                round(limit_a * 1000),
                limit_a < outlet.old_limit_a,
                Reason(ReasonCode.CIRCUIT),
                self.now_s + 600,
            )
        )

    def arrive(self, outlet: Outlet, phases: int, wants_a: float, stays_s: float) -> None:
        """A car comes and a transaction starts."""
        self.numbers += 1
        outlet.transaction_id = self.numbers
        outlet.car_phases = min(phases, outlet.wired)
        outlet.wants_a = wants_a
        outlet.limit_a = outlet.old_limit_a = 0.0
        outlet.arrived_s = self.now_s
        outlet.until_s = self.now_s + stays_s
        outlet.lag_s = self.random.uniform(0.5, 4.0)
        outlet.sample = None

    def leave(self, outlet: Outlet) -> None:
        """The transaction ends; the contactor opens at once."""
        outlet.transaction_id = None
        outlet.sample = None

    def step(self) -> SiteState:
        """One second later, and what the manager may know of it."""
        self.now_s += 1.0
        self.changes = []
        if not self.placid:
            self._live()
        sums = self.building.step(self.now_s)
        for outlet in self.outlets:
            outlet.step(self.now_s)
            if outlet.seen:
                for phase, load in enumerate(outlet.loads()):
                    sums[phase] += load
        self.truth = sums
        self.past = [*self.past[-1:], list(sums)]
        # The answer may describe the second before.
        seen = list(self.past[self.random.randrange(len(self.past))])
        self.energy_wh += sum(seen) * 230 / 3600
        shown = self.lie(self.now_s, seen) if self.lie is not None else seen
        step_ma = self.resolution_ma
        currents = PhaseCurrents.of(round(value * 1000 / step_ma) * step_ma for value in shown)
        reading = MeterReading("m", self.now_s - 0.1, currents)
        return SiteState(
            self.now_s, {"supply": reading}, tuple(self._state(one) for one in self.outlets)
        )

    def _state(self, outlet: Outlet) -> ConnectorState:
        running = outlet.transaction_id is not None
        status = ConnectorStatus.CHARGING if running else ConnectorStatus.AVAILABLE
        return ConnectorState(
            key=outlet.key,
            online=True,
            status=status,
            transaction_id=outlet.transaction_id,
            arrived_s=outlet.arrived_s,
            sample=outlet.sample,
            sample_interval_s=outlet.interval_s,
        )

    def _live(self) -> None:
        for outlet in self.outlets:
            if outlet.transaction_id is None:
                if self.random.random() < 1 / 900:
                    phases = self.random.choices((1, 2, 3), (0.4, 0.1, 0.5))[0]
                    wants_a = self.random.choice((10.0, 13.0, 16.0, 32.0))
                    self.arrive(outlet, phases, wants_a, self.random.uniform(900, 5_400))
                    self.command(outlet, self.random.choice((8.0, 10.0, 16.0)))
            elif self.now_s > outlet.until_s:
                self.leave(outlet)
            elif self.random.random() < 1 / 240:
                self.command(outlet, float(self.random.choice((0, 6, 8, 10, 13, 16, 20))))


def outlets_of(
    count: int, random: Random, *, single_share: float = 0.3, rotations: bool = True
) -> list[Outlet]:
    """Outlets S0, S1, … of mixed make, wired as chance wills."""
    made = []
    for n in range(count):
        interval_s = random.choice((10.0, 10.0, 20.0, 30.0))
        made.append(
            Outlet(
                key=ConnectorKey(f"S{n}", 1),
                wired=1 if random.random() < single_share else 3,
                rotation=random.choice(list(Rotation)) if rotations else Rotation.RST,
                random=Random(random.random()),
                interval_s=interval_s,
                unphased=random.random() < 0.3,
                with_power=random.random() < 0.6,
                whole=random.random() < 0.2,
                offset_s=random.uniform(0, interval_s),
            )
        )
    return made
