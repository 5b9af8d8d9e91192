"""What each car wants: its rating until it shows that it takes less, and back up when it follows.

A car that draws clearly less than its limit leaves current unused that another could take; its
demand comes down to its draw plus a little, and climbs again as soon as the car uses that little.
A sleeping car keeps the least current for a while, so that it can wake; then it gives way under
shortage, and gets another chance now and then.
"""

from __future__ import annotations

from math import inf

import msgspec

from app.domain.station import ConnectorKey, ConnectorStatus
from app.energy.settings import EnergySettings
from app.energy.site_model import ConnectorNode
from app.energy.site_state import ConnectorSample

_SUSPENDED = frozenset({ConnectorStatus.SUSPENDED_EV, ConnectorStatus.FINISHING})


class Demand(msgspec.Struct, frozen=True):
    """``current_ma`` per phase the car is thought to want; ``yields`` when it has been asleep for
    so long that others go first.
    """

    current_ma: int
    yields: bool = False


class _Session:
    __slots__ = (
        "asleep_since_s",
        "demand_ma",
        "low_peak_ma",
        "low_since_s",
        "offered_since_s",
        "paused_since_s",
        "probed_s",
        "sample_s",
        "step_ma",
        "suspended",
        "suspended_since_s",
        "transaction_id",
    )

    def __init__(self, transaction_id: int, step_ma: int, now_s: float) -> None:
        self.transaction_id = transaction_id
        self.demand_ma: int | None = None
        self.step_ma = step_ma
        self.probed_s = now_s
        self.low_since_s: float | None = None
        self.low_peak_ma = 0
        self.sample_s = -inf
        self.suspended_since_s: float | None = None
        self.offered_since_s: float | None = None
        self.paused_since_s: float | None = None
        self.suspended = False
        self.asleep_since_s: float | None = None


class DemandTracker:
    """Follows the demand of every session."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._sessions: dict[ConnectorKey, _Session] = {}

    def update(
        self,
        node: ConnectorNode,
        transaction_id: int | None,
        status: ConnectorStatus,
        sample: ConnectorSample | None,
        limit_ma: int | None,
        raised_s: float,
        now_s: float,
    ) -> Demand:
        """Demand of the session on ``node``.

        ``limit_ma`` is the limit last asked for, ``raised_s`` when it was last raised.
        """
        if transaction_id is None:
            self._sessions.pop(node.key, None)
            return Demand(node.rating_ma)
        session = self._sessions.get(node.key)
        if session is None or session.transaction_id != transaction_id:
            session = _Session(transaction_id, self._settings.demand_probe_ma, now_s)
            self._sessions[node.key] = session
        draw_ma = None
        if sample is not None and sample.at_s > session.sample_s:
            session.sample_s = sample.at_s
            draw_ma = sample.high.peak()
        self._sleep(session, node, status, draw_ma, limit_ma, now_s)
        keep_warm_ma = max(node.min_ma, self._settings.keep_warm_ma)
        if session.asleep_since_s is not None:
            yields = now_s - session.asleep_since_s >= self._settings.keep_warm_s
            return Demand(keep_warm_ma, yields)
        if _lasted(session.suspended_since_s, now_s, self._settings.suspended_s):
            return Demand(keep_warm_ma)
        if draw_ma is not None and limit_ma is not None:
            self._follow(session, node, draw_ma, limit_ma, raised_s)
        self._probe(session, node, now_s)
        rating = node.rating_ma
        if session.demand_ma is None or session.demand_ma >= rating:
            session.demand_ma = None
            return Demand(rating)
        return Demand(session.demand_ma)

    def _sleep(
        self,
        session: _Session,
        node: ConnectorNode,
        status: ConnectorStatus,
        draw_ma: int | None,
        limit_ma: int | None,
        now_s: float,
    ) -> None:
        settings = self._settings
        paused = limit_ma is not None and limit_ma < node.min_ma
        session.offered_since_s = None if paused else _first(session.offered_since_s, now_s)
        session.paused_since_s = _first(session.paused_since_s, now_s) if paused else None
        suspended = status in _SUSPENDED
        session.suspended_since_s = _first(session.suspended_since_s, now_s) if suspended else None
        if draw_ma is not None and draw_ma > settings.asleep_draw_ma:
            # It draws: it is awake, and its idle time starts anew.
            if session.asleep_since_s is not None:
                self._wake(session, node, now_s)
            session.suspended_since_s = None
            if not paused:
                session.offered_since_s = now_s
        elif session.asleep_since_s is not None:
            resumed = session.suspended and status is ConnectorStatus.CHARGING
            if resumed or _lasted(session.paused_since_s, now_s, settings.wake_retry_s):
                self._wake(session, node, now_s)
        else:
            session.suspended = _lasted(
                session.suspended_since_s, now_s, settings.asleep_suspended_s
            )
            idle = draw_ma is not None and _lasted(
                session.offered_since_s, now_s, settings.asleep_idle_s
            )
            if idle or session.suspended:
                session.asleep_since_s = now_s

    def _wake(self, session: _Session, node: ConnectorNode, now_s: float) -> None:
        """From the least current upwards: a car that follows climbs by doubling steps."""
        session.asleep_since_s = None
        session.low_since_s = None
        session.suspended_since_s = None
        session.probed_s = now_s
        if session.offered_since_s is not None:
            session.offered_since_s = now_s
        session.demand_ma = max(node.min_ma, self._settings.keep_warm_ma)
        session.step_ma = self._settings.demand_probe_ma

    def _follow(
        self, session: _Session, node: ConnectorNode, draw_ma: int, limit_ma: int, raised_s: float
    ) -> None:
        settings = self._settings
        demand = session.demand_ma
        if demand is not None and draw_ma >= demand - settings.demand_near_ma:
            session.demand_ma = max(demand, draw_ma) + session.step_ma
            session.step_ma *= 2
            session.low_since_s = None
            return
        rising = session.sample_s - raised_s < settings.demand_steady_s
        if rising or draw_ma >= limit_ma - settings.demand_slack_ma:
            session.low_since_s = None
            return
        if session.low_since_s is None:
            session.low_since_s = session.sample_s
            session.low_peak_ma = draw_ma
        session.low_peak_ma = max(session.low_peak_ma, draw_ma)
        if session.sample_s - session.low_since_s < settings.demand_steady_s:
            return
        wanted = max(node.min_ma, session.low_peak_ma + settings.demand_slack_ma)
        wanted += -wanted % node.step_ma
        if demand is None or wanted < demand:
            session.demand_ma = wanted
            session.step_ma = settings.demand_probe_ma
        session.low_since_s = session.sample_s
        session.low_peak_ma = draw_ma

    def _probe(self, session: _Session, node: ConnectorNode, now_s: float) -> None:
        if now_s - session.probed_s < self._settings.demand_probe_s:
            return
        session.probed_s = now_s
        if session.demand_ma is not None:
            session.demand_ma = min(
                node.rating_ma, session.demand_ma + self._settings.demand_probe_ma
            )


def _first(since_s: float | None, now_s: float) -> float:
    return now_s if since_s is None else since_s


def _lasted(since_s: float | None, now_s: float, span_s: float) -> bool:
    return since_s is not None and now_s - since_s >= span_s
