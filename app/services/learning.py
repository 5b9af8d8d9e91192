"""What ordinary operation shows of a kind of station: how fast it follows, how low, and whether a
car resumes after a pause. Nothing is tried for the sake of learning: that could overload.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf

import msgspec

from app.domain.capability import LeaseTrust
from app.domain.station import ConnectorKey, ConnectorStatus
from app.domain.transaction import Sample
from app.energy.plan import Plan
from app.energy.planner import Planner
from app.energy.site_state import ConnectorSample, SiteState
from app.services.capabilities import CapabilityBook
from app.services.ports import Clock
from app.services.registry import ConnectorLive, Registry, StationLive

NEWEST_WEIGHT = 0.2
"""Weight of the newest observation in a usual value."""

LONGEST_COMPLY_S = 120.0
"""A limit that was not followed after this long says nothing of the usual time."""

DRAWS_MA = 1_000
"""A draw above this is charging."""

PAUSE_S = 60.0
"""A pause this long shows whether a car resumes afterwards."""

RESUME_PATIENCE_S = 300.0
"""A car that draws nothing for so long after a pause has not resumed."""

LAPSE_SAMPLES = 2
"""Measurements that must agree on what a station did when a lease had lapsed."""


class _Watch(msgspec.Struct):
    """One connector's last change of limit, and what was seen of it."""

    limit_ma: int
    since_s: float
    lowered: bool
    complied: bool = False
    paused_s: float | None = None
    """Since when a car that drew is paused."""
    resuming_s: float | None = None
    sample_s: float = 0.0
    drew: bool = False


class _Lapse(msgspec.Struct):
    """A limit whose lease ran out while the station was away."""

    transaction_id: int
    limit_ma: int
    fallback_ma: int
    until_s: float
    over_utc: datetime
    above: int = 0
    at_fallback: int = 0


class Learner:
    """Fed once a cycle, and with the measurements of an absence."""

    def __init__(
        self, registry: Registry, planner: Planner, capabilities: CapabilityBook, clock: Clock
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._capabilities = capabilities
        self._clock = clock
        self._watches: dict[ConnectorKey, _Watch] = {}
        self._lapses: dict[ConnectorKey, _Lapse] = {}

    def observe(self, state: SiteState, _plan: Plan) -> None:
        """Looks at every charging connector; an observer of the control cycle."""
        for station in self._registry:
            for live in station.connectors.values():
                if live.transaction is None:
                    self._watches.pop(live.key, None)
                    self._lapses.pop(live.key, None)
                elif station.online:
                    self._look(station, live, state.now_s)
                else:
                    self._note_lease(live, state.now_s)

    def _look(self, station: StationLive, live: ConnectorLive, now_s: float) -> None:
        ledger = self._planner.ceilings
        limit_ma, sample = ledger.limit_in_force(live.key, now_s), ledger.sample(live.key)
        if limit_ma is None or sample is None or ledger.in_flight(live.key):
            return
        watch = self._watches.get(live.key)
        if watch is None or watch.limit_ma != limit_ma:
            watch = self._watches[live.key] = self._changed(watch, limit_ma, sample, now_s)
        self._resume(station, live, watch, sample, now_s)
        if sample.at_s > max(watch.sample_s, watch.since_s):
            watch.sample_s = sample.at_s
            self._sampled(station, watch, sample)

    def _changed(
        self, before: _Watch | None, limit_ma: int, sample: ConnectorSample, now_s: float
    ) -> _Watch:
        drew = sample.low.peak() > DRAWS_MA
        watch = _Watch(limit_ma, now_s, lowered=sample.low.peak() > limit_ma + DRAWS_MA, drew=drew)
        if limit_ma == 0 and drew:
            watch.paused_s = now_s
        elif before is not None and before.paused_s is not None:
            if limit_ma == 0:
                watch.paused_s = before.paused_s
            elif now_s - before.paused_s >= PAUSE_S:
                watch.resuming_s = now_s
        return watch

    def _sampled(self, station: StationLive, watch: _Watch, sample: ConnectorSample) -> None:
        settings, known = self._planner.settings, self._capabilities.of(station)
        after_s = sample.at_s - watch.since_s
        # What was surely drawn: a figure in whole amperes may stand for almost one more.
        within = sample.low.peak() <= watch.limit_ma + settings.comply_tolerance_ma
        news: dict[str, object] = {}
        if watch.lowered and not watch.complied and within:
            watch.complied = True
            if after_s <= LONGEST_COMPLY_S:
                usual = after_s if known.comply_s is None else known.comply_s
                news["comply_s"] = round(usual + NEWEST_WEIGHT * (after_s - usual), 1)
        if after_s >= settings.follow_s + settings.sample_delay_s:
            over_ma = sample.low.peak() - watch.limit_ma
            if watch.limit_ma and over_ma > (known.overshoot_ma or 0):
                news["overshoot_ma"] = over_ma
            follows = within and sample.low.peak() > DRAWS_MA
            if follows and watch.limit_ma < (known.lowest_ma or watch.limit_ma + 1):
                news["lowest_ma"] = watch.limit_ma
        if news:
            self._capabilities.learn(station, at_once=False, **news)

    def _resume(
        self,
        station: StationLive,
        live: ConnectorLive,
        watch: _Watch,
        sample: ConnectorSample,
        now_s: float,
    ) -> None:
        if watch.resuming_s is None or sample.at_s <= watch.resuming_s:
            return
        if sample.low.peak() > DRAWS_MA:
            watch.resuming_s = None
            self._capabilities.learn(station, at_once=False, resumes=True)
        elif now_s - watch.resuming_s >= RESUME_PATIENCE_S:
            watch.resuming_s = None
            # A car that wants no more says so; and one good resumption outweighs a tired car.
            wants = live.status is not ConnectorStatus.SUSPENDED_EV
            if wants and self._capabilities.of(station).resumes is None:
                self._capabilities.learn(station, at_once=False, resumes=False)

    # ------------------------------------------------------------- leases that lapsed

    def _note_lease(self, live: ConnectorLive, now_s: float) -> None:
        """The station is away: remembers when the limit it had should have ended."""
        ledger = self._planner.ceilings
        until_s, fallback_ma = ledger.lease_until_s(live.key), ledger.fallback_ma(live.key)
        if until_s is None or until_s == inf or live.transaction is None:
            return
        noted = self._lapses.get(live.key)
        if fallback_ma is None or (noted is not None and noted.until_s == until_s):
            return
        limit_ma = ledger.asked(live.key, now_s)
        if limit_ma is None or now_s >= until_s:
            return
        left_s = until_s + self._planner.settings.lease_grace_s - now_s
        self._lapses[live.key] = _Lapse(
            live.transaction.transaction_id,
            limit_ma,
            fallback_ma,
            until_s,
            self._clock.utc_now() + timedelta(seconds=left_s),
        )

    def replayed(self, station: StationLive, live: ConnectorLive, sample: Sample) -> None:
        """A measurement of the past, sent after an absence: it shows what the lease did."""
        lapse = self._lapses.get(live.key)
        if lapse is None or live.transaction is None:
            return
        at_utc = sample.at_utc - timedelta(seconds=station.clock_skew_s)
        measured = ConnectorSample.of(sample, live.connector.phases)
        if at_utc <= lapse.over_utc or measured is None:
            return
        if lapse.transaction_id != live.transaction.transaction_id:
            return
        draw_ma = measured.low.peak()
        if draw_ma > lapse.fallback_ma + self._planner.settings.violation_ma:
            lapse.above += 1
            if lapse.above == LAPSE_SAMPLES:
                self._capabilities.learn(station, lease=LeaseTrust.IGNORED)
        elif (
            lapse.fallback_ma
            and draw_ma >= lapse.fallback_ma - DRAWS_MA
            and (lapse.limit_ma > lapse.fallback_ma + 2 * DRAWS_MA)
        ):
            # At the fallback and not below: no car stops there by chance.
            lapse.at_fallback += 1
            known = self._capabilities.of(station).lease
            if lapse.at_fallback == LAPSE_SAMPLES and known is LeaseTrust.UNKNOWN:
                self._capabilities.learn(station, lease=LeaseTrust.HONOURED)
