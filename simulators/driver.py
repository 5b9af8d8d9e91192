"""Plays a scenario second by second: who comes and goes, what breaks, what flows."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from simulators.fleet import Fleet
from simulators.happenings import FOR_GOOD_S, Happenings, ManagerSwitch
from simulators.judgement import Obedience, Waiting
from simulators.limit_windows import lowered_a
from simulators.plan import SitePlan
from simulators.site.capacity import CapacityUse
from simulators.site.electrical import Site
from simulators.site.workload import Visit
from simulators.site_meter import SiteMeter
from simulators.steadiness import Steadiness

CATCH_UP_S = 5.0
"""A second that comes later than this is not made up for: the machine was asleep."""


def _say_nothing(text: str) -> None:
    del text


class Moment(msgspec.Struct, frozen=True):
    """The site at one instant, in amperes per phase of the supply."""

    at_s: float
    building_a: tuple[float, float, float]
    charging_a: tuple[float, float, float]
    charging_cars: int


class Driver:
    """Runs a plan on its fleet; ``second`` is one step of the whole site.

    ``meters`` are by the circuit that they sit on.
    """

    def __init__(
        self,
        plan: SitePlan,
        fleet: Fleet,
        *,
        meters: Mapping[str, SiteMeter],
        manager: ManagerSwitch | None = None,
        tell: Callable[[str], None] = _say_nothing,
    ) -> None:
        self.plan = plan
        self.fleet = fleet
        self.site = Site(
            plan.circuit_specs(),
            plan.buildings(),
            [(outlet.circuit, outlet) for outlet in fleet.outlets],
        )
        self.capacity = CapacityUse(
            self.site, [(outlet.circuit, outlet) for outlet in fleet.outlets]
        )
        self.obedience = Obedience(fleet.outlets)
        self.waiting = Waiting(fleet.outlets, plan.scenario.starved_after_s)
        self._steadiness = Steadiness(plan)
        self.moments: list[Moment] = []
        """One per ``keep_every_s`` seconds, for the picture of the day."""
        self.keep_every_s = max(10.0, plan.scenario.duration_s / 1440)
        self._next_moment_s = 0.0
        self._meters = meters
        self.tell = tell
        """Where the scenario's events are told."""
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._zone = ZoneInfo(plan.scenario.timezone)
        self._lowered: dict[str, tuple[float, float, float]] = {}
        self._happenings = Happenings(plan, fleet, meters, manager, self._announce)
        self._write_agenda()

    @property
    def now_s(self) -> float:
        """Seconds since the scenario began."""
        return self.site.now_s

    def second(self, dt_s: float = 1.0) -> None:
        """Let ``dt_s`` seconds pass: events that are due, cars, currents, judgement."""
        site = self.site
        while self._agenda and self._agenda[0][0] <= site.now_s:
            heapq.heappop(self._agenda)[2]()
        if self.plan.limit_windows:
            self._look_at_the_clock()
        self.fleet.step(dt_s, site.now_s)
        site.step(dt_s)
        for meter in self.plan.meters:
            currents_a = site.metered_a(meter.circuit, meter.placement)
            self._meters[meter.circuit].show(currents_a, site.now_s)
        self.capacity.observe(dt_s, steady=self._steadiness.steady(site.now_s))
        self.obedience.observe(site.now_s)
        self.waiting.observe(site.now_s)
        if site.now_s >= self._next_moment_s:
            self._next_moment_s += self.keep_every_s
            supply = site.circuits[0].id
            self.moments.append(
                Moment(
                    site.now_s,
                    site.metered_a(supply, "building"),
                    site.metered_a(supply, "charging"),
                    self.fleet.charging_count,
                )
            )

    async def play(self, duration_s: float, after_each: Callable[[], None] = lambda: None) -> None:
        """Let ``duration_s`` seconds of the running loop's clock pass, one step a second."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        end_s = due_s + duration_s
        while due_s < end_s - 0.5:
            due_s += 1.0
            late_s = loop.time() - due_s
            if late_s > CATCH_UP_S:
                due_s += late_s
            else:
                await asyncio.sleep(max(0.0, -late_s))
            self.second()
            after_each()

    def everybody_leaves(self) -> None:
        """All cars are unplugged; ends the transactions at the end of a run."""
        self._agenda.clear()
        for outlet in self.fleet.outlets:
            if outlet.visit is not None:
                self.fleet.leave(outlet.visit)

    # ------------------------------------------------------------------ what happens when

    def _at(self, at_s: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (at_s, next(self._order), action))

    def _write_agenda(self) -> None:
        for visit in self.plan.visits:
            self._at(visit.arrival_s, partial(self._arrive, visit))
            if visit.departure_s < FOR_GOOD_S:
                self._at(visit.departure_s, partial(self.fleet.leave, visit))
        self._happenings.schedule(self._at)

    def _announce(self, text: str) -> None:
        self.tell(text)

    def _arrive(self, visit: Visit) -> None:
        self.fleet.arrive(visit, self.now_s)

    def _look_at_the_clock(self) -> None:
        instant = self.plan.start_utc + timedelta(seconds=self.now_s)
        local = instant.astimezone(self._zone).replace(tzinfo=None)
        lowered = lowered_a(self.plan.limit_windows, local)
        if lowered == self._lowered:
            return
        self._lowered = lowered
        self.site.lower_limits(lowered)
        self._steadiness.disturb(self.now_s)
        names = ", ".join(f"{circuit} {min(limit):.0f} A" for circuit, limit in lowered.items())
        self.tell(f"{local:%H:%M} on the clock, limits lowered: {names or 'none'}")
