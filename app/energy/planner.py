"""The planner: one frozen state in, one plan out; see the package's introduction.

Each cycle reads like the page that describes it: observe, bound the draws, estimate the
backgrounds, admit and share, then decide what is worth sending, and let the guard have the last
word.
"""

from __future__ import annotations

import msgspec

from app.domain.limits import Allocation, LimitSource, Reason, ReasonCode
from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.domain.rules import SharingPolicy
from app.domain.station import ConnectorKey
from app.energy import balance, constraints, explain, policies
from app.energy.admission import Admission, Candidate
from app.energy.allocator import AllocationProblem, Participant, allocate
from app.energy.background import Background, CircuitMeter, Sums, unmetered_background
from app.energy.bounds import Bounds, limits_in_force, measured_voltages
from app.energy.ceilings import Ceilings
from app.energy.demand import Demand, DemandTracker
from app.energy.draws import Draw, DrawEstimator
from app.energy.guard import Guard
from app.energy.phases import PhaseTracker
from app.energy.plan import BalanceSource, LimitChange, Plan
from app.energy.settings import EnergySettings
from app.energy.site_model import NOTHING, ConnectorNode, SiteModel, Triple
from app.energy.site_state import ConnectorState, SiteState
from app.energy.stability import Room, Stability, Wish


class _View(msgspec.Struct):
    """One connector during one cycle."""

    node: ConnectorNode
    state: ConnectorState | None
    phases: Triple
    ceiling_ma: int
    asked_ma: int | None
    draw: Draw
    demand: Demand
    is_session: bool
    is_defiant: bool
    target_ma: int = 0
    reason: Reason = Reason(ReasonCode.NO_CAR)

    @property
    def cap_ma(self) -> int:
        """The most it may be granted."""
        assert self.state is not None
        cap = self.node.rating_ma if self.state.cap_ma is None else self.state.cap_ma
        return min(self.node.rating_ma, cap, self.demand.current_ma)

    @property
    def cap_reason(self) -> Reason:
        """What caps it: the car's demand, a limit of the session, or the outlet."""
        assert self.state is not None
        rating_ma = self.node.rating_ma
        cap_ma = rating_ma if self.state.cap_ma is None else self.state.cap_ma
        if self.demand.current_ma < min(rating_ma, cap_ma):
            return Reason(ReasonCode.DEMAND)
        source = self.state.cap_source if cap_ma < rating_ma else LimitSource.INSTALLATION
        return Reason(ReasonCode.CONNECTOR, source=source)

    @property
    def held_ma(self) -> int:
        """The limit asked for, or the ceiling when that is unknown."""
        return self.ceiling_ma if self.asked_ma is None else self.asked_ma


class Planner:
    """Holds the trackers between cycles; all decisions are functions of them and the state."""

    def __init__(self, model: SiteModel, settings: EnergySettings | None = None) -> None:
        self.settings = settings or EnergySettings()
        self.model = model
        self.ceilings = Ceilings(model.connectors, self.settings)
        self._phases = PhaseTracker(self.settings)
        self._demand = DemandTracker(self.settings)
        self._draws = DrawEstimator(self.settings)
        self._admission = Admission(self.settings)
        self._stability = Stability(self.settings)
        self._meters: dict[str, CircuitMeter] = {}
        self._guard: Guard | None = None
        self._bounds: Bounds | None = None

    def replace_model(self, model: SiteModel) -> None:
        """Take over a changed configuration; what is known of remaining parts stays.

        Until the next plan only decreases are permitted.
        """
        meters = {}
        for circuit_id, meter in self._meters.items():
            if model.placements.get(circuit_id) is self.model.placements[circuit_id]:
                meter.replace(model, model.circuit_index[circuit_id])
                meters[circuit_id] = meter
        self._meters = meters
        self.model = model
        self.ceilings.replace_nodes(model.connectors)
        self._guard = None
        self._bounds = None

    # ------------------------------------------------------------- the cycle

    def plan(self, state: SiteState) -> Plan:
        """Decide for every connector; the ledger takes in the state, nothing is sent yet."""
        now_s = state.now_s
        fresh = self._take_readings(state)
        views = self._views(state)
        sums = self._sums(views, now_s)
        bounds = limits_in_force(
            self.model, state.caps, measured_voltages(self.model, state.readings)
        )
        self._bounds = bounds
        for circuit_id in fresh:
            self._meters[circuit_id].update(sums, bounds, now_s)
            self._withdraw_presumed(views, circuit_id)
        backgrounds = [
            self._background(node, sums, now_s) for node in range(len(self.model.circuits))
        ]
        reserved = self.model.sum_up(
            [NOTHING if view.is_session else view.draw.ceiling for view in views]
        )
        room = constraints.room(
            self.model, bounds, backgrounds, reserved, sums.ceiling, self.settings
        )
        room = self._share(views, backgrounds, room, reserved, bounds.power_nodes, state)
        frozen = frozenset(n for n, background in enumerate(backgrounds) if background.frozen)
        wishes = [
            self._wish(view, frozen, bounds.power_nodes, now_s)
            for view in views
            if view.is_session or view.is_defiant
        ]
        decided = self._stability.decide(wishes, room, now_s)
        self._guard = Guard(
            self.model,
            constraints.charging_room(self.model, bounds, backgrounds),
            frozen,
            [view.phases for view in views],
            now_s + self.settings.stale_freeze_s,
        )
        changes = self._changes(views, decided, frozen, now_s)
        allocations = tuple(self._allocation(view, changes, frozen) for view in views)
        limits = self.model.sum_up([self._asked_triple(view, changes) for view in views])
        balances = balance.balances(self.model, bounds, backgrounds, sums, limits, state.readings)
        return Plan(allocations, tuple(changes.values()), balances)

    def is_urgent(self, circuit_id: str, reading: MeterReading) -> bool:
        """Whether a new reading asks for decreases at once: over what may flow, or a building that
        rises."""
        node = self.model.circuit_index.get(circuit_id)
        meter = self._meters.get(circuit_id)
        if node is None or meter is None or self._bounds is None:
            return False
        if reading.quality is not Quality.GOOD:
            return False
        if self.model.placements.get(circuit_id) is not MeterPlacement.SUPPLY:
            return meter.rises(reading)
        first = 3 * node
        usable = self._bounds.usable[first : first + 3]
        return any(ma > most for ma, most in zip(reading.currents, usable, strict=True))

    def permits(self, change: LimitChange, now_s: float) -> bool:
        """The guard's word on one change of the last plan, at the instant of sending."""
        index = self.model.index.get(change.key)
        if index is None:
            return False
        floor_ma = self.ceilings.floor(change.key, now_s)
        if self._guard is None:
            return change.limit_ma <= floor_ma
        ceilings = [self.ceilings.ceiling(node.key, now_s) for node in self.model.connectors]
        return bool(self._guard.admit([change], {index: floor_ma}, ceilings, now_s))

    def safe_plan(self, state: SiteState) -> Plan:
        """What to do when ``plan`` failed: no increase, no renewal, and off overloaded circuits.

        Uses the meters' raw readings and the limits asked for, nothing else. A session under a
        circuit above its limit goes to the least current, then to 0; if the fault lasts, leases
        lapse and every station falls back by itself.
        """
        now_s = state.now_s
        overloaded = set()
        for circuit_id, reading in state.readings.items():
            node = self.model.circuit_index.get(circuit_id)
            if node is None or reading is None or reading.quality is not Quality.GOOD:
                continue
            for phase in (0, 1, 2):
                if reading.currents[phase] > self.model.limit[3 * node + phase]:
                    overloaded.add(3 * node + phase)
        reason = Reason(ReasonCode.HOLDING)
        allocations, changes = [], []
        for one in state.connectors:
            index = self.model.index.get(one.key)
            if index is None:
                continue
            self.ceilings.observe(one, now_s)
            node_of = self.model.connectors[index]
            asked = self.ceilings.asked(one.key, now_s)
            limit = self.ceilings.ceiling(one.key, now_s) if asked is None else asked
            slots = self.model.slots(index, node_of.triple(range(len(node_of.conductors)), 1))
            followed = now_s - self.ceilings.changed_s(one.key) >= self.settings.follow_s
            running = one.online and one.transaction_id is not None and limit > 0
            if running and followed and not overloaded.isdisjoint(slots):
                limit = node_of.min_ma if limit > node_of.min_ma else 0
                lease = now_s + self.settings.lease_s
                changes.append(LimitChange(one.key, limit, True, reason, lease))
            allocations.append(Allocation(one.key, limit, reason))
        return Plan(tuple(allocations), tuple(changes), ())

    # ------------------------------------------------------------- observe

    def _take_readings(self, state: SiteState) -> list[str]:
        """The circuits whose reading is new and counts."""
        fresh = []
        for circuit_id in self.model.placements:
            meter = self._meters.get(circuit_id)
            if meter is None:
                node = self.model.circuit_index[circuit_id]
                meter = CircuitMeter(self.model, node, self.settings, state.now_s)
                self._meters[circuit_id] = meter
            if meter.take(state.readings.get(circuit_id), state.now_s):
                fresh.append(circuit_id)
        return fresh

    def _views(self, state: SiteState) -> list[_View]:
        now_s = state.now_s
        states = {one.key: one for one in state.connectors}
        meter_s = self._oldest_supply_s(now_s)
        return [
            self._view(node, states.get(node.key), meter_s, now_s) for node in self.model.connectors
        ]

    def _oldest_supply_s(self, now_s: float) -> float:
        instants = [
            at_s
            for circuit_id, meter in self._meters.items()
            if self.model.placements[circuit_id] is MeterPlacement.SUPPLY
            and (at_s := meter.live_at_s(now_s)) is not None
        ]
        return min(instants, default=now_s)

    def _view(
        self, node: ConnectorNode, state: ConnectorState | None, meter_s: float, now_s: float
    ) -> _View:
        ledger, key = self.ceilings, node.key
        if state is None:
            ledger.missing(key)
        else:
            ledger.observe(state, now_s)
        transaction_id = ledger.transaction_id(key)
        sample = ledger.sample(key)
        active = self._phases.active(node, transaction_id, sample)
        asked = ledger.asked(key, now_s)
        demand = Demand(node.rating_ma)
        controlled = _is_controlled(node, state)
        defiant = ledger.exceeds(key)
        if state is not None and state.online:
            demand = self._demand.update(
                node, transaction_id, state.status, sample, asked, ledger.raised_s(key), now_s
            )
        return _View(
            node=node,
            state=state,
            phases=node.triple(active, 1),
            ceiling_ma=ledger.ceiling(key, now_s),
            asked_ma=asked,
            draw=self._draws.draw(node, state, active, ledger, meter_s, now_s),
            demand=demand,
            is_session=controlled and not defiant and self._is_willing(key, now_s),
            is_defiant=controlled and defiant,
        )

    def _is_willing(self, key: ConnectorKey, now_s: float) -> bool:
        """Whether the station takes limits, or is due for another try after refusing them."""
        ledger = self.ceilings
        return not ledger.refuses(key) or ledger.in_flight(key) or now_s >= ledger.retry_at_s(key)

    # ------------------------------------------------------------- bound and estimate

    def _sums(self, views: list[_View], now_s: float) -> Sums:
        sum_up = self.model.sum_up
        return Sums(
            held=sum_up([view.draw.held for view in views]),
            low=sum_up([view.draw.low for view in views]),
            likely=sum_up([view.draw.likely for view in views]),
            tight=sum_up([view.draw.tight for view in views]),
            ceiling=sum_up([view.draw.ceiling for view in views]),
            falling=sum_up([self._falling(view, now_s) for view in views]),
        )

    def _withdraw_presumed(self, views: list[_View], circuit_id: str) -> None:
        """Draws that are only presumed count no more, where the meter shows less than all draws."""
        phases = self._meters[circuit_id].contradicted
        if not phases:
            return
        node = self.model.circuit_index[circuit_id]
        for view in views:
            below = node in view.node.path and any(view.draw.low[p] for p in phases)
            if view.draw.presumed and below:
                self._draws.withdraw(view.node.key)

    def _falling(self, view: _View, now_s: float) -> Triple:
        """What a limit lowered a moment ago will still take off; a late car gets no more time."""
        fall_ma = view.ceiling_ma - view.held_ma
        since_s = now_s - self.ceilings.changed_s(view.node.key)
        if fall_ma <= 0 or since_s >= self.settings.overload_follow_s:
            return NOTHING
        return _scaled(view.phases, fall_ma)

    def _background(self, node: int, sums: Sums, now_s: float) -> Background:
        meter = self._meters.get(self.model.node_names[node])
        if meter is not None:
            return meter.background(sums, now_s)
        static = unmetered_background(self.model, node)
        return Background(static, static, BalanceSource.UNMETERED)

    # ------------------------------------------------------------- share

    def _share(
        self,
        views: list[_View],
        backgrounds: list[Background],
        room: Room,
        reserved: list[int],
        power_nodes: frozenset[int],
        state: SiteState,
    ) -> Room:
        """Write each session's target and its reason into its view.

        Returns the room, narrowed where phases would differ by too much.
        """
        lost = {node: background.source for node, background in enumerate(backgrounds)}
        why = explain.Explainer(self.model, lost, room.sources)
        by_key = {view.node.key: view for view in views if view.is_session}
        order = self._admission.order(
            [_candidate(view) for view in by_key.values()], state.policy, state.now_s
        )
        headroom = [u - load for u, load in zip(room.usable, room.load, strict=True)]
        participants = [
            self._participant(by_key[one.key], priority, state.policy, power_nodes)
            for one, priority in zip(order, policies.classes(state.policy, order), strict=True)
        ]
        unbalances = constraints.unbalances(self.model, backgrounds, reserved)
        grants = allocate(AllocationProblem(headroom, participants, unbalances))
        for view in by_key.values():
            # Those not in the order rest after a pause, or would have to wait anyway.
            slots = self.model.slots(view.node.index, view.phases)
            least = min(slots, key=grants.room.__getitem__)
            view.reason = Reason(ReasonCode.HOLDING)
            if grants.room[least] < view.node.min_ma:
                view.reason = why.of_slot(least, 0)
        for one, granted, binding in zip(order, grants.granted_ma, grants.binding, strict=True):
            view = by_key[one.key]
            view.target_ma = granted
            view.reason = why.of_grant(granted, binding, view.cap_reason)
        return constraints.narrowed(self.model, room, grants.headroom)

    def _participant(
        self, view: _View, priority: int, policy: SharingPolicy, power_nodes: frozenset[int]
    ) -> Participant:
        assert view.state is not None
        index, floor_ma, count = view.node.index, view.node.min_ma, sum(view.phases)
        share = policies.share(policy, view.state.weight, floor_ma, count)
        return Participant(
            slots=self._slots(view),
            floor_ma=floor_ma,
            cap_ma=view.cap_ma,
            step_ma=view.node.step_ma,
            weight=share.weight,
            held_ma=view.held_ma,
            priority=priority,
            power_slots=self.model.power_slots(index, power_nodes),
            phase_count=count,
            start_ma=share.start_ma,
        )

    def _slots(self, view: _View) -> tuple[int, ...]:
        index, phases = view.node.index, view.phases
        return (*self.model.slots(index, phases), *self.model.unbalance_slots(index, phases))

    def _wish(
        self, view: _View, frozen: frozenset[int], power_nodes: frozenset[int], now_s: float
    ) -> Wish:
        ledger, key, node = self.ceilings, view.node.key, view.node
        return Wish(
            key=key,
            slots=self._slots(view),
            power_slots=self.model.power_slots(node.index, power_nodes),
            phase_count=sum(view.phases),
            target_ma=view.target_ma,
            asked_ma=view.asked_ma,
            ceiling_ma=view.ceiling_ma,
            least_ma=ledger.floor(key, now_s),
            floor_ma=node.min_ma,
            step_ma=node.step_ma,
            fallback_ma=ledger.fallback_ma(key),
            weight=view.state.weight if view.state is not None else 1_000,
            changed_s=ledger.changed_s(key),
            lease_until_s=ledger.lease_until_s(key),
            retry_soon_s=ledger.retry_soon_s(key),
            retry_at_s=ledger.retry_at_s(key),
            in_flight=ledger.in_flight(key),
            uncertain=ledger.uncertain(key),
            overdue=ledger.overdue(key, now_s),
            defiant=view.is_defiant,
            frozen=not frozen.isdisjoint(node.path),
        )

    # ------------------------------------------------------------- decide

    def _changes(
        self,
        views: list[_View],
        decided: dict[ConnectorKey, int],
        frozen: frozenset[int],
        now_s: float,
    ) -> dict[ConnectorKey, LimitChange]:
        assert self._guard is not None
        wanted, floors = [], {}
        for key, limit_ma in decided.items():
            view = views[self.model.index[key]]
            floor_ma = self.ceilings.floor(key, now_s)
            floors[view.node.index] = floor_ma
            reason = self._reason(view, limit_ma, frozen)
            lease_until_s = now_s + self.settings.lease_s
            wanted.append(LimitChange(key, limit_ma, limit_ma <= floor_ma, reason, lease_until_s))
        ceilings = [view.ceiling_ma for view in views]
        admitted = self._guard.admit(wanted, floors, ceilings, now_s)
        return {change.key: change for change in admitted}

    def _reason(self, view: _View, limit_ma: int, frozen: frozenset[int]) -> Reason:
        held_back = limit_ma < view.target_ma
        frozen_here = next((node for node in view.node.path if node in frozen), None)
        circuit = None if frozen_here is None else self.model.node_names[frozen_here]
        return explain.of_limit(view.reason, held_back=held_back, frozen_circuit=circuit)

    def _allocation(
        self, view: _View, changes: dict[ConnectorKey, LimitChange], frozen: frozenset[int]
    ) -> Allocation:
        key = view.node.key
        change = changes.get(key)
        if change is not None:
            return Allocation(key, change.limit_ma, change.reason)
        if view.is_session:
            if view.asked_ma is None:
                return Allocation(key, view.ceiling_ma, Reason(ReasonCode.UNKNOWN))
            return Allocation(key, view.asked_ma, self._reason(view, view.asked_ma, frozen))
        code = ReasonCode.NO_CAR
        if view.state is None or not view.state.online:
            code = ReasonCode.OFFLINE
        elif view.state.transaction_id is not None or view.ceiling_ma == view.node.rating_ma:
            code = ReasonCode.NOT_CONTROLLABLE
        return Allocation(key, view.ceiling_ma, Reason(code))

    @staticmethod
    def _asked_triple(view: _View, changes: dict[ConnectorKey, LimitChange]) -> Triple:
        change = changes.get(view.node.key)
        if change is not None:
            return _scaled(view.phases, change.limit_ma)
        return _scaled(view.phases, view.held_ma if view.is_session else view.ceiling_ma)


def _is_controlled(node: ConnectorNode, state: ConnectorState | None) -> bool:
    """Whether a session runs that could be limited; otherwise the ceiling is reserved."""
    if state is None or not state.online or state.transaction_id is None:
        return False
    return state.controllable and node.controllable


def _scaled(phases: Triple, current_ma: int) -> Triple:
    return (phases[0] * current_ma, phases[1] * current_ma, phases[2] * current_ma)


def _candidate(view: _View) -> Candidate:
    state = view.state
    assert state is not None
    assert state.transaction_id is not None
    return Candidate(
        key=view.node.key,
        transaction_id=state.transaction_id,
        priority=state.priority,
        arrived_s=state.arrived_s,
        held_ma=view.held_ma,
        floor_ma=view.node.min_ma,
        yields=view.demand.yields,
    )
