"""The stations and cars of a plan, alive: who is plugged in where, and what that draws."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

from simulators.plan import OutletPlan, SitePlan, StationPlan
from simulators.scenario import CarHabits, Scenario
from simulators.site.cars import HesitantCar
from simulators.site.workload import Visit
from simulators.station.config import ConnectorConfig, Faults, StationConfig
from simulators.station.connector import Connector
from simulators.station.ev import Car
from simulators.station.link import LinkFactory
from simulators.station.persona import load_persona
from simulators.station.station import SimStation

RETRY_BADGE_S = 10.0
"""A driver whose badge had no effect holds it to the reader again after this long."""


class FleetOutlet:
    """One outlet as the site sees it (``Outlet`` and ``Appetite`` of the electrical site)."""

    __slots__ = ("_ceiling_a", "circuit", "connector", "plan", "station", "visit")

    def __init__(
        self, station: SimStation, connector: Connector, plan: OutletPlan, circuit: str
    ) -> None:
        self.station = station
        self.connector = connector
        self.plan = plan
        self.circuit = circuit
        self.visit: Visit | None = None
        clamp_a = station.persona.clamp_a
        max_a = plan.connector.max_a
        self._ceiling_a = max_a if clamp_a is None else min(max_a, clamp_a)

    @property
    def current_a(self) -> tuple[float, float, float]:
        """Amperes drawn now on the site's phases."""
        return self.connector.current_a

    @property
    def site_phases(self) -> tuple[int, ...]:
        """The site phases that its car loads."""
        return self.plan.connector.site_phases[: self.connector.active_phases]

    @property
    def wants_more(self) -> bool:
        """Whether its car, authorised, would take 1 A more than it is offered.

        Not counted as wanting: a car that the outlet or its station could not give more, one whose
        station nobody can reach, and one in a socket without pilot, which takes what it takes.
        """
        connector = self.connector
        car = connector.car
        if car is None or connector.record is None or connector.config.socket:
            return False
        if not self.station.network.up:
            return False
        offered_a = connector.offered_a
        clamp_a = self.station.faults.clamps_at_a
        ceiling_a = self._ceiling_a if clamp_a is None else min(self._ceiling_a, clamp_a)
        return offered_a + 1.0 <= ceiling_a and car.wants_more(offered_a)

    @property
    def waits(self) -> bool:
        """Whether its car, authorised and at a station that is connected, could charge and gets
        nothing."""
        connector = self.connector
        car = connector.car
        return (
            car is not None
            and connector.record is not None
            and self.station.connected
            and self.station.network.up
            and car.drawn_a <= 0.0
            and car.wants_more(0.0)
        )


class Fleet:
    """All stations of a plan; make it within a running event loop.

    ``link_to`` gives the link factory of a station by its identity, ``utc_now`` the true time.
    """

    def __init__(
        self,
        plan: SitePlan,
        link_to: Callable[[str], LinkFactory],
        utc_now: Callable[[], datetime],
    ) -> None:
        self._plan = plan
        self._habits = plan.scenario.habits
        personas = {station.persona for station in plan.stations}
        loaded = {name: load_persona(name) for name in personas}
        self.stations = [
            SimStation(
                _station_config(station, plan.scenario),
                loaded[station.persona],
                link_to(station.id),
                utc_now,
                random.Random(f"{plan.seed} station {station.id}"),
            )
            for station in plan.stations
        ]
        self.outlets = [
            FleetOutlet(
                self.stations[outlet.station],
                self.stations[outlet.station].connector(outlet.connector.id),
                outlet,
                plan.stations[outlet.station].circuit,
            )
            for outlet in plan.outlets
        ]
        self.arrived_kwh = 0.0
        """Energy asked for by the cars that came so far."""
        self._cars: list[Car] = []
        self._without_session: dict[int, float] = {}

    def start(self, spread_s: float) -> None:
        """Let the stations connect one after another within ``spread_s`` seconds."""
        for number, station in enumerate(self.stations):
            station.start(spread_s * number / len(self.stations))

    async def stop(self) -> None:
        """End every station."""
        await asyncio.gather(*(station.stop() for station in self.stations))

    def step(self, dt_s: float, now_s: float) -> None:
        """Advance every car by ``dt_s`` and let impatient drivers show their badge again."""
        for station in self.stations:
            station.step(dt_s)
        if self._without_session:
            self._show_badges(now_s)

    # ------------------------------------------------------------------ drivers

    def arrive(self, visit: Visit, now_s: float) -> None:
        """The visit's car is plugged in and its driver shows the badge."""
        outlet = self.outlets[visit.outlet]
        if outlet.visit is not None:
            self.leave(outlet.visit)
        outlet.visit = visit
        car = make_car(visit, self._habits, random.Random(f"{self._plan.seed} car {visit.driver}"))
        self._cars.append(car)
        self.arrived_kwh += visit.energy_kwh
        outlet.station.plug(outlet.connector.connector_id, car, self._id_tag(visit))
        self._without_session[visit.outlet] = now_s + RETRY_BADGE_S

    def leave(self, visit: Visit) -> None:
        """The visit's car is unplugged, if it is still there."""
        outlet = self.outlets[visit.outlet]
        if outlet.visit is not visit:
            return
        outlet.visit = None
        self._without_session.pop(visit.outlet, None)
        if outlet.connector.car is not None:
            outlet.station.unplug(outlet.connector.connector_id)

    def show_badge_again(self, number: int, at_s: float) -> None:
        """The driver of the car at that outlet looks after it at ``at_s``."""
        if self.outlets[number].visit is not None:
            self._without_session[number] = at_s

    def _show_badges(self, now_s: float) -> None:
        for number, due_s in list(self._without_session.items()):
            outlet = self.outlets[number]
            if outlet.connector.record is not None:
                del self._without_session[number]
            elif now_s >= due_s:
                self._without_session[number] = now_s + RETRY_BADGE_S
                if outlet.visit is not None and outlet.station.connected:
                    outlet.station.swipe(self._id_tag(outlet.visit), outlet.connector.connector_id)

    def _id_tag(self, visit: Visit) -> str:
        return self._plan.badges[visit.driver].id_tag

    # ------------------------------------------------------------------ truth

    @property
    def delivered_kwh(self) -> float:
        """What all cars took so far, at the outlets."""
        return sum(car.energy_wh for car in self._cars) / 1000

    @property
    def charging_count(self) -> int:
        """Cars that draw a current now."""
        return sum(max(outlet.current_a) > 0 for outlet in self.outlets)

    @property
    def transaction_count(self) -> int:
        """Transactions begun, by the stations' own count."""
        return sum(station.transactions_started for station in self.stations)

    @property
    def pause_count(self) -> int:
        """How often cars that wanted to charge were paused."""
        return sum(car.pauses for car in self._cars)

    @property
    def queued_count(self) -> int:
        """Transaction messages that stations have not delivered yet."""
        return sum(station.queued for station in self.stations)

    @property
    def profile_messages(self) -> int:
        """Charging profile messages that stations received."""
        return sum(station.counters.profile_messages for station in self.stations)

    @property
    def most_profile_messages(self) -> int:
        """Those of the station that received most."""
        return max(station.counters.profile_messages for station in self.stations)


def make_car(visit: Visit, habits: CarHabits, rng: random.Random) -> Car:
    """The car of a visit, with habits drawn within the scenario's bounds."""
    sleepy = rng.random() < habits.sleepy_share
    lag_s = rng.uniform(*habits.lag_s)
    ramp_down_s = rng.uniform(*habits.ramp_down_s)
    ramp_up_s = rng.uniform(*habits.ramp_up_s)
    asleep_after_pauses = rng.randint(2, 4) if sleepy else None
    two_phases = visit.car.phases == 3 and rng.random() < habits.two_phase_share
    return HesitantCar(
        lag_s=lag_s,
        phases=2 if two_phases else visit.car.phases,
        max_a=visit.car.max_a,
        battery_kwh=visit.car.battery_kwh,
        energy_wanted_kwh=visit.energy_kwh,
        ramp_down_s=ramp_down_s,
        ramp_up_s=ramp_up_s,
        asleep_after_pauses=asleep_after_pauses,
    )


def _station_config(station: StationPlan, scenario: Scenario) -> StationConfig:
    return StationConfig(
        station_id=station.id,
        connectors=tuple(
            ConnectorConfig(
                connector_id=connector.id,
                phases=connector.phases,
                rotation=connector.rotation,
                max_a=connector.max_a,
                socket=not connector.controllable,
            )
            for connector in station.connectors
        ),
        feed_limit_a=station.max_a,
        free_mode=station.free_charging,
        timezone=scenario.timezone,
        faults=Faults(delay_s=scenario.network_delay_s, loss=scenario.network_loss),
    )
