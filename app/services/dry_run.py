"""What the running sessions would be granted on another installation, all settled at once.

The same limits, policies and allocator as the planner's, fed with the newest cycle and with none
of its memory: whoever charges is in the order of arrival, and wants what it was last seen to want.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from app.domain.limits import Allocation, ReasonCode
from app.domain.station import ConnectorKey
from app.energy import constraints, policies
from app.energy.admission import Candidate
from app.energy.allocator import AllocationProblem, Participant, allocate
from app.energy.background import Background, unmetered_background
from app.energy.bounds import limits_in_force, measured_voltages
from app.energy.plan import BalanceSource, CircuitBalance, Plan
from app.energy.settings import EnergySettings
from app.energy.site_model import NOTHING, ConnectorNode, SiteModel, Triple
from app.energy.site_state import ConnectorState, SiteState

LIVE = frozenset({BalanceSource.MEASURED, BalanceSource.BUILDING, BalanceSource.FROZEN})
"""Accounts whose other loads a meter tells, or has just told."""


class _Session(msgspec.Struct, frozen=True):
    node: ConnectorNode
    state: ConnectorState
    allocation: Allocation

    @property
    def phases(self) -> Triple:
        """Site phases in use, as its sample shows; all wired ones where it does not."""
        wired = range(len(self.node.conductors))
        sample = self.state.sample
        seen = None if sample is None else sample.conductors_in_use
        return self.node.triple([n for n in seen if n in wired] if seen else wired, 1)

    @property
    def wanted_ma(self) -> int:
        """The most it would take."""
        cap_ma = self.node.rating_ma
        if self.state.cap_ma is not None:
            cap_ma = min(cap_ma, self.state.cap_ma)
        if self.allocation.reason.code is ReasonCode.DEMAND:
            cap_ma = min(cap_ma, self.allocation.limit_ma)
        return cap_ma

    @property
    def candidate(self) -> Candidate:
        """Its place in the order of admission."""
        state = self.state
        assert state.transaction_id is not None
        return Candidate(
            key=self.node.key,
            transaction_id=state.transaction_id,
            priority=state.priority,
            arrived_s=state.arrived_s,
            held_ma=self.allocation.limit_ma,
            floor_ma=self.node.min_ma,
            yields=False,
        )


def granted(
    model: SiteModel, state: SiteState, plan: Plan, settings: EnergySettings
) -> dict[ConnectorKey, int]:
    """The limit (mA) of each session that runs and is controlled; ``plan`` was made of ``state``."""
    balances = {balance.circuit_id: balance for balance in plan.balances}
    sessions, reserved_each = _sessions(model, state, plan)
    reserved = model.sum_up(reserved_each)
    backgrounds = [_background(model, at, balances) for at in range(len(model.circuits))]
    bounds = limits_in_force(model, state.caps, measured_voltages(model, state.readings))
    room = constraints.room(model, bounds, backgrounds, reserved, reserved, settings)
    headroom = [usable - load for usable, load in zip(room.usable, room.load, strict=True)]
    classes = policies.classes(state.policy, [session.candidate for session in sessions])
    participants = [
        _participant(model, session, priority, state, bounds.power_nodes)
        for session, priority in zip(sessions, classes, strict=True)
    ]
    unbalances = constraints.unbalances(model, backgrounds, reserved)
    grants = allocate(AllocationProblem(headroom, participants, unbalances))
    return {
        session.node.key: granted_ma
        for session, granted_ma in zip(sessions, grants.granted_ma, strict=True)
    }


def _sessions(
    model: SiteModel, state: SiteState, plan: Plan
) -> tuple[list[_Session], list[Triple]]:
    """The sessions, those that hold a current first, and what each other connector keeps."""
    allocations = {allocation.key: allocation for allocation in plan.allocations}
    states = {one.key: one for one in state.connectors}
    sessions: list[_Session] = []
    reserved: list[Triple] = []
    for node in model.connectors:
        one, allocation = states.get(node.key), allocations.get(node.key)
        if one is not None and allocation is not None and _is_session(node, one, allocation):
            sessions.append(_Session(node, one, allocation))
            reserved.append(NOTHING)
        else:
            kept_ma = node.fallback_ma if allocation is None else allocation.limit_ma
            reserved.append(node.triple(range(len(node.conductors)), kept_ma))
    sessions.sort(key=lambda one: (one.state.priority, _is_paused(one), one.state.arrived_s))
    return sessions, reserved


def _is_session(node: ConnectorNode, one: ConnectorState, allocation: Allocation) -> bool:
    if not one.online or one.transaction_id is None:
        return False
    controlled = one.controllable and node.controllable
    return controlled and allocation.reason.code is not ReasonCode.NOT_CONTROLLABLE


def _is_paused(session: _Session) -> bool:
    return session.allocation.limit_ma < session.node.min_ma


def _background(model: SiteModel, at: int, balances: Mapping[str, CircuitBalance]) -> Background:
    """The other loads of a circuit: as planned with now where a meter tells, else as declared."""
    name = model.node_names[at]
    balance = balances.get(name)
    if balance is None or balance.source not in LIVE or name not in model.placements:
        declared = unmetered_background(model, at)
        return Background(declared, declared, BalanceSource.UNMETERED)
    beside = _triple(balance.background)
    return Background(beside, beside, balance.source)


def _triple(values: Iterable[int]) -> Triple:
    l1, l2, l3 = values
    return (l1, l2, l3)


def _participant(
    model: SiteModel,
    session: _Session,
    priority: int,
    state: SiteState,
    power_nodes: frozenset[int],
) -> Participant:
    node, phases = session.node, session.phases
    count = sum(phases)
    share = policies.share(state.policy, session.state.weight, node.min_ma, count)
    return Participant(
        slots=(*model.slots(node.index, phases), *model.unbalance_slots(node.index, phases)),
        floor_ma=node.min_ma,
        cap_ma=session.wanted_ma,
        step_ma=node.step_ma,
        weight=share.weight,
        held_ma=session.allocation.limit_ma,
        priority=priority,
        power_slots=model.power_slots(node.index, power_nodes),
        phase_count=count,
        start_ma=share.start_ma,
    )
