"""Makes the frozen ``SiteView`` of a cycle from the registry, the meters and the plan."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.badge import normalised_id_tag
from app.domain.circuit import CircuitTree
from app.domain.limits import Allocation, Reason, ReasonCode
from app.domain.remote import Reservation
from app.domain.station import ConnectorKey, ConnectorStatus
from app.domain.units import ZERO, PhaseCurrents
from app.energy.plan import BalanceSource, CircuitBalance, Plan
from app.services.alarms import AlarmBoard
from app.services.authorization import Authorization
from app.services.inbox import Inbox
from app.services.live import (
    CircuitView,
    ConnectorView,
    DisplayState,
    MeterView,
    SiteView,
)
from app.services.meters import MeterDesk
from app.services.ports import Clock, SetAside, SiteConfiguration
from app.services.registry import ConnectorLive, Registry, StationLive

METER_STALE_S = 2.5
"""Older readings are shown as stale, and freeze increases."""

SAMPLE_COUNTS_S = 90.0
"""A station's own measurement says nothing of the present any more when it is older."""

_STATE_BY_STATUS = {
    ConnectorStatus.AVAILABLE: DisplayState.AVAILABLE,
    ConnectorStatus.PREPARING: DisplayState.PLUGGED,
    ConnectorStatus.CHARGING: DisplayState.CHARGING,
    ConnectorStatus.SUSPENDED_EVSE: DisplayState.WAITING_FOR_POWER,
    ConnectorStatus.SUSPENDED_EV: DisplayState.SUSPENDED_BY_CAR,
    ConnectorStatus.FINISHING: DisplayState.FINISHED,
    ConnectorStatus.RESERVED: DisplayState.RESERVED,
    ConnectorStatus.UNAVAILABLE: DisplayState.UNAVAILABLE,
    ConnectorStatus.FAULTED: DisplayState.FAULTED,
    ConnectorStatus.UNKNOWN: DisplayState.AVAILABLE,
}


class Painter:
    """Paints one view per cycle; reads memory only."""

    def __init__(
        self,
        registry: Registry,
        meters: MeterDesk,
        inbox: Inbox,
        authorization: Authorization,
        clock: Clock,
        set_aside: SetAside | None = None,
    ) -> None:
        self._registry = registry
        self._meters = meters
        self._inbox = inbox
        self._authorization = authorization
        self._clock = clock
        self.alarms = AlarmBoard(clock, set_aside)
        self.reserved: Callable[[ConnectorKey], Reservation | None] = lambda _key: None
        self._circuit_views: tuple[CircuitView, ...] = ()
        self._cycle = 0

    def paint(self, configuration: SiteConfiguration, plan: Plan, cycle_ms: float) -> SiteView:
        """The site as it is now, with the plan's limits and reasons."""
        self._cycle += 1
        now_s = self._clock.monotonic_s()
        allocations = {allocation.key: allocation for allocation in plan.allocations}
        names = {circuit.circuit_id: circuit.name for circuit in configuration.circuits}
        connectors = tuple(
            self._connector(station, live, allocations.get(live.key), names, now_s)
            for station in self._registry
            for live in station.connectors.values()
        )
        if plan.balances:
            self._circuit_views = self._circuits(configuration, plan, connectors)
        circuits = self._circuit_views or _unmeasured(configuration)
        meters = self._meter_views(now_s)
        return SiteView(
            cycle=self._cycle,
            at_utc=self._clock.utc_now(),
            name=configuration.name,
            timezone=configuration.timezone,
            circuits=circuits,
            connectors=connectors,
            meters=meters,
            alarms=self.alarms.update(circuits, connectors, meters),
            pending_stations=len(self._inbox.waiting()),
            cycle_ms=round(cycle_ms, 2),
        )

    def _circuits(
        self,
        configuration: SiteConfiguration,
        plan: Plan,
        connectors: tuple[ConnectorView, ...],
    ) -> tuple[CircuitView, ...]:
        binding: dict[str, set[int]] = {}
        for allocation in plan.allocations:
            reason = allocation.reason
            if reason.circuit_id is not None and reason.phase is not None:
                binding.setdefault(reason.circuit_id, set()).add(reason.phase)
        placements = {meter.circuit_id: meter.placement for meter in configuration.meters}
        depths: dict[str, int] = {}
        parents = {circuit.circuit_id: circuit.parent_id for circuit in configuration.circuits}
        names = {circuit.circuit_id: circuit.name for circuit in configuration.circuits}
        drawn = _drawn(parents, connectors)
        views: list[CircuitView] = []
        for balance in plan.balances:
            circuit_id = balance.circuit_id
            parent_id = parents.get(circuit_id)
            depths[circuit_id] = 0 if parent_id is None else depths.get(parent_id, 0) + 1
            total, charging = _flows(balance, drawn.get(circuit_id, ZERO))
            views.append(
                CircuitView(
                    circuit_id=circuit_id,
                    name=names.get(circuit_id, circuit_id),
                    parent_id=parent_id,
                    depth=depths[circuit_id],
                    limit=balance.limit,
                    total=total,
                    charging=charging,
                    building=(total - charging).floored(),
                    ceilings=balance.ceilings,
                    metered=circuit_id in placements,
                    placement=placements.get(circuit_id),
                    age_s=None if balance.age_s is None else round(balance.age_s, 1),
                    stale=circuit_id in placements
                    and (balance.age_s is None or balance.age_s > METER_STALE_S),
                    binding_phases=tuple(sorted(binding.get(circuit_id, ()))),
                )
            )
        return tuple(views)

    def _connector(
        self,
        station: StationLive,
        live: ConnectorLive,
        allocation: Allocation | None,
        circuit_names: dict[str, str],
        now_s: float,
    ) -> ConnectorView:
        config = station.station
        transaction = live.transaction
        sample, reserved = live.sample, self.reserved(live.key)
        return ConnectorView(
            key=live.key,
            station_name=connector_name(station, live.key),
            place=config.place,
            circuit_id=config.circuit_id,
            circuit_name=circuit_names.get(config.circuit_id, config.circuit_id),
            state=display_state(station, live, allocation),
            status=live.status,
            error_code=live.error_code or station.error_code,
            online=station.online,
            offline_since_utc=station.offline_since_utc,
            limit_ma=None if allocation is None else allocation.limit_ma,
            max_ma=min(live.connector.max_ma, config.max_ma),
            reason=_reason(station, allocation),
            measured=None if sample is None else _site_currents(live),
            measured_age_s=None if sample is None else round(now_s - sample.received_s, 1),
            power_w=None if sample is None else sample.power_w,
            energy_wh=live.session_energy_wh,
            transaction_id=None if transaction is None else transaction.transaction_id,
            session_since_utc=None if transaction is None else transaction.started_utc,
            badge_label=""
            if transaction is None
            else self._authorization.label(normalised_id_tag(transaction.id_tag)),
            controllable=live.connector.controllable,
            obeys=live.obeys,
            reserved_until_utc=None if reserved is None else reserved.expires_utc,
            reserved_for=""
            if reserved is None
            else self._authorization.label(normalised_id_tag(reserved.id_tag)),
        )

    def _meter_views(self, now_s: float) -> tuple[MeterView, ...]:
        views: list[MeterView] = []
        for meter in self._meters.meters():
            reading = meter.last_reading
            age_s = None if reading is None else reading.age_s(now_s)
            views.append(
                MeterView(
                    meter_id=meter.config.meter_id,
                    model=meter.config.model,
                    circuit_id=meter.config.circuit_id,
                    placement=meter.config.placement,
                    currents=None if reading is None else reading.currents,
                    age_s=None if age_s is None else round(age_s, 1),
                    stale=age_s is None or age_s > METER_STALE_S,
                    error_key=meter.error_key,
                )
            )
        return tuple(views)


def connector_name(station: StationLive, key: ConnectorKey) -> str:
    """The station's name, with the connector's number where there are several."""
    if len(station.connectors) == 1:
        return station.station.name
    return f"{station.station.name} · {key.connector_id}"


def display_state(
    station: StationLive, live: ConnectorLive, allocation: Allocation | None
) -> DisplayState:
    """What people see: the OCPP status, corrected by what the manager knows better."""
    if not station.online:
        return DisplayState.OFFLINE
    if station.status is ConnectorStatus.FAULTED:
        return DisplayState.FAULTED
    state = _STATE_BY_STATUS[live.status]
    if live.transaction is None:
        return DisplayState.PLUGGED if state is DisplayState.CHARGING else state
    if state is DisplayState.AVAILABLE:
        state = DisplayState.CHARGING
    waiting = (
        allocation is not None
        and allocation.limit_ma == 0
        and state in (DisplayState.CHARGING, DisplayState.PLUGGED, DisplayState.SUSPENDED_BY_CAR)
    )
    return DisplayState.WAITING_FOR_POWER if waiting else state


def _reason(station: StationLive, allocation: Allocation | None) -> Reason | None:
    if not station.online:
        return Reason(ReasonCode.OFFLINE)
    return None if allocation is None else allocation.reason


def _site_currents(live: ConnectorLive) -> PhaseCurrents:
    """The newest measurement on the site's phases; an unphased one on those known to be in use."""
    sample = live.sample
    if sample is None:
        return ZERO
    connector, seen = live.connector, live.energy_sample()
    wired = range(len(connector.site_phases))
    if sample.current_unphased_ma is not None:
        in_use = None if seen is None else seen.conductors_in_use
        conductors = PhaseCurrents.on(in_use or wired, sample.current_unphased_ma)
    elif connector.line_to_line:
        conductors = PhaseCurrents.on(wired, sample.current_ma[0] or 0)
    else:
        conductors = PhaseCurrents.of(value or 0 for value in sample.current_ma)
    return live.connector.rotation.to_site(conductors)


def _unmeasured(configuration: SiteConfiguration) -> tuple[CircuitView, ...]:
    """The circuits before the first account of them: limits, and nothing known to flow."""
    tree = CircuitTree(configuration.circuits)
    return tuple(
        CircuitView(
            circuit_id=circuit.circuit_id,
            name=circuit.name,
            parent_id=circuit.parent_id,
            depth=tree.depth(circuit.circuit_id),
            limit=circuit.limit,
            total=ZERO,
            charging=ZERO,
            building=ZERO,
            ceilings=ZERO,
            metered=False,
            placement=None,
            age_s=None,
            stale=False,
            binding_phases=(),
        )
        for circuit in tree
    )


def _drawn(
    parents: dict[str, str | None], connectors: tuple[ConnectorView, ...]
) -> dict[str, PhaseCurrents]:
    """What the stations below each circuit say they draw, added up.

    The planner's own figure is not for people: it stays on the safe side after every change, and
    a feeder would disagree with its supply.
    """
    drawn: dict[str, PhaseCurrents] = {}
    for connector in connectors:
        measured, age_s = connector.measured, connector.measured_age_s
        if measured is None or age_s is None or age_s > SAMPLE_COUNTS_S:
            continue
        circuit_id: str | None = connector.circuit_id
        while circuit_id is not None:
            drawn[circuit_id] = drawn.get(circuit_id, ZERO) + measured
            circuit_id = parents.get(circuit_id)
    return drawn


def _flows(balance: CircuitBalance, drawn: PhaseCurrents) -> tuple[PhaseCurrents, PhaseCurrents]:
    """What flows through a circuit, and how much of it charges cars.

    A fresh meter has the last word: stations report every ten seconds, it does every second.
    """
    reading = balance.meter
    if reading is not None and balance.source in (BalanceSource.MEASURED, BalanceSource.FROZEN):
        return reading.currents, drawn.at_most(reading.currents.floored())
    if reading is not None and balance.source is BalanceSource.CHARGING:
        return balance.background + reading.currents, reading.currents
    return balance.background + drawn, drawn
