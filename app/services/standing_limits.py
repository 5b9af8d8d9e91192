"""Live limits that outlive their transaction, in stations that refuse a TxProfile.

Such a limit must be cleared when its charge ends, or the next car begins with it. Until the station
has answered, the ledger reckons with the limit and not with the fallback.
"""

from __future__ import annotations

from app.domain.errors import StationRefusedError, StationUnreachableError
from app.energy.plan import Plan
from app.energy.planner import Planner
from app.energy.site_state import SiteState
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import clear_tx_profile
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.tasks import TaskSupervisor

AGAIN_S = 15.0
"""A station that did not answer is told again after this long."""

ANSWER_TIMEOUT_S = 10.0


class StandingLimits:
    """Clears what is left on connectors without a transaction."""

    def __init__(self, registry: Registry, planner: Planner, tasks: TaskSupervisor) -> None:
        self._registry = registry
        self._planner = planner
        self._tasks = tasks
        self._told_s: dict[ConnectorLive, float] = {}

    def observe(self, state: SiteState, _plan: Plan) -> None:
        """Looks once; an observer of the control cycle."""
        for station in self._registry:
            for live in station.connectors.values():
                if live.standing_ma is None or live.transaction is not None:
                    continue
                self._planner.ceilings.fallback_sent(live.key, live.standing_ma)
                due = state.now_s >= self._told_s.get(live, -AGAIN_S) + AGAIN_S
                if station.online and station.set_up and due:
                    self._told_s[live] = state.now_s
                    self._tasks.start(self._clear(station, live, state.now_s), f"clear {live.key}")

    async def _clear(self, station: StationLive, live: ConnectorLive, now_s: float) -> None:
        link = station.link
        if link is None:
            return
        request = clear_tx_profile(live.key.connector_id)
        try:
            await link.call(request, priority=Priority.CONTROL, timeout_s=ANSWER_TIMEOUT_S)
        except (StationRefusedError, StationUnreachableError):
            return
        station.profile_writes += 1
        if live.transaction is None:
            live.standing_ma = None
            live.may_hold_limit = False
            self._told_s.pop(live, None)
            self._planner.ceilings.fallback_installed(live.key, station.station.fallback_ma, now_s)
