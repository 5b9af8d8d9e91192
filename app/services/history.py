"""Why this current, then? Every change of a session's granted limit, with its reason.

What the control cycle decides is noted in memory and written in batches, off the event loop. A
changed limit is noted at once; a reason that flickers under the same limit only now and then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from app.domain.errors import StorageError
from app.domain.evidence import LimitRecord
from app.domain.limits import Allocation, LimitSource, Reason, ReasonCode
from app.domain.station import ConnectorKey
from app.energy.plan import Plan
from app.energy.site_state import SiteState
from app.services.energy_ports import LimitHistoryRepository
from app.services.ports import Clock

log = logging.getLogger(__name__)

WRITE_PERIOD_S = 5.0
"""How long a change waits for its batch: the most that a power cut takes away."""

REASON_PERIOD_S = 10.0
"""Least time between two records of one session that differ in the reason only."""

PHASE_PERIOD_S = 60.0
"""The same where only the phase differs: two phases equally full change places all the time."""

WAITING_MOST = 20_000
"""Records kept while the disk cannot follow; then the oldest are given up."""


class _Last(NamedTuple):
    """What was noted last of a connector."""

    transaction_id: int
    at_s: float
    limit_ma: int
    reason: Reason


class LimitHistory:
    """Notes what each cycle grants to the running sessions."""

    def __init__(self, repository: LimitHistoryRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._last: dict[ConnectorKey, _Last] = {}
        self._waiting: list[LimitRecord] = []
        self._writing = asyncio.Lock()

    def observe(self, state: SiteState, plan: Plan) -> None:
        """Takes one cycle in."""
        running = {
            one.key: one.transaction_id
            for one in state.connectors
            if one.transaction_id is not None
        }
        for key in self._last.keys() - running.keys():
            del self._last[key]
        now_utc = self._clock.utc_now()
        for allocation in plan.allocations:
            transaction_id = running.get(allocation.key)
            if transaction_id is None:
                continue
            last = self._last.get(allocation.key)
            if not _is_news(last, transaction_id, allocation, state.now_s):
                continue
            limit_ma, reason = allocation.limit_ma, allocation.reason
            self._last[allocation.key] = _Last(transaction_id, state.now_s, limit_ma, reason)
            self._waiting.append(LimitRecord(transaction_id, now_utc, limit_ma, reason))

    async def run(self) -> None:
        """Writes a batch every few seconds until cancelled."""
        while True:
            await asyncio.sleep(WRITE_PERIOD_S)
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits; on failure it waits for the next batch."""
        async with self._writing:
            batch, self._waiting = self._waiting, []
            if not batch:
                return
            try:
                await self._repository.add(batch)
            except StorageError as error:
                log.warning("limits of sessions were not written: %s", error)
                self._waiting = [*batch, *self._waiting][-WAITING_MOST:]

    async def of(self, transaction_id: int) -> Sequence[LimitRecord]:
        """The session's granted limits so far, oldest first."""
        await self.flush()
        return await self._repository.of(transaction_id)


def _is_news(last: _Last | None, transaction_id: int, allocation: Allocation, now_s: float) -> bool:
    if last is None or last.transaction_id != transaction_id:
        return True
    if allocation.limit_ma != last.limit_ma:
        return True
    if allocation.reason == last.reason:
        return False
    same_but_phase = msgspec.structs.replace(allocation.reason, phase=last.reason.phase)
    period_s = PHASE_PERIOD_S if same_but_phase == last.reason else REASON_PERIOD_S
    return now_s - last.at_s >= period_s


# ------------------------------------------------------------------------------- reading it


class Span(NamedTuple):
    """A time during which limit and reason stayed the same."""

    began_utc: datetime
    ended_utc: datetime
    limit_ma: int
    reason: Reason

    @property
    def duration_s(self) -> float:
        """How long."""
        return (self.ended_utc - self.began_utc).total_seconds()


class Cause(NamedTuple):
    """What bound the session, phases put together."""

    code: ReasonCode
    circuit_id: str | None
    source: LimitSource = LimitSource.INSTALLATION


class Share(NamedTuple):
    """For how long one cause bound the session, and which part of the whole that is (0 to 1)."""

    cause: Cause
    duration_s: float
    part: float


def spans(records: Sequence[LimitRecord], end_utc: datetime) -> list[Span]:
    """The records as times that touch each other, the last one until ``end_utc``."""
    found: list[Span] = []
    for index, record in enumerate(records):
        following = records[index + 1].at_utc if index + 1 < len(records) else end_utc
        ended = max(record.at_utc, min(following, end_utc))
        if found and (found[-1].limit_ma, found[-1].reason) == (record.limit_ma, record.reason):
            found[-1] = found[-1]._replace(ended_utc=ended)
        else:
            found.append(Span(record.at_utc, ended, record.limit_ma, record.reason))
    return found


def shares(times: Sequence[Span]) -> list[Share]:
    """Which cause bound the session for how long, the longest first."""
    sums: dict[Cause, float] = {}
    for span in times:
        cause = Cause(span.reason.code, span.reason.circuit_id, span.reason.source)
        sums[cause] = sums.get(cause, 0.0) + span.duration_s
    whole = sum(sums.values())
    if whole <= 0:
        return []
    ordered = sorted(sums.items(), key=lambda item: -item[1])
    return [Share(cause, spent_s, spent_s / whole) for cause, spent_s in ordered]
