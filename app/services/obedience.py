"""Do the cars follow? What was commanded against what is measured, connector by connector.

The ledger compares every sample with the limits that may be in force (``Ceilings.disobeys``): a draw
above them by more than 1 A and 5 % for 15 s is disobedience. Here it becomes a record, a flag that
pages and planning read, and after a while the verdict that a station follows nothing.
"""

from __future__ import annotations

import logging
from math import inf

import msgspec

from app.domain.capability import Disobedience
from app.domain.errors import StationRefusedError, StationUnreachableError, StorageError
from app.domain.station import ConnectorKey
from app.energy.plan import Plan
from app.energy.planner import Planner
from app.energy.site_state import SiteState
from app.ocpp16.actions.manager_calls import TriggerMessage
from app.ocpp16.actions.types import MessageTrigger
from app.ocpp16.session import Priority
from app.services.conduct_ports import ConductRepository
from app.services.ports import Clock
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

COMPLIANCE_S = 60.0
"""A connector obeys again once no sample was above its limit for this long."""

SLOW_SAMPLES_S = 12.0
"""A station that samples less often than this is asked for one sample more before it is accused."""

ASK_AFTER_S = 12.0
"""When it is asked: as late as the answer still comes before the 15 s are over."""

NEVER_FOLLOWS_S = 600.0
"""A connector that was above its limits for so long follows none: its rating is reserved."""

FORGIVE_S = 3_600.0
"""A station that followed nothing gets limits again after this long: somebody may have mended it."""


class _Case(msgspec.Struct):
    """One connector under suspicion (``found`` is ``None``) or found to disobey."""

    first_s: float
    last_over_s: float
    limit_ma: int
    measured_ma: int
    transaction_id: int | None
    asked: bool = False
    found_s: float = -inf
    found: Disobedience | None = None


class ObedienceWatch:
    """Fed once a cycle with what the cycle saw; sets ``ConnectorLive.obeys``."""

    def __init__(
        self,
        registry: Registry,
        planner: Planner,
        repository: ConductRepository,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._repository = repository
        self._tasks = tasks
        self._clock = clock
        self._cases: dict[ConnectorKey, _Case] = {}
        self._forgive_at_s: dict[str, float] = {}

    def observe(self, state: SiteState, _plan: Plan) -> None:
        """Looks at every connector; an observer of the control cycle."""
        now_s = state.now_s
        for station in self._registry:
            for live in station.connectors.values():
                self._look(station, live, now_s)
            if now_s >= self._forgive_at_s.get(station.station.station_id, inf):
                del self._forgive_at_s[station.station.station_id]
                station.capability.follows = True

    def _look(self, station: StationLive, live: ConnectorLive, now_s: float) -> None:
        ledger, key = self._planner.ceilings, live.key
        case = self._cases.get(key)
        transaction_id = ledger.transaction_id(key)
        if case is not None and case.transaction_id != transaction_id:
            self._close(live, case)
            case = None
        sample = ledger.sample(key)
        if ledger.exceeds(key) and sample is not None:
            limit_ma = ledger.limit_in_force(key, now_s) or 0
            if case is None:
                case = _Case(sample.at_s, sample.at_s, limit_ma, 0, transaction_id)
                self._cases[key] = case
            if case.found is None:
                case.limit_ma = limit_ma
            case.last_over_s = sample.at_s
            case.measured_ma = max(case.measured_ma, sample.low.peak())
            self._judge(station, live, case, now_s)
        elif case is not None and now_s - case.last_over_s >= (COMPLIANCE_S if case.found else 0):
            self._close(live, case)
            if case.found is not None:
                station.capability.follows = True

    def _judge(self, station: StationLive, live: ConnectorLive, case: _Case, now_s: float) -> None:
        if case.found is not None:
            if now_s - case.first_s >= NEVER_FOLLOWS_S and station.capability.follows:
                log.warning("%s: follows no limit", live.key)
                station.capability.follows = False
                self._forgive_at_s[station.station.station_id] = now_s + FORGIVE_S
            return
        if self._planner.ceilings.disobeys(live.key, now_s):
            live.obeys = False
            case.found_s = now_s
            case.found = Disobedience(
                live.key, self._clock.utc_now(), case.limit_ma, case.measured_ma
            )
            log.warning(
                "%s: draws %d mA at a limit of %d mA", live.key, case.measured_ma, case.limit_ma
            )
            self._tasks.start(self._record(case.found), f"disobedience {live.key}")
            return
        interval_s = station.capability.sample_interval_s
        slow = interval_s is None or interval_s > SLOW_SAMPLES_S
        if slow and not case.asked and now_s - case.first_s >= ASK_AFTER_S:
            case.asked = True
            self._tasks.start(self._ask(station, live), f"sample {live.key}")

    def _close(self, live: ConnectorLive, case: _Case) -> None:
        self._cases.pop(live.key, None)
        live.obeys = True
        if case.found is not None:
            ended = msgspec.structs.replace(
                case.found,
                measured_ma=case.measured_ma,
                duration_s=round(max(case.last_over_s, case.found_s) - case.first_s),
            )
            self._tasks.start(self._record(ended), f"disobedience {live.key}")

    async def _record(self, disobedience: Disobedience) -> None:
        try:
            await self._repository.record(disobedience)
        except StorageError as error:
            log.warning("%s: disobedience not recorded: %s", disobedience.key, error)

    async def _ask(self, station: StationLive, live: ConnectorLive) -> None:
        """A fresh sample, so that a car which was only late is not accused."""
        if station.link is None:
            return
        request = TriggerMessage(
            requested_message=MessageTrigger.METER_VALUES, connector_id=live.key.connector_id
        )
        try:
            await station.link.call(request, priority=Priority.CONTROL, timeout_s=5.0)
        except (StationRefusedError, StationUnreachableError):
            log.info("%s: gives no sample when asked", live.key)
