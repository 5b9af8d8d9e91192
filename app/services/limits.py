"""Sends limits to stations and tells the ledger what became of each.

An increase is written to disk before it is sent, so that a manager that dies knows afterwards
what the station may draw; a decrease is sent first. "Accepted" is not "applied": the ledger frees
capacity only once a decrease has settled. Decreases never wait; increases and renewals leave at a
pace that the site's network and its stations bear.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from math import inf

from app.domain.capability import LeaseForm, LeaseTrust, LimitKind, LimitPurpose, ProfileForm
from app.domain.errors import BornierError, StationRefusedError, StationUnreachableError
from app.domain.limits import Reason, ReasonCode
from app.domain.station import ConnectorKey
from app.domain.transaction import Transaction
from app.energy.plan import LimitChange
from app.energy.planner import Planner
from app.ocpp16.actions.types import ChargingProfileStatus
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import Lease, lease_of, tx_profile
from app.services.capabilities import CapabilityBook
from app.services.form_search import FormSearch
from app.services.lease_proof import LeaseProof
from app.services.pace import Pace
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

CALLS_PER_S = 50
"""Increases and renewals that leave in a second over the whole site."""

BURST = 5
"""How many of them leave together: one write to disk serves them all."""

KEPT_LEASES = 2
"""A limit on record counts for this many leases: a decrease is sent before it is on record, and
what was on record before it must not seem to have lapsed while the decrease still holds."""

ACCEPTANCE_WEIGHT = 0.2
"""Weight of the newest answer in the usual time that a kind of station takes to accept."""


class LimitSender:
    """Carries the plan's changes to the stations, decreases first."""

    def __init__(
        self,
        registry: Registry,
        planner: Planner,
        limits: LimitRepository,
        capabilities: CapabilityBook,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._limits = limits
        self._capabilities = capabilities
        self._tasks = tasks
        self._clock = clock
        self.guard_refusals = 0
        """Changes held back by the guard at the instant of sending, since the start."""
        self._proof = LeaseProof(capabilities, tasks)
        self._waiting: dict[ConnectorKey, tuple[LimitChange, int]] = {}
        self._pace = Pace(CALLS_PER_S, BURST)
        self._draining = False
        self.forms = FormSearch()

    def send(self, changes: Sequence[LimitChange], lease_s: int) -> None:
        """Starts sending; returns at once. Each change is checked by the guard when it leaves.

        A newer change to a connector takes the place of one that still waits for its turn.
        """
        ceilings, now_s = self._planner.ceilings, self._clock.monotonic_s()
        for change in changes:
            self._waiting.pop(change.key, None)
            # A renewal lowers nothing: what may be drawn is the limit already.
            if change.is_decrease and change.limit_ma < ceilings.ceiling(change.key, now_s):
                self._dispatch(change, lease_s)
            else:
                self._waiting[change.key] = (change, lease_s)
        self._start_draining()

    def reissue(self, station: StationLive, lease_s: int) -> None:
        """Sends the limits in force of the station again, at the pace of renewals.

        After a boot, which may have cost the station its profiles, and after a jump of a clock.
        """
        ceilings, now_s = self._planner.ceilings, self._clock.monotonic_s()
        for live in station.connectors.values():
            asked = ceilings.asked(live.key, now_s)
            if (
                live.transaction is None
                or asked is None
                or ceilings.lease_until_s(live.key) is None
            ):
                continue
            reason = Reason(ReasonCode.HOLDING)
            change = LimitChange(live.key, asked, True, reason, now_s + lease_s)
            self._waiting.setdefault(live.key, (change, lease_s))
        self._start_draining()

    def _start_draining(self) -> None:
        if self._waiting and not self._draining:
            self._draining = True
            self._tasks.start(self._drain(), "increases and renewals")

    async def _drain(self) -> None:
        try:
            while self._waiting:
                count = self._pace.take(min(len(self._waiting), BURST), self._clock.monotonic_s())
                if count == 0:
                    await asyncio.sleep(BURST / CALLS_PER_S)
                    continue
                keys = list(self._waiting)[:count]
                await self._remember([self._waiting[key] for key in keys])
                for key in keys:
                    # Unless a newer change has taken its place while this one was written.
                    if key in self._waiting:
                        self._dispatch(*self._waiting.pop(key))
        finally:
            self._draining = False

    async def _remember(self, changes: Sequence[tuple[LimitChange, int]]) -> None:
        now_utc = self._clock.utc_now()
        stored = []
        for change, lease_s in changes:
            station = self._registry.station(change.key.station_id)
            until = None
            if station is not None and self._is_proven(station, lease_s):
                until = now_utc + timedelta(seconds=KEPT_LEASES * lease_s)
            stored.append(StoredLimit(change.key, change.limit_ma, until))
        await self._limits.save(stored)

    def _dispatch(self, change: LimitChange, lease_s: int) -> None:
        station = self._registry.station(change.key.station_id)
        live = self._registry.connector(change.key)
        if station is None or live is None or station.link is None or live.transaction is None:
            return
        now_s = self._clock.monotonic_s()
        if not self._planner.permits(change, now_s):
            self.guard_refusals += 1
            return
        trust = self._capabilities.of(station).lease
        leased = self._lease(station, lease_s) is not None and trust is not LeaseTrust.IGNORED
        number = self._planner.ceilings.sent(
            change.key,
            change.limit_ma,
            now_s,
            now_s + lease_s if leased else inf,
            proven=self._is_proven(station, lease_s),
        )
        live.may_hold_limit = True
        self._tasks.start(
            self._deliver(station, live, live.transaction, change, number, lease_s),
            f"limit {change.key}",
        )

    async def _deliver(
        self,
        station: StationLive,
        live: ConnectorLive,
        transaction: Transaction,
        change: LimitChange,
        number: int,
        lease_s: int,
    ) -> None:
        ceilings, sent_s = self._planner.ceilings, self._clock.monotonic_s()
        form = station.capability.form
        status = await self._ask(station, live, transaction, change, lease_s, form)
        if status in (ChargingProfileStatus.REJECTED, ChargingProfileStatus.NOT_SUPPORTED):
            sent_s = self._clock.monotonic_s()
            status = await self._try_others(station, live, transaction, change, lease_s)
        now_s = self._clock.monotonic_s()
        if status is ChargingProfileStatus.ACCEPTED:
            ceilings.accepted(change.key, number, now_s)
            station.profile_writes += 1
            self.forms.accepted(station)
            self._learn(station, live, change, lease_s, now_s - sent_s)
            if change.is_decrease:
                await self._remember([(change, lease_s)])
        elif status is None:
            ceilings.unanswered(change.key, number, now_s)
        else:
            ceilings.refused(change.key, number, now_s)

    async def _try_others(
        self,
        station: StationLive,
        live: ConnectorLive,
        transaction: Transaction,
        change: LimitChange,
        lease_s: int,
    ) -> ChargingProfileStatus | None:
        """The same limit in other forms, until the station takes one; that one stays in use."""
        for form in self.forms.after_refusal(station, self._clock.monotonic_s()):
            status = await self._ask(station, live, transaction, change, lease_s, form)
            if status is ChargingProfileStatus.ACCEPTED:
                station.capability.form = form
            if status in (ChargingProfileStatus.ACCEPTED, None):
                return status
        if self.forms.exhausted(station) and station.capability.fallback is None:
            station.capability.follows = False
        return ChargingProfileStatus.REJECTED

    def _learn(
        self,
        station: StationLive,
        live: ConnectorLive,
        change: LimitChange,
        lease_s: int,
        answered_s: float,
    ) -> None:
        known = self._capabilities.of(station)
        form = station.capability.form
        leased = self._lease(station, lease_s) is not None
        if leased and live.obeys and known.live != form:
            self._capabilities.learn(station, live=form)
        usual = answered_s if known.acceptance_s is None else known.acceptance_s
        usual += ACCEPTANCE_WEIGHT * (answered_s - usual)
        self._capabilities.learn(station, at_once=False, acceptance_s=round(usual, 2))
        if leased and form.lease is not LeaseForm.NONE:
            self._proof.seek(station, live, change.limit_ma, lease_s)

    async def _ask(
        self,
        station: StationLive,
        live: ConnectorLive,
        transaction: Transaction,
        change: LimitChange,
        lease_s: int,
        form: ProfileForm,
    ) -> ChargingProfileStatus | None:
        """The station's answer; ``None`` when nobody knows whether it has the limit.

        A limit that was decided for a charge which is over never reaches the next one: the ledger
        would know nothing of it.
        """
        link, present = station.link, live.transaction
        if link is None or present is None:
            return None
        if present.transaction_id != transaction.transaction_id:
            return None
        if form.purpose is not LimitPurpose.TRANSACTION:
            live.standing_ma = max(change.limit_ma, live.standing_ma or 0)
        request = tx_profile(
            live.key.connector_id,
            transaction.transaction_id,
            change.limit_ma,
            live.connector.phases,
            form,
            self._lease_fields(station, lease_s, form),
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

    def _lease_fields(self, station: StationLive, lease_s: int, form: ProfileForm) -> Lease | None:
        """The lease in the form's fields; ``None`` for a schedule that needs no clock."""
        duration_s = self._lease(station, lease_s)
        if duration_s is None:
            # An Absolute limit without an end, for who refuses Relative, may start at any past time.
            if form.kind is LimitKind.ABSOLUTE and form.lease is LeaseForm.NONE:
                return Lease(self._clock.utc_now() - timedelta(days=1))
            return None
        # The station's own clock decides when a schedule starts: a moment ago, by that clock.
        began = self._clock.utc_now() + timedelta(seconds=station.clock_skew_s - CLOCK_SLACK_S)
        return lease_of(form, began, duration_s + CLOCK_SLACK_S)

    @staticmethod
    def can_lease(station: StationLive, lease_s: int) -> bool:
        """Whether the station's clock is near enough to ours for a limit to end in time."""
        return abs(station.clock_skew_s) <= lease_s / LEASE_SHARE_OF_SKEW

    def _lease(self, station: StationLive, lease_s: int) -> int | None:
        """Seconds that a limit may hold without news; ``None`` where nothing would end it."""
        if station.capability.form.lease is LeaseForm.NONE:
            return None
        return lease_s if self.can_lease(station, lease_s) else None

    def _is_proven(self, station: StationLive, lease_s: int) -> bool:
        """Whether the station surely lets a limit sent now end with its lease."""
        if self._capabilities.of(station).lease is not LeaseTrust.HONOURED:
            return False
        # When its clock is set it moves by the skew: that must stay within what the ledger allows.
        near = abs(station.clock_skew_s) <= self._planner.settings.lease_grace_s
        return near and self._lease(station, lease_s) is not None
