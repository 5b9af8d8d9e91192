"""A small electrical truth for load management: building, cars, stations and a meter.

Written for the tests of ``app.energy``: it knows nothing of how the planner works and measures
what really flows. Cars follow a limit after a delay and along a ramp; stations report samples in
their own rhythm; answers take time, and may be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from app.domain.meter import MeterReading
from app.domain.station import ConnectorKey, ConnectorStatus
from app.domain.units import PhaseCurrents
from app.energy.plan import LimitChange, Plan
from app.energy.planner import Planner
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState

Three = tuple[float, float, float]


@dataclass
class Car:
    """A car on its connector; ``wants_ma`` per phase, ``conductors`` in use."""

    key: ConnectorKey
    wants_ma: int
    conductors: tuple[int, ...]
    site_phases: tuple[int, ...]
    path: tuple[str, ...]
    lag_s: float = 1.0
    ramp_ma_s: float = 4_000.0
    arrived_s: float = 0.0
    transaction_id: int = 1
    sample_every_s: float = 10.0
    sample_offset_s: float = 0.0
    answer_s: float = 0.3
    lost_share: float = 0.0
    obeys: bool = True
    online: bool = True
    draw_ma: float = 0.0
    limits: list[tuple[float, int]] = field(default_factory=list)
    sample: ConnectorSample | None = None

    def limit_at(self, at_s: float) -> int:
        """The limit the station signals to the car, as the car has noticed it."""
        value = 0
        for since_s, limit_ma in self.limits:
            if since_s <= at_s - self.lag_s:
                value = limit_ma
        return value

    def step(self, now_s: float, step_s: float) -> None:
        """Move the draw towards what limit and wish allow."""
        limit = self.limit_at(now_s) if self.obeys else 32_000
        goal = min(self.wants_ma, limit)
        if goal < 6_000:
            goal = 0
        change = self.ramp_ma_s * step_s
        self.draw_ma += max(-change, min(change, goal - self.draw_ma))
        if goal == 0 and self.draw_ma < 6_000:
            self.draw_ma = 0.0


class Loop:
    """Runs planner and truth together, one planning cycle per second."""

    def __init__(
        self,
        planner: Planner,
        cars: list[Car],
        background: Callable[[float], Three],
        seed: int = 0,
        supply: str = "supply",
    ) -> None:
        self.planner = planner
        self.cars = {car.key: car for car in cars}
        self.background = background
        self.supply = supply
        self.random = Random(seed)
        self.now_s = 1_000.0
        self.meter_silent = False
        self.reading: MeterReading | None = None
        self.answers: list[tuple[float, ConnectorKey, int, bool]] = []
        self.plan: Plan | None = None
        self.messages = 0
        self.refused_by_guard = 0
        self.on_cycle: Callable[[Loop], None] | None = None
        for node in planner.model.connectors:
            planner.ceilings.fallback_installed(node.key, node.fallback_ma, self.now_s)

    def currents(self, circuit: str) -> Three:
        """The true sum on a circuit, building included on the supply."""
        sums = list(self.background(self.now_s)) if circuit == self.supply else [0.0, 0.0, 0.0]
        for car in self.cars.values():
            if circuit in car.path:
                for conductor in car.conductors:
                    sums[car.site_phases[conductor]] += car.draw_ma
        return (sums[0], sums[1], sums[2])

    def run(self, seconds: float, watch: Callable[[Loop], None] | None = None) -> None:
        """Advance by ``seconds`` in steps of a quarter second; ``watch`` sees each step."""
        steps = round(seconds * 4)
        for _ in range(steps):
            self.now_s += 0.25
            for car in self.cars.values():
                car.step(self.now_s, 0.25)
            self._answers()
            self._samples()
            if self.now_s == int(self.now_s):
                self._cycle()
            if watch is not None:
                watch(self)

    def _answers(self) -> None:
        due = [answer for answer in self.answers if answer[0] <= self.now_s]
        self.answers = [answer for answer in self.answers if answer[0] > self.now_s]
        for _, key, number, lost in due:
            if lost:
                self.planner.ceilings.unanswered(key, number, self.now_s)
            else:
                self.planner.ceilings.accepted(key, number, self.now_s)

    def _samples(self) -> None:
        for car in self.cars.values():
            phase = (self.now_s - car.sample_offset_s) % car.sample_every_s
            if car.online and phase < 0.25:
                values = [0, 0, 0]
                for conductor in car.conductors:
                    values[conductor] = round(car.draw_ma)
                currents = PhaseCurrents(*values)
                in_use = car.conductors if car.draw_ma > 3_000 else None
                car.sample = ConnectorSample(self.now_s, currents, currents, in_use)

    def _cycle(self) -> None:
        if not self.meter_silent:
            l1, l2, l3 = self.currents(self.supply)
            self.reading = MeterReading(
                "m", self.now_s - 0.1, PhaseCurrents(round(l1), round(l2), round(l3))
            )
        if self.on_cycle is not None:
            self.on_cycle(self)
        self.plan = self.planner.plan(self.state())
        for change in self.plan.changes:
            if self.planner.permits(change, self.now_s):
                self._send(change)
            else:
                self.refused_by_guard += 1

    def state(self) -> SiteState:
        """The snapshot of this instant."""
        connectors = []
        for car in self.cars.values():
            charging = car.draw_ma > 0
            status = ConnectorStatus.CHARGING if charging else ConnectorStatus.SUSPENDED_EVSE
            if not charging and self.planner.ceilings.asked(car.key, self.now_s):
                status = ConnectorStatus.CHARGING if car.wants_ma else ConnectorStatus.SUSPENDED_EV
            connectors.append(
                ConnectorState(
                    key=car.key,
                    online=car.online,
                    status=status,
                    transaction_id=car.transaction_id if car.arrived_s <= self.now_s else None,
                    arrived_s=car.arrived_s,
                    sample=car.sample,
                    sample_interval_s=car.sample_every_s,
                )
            )
        return SiteState(self.now_s, {self.supply: self.reading}, tuple(connectors))

    def _send(self, change: LimitChange) -> None:
        car = self.cars[change.key]
        self.messages += 1
        number = self.planner.ceilings.sent(
            change.key, change.limit_ma, self.now_s, change.lease_until_s
        )
        lost = self.random.random() < car.lost_share or not car.online
        # A lost exchange may have lost the request or only the answer.
        if car.online and (not lost or self.random.random() < 0.5):
            car.limits.append((self.now_s + car.answer_s / 2, change.limit_ma))
        self.answers.append(
            (self.now_s + (20.0 if lost else car.answer_s), change.key, number, lost)
        )
