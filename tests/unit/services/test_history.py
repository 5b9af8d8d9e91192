"""A session's limits and reasons: noted when they change, written in batches, read as times."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.errors import StorageError
from app.domain.evidence import LimitRecord
from app.domain.limits import Allocation, Reason, ReasonCode
from app.domain.station import ConnectorKey
from app.energy.plan import Plan
from app.energy.site_state import ConnectorState, SiteState
from app.services import history as module
from app.services.history import Cause, LimitHistory, shares, spans
from tests.support.clock import HandClock
from tests.support.scripted import MemoryManager
from tests.unit.services.test_intake import SITE, charging

KEY = ConnectorKey("A-1", 1)
L1 = Reason(ReasonCode.CIRCUIT, "supply", 0)
L2 = Reason(ReasonCode.CIRCUIT, "supply", 1)
CAR = Reason(ReasonCode.DEMAND)


class Bench:
    """A history fed by hand, over a real store."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock = HandClock()
        self.store = store
        self.history = LimitHistory(store.history, self.clock)

    def cycle(
        self, limit_ma: int, reason: Reason, transaction_id: int | None = 7, *, after_s: float = 1.0
    ) -> None:
        self.clock.advance(after_s)
        state = SiteState(
            self.clock.monotonic_s(),
            {},
            (ConnectorState(KEY, online=True, transaction_id=transaction_id),),
        )
        self.history.observe(state, Plan((Allocation(KEY, limit_ma, reason),), (), ()))

    async def noted(self, transaction_id: int = 7) -> list[tuple[int, Reason]]:
        return [(one.limit_ma, one.reason) for one in await self.history.of(transaction_id)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = open_store(tmp_path / "bornier.sqlite3", inline=True)
    yield Bench(store)
    await store.close()


async def test_only_changes_are_noted(bench: Bench) -> None:
    for _ in range(30):
        bench.cycle(16_000, L1)
    bench.cycle(10_000, L1)
    assert await bench.noted() == [(16_000, L1), (10_000, L1)]


async def test_a_reason_that_flickers_is_noted_now_and_then(bench: Bench) -> None:
    for _ in range(20):
        bench.cycle(16_000, L1)
        bench.cycle(16_000, CAR)
    assert [reason for _, reason in await bench.noted()] == [L1, CAR, L1, CAR]


async def test_phases_that_change_places_are_noted_more_rarely_still(bench: Bench) -> None:
    for _ in range(60):
        bench.cycle(16_000, L1)
        bench.cycle(16_000, L2)
    assert [reason for _, reason in await bench.noted()] == [L1, L2]


async def test_a_limit_that_changes_is_noted_at_once_whatever_flickers(bench: Bench) -> None:
    bench.cycle(16_000, L1)
    bench.cycle(16_000, CAR)
    bench.cycle(6_000, CAR)
    assert await bench.noted() == [(16_000, L1), (6_000, CAR)]


async def test_the_next_session_begins_anew_and_nothing_is_noted_between(bench: Bench) -> None:
    bench.cycle(16_000, L1)
    bench.cycle(0, Reason(ReasonCode.NO_CAR), None)
    bench.cycle(16_000, L1, 8)
    bench.cycle(16_000, L1, 9)
    assert await bench.noted() == [(16_000, L1)]
    assert await bench.noted(8) == [(16_000, L1)]
    assert await bench.noted(9) == [(16_000, L1)]


async def test_what_the_disk_refused_is_written_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = bench.store.history
    add = repository.add

    async def refused(records: Sequence[LimitRecord]) -> None:
        raise StorageError("storage-full")

    monkeypatch.setattr(repository, "add", refused)
    bench.cycle(16_000, L1)
    await bench.history.flush()
    bench.cycle(10_000, L1)
    await bench.history.flush()
    monkeypatch.setattr(repository, "add", add)
    assert await bench.noted() == [(16_000, L1), (10_000, L1)]


async def test_the_oldest_are_given_up_when_too_many_wait(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(records: Sequence[LimitRecord]) -> None:
        raise StorageError("storage-full")

    monkeypatch.setattr(module, "WAITING_MOST", 2)
    with monkeypatch.context() as patch:
        patch.setattr(bench.store.history, "add", refused)
        for limit_ma in (6_000, 7_000, 8_000):
            bench.cycle(limit_ma, L1)
        await bench.history.flush()
    assert [limit_ma for limit_ma, _ in await bench.noted()] == [7_000, 8_000]


async def test_the_manager_notes_a_session_and_keeps_it_over_a_stop(tmp_path: Path) -> None:
    site = MemoryManager(tmp_path, SITE)
    await site.start()
    _, transaction_id = await charging(site)
    await site.stop()
    again = open_store(tmp_path / "bornier.sqlite3", inline=True)
    records = await again.history.of(transaction_id)
    assert len(records) >= 2
    assert records[-1].limit_ma >= 6_000
    assert [one.at_utc for one in records] == sorted(one.at_utc for one in records)
    await again.close()


# ------------------------------------------------------------------------------- reading it


NOON = datetime.fromisoformat("2026-11-22T12:00:00+00:00")


def at(seconds: float, limit_ma: int, reason: Reason) -> LimitRecord:
    return LimitRecord(7, NOON + timedelta(seconds=seconds), limit_ma, reason)


def test_times_touch_each_other_and_end_with_the_session() -> None:
    found = spans(
        [at(0, 16_000, L1), at(60, 10_000, L1), at(90, 10_000, L1), at(200, 6_000, CAR)],
        NOON + timedelta(seconds=120),
    )
    assert [(span.limit_ma, span.duration_s) for span in found] == [
        (16_000, 60),
        (10_000, 60),
        (6_000, 0),
    ]
    assert spans([], NOON) == []


def test_shares_put_phases_together_and_the_longest_first() -> None:
    found = shares(
        spans(
            [at(0, 16_000, L1), at(10, 12_000, CAR), at(40, 16_000, L2)],
            NOON + timedelta(seconds=100),
        )
    )
    assert [(share.cause, share.part) for share in found] == [
        (Cause(ReasonCode.CIRCUIT, "supply"), 0.7),
        (Cause(ReasonCode.DEMAND, None), 0.3),
    ]
    assert shares(spans([at(0, 1, L1)], NOON)) == []
