"""What the rules of sharing say at one instant: limits in force, and where each session stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo

import msgspec

from app.domain.badge import Badge
from app.domain.circuit import CircuitTree
from app.domain.limits import CircuitCap, LimitSource
from app.domain.meter import MeterPlacement
from app.domain.rules import (
    PriorityWindow,
    SharingPolicy,
    SiteRules,
    SolarMode,
    TariffWindow,
)
from app.domain.station import ChargingStation, Connector, ConnectorKey
from app.energy.calendar import holds, limits_at
from app.energy.plan import Plan
from app.energy.site_state import ConnectorState, SiteState
from app.energy.standing import Standing, held_to_ma, standing
from app.energy.surplus import Car, DrawWatch, SolarState, SurplusTracker, highest_voltage_v
from app.services.external_limits import ExternalLimits
from app.services.ports import SiteConfiguration
from app.services.zones import zone_named


class SessionRule(msgspec.Struct, frozen=True):
    """What the rules say of one connector: its standing, and the most it may draw by them."""

    standing: Standing
    cap_ma: int | None = None
    cap_source: LimitSource = LimitSource.INSTALLATION


class Ruling(msgspec.Struct, frozen=True):
    """What the rules say now. ``slots`` and ``tariff`` are the windows that hold."""

    policy: SharingPolicy = SharingPolicy.WEIGHTED
    caps: tuple[CircuitCap, ...] = ()
    slots: tuple[PriorityWindow, ...] = ()
    tariff: tuple[TariffWindow, ...] = ()
    paths: Mapping[str, tuple[str, ...]] = {}
    badge_of: Callable[[str], Badge | None] = lambda _: None

    def session(
        self, station: ChargingStation, connector: Connector, id_tag: str | None
    ) -> SessionRule:
        """The rule for a connector; ``id_tag`` is that of its transaction, if one runs."""
        path = self.paths.get(station.circuit_id, ())
        badge = None if id_tag is None else self.badge_of(id_tag)
        found = standing(station, badge, path, self.slots)
        held = held_to_ma(connector, found.priority, path, self.tariff)
        if held is None:
            return SessionRule(found)
        return SessionRule(found, held, LimitSource.TARIFF)


class SolarView(msgspec.Struct, frozen=True):
    """What following the sun comes to now, for the page. ``allowed_w`` is for all cars together."""

    state: SolarState
    circuit_id: str
    surplus_w: int | None
    allowed_w: int | None


class Rules:
    """Holds the rules in force and rules once a cycle."""

    def __init__(self, external: ExternalLimits, badge_of: Callable[[str], Badge | None]) -> None:
        self._external = external
        self._badge_of = badge_of
        self._rules = SiteRules()
        self._zone: tzinfo = UTC
        self._paths: dict[str, tuple[str, ...]] = {}
        self._sun: _Sun | None = None

    @property
    def zone(self) -> tzinfo:
        """The zone of the clock on the site's wall."""
        return self._zone

    def configure(self, configuration: SiteConfiguration, now_s: float) -> None:
        """Takes a changed configuration over."""
        tree = CircuitTree(configuration.circuits)
        self._paths = {
            circuit.circuit_id: tuple(above.circuit_id for above in tree.path(circuit.circuit_id))
            for circuit in tree
        }
        self._zone = zone_named(configuration.timezone) or UTC
        self._rules = configuration.rules
        self._external.configure(configuration)
        solar = configuration.rules.solar
        if solar.mode is SolarMode.OFF:
            self._sun = None
            return
        circuit_id = solar.circuit_id or tree.root.circuit_id
        if self._sun is None or (self._sun.circuit_id, self._sun.mode) != (circuit_id, solar.mode):
            self._sun = _Sun(circuit_id, solar.mode, now_s)
        self._sun.configure(configuration, self._paths)

    def ruling(self, now_utc: datetime, now_s: float) -> Ruling:
        """What holds at this instant."""
        local = now_utc.astimezone(self._zone)
        caps = [
            *limits_at(self._rules.schedules, self._zone, now_utc),
            *self._external.caps(now_s),
        ]
        sun = None if self._sun is None else self._sun.tracker.cap()
        if sun is not None:
            caps.append(sun)
        return Ruling(
            policy=self._rules.policy,
            caps=tuple(caps),
            slots=tuple(each for each in self._rules.priorities if holds(each.window, local)),
            tariff=tuple(each for each in self._rules.tariff if holds(each.window, local)),
            paths=self._paths,
            badge_of=self._badge_of,
        )

    def observe(self, state: SiteState, plan: Plan) -> None:
        """Sees what a cycle saw and decided; the next ruling follows the sun by it."""
        if self._sun is not None:
            self._sun.observe(state, plan)

    def solar(self) -> SolarView | None:
        """What following the sun comes to; ``None`` while it is off."""
        if self._sun is None:
            return None
        tracker = self._sun.tracker
        cap = tracker.cap()
        return SolarView(
            state=tracker.state,
            circuit_id=self._sun.circuit_id,
            surplus_w=None if tracker.surplus_w is None else round(tracker.surplus_w),
            allowed_w=None if cap is None else cap.charging_power_w,
        )


class _Sun:
    """Follows the sun on one circuit: finds the cars below it, and asks the tracker."""

    def __init__(self, circuit_id: str, mode: SolarMode, now_s: float) -> None:
        self.circuit_id = circuit_id
        self.mode = mode
        self.tracker = SurplusTracker(circuit_id, mode, now_s)
        self._draws = DrawWatch()
        self._outlets: dict[ConnectorKey, tuple[ChargingStation, Connector]] = {}
        self._counted = True

    def configure(
        self, configuration: SiteConfiguration, paths: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._outlets = {
            ConnectorKey(station.station_id, connector.connector_id): (station, connector)
            for station in configuration.stations
            if self.circuit_id in paths[station.circuit_id]
            for connector in station.connectors
        }
        self._counted = all(
            meter.placement is not MeterPlacement.BUILDING
            for meter in configuration.meters
            if meter.circuit_id == self.circuit_id
        )

    def observe(self, state: SiteState, plan: Plan) -> None:
        limits = {each.key: each.limit_ma for each in plan.allocations}
        reading = state.readings.get(self.circuit_id)
        volts = highest_voltage_v(reading)
        cars = [
            self._car(connector, limits.get(connector.key, 0), volts, state.now_s)
            for connector in state.connectors
            if connector.transaction_id is not None and connector.key in self._outlets
        ]
        self.tracker.update(reading, cars, state.now_s)

    def _car(self, state: ConnectorState, limit_ma: int, volts: float, now_s: float) -> Car:
        station, outlet = self._outlets[state.key]
        wired = len(outlet.site_phases)
        most_ma = min(station.max_ma, outlet.max_ma)
        car = self._draws.car(state, wired, outlet.min_ma, most_ma, limit_ma, volts, now_s)
        if self._counted:
            return car
        return msgspec.structs.replace(car, low_w=0.0, high_w=0.0)
