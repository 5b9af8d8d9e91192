"""Small sites for the tests of ``app.energy``, and a desk that plays the stations' part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from app.domain.circuit import Circuit, CircuitTree
from app.domain.limits import Allocation, CircuitCap
from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.domain.rules import SharingPolicy
from app.domain.station import ChargingStation, Connector, ConnectorKey, ConnectorStatus
from app.domain.units import PhaseCurrents, Rotation
from app.energy.plan import CircuitBalance, LimitChange, Plan
from app.energy.planner import Planner
from app.energy.settings import EnergySettings
from app.energy.site_model import SiteModel
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState

SUPPLY = {"supply": MeterPlacement.SUPPLY}


def amps(*values: float) -> PhaseCurrents:
    """Three currents in amperes; one value stands for all."""
    three = values * 3 if len(values) == 1 else values
    return PhaseCurrents(*(round(value * 1000) for value in three))


def circuit(
    name: str = "supply",
    limit: float | tuple[float, float, float] = 100,
    *,
    parent: str | None = None,
    margin: float = 0,
    worst: float | None = None,
    kw: float | None = None,
    unbalance: float | None = None,
) -> Circuit:
    """A circuit; all values in amperes, but for its total power ``kw``."""
    limits = amps(limit) if isinstance(limit, float | int) else amps(*limit)
    return Circuit(
        name,
        name,
        parent,
        limits,
        round(margin * 1000),
        None if worst is None else amps(worst),
        None if kw is None else round(kw * 1000),
        None if unbalance is None else round(unbalance * 1000),
    )


def station(
    name: str,
    on: str = "supply",
    *,
    phases: int = 3,
    rotation: Rotation = Rotation.RST,
    rating: float = 32,
    fallback: float = 0,
    outlets: int = 1,
    controllable: bool = True,
    station_max: float | None = None,
) -> ChargingStation:
    """A station with ``outlets`` equal connectors; currents in amperes."""
    rating_ma = round(rating * 1000)
    return ChargingStation(
        station_id=name,
        name=name,
        circuit_id=on,
        connectors=tuple(
            Connector(n + 1, phases, rotation, rating_ma, controllable=controllable)
            for n in range(outlets)
        ),
        max_ma=rating_ma if station_max is None else round(station_max * 1000),
        fallback_ma=round(fallback * 1000),
    )


def model_of(
    circuits: Sequence[Circuit],
    stations: Sequence[ChargingStation],
    meters: Mapping[str, MeterPlacement] | None = None,
) -> SiteModel:
    """The compiled model; the supply is metered unless said otherwise."""
    return SiteModel.compile(CircuitTree(circuits), stations, SUPPLY if meters is None else meters)


def flat_model(count: int, limit_ma: int) -> SiteModel:
    """One circuit with ``count`` three-phase connectors S0, S1, ..."""
    root = Circuit("supply", "supply", None, PhaseCurrents.uniform(limit_ma))
    return model_of([root], [station(f"S{i}") for i in range(count)])


def key(name: str, connector_id: int = 1) -> ConnectorKey:
    """The identity of a connector."""
    return ConnectorKey(name, connector_id)


@dataclass
class Desk:
    """A planner with stations that do at once what they are told, and a meter to turn by hand.

    ``draws`` are per conductor in amperes; a session's car draws its limit unless told otherwise.
    """

    planner: Planner
    now_s: float = 1_000.0
    building: PhaseCurrents = field(default_factory=PhaseCurrents)
    metered: str | None = "supply"
    answer: str = "accepted"
    states: dict[ConnectorKey, ConnectorState] = field(default_factory=dict)
    readings: dict[str, MeterReading | None] = field(default_factory=dict)
    sent: list[LimitChange] = field(default_factory=list)
    plan: Plan | None = None
    transactions: int = 0
    caps: tuple[CircuitCap, ...] = ()
    policy: SharingPolicy = SharingPolicy.WEIGHTED
    voltages: tuple[float, float, float] | None = None

    @classmethod
    def of(
        cls,
        circuits: Sequence[Circuit],
        stations: Sequence[ChargingStation],
        meters: Mapping[str, MeterPlacement] | None = None,
        *,
        settings: EnergySettings | None = None,
        building: PhaseCurrents | None = None,
    ) -> Desk:
        """A desk on which every station is online, idle, and has its fallback installed."""
        planner = Planner(model_of(circuits, stations, meters), settings)
        metered = "supply" if meters is None or "supply" in meters else None
        desk = cls(planner, metered=metered, building=building or PhaseCurrents())
        for node in planner.model.connectors:
            planner.ceilings.fallback_installed(node.key, node.fallback_ma, desk.now_s)
            desk.states[node.key] = ConnectorState(
                node.key, online=True, status=ConnectorStatus.AVAILABLE
            )
        return desk

    def change(self, name: str, connector_id: int = 1, **values: Any) -> None:
        """Other values in a connector's state."""
        old = self.states[key(name, connector_id)]
        self.states[old.key] = msgspec.structs.replace(old, **values)

    def plug(self, *names: str, **values: Any) -> None:
        """A transaction starts on the first connector of each station."""
        for name in names:
            self.transactions += 1
            self.change(
                name,
                transaction_id=self.transactions,
                status=ConnectorStatus.CHARGING,
                arrived_s=self.now_s,
            )
            self.change(name, **values)

    def unplug(self, name: str) -> None:
        """The transaction ends."""
        self.change(name, transaction_id=None, status=ConnectorStatus.AVAILABLE, sample=None)

    def draw(self, name: str, *currents: float, connector_id: int = 1) -> None:
        """A sample per conductor arrives now, in amperes; one value stands for all three."""
        three = amps(*currents)
        seen = tuple(n for n, value in enumerate(three) if value > 1_000)
        in_use = seen if three.peak() > 3_000 else None
        sample = ConnectorSample(self.now_s, three, three, in_use)
        self.change(name, connector_id, sample=sample)

    def meter(
        self, currents: PhaseCurrents, on: str = "supply", quality: Quality = Quality.GOOD
    ) -> None:
        """The meter answers now."""
        self.readings[on] = MeterReading(
            "m", self.now_s, currents, quality, voltages_v=self.voltages
        )

    def state(self) -> SiteState:
        """What a cycle sees now."""
        return SiteState(
            self.now_s,
            dict(self.readings),
            tuple(self.states.values()),
            self.caps,
            self.policy,
        )

    def cycle(self) -> Plan:
        """One cycle; what the guard permits is sent and answered with ``answer``."""
        self.plan = plan = self.planner.plan(self.state())
        for change in plan.changes:
            if not self.planner.permits(change, self.now_s):
                continue
            self.sent.append(change)
            ledger = self.planner.ceilings
            number = ledger.sent(change.key, change.limit_ma, self.now_s, change.lease_until_s)
            if self.answer != "none":
                getattr(ledger, self.answer)(change.key, number, self.now_s)
        return plan

    def run(self, seconds: float, *, follow: bool = True) -> Plan:
        """Cycles once a second; cars draw what they may when ``follow``, seen every 10 s."""
        plan = None
        for _ in range(round(seconds)):
            self.now_s += 1.0
            if follow:
                self.follow()
            plan = self.cycle()
        assert plan is not None
        return plan

    def follow(self) -> None:
        """Every car draws its limit on all wired conductors; the meter sees it."""
        total = self.building
        for node in self.planner.model.connectors:
            state = self.states[node.key]
            limit = self.planner.ceilings.limit_in_force(node.key, self.now_s) or 0
            draw = limit if state.transaction_id is not None else 0
            if draw and int(self.now_s) % 10 == node.index % 10:
                conductors = range(len(node.conductors))
                currents = PhaseCurrents.on(conductors, draw)
                sample = ConnectorSample(self.now_s, currents, currents, tuple(conductors))
                self.change(*node.key, sample=sample)
            total += PhaseCurrents.on(node.conductors, draw)
        if self.metered is not None:
            self.meter(total, self.metered)

    def allocation(self, name: str, connector_id: int = 1) -> Allocation:
        """The last decision for a connector."""
        assert self.plan is not None
        wanted = key(name, connector_id)
        return next(one for one in self.plan.allocations if one.key == wanted)

    def amps(self, name: str, connector_id: int = 1) -> float:
        """The last limit for a connector, in amperes."""
        return self.allocation(name, connector_id).limit_ma / 1000

    def why(self, name: str, connector_id: int = 1) -> str:
        """The last reason in words: code, circuit, phase."""
        reason = self.allocation(name, connector_id).reason
        phase = "" if reason.phase is None else f" L{reason.phase + 1}"
        place = "" if reason.circuit_id is None else f" {reason.circuit_id}"
        return f"{reason.code.value}{place}{phase}"

    def balance(self, circuit_id: str = "supply") -> CircuitBalance:
        """The last balance of a circuit."""
        assert self.plan is not None
        return next(one for one in self.plan.balances if one.circuit_id == circuit_id)
