"""Sends limits to stations and tells the ledger what became of each.

An increase is written to disk before it is sent, so that a manager that dies knows afterwards
what the station may draw; a decrease is sent first. "Accepted" is not "applied": the ledger frees
capacity only once a decrease has settled.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from math import inf

import msgspec

from app.domain.errors import BornierError, StationRefusedError, StationUnreachableError
from app.domain.station import RateUnit
from app.energy.plan import LimitChange
from app.energy.planner import Planner
from app.ocpp16.actions.types import ChargingProfileStatus
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import Lease, tx_profile
from app.services.ports import Clock, LimitRepository, StoredLimit
from app.services.registry import ConnectorLive, Registry, StationLive
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 8.0
"""Longer than any healthy station takes; a lost decrease is sent again after this."""

CLOCK_SLACK_S = 5
"""A schedule starts this long ago, so that a clock slightly behind does not postpone it."""

LEASE_SHARE_OF_SKEW = 10
"""A clock off by more than the lease divided by this gets limits without a lease."""


class LimitSender:
    """Carries the plan's changes to the stations, decreases first."""

    def __init__(
        self,
        registry: Registry,
        planner: Planner,
        limits: LimitRepository,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._limits = limits
        self._tasks = tasks
        self._clock = clock
        self.guard_refusals = 0
        """Changes held back by the guard at the instant of sending, since the start."""

    def send(self, changes: Sequence[LimitChange], lease_s: int) -> None:
        """Starts sending; returns at once. Each change is checked by the guard when it leaves."""
        for change in changes:
            if change.is_decrease:
                self._dispatch(change, lease_s)
        increases = [change for change in changes if not change.is_decrease]
        if increases:
            self._tasks.start(self._increase(increases, lease_s), "increases")

    async def _increase(self, changes: Sequence[LimitChange], lease_s: int) -> None:
        await self._remember(changes, lease_s)
        for change in changes:
            self._dispatch(change, lease_s)

    async def _remember(self, changes: Sequence[LimitChange], lease_s: int) -> None:
        until = self._clock.utc_now() + timedelta(seconds=lease_s)
        await self._limits.save(
            [StoredLimit(change.key, change.limit_ma, until) for change in changes]
        )

    def _dispatch(self, change: LimitChange, lease_s: int) -> None:
        station = self._registry.station(change.key.station_id)
        live = self._registry.connector(change.key)
        if station is None or live is None or station.link is None or live.transaction is None:
            return
        now_s = self._clock.monotonic_s()
        if not self._planner.permits(change, now_s):
            self.guard_refusals += 1
            return
        until_s = inf if _lease(station, lease_s) is None else now_s + lease_s
        number = self._planner.ceilings.sent(change.key, change.limit_ma, now_s, until_s)
        self._tasks.start(
            self._deliver(station, live, change, number, lease_s), f"limit {change.key}"
        )

    async def _deliver(
        self,
        station: StationLive,
        live: ConnectorLive,
        change: LimitChange,
        number: int,
        lease_s: int,
    ) -> None:
        ceilings = self._planner.ceilings
        status = await self._ask(station, live, change, lease_s)
        now_s = self._clock.monotonic_s()
        if status is ChargingProfileStatus.ACCEPTED:
            ceilings.accepted(change.key, number, now_s)
            if change.is_decrease:
                await self._remember([change], lease_s)
        elif status is None:
            ceilings.unanswered(change.key, number, now_s)
        else:
            ceilings.refused(change.key, number, now_s)
            self._change_unit(station)

    async def _ask(
        self, station: StationLive, live: ConnectorLive, change: LimitChange, lease_s: int
    ) -> ChargingProfileStatus | None:
        """The station's answer; ``None`` when nobody knows whether it has the limit."""
        link, transaction = station.link, live.transaction
        if link is None or transaction is None:
            return None
        duration_s = _lease(station, lease_s)
        lease = None
        if duration_s is not None:
            # The station's own clock decides when a schedule starts: a moment ago, by that clock.
            began = self._clock.utc_now() + timedelta(seconds=station.clock_skew_s - CLOCK_SLACK_S)
            lease = Lease(start_utc=began, duration_s=duration_s + CLOCK_SLACK_S)
        request = tx_profile(
            live.key.connector_id,
            transaction.transaction_id,
            change.limit_ma,
            live.connector.phases,
            msgspec.structs.replace(station.capability.form, step_ma=100),
            lease,
        )
        try:
            answer = await link.call(
                request,
                priority=Priority.SAFETY if change.is_decrease else Priority.CONTROL,
                timeout_s=ANSWER_TIMEOUT_S,
                replace_key=f"limit-{live.key.connector_id}",
            )
        except StationRefusedError:
            return ChargingProfileStatus.REJECTED
        except StationUnreachableError:
            return None
        except BornierError:
            log.exception("limit for %s", live.key)
            return None
        status = answer.status
        return status if isinstance(status, ChargingProfileStatus) else None

    def _change_unit(self, station: StationLive) -> None:
        """A refused limit is tried in the other unit the next time, on the safe side."""
        form = station.capability.form
        other = RateUnit.WATTS if form.unit is RateUnit.AMPERES else RateUnit.AMPERES
        station.capability.form = msgspec.structs.replace(form, unit=other)


def _lease(station: StationLive, lease_s: int) -> int | None:
    """Seconds that a limit may hold without news, or ``None`` where the clock is too far off."""
    if abs(station.clock_skew_s) > lease_s / LEASE_SHARE_OF_SKEW:
        return None
    return lease_s
