"""Makes a scenario's events happen to its stations, meters and manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Protocol, TypeVar

from simulators.events import (
    ClockStep,
    Event,
    ManagerKilled,
    MeterDead,
    MeterLies,
    OutsideLimit,
    PlannerFails,
    StationsFault,
    StationsOffline,
    StationsReboot,
)
from simulators.fleet import Fleet
from simulators.plan import SitePlan
from simulators.site_meter import SiteMeter
from simulators.station.station import SimStation

T = TypeVar("T")

FOR_GOOD_S = 1e9

At = Callable[[float, Callable[[], None]], None]
"""Writes something into the agenda, at seconds after the start."""


class ManagerSwitch(Protocol):
    """What a scenario can do to the manager; absent where the manager is somebody else's."""

    def kill(self) -> None:
        """It ends on the spot, without any clean-up."""
        ...

    def revive(self) -> None:
        """It starts again on the same data."""
        ...

    def step_clock(self, by_s: float) -> None:
        """The clock of its machine is set that much ahead."""
        ...

    def order_limit(self, circuit: str, limit_a: float, for_s: float) -> None:
        """A circuit shall carry no more than that per phase for a while."""
        ...

    def break_planner(self) -> None:
        """From now on its planning fails."""
        ...

    def mend_planner(self) -> None:
        """Its planning works again."""
        ...


class Happenings:
    """The events of a plan; ``meters`` are by circuit, ``tell`` says what happens."""

    def __init__(
        self,
        plan: SitePlan,
        fleet: Fleet,
        meters: Mapping[str, SiteMeter],
        manager: ManagerSwitch | None,
        tell: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._fleet = fleet
        self._meters = meters
        self._manager = manager
        self._tell = tell
        self._circuit_of = {station.id: station.circuit for station in plan.stations}
        self._faulty: set[str] = set()

    def schedule(self, at: At) -> None:
        """Writes all events into the agenda."""
        for event in self._plan.scenario.events:
            end_s = event.at_s + (FOR_GOOD_S if event.for_s is None else event.for_s)
            self._schedule(event, end_s, at)

    def _schedule(self, event: Event, end_s: float, at: At) -> None:
        match event:
            case MeterDead():
                at(event.at_s, partial(self._meter_dies, event))
                at(end_s, partial(self._meter_revives, event))
            case MeterLies():
                at(event.at_s, partial(self._meter_lies, event))
                at(end_s, partial(self._meter_honest, event))
            case StationsOffline():
                at(event.at_s, partial(self._cut_off, event))
            case StationsReboot():
                at(event.at_s, partial(self._reboot, event, end_s, at))
            case StationsFault():
                at(event.at_s, partial(self._spoil, event, end_s, at))
            case ClockStep():
                at(event.at_s, partial(self._step_clock, event.by_s))
            case ManagerKilled():
                at(event.at_s, self._manager_dies)
                at(end_s, self._manager_revives)
            case OutsideLimit():
                at(event.at_s, partial(self._order_limit, event))
            case PlannerFails():
                at(event.at_s, self._planner_fails)
                at(end_s, self._planner_works)

    # ------------------------------------------------------------------ meters

    def _concerned(self, circuit: str | None) -> list[SiteMeter]:
        return [meter for on, meter in self._meters.items() if circuit in (None, on)]

    def _meter_dies(self, event: MeterDead) -> None:
        self._tell("the meter dies")
        for meter in self._concerned(event.circuit):
            meter.kill()

    def _meter_revives(self, event: MeterDead) -> None:
        self._tell("the meter is back")
        for meter in self._concerned(event.circuit):
            meter.revive()

    def _meter_lies(self, event: MeterLies) -> None:
        self._tell(f"the meter lies ({event.lie})")
        for meter in self._concerned(event.circuit):
            meter.lie(event.lie, event.ratio)

    def _meter_honest(self, event: MeterLies) -> None:
        self._tell("the meter is honest again")
        for meter in self._concerned(event.circuit):
            meter.be_honest()

    # ------------------------------------------------------------------ manager

    def _manager_dies(self) -> None:
        if self._manager is not None:
            self._tell("the manager is killed")
            self._manager.kill()

    def _manager_revives(self) -> None:
        if self._manager is not None:
            self._tell("the manager starts again")
            self._manager.revive()

    def _step_clock(self, by_s: float) -> None:
        if self._manager is not None:
            self._tell(f"the manager's clock is set by {by_s:+.0f} s")
            self._manager.step_clock(by_s)

    def _order_limit(self, event: OutsideLimit) -> None:
        if self._manager is not None:
            limit_a = round(event.limit_a * self._plan.scale, 1)
            self._tell(f"the network operator orders {limit_a:g} A")
            self._manager.order_limit(event.circuit, limit_a, event.for_s)

    def _planner_fails(self) -> None:
        if self._manager is not None:
            self._tell("the manager's planning fails")
            self._manager.break_planner()

    def _planner_works(self) -> None:
        if self._manager is not None:
            self._tell("the manager's planning works again")
            self._manager.mend_planner()

    # ------------------------------------------------------------------ stations

    def _below(self, circuit: str | None) -> list[SimStation]:
        if circuit is None:
            return list(self._fleet.stations)
        circuits = self._plan.below(circuit)
        return [
            station
            for station in self._fleet.stations
            if self._circuit_of[station.station_id] in circuits
        ]

    def _cut_off(self, event: StationsOffline) -> None:
        concerned = [
            station
            for station in self._below(event.circuit)
            if station.network.up
            and (
                event.idle
                or any(connector.current_a != (0.0, 0.0, 0.0) for connector in station.connectors)
            )
        ]
        chosen = list(every_nth(concerned, round(event.share * len(concerned))))
        for station in chosen:
            station.go_offline(FOR_GOOD_S if event.for_s is None else event.for_s)
        self._tell(f"{len(chosen)} stations lose the network")

    def _reboot(self, event: StationsReboot, end_s: float, at: At) -> None:
        concerned = self._below(event.circuit)
        chosen = list(every_nth(concerned, round(event.share * len(concerned))))
        looping = list(every_nth(chosen, round(event.loop_share * len(chosen))))
        for station in chosen:
            station.power_cut(event.down_s)
        for station in looping:
            station.set_faults(reboot_loop_s=event.loop_every_s)
            at(end_s, partial(station.set_faults, reboot_loop_s=0.0))
        identities = {station.station_id for station in chosen}
        back_s = event.at_s + event.drivers_return_s
        at(back_s, partial(self._drivers_return, identities, back_s))
        self._tell(f"{len(chosen)} stations reboot, {len(looping)} of them again and again")

    def _drivers_return(self, identities: set[str], at_s: float) -> None:
        for number, outlet in enumerate(self._fleet.outlets):
            if outlet.station.station_id in identities:
                self._fleet.show_badge_again(number, at_s)

    def _spoil(self, event: StationsFault, end_s: float, at: At) -> None:
        concerned = self._below(event.circuit)
        sound = [station for station in concerned if station.station_id not in self._faulty]
        count = min(len(sound), round(event.share * len(concerned)))
        chosen = list(every_nth(sound, count))
        for station in chosen:
            self._faulty.add(station.station_id)
            before = {name: getattr(station.faults, name) for name in event.changes}
            station.set_faults(**event.changes)
            at(end_s, partial(self._mend, station, before))
        self._tell(f"{len(chosen)} stations: {', '.join(event.changes)}")

    def _mend(self, station: SimStation, before: Mapping[str, object]) -> None:
        self._faulty.discard(station.station_id)
        station.set_faults(**before)


def every_nth(items: list[T], count: int) -> Iterator[T]:
    """``count`` of the items, evenly spread."""
    return (items[number * len(items) // count] for number in range(count))
