"""Granted limits on disk: given back as they were, and deleted with the transactions' age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, history, open_store
from app.domain.evidence import LimitRecord
from app.domain.limits import LimitSource, Reason, ReasonCode
from app.services.ports import NewTransaction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def record(number: int, seconds: int = 0, limit_ma: int = 16_000) -> LimitRecord:
    reason = Reason(ReasonCode.CIRCUIT, "p1", 2, LimitSource.SCHEDULE)
    return LimitRecord(number, NOON + seconds * SECOND, limit_ma, reason)


async def started(store: SqliteStore, at_utc: datetime) -> int:
    new = NewTransaction("A-1", 1, "tag", at_utc, at_utc, 0)
    transaction, _ = await store.transactions.start(new)
    return transaction.transaction_id


async def test_limits_come_back_oldest_first_with_their_reasons(store: SqliteStore) -> None:
    plain = LimitRecord(7, NOON + 2 * SECOND, 0, Reason(ReasonCode.HOLDING))
    await store.history.add([plain, record(7), record(8)])
    assert await store.history.of(7) == [record(7), plain]
    assert await store.history.of(9) == []


async def test_the_same_instant_twice_is_the_last_word(store: SqliteStore) -> None:
    await store.history.add([record(7)])
    await store.history.add([record(7, limit_ma=6_000)])
    assert [one.limit_ma for one in await store.history.of(7)] == [6_000]


async def test_limits_survive_a_reopening(path: Path) -> None:
    store = open_store(path)
    await store.history.add([record(7)])
    await store.close()
    again = open_store(path)
    assert await again.history.of(7) == [record(7)]
    await again.close()


async def test_limits_go_with_the_age_of_their_transaction(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PRUNED_AT_ONCE", 4)
    old = await started(store, NOON - timedelta(days=500))
    new = await started(store, NOON)
    await store.history.add([record(old, at) for at in range(10)] + [record(new)])
    assert await store.history.prune(NOON - timedelta(days=400)) == 10
    assert await store.history.of(old) == []
    assert len(await store.history.of(new)) == 1
    assert await store.history.prune(NOON + timedelta(days=1)) == 0


async def test_a_transaction_is_found_by_its_number(store: SqliteStore) -> None:
    number = await started(store, NOON)
    found = await store.transactions.get(number)
    assert found is not None
    assert found.started_utc == NOON
    assert await store.transactions.get(number + 1) is None
