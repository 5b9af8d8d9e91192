"""Carries the ladder out: sees the site once a cycle, and tells stations what their rung asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from app.domain.capability import ProfileForm
from app.domain.errors import StationRefusedError, StationUnreachableError, StorageError
from app.domain.station import ConnectorKey
from app.energy.plan import BalanceSource, CircuitBalance, Plan
from app.energy.planner import Planner
from app.energy.site_model import ConnectorNode
from app.energy.site_state import SiteState
from app.ocpp16.actions.manager_calls import ChangeAvailability, RemoteStopTransaction
from app.ocpp16.actions.types import AvailabilityStatus, AvailabilityType
from app.ocpp16.session import Priority
from app.services.audit import AuditTrail
from app.services.conduct_ports import ConductRepository
from app.services.ladder import Ladder, Rung, Sight, Step
from app.services.limits import LimitSender
from app.services.ports import Clock
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

CALL_TIMEOUT_S = 10.0

ACTOR = "manager"


class LadderKeeper:
    """One ladder per connector in trouble. A connector out of service is remembered on disk."""

    def __init__(
        self,
        *,
        registry: Registry,
        planner: Planner,
        sender: LimitSender,
        repository: ConductRepository,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
        lease_s: int,
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._sender = sender
        self._repository = repository
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._lease_s = lease_s
        self._ladders: dict[ConnectorKey, Ladder] = {}
        self._usual_forms: dict[str, ProfileForm] = {}
        self.person_holds: Callable[[ConnectorKey], bool] = lambda _key: False
        """Whether a person has put the connector out of service: then it stays so."""

    async def load(self) -> None:
        """Takes over what an earlier start has put out of service."""
        for key in await self._repository.blocked():
            self._ladders[key] = Ladder(blocked=True)

    def rung(self, key: ConnectorKey) -> Rung:
        """How far the connector has climbed."""
        ladder = self._ladders.get(key)
        return Rung.NONE if ladder is None else ladder.rung

    def overruled(self, key: ConnectorKey) -> None:
        """A person has brought the connector back into service: the ladder begins at its foot."""
        ladder = self._ladders.pop(key, None)
        if ladder is not None and ladder.rung in (Rung.BLOCKED, Rung.HELPLESS):
            self._tasks.start(self._forget(key), f"ladder {key}")

    async def _forget(self, key: ConnectorKey) -> None:
        try:
            await self._repository.unblock(key)
        except StorageError as error:
            log.warning("%s: out of service on record although it is not: %s", key, error)

    def observe(self, state: SiteState, plan: Plan) -> None:
        """Looks at every connector in trouble; an observer of the control cycle."""
        if not plan.balances:
            return
        ledger, balances = self._planner.ceilings, {b.circuit_id: b for b in plan.balances}
        reserved = self._also_reserved(plan)
        for station in self._registry:
            for live in station.connectors.values():
                ladder = self._ladders.get(live.key)
                index = self._planner.model.index.get(live.key)
                troubled = not live.obeys or (index is not None and ledger.refuses(live.key))
                if index is None or (ladder is None and not troubled):
                    continue
                if ladder is None:
                    ladder = self._ladders[live.key] = Ladder()
                node = self._planner.model.connectors[index]
                sight = self._sight(station, live, node, balances, reserved, state.now_s)
                step = ladder.advance(sight)
                if step is not None:
                    self._tasks.start(self._do(step, station, live, ladder), f"ladder {live.key}")

    # ------------------------------------------------------------- seeing

    def _sight(
        self,
        station: StationLive,
        live: ConnectorLive,
        node: ConnectorNode,
        balances: Mapping[str, CircuitBalance],
        reserved: Mapping[str, Sequence[int]],
        now_s: float,
    ) -> Sight:
        ledger = self._planner.ceilings
        short = overloaded = False
        room = True
        more_ma = node.rating_ma - ledger.ceiling(live.key, now_s)
        for circuit_id in self._circuits(node):
            balance = balances[circuit_id]
            for phase in node.conductors:
                load_ma = balance.background[phase] + balance.limits[phase]
                load_ma += reserved.get(circuit_id, (0, 0, 0))[phase]
                short |= load_ma > balance.usable[phase]
                overloaded |= _is_over(balance, phase)
                most_ma = balance.background_upper[phase] + balance.ceilings[phase] + more_ma
                room &= most_ma <= balance.usable[phase]
        return Sight(
            now_s=now_s,
            online=station.online and station.set_up,
            refuses=ledger.refuses(live.key),
            disobeys=not live.obeys,
            short=short,
            overloaded=overloaded,
            charging=live.transaction is not None,
            room=room,
        )

    def _also_reserved(self, plan: Plan) -> dict[str, list[int]]:
        """What those draw who were told to draw less and will not, per circuit and phase."""
        reserved: dict[str, list[int]] = {}
        ledger, now_s = self._planner.ceilings, self._clock.monotonic_s()
        for change in plan.changes:
            index = self._planner.model.index.get(change.key)
            if index is None or not (ledger.exceeds(change.key) or ledger.refuses(change.key)):
                continue
            node = self._planner.model.connectors[index]
            more_ma = max(0, ledger.ceiling(change.key, now_s) - change.limit_ma)
            for circuit_id in self._circuits(node):
                sums = reserved.setdefault(circuit_id, [0, 0, 0])
                for phase in node.conductors:
                    sums[phase] += more_ma
        return reserved

    def _circuits(self, node: ConnectorNode) -> list[str]:
        model = self._planner.model
        return [model.node_names[each] for each in node.path if not model.is_station(each)]

    # ------------------------------------------------------------- doing

    async def _do(
        self, step: Step, station: StationLive, live: ConnectorLive, ladder: Ladder
    ) -> None:
        try:
            match step:
                case Step.OTHER_FORM:
                    self._other_form(station)
                case Step.STOP:
                    await self._stop(station, live)
                case Step.BLOCK:
                    # On disk first: whoever restarts must know whom to release.
                    await self._repository.block(live.key, self._clock.utc_now())
                    await self._make(station, live, AvailabilityType.INOPERATIVE)
                case Step.RELEASE:
                    held = self.person_holds(live.key)
                    if not held and not await self._make(station, live, AvailabilityType.OPERATIVE):
                        return
                    await self._repository.unblock(live.key)
                    ladder.released(self._clock.monotonic_s())
            limit_ma = self._planner.ceilings.limit_in_force(live.key, self._clock.monotonic_s())
            detail = "" if limit_ma is None else f"{limit_ma} mA"
            await self._audit.record(ACTOR, f"ladder-{step}", str(live.key), detail)
        except (StationRefusedError, StationUnreachableError) as error:
            log.warning("%s: %s failed: %s", live.key, step, error)
        except StorageError as error:
            log.warning("%s: %s not recorded: %s", live.key, step, error)

    def _other_form(self, station: StationLive) -> None:
        form = self._sender.forms.next_form(station, self._clock.monotonic_s())
        if form is not None:
            self._usual_forms.setdefault(station.station.station_id, station.capability.form)
            station.capability.form = form
            self._sender.reissue(station, self._lease_s)

    async def _stop(self, station: StationLive, live: ConnectorLive) -> None:
        # The other forms have not helped: the next transaction begins with the usual one.
        usual = self._usual_forms.pop(station.station.station_id, None)
        if usual is not None:
            station.capability.form = usual
        if station.link is None or live.transaction is None:
            return
        request = RemoteStopTransaction(transaction_id=live.transaction.transaction_id)
        await station.link.call(request, priority=Priority.SAFETY, timeout_s=CALL_TIMEOUT_S)

    async def _make(
        self, station: StationLive, live: ConnectorLive, availability: AvailabilityType
    ) -> bool:
        """Whether the station takes the connector in or out of service, now or after the charge."""
        if station.link is None:
            return False
        request = ChangeAvailability(connector_id=live.key.connector_id, type=availability)
        answer = await station.link.call(
            request, priority=Priority.SAFETY, timeout_s=CALL_TIMEOUT_S
        )
        return answer.status is not AvailabilityStatus.REJECTED


def _is_over(balance: CircuitBalance, phase: int) -> bool:
    """Whether a live meter shows more than the circuit's limit."""
    if balance.meter is None:
        return False
    flows_ma = balance.meter.currents[phase]
    if balance.source is BalanceSource.CHARGING:
        flows_ma += balance.background[phase]
    elif balance.source not in (BalanceSource.MEASURED, BalanceSource.FROZEN):
        return False
    return flows_ma > balance.limit[phase]
