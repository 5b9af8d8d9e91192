from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.adapters.storage import SqliteStore, parked_rows
from app.adapters.storage.database import MIGRATIONS
from app.services.ports import NewTransaction, TransactionStop

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def stop(number: int = -1, minutes: int = 0, meter_wh: int = 5_000) -> TransactionStop:
    at = NOON + minutes * MINUTE
    return TransactionStop(number, at, at, meter_wh, "Local")


def start(minutes: int, meter_wh: int, connector_id: int = 1) -> NewTransaction:
    at = NOON + minutes * MINUTE
    return NewTransaction("A", connector_id, "T", at, at, meter_wh)


async def ended(store: SqliteStore, minutes: int, start_wh: int, stop_wh: int) -> int:
    begun, _ = await store.transactions.start(start(minutes, start_wh))
    await store.transactions.take_stop("A", stop(begun.transaction_id, minutes + 1, stop_wh))
    return begun.transaction_id


async def test_a_station_that_invents_stops_fills_its_own_share_only(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parked_rows, "WAITING_MOST", 5)
    await store.transactions.take_stop("B", stop())
    for n in range(12):
        await store.transactions.take_stop("A", stop(-1, n))
    waiting = await store.parked.waiting()
    assert [one.stopped_utc for one in waiting if one.station_id == "A"] == [
        NOON + n * MINUTE for n in range(11, 6, -1)
    ]
    assert await store.parked.count() == 6


async def test_settled_ones_are_forgotten_in_time_and_waiting_ones_never(
    store: SqliteStore,
) -> None:
    await store.transactions.take_stop("A", stop(-1, 0))
    await store.transactions.take_stop("A", stop(-1, 1))
    (newest, _oldest) = await store.parked.waiting()
    assert await store.parked.dismiss(newest.key)
    assert not await store.parked.dismiss(newest.key)
    assert await store.parked.get(newest.key) is None
    assert await store.parked.get(4_711) is None
    assert await store.parked.prune(NOON + 60 * MINUTE) == 1
    assert await store.parked.count() == 1


async def test_a_stop_before_its_session_is_not_attached_with_a_negative_time(
    store: SqliteStore,
) -> None:
    await store.transactions.take_stop("A", stop(-1, 0))
    begun, _ = await store.transactions.start(start(10, 1_000))
    (waiting,) = await store.parked.waiting()
    attached = await store.parked.attach(waiting.key, begun.transaction_id)
    assert attached is not None
    assert attached.stopped_utc == begun.started_utc
    assert await store.parked.candidates(waiting.key) == []
    assert await store.parked.attach(waiting.key, begun.transaction_id) is None


async def test_gaps_are_found_by_outlet_and_only_forwards(store: SqliteStore) -> None:
    first = await ended(store, 0, 1_000, 2_000)
    second = await ended(store, 10, 2_050, 3_000)
    third = await ended(store, 20, 3_700, 4_000)
    await ended(store, 30, 100, 200)  # the register was replaced
    await store.transactions.start(start(5, 9_000, connector_id=2))
    (gap,) = await store.parked.gaps("A", NOON)
    assert (gap.energy_wh, gap.after_id, gap.before_id) == (700, second, third)
    assert (gap.since_utc, gap.until_utc) == (NOON + 11 * MINUTE, NOON + 20 * MINUTE)
    assert first < second
    assert await store.parked.gaps("A", NOON + 15 * MINUTE) == []
    assert await store.parked.gaps("B", NOON) == []


async def test_a_gap_after_an_estimated_end_says_so(store: SqliteStore) -> None:
    begun, _ = await store.transactions.start(start(0, 1_000))
    estimated = msgspec.structs.replace(stop(begun.transaction_id, 1, 1_000), estimated=True)
    await store.transactions.stop(estimated)
    await store.transactions.start(start(9, 3_000))
    (gap,) = await store.parked.gaps("A", NOON)
    assert gap.is_estimated
    assert gap.energy_wh == 2_000


async def test_a_session_with_a_sure_end_or_of_another_station_is_not_resumed(
    store: SqliteStore,
) -> None:
    number = await ended(store, 0, 0, 10)
    assert await store.transactions.resume("A", number, NOON) is None
    begun, _ = await store.transactions.start(start(9, 3_000))
    assert await store.transactions.resume("A", begun.transaction_id, NOON) is None
    assert await store.transactions.resume("B", begun.transaction_id, NOON) is None
    assert await store.transactions.resume("A", 4_711, NOON) is None


async def test_waiting_stops_of_a_station_are_found_by_their_index(threaded: SqliteStore) -> None:
    plan = await threaded._engine.read(
        lambda database: database.raw.execute(
            f"EXPLAIN QUERY PLAN {parked_rows.WAITING_OF_STATION}", ("A",)
        ).fetchall()
    )
    assert "parked_stop_waiting" in plan[0][3]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("04:A1", 1, 1)], {"04A1": (1, 1)}),
        ([("FLEET-01", 1, 1)], {"FLEET-01": (1, 1)}),
        ([("04:A1", 1, 0), ("04A1", 1, 1)], {"04A1": (1, 0)}),
        ([("04:A1", 0, 0), ("04A1", 1, 1)], {"04A1": (1, 1)}),
        ([("04:A1", 1, 1), ("04A1", 0, 0)], {"04A1": (1, 1)}),
    ],
)
async def test_badges_with_separators_are_brought_together(
    store: SqliteStore, before: list[tuple[str, int, int]], after: dict[str, tuple[int, int]]
) -> None:
    step: dict[str, object] = {}
    exec((MIGRATIONS / "0007_intake.py").read_text(encoding="utf-8"), step)
    database = store._engine._database
    for key, known, active in before:
        database.raw.execute(
            "INSERT INTO badge (key, id_tag, holder, known, active, weight) VALUES (?, ?, '', ?, ?, 1)",
            (key, key, known, active),
        )
    step["_compare_badges_without_separators"](database)  # type: ignore[operator]
    rows = database.raw.execute("SELECT key, known, active FROM badge").fetchall()
    assert {key: (known, active) for key, known, active in rows} == after
