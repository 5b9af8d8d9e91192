"""Plays a scenario second by second: who comes and goes, what breaks, what flows."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from simulators.fleet import Fleet
from simulators.plan import SitePlan
from simulators.scenario import ManagerKilled, MeterDead, StationsOffline
from simulators.site.electrical import CapacityUse, Site
from simulators.site.workload import Visit
from simulators.site_meter import SiteMeter

T = TypeVar("T")

FOR_GOOD_S = 1e9
CATCH_UP_S = 5.0
"""A second that comes later than this is not made up for: the machine was asleep."""


def _say_nothing(text: str) -> None:
    del text


class ManagerSwitch(Protocol):
    """What a scenario can do to the manager; absent where the manager is somebody else's."""

    def kill(self) -> None:
        """It ends on the spot, without any clean-up."""
        ...

    def revive(self) -> None:
        """It starts again on the same data."""
        ...


class Moment(msgspec.Struct, frozen=True):
    """The site at one instant, in amperes per phase of the supply."""

    at_s: float
    building_a: tuple[float, float, float]
    charging_a: tuple[float, float, float]
    charging_cars: int


class Driver:
    """Runs a plan on its fleet; ``second`` is one step of the whole site."""

    def __init__(
        self,
        plan: SitePlan,
        fleet: Fleet,
        *,
        meter: SiteMeter,
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
        self.moments: list[Moment] = []
        """One per ``keep_every_s`` seconds, for the picture of the day."""
        self.keep_every_s = max(10.0, plan.scenario.duration_s / 1440)
        self._next_moment_s = 0.0
        self._meter = meter
        self._manager = manager
        self.tell = tell
        """Where the scenario's events are told."""
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._offline: list[list[int]] = []
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
        self.fleet.step(dt_s, site.now_s)
        site.step(dt_s)
        metered = self.plan.meter
        self._meter.show(site.metered_a(metered.circuit, metered.placement), site.now_s)
        self.capacity.observe(dt_s)
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
        for event in self.plan.scenario.events:
            match event:
                case MeterDead():
                    self._at(event.at_s, self._meter_dies)
                    self._at(event.at_s + event.for_s, self._meter_revives)
                case StationsOffline():
                    self._at(event.at_s, partial(self._cut_off, event))
                case ManagerKilled():
                    self._at(event.at_s, self._manager_dies)
                    self._at(event.at_s + event.for_s, self._manager_revives)

    def _arrive(self, visit: Visit) -> None:
        self.fleet.arrive(visit, self.now_s)

    def _meter_dies(self) -> None:
        self.tell("the meter dies")
        self._meter.kill()

    def _meter_revives(self) -> None:
        self.tell("the meter is back")
        self._meter.revive()

    def _manager_dies(self) -> None:
        if self._manager is not None:
            self.tell("the manager is killed")
            self._manager.kill()

    def _manager_revives(self) -> None:
        if self._manager is not None:
            self.tell("the manager starts again")
            self._manager.revive()

    def _cut_off(self, event: StationsOffline) -> None:
        charging = [
            station
            for station in self.fleet.stations
            if station.network.up
            and any(connector.current_a != (0.0, 0.0, 0.0) for connector in station.connectors)
        ]
        count = round(event.share * len(charging))
        chosen = list(_every_nth(charging, count))
        for_s = FOR_GOOD_S if event.for_s is None else event.for_s
        for station in chosen:
            station.go_offline(for_s)
        self.tell(f"{len(chosen)} stations lose the network")


def _every_nth(items: list[T], count: int) -> Iterator[T]:
    """``count`` of the items, evenly spread."""
    return (items[number * len(items) // count] for number in range(count))
