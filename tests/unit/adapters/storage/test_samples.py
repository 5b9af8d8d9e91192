from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from app.adapters.storage import SqliteStore, open_store
from app.adapters.storage.database import Database
from app.adapters.storage.samples import ROWS_AT_ONCE
from app.adapters.storage.store import INLINE_BATCH
from app.domain.circuit import Circuit
from app.domain.errors import StorageError
from app.domain.station import ChargingStation, Connector, ConnectorKey
from app.domain.transaction import Sample
from app.domain.units import PhaseCurrents
from app.services.ports import SiteConfiguration, TracePoint

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = ConnectorKey("A-001", 1)
SECOND = timedelta(seconds=1)


async def stored(store: SqliteStore) -> int:
    return await store._engine.read(
        lambda database: int(database.raw.execute("SELECT count(*) FROM sample").fetchone()[0])
    )


async def test_a_trace_gives_back_what_was_added_oldest_first(store: SqliteStore) -> None:
    full = Sample(
        at_utc=NOON + SECOND,
        received_s=5.0,
        current_ma=(16_100, 16_200, None),
        power_w=7_400,
        energy_wh=12_345,
        offered_ma=20_000,
        soc_percent=55,
    )
    store.samples.add(KEY, 7, full, 20_000)
    store.samples.add(KEY, None, Sample(NOON, 4.0), None)
    store.samples.add(ConnectorKey("A-001", 2), None, Sample(NOON, 4.0), 6_000)
    await store.flush()
    assert await store.samples.trace(KEY, NOON) == [
        TracePoint(NOON, 0, 0, 0, None, None, None),
        TracePoint(NOON + SECOND, 16_100, 16_200, 0, 20_000, 7_400, 12_345),
    ]
    assert len(await store.samples.trace(KEY, NOON + SECOND)) == 1
    row = await store._engine.read(
        lambda database: database.raw.execute(
            "SELECT transaction_id, offered_ma, soc_percent FROM sample WHERE power_w = 7400"
        ).fetchone()
    )
    assert row == (7, 20_000, 55)


@pytest.mark.parametrize(("phases", "expected"), [(1, (9_000, 0, 0)), (3, (9_000, 9_000, 9_000))])
async def test_a_current_without_phase_is_drawn_on_the_wired_conductors(
    store: SqliteStore, phases: int, expected: tuple[int, int, int]
) -> None:
    circuit = Circuit("supply", "", None, PhaseCurrents.uniform(100_000))
    station = ChargingStation("A-001", "A", "supply", (Connector(1, phases=phases),))
    await store.site.replace(SiteConfiguration("Site", "UTC", (circuit,), (), (station,)))
    store.samples.add(KEY, None, Sample(NOON, 0.0, current_unphased_ma=9_000), None)
    await store.flush()
    (point,) = await store.samples.trace(KEY, NOON)
    assert (point.l1_ma, point.l2_ma, point.l3_ma) == expected


async def test_two_messages_of_one_instant_complete_each_other(store: SqliteStore) -> None:
    store.samples.add(KEY, 7, Sample(NOON, 0.0, current_ma=(1, 2, 3)), 6_000)
    store.samples.add(KEY, None, Sample(NOON, 0.0, energy_wh=400), 7_000)
    await store.flush()
    assert await store.samples.trace(KEY, NOON) == [TracePoint(NOON, 1, 2, 3, 7_000, None, 400)]


@pytest.mark.parametrize("count", [ROWS_AT_ONCE - 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 3])
async def test_a_batch_of_any_length_is_written_whole(store: SqliteStore, count: int) -> None:
    # Each instant comes in two parts; the pairs stand across the statements' boundaries too.
    store.samples.add(KEY, 7, Sample(NOON - SECOND, 0.0), None)
    for second in range(count):
        at_utc = NOON + second * SECOND
        store.samples.add(KEY, 7, Sample(at_utc, 0.0, current_ma=(second, 0, 0)), 6_000)
        store.samples.add(KEY, None, Sample(at_utc, 0.0, energy_wh=second), None)
    await store.flush()
    assert await store.samples.trace(KEY, NOON) == [
        TracePoint(NOON + second * SECOND, second, 0, 0, 6_000, None, second)
        for second in range(count)
    ]


async def test_samples_are_written_without_being_asked(threaded: SqliteStore) -> None:
    threaded.samples.add(KEY, None, Sample(NOON, 0.0), None)
    async with asyncio.timeout(60):
        while await stored(threaded) == 0:  # noqa: ASYNC110  nothing announces a batch
            await asyncio.sleep(0.05)


async def test_closing_writes_what_waits(path: Path) -> None:
    for inline in (False, True):
        store = open_store(path, inline=inline)
        store.samples.add(KEY, None, Sample(NOON + inline * SECOND, 0.0), None)
        await store.close()
    store = open_store(path)
    assert await stored(store) == 2
    await store.close()


async def test_the_inline_store_writes_by_the_batch(path: Path) -> None:
    store = open_store(path, inline=True)
    for n in range(INLINE_BATCH - 1):
        store.samples.add(KEY, None, Sample(NOON + n * SECOND, 0.0), None)
    assert await stored(store) == 0
    store.samples.add(KEY, None, Sample(NOON - SECOND, 0.0), None)
    assert await stored(store) == INLINE_BATCH
    await store.close()


async def test_the_oldest_are_given_up_when_the_disk_cannot_follow(path: Path) -> None:
    store = open_store(path, waiting_samples=10)
    started, go_on = threading.Event(), threading.Event()

    def hold(_: Database) -> None:
        started.set()
        go_on.wait()

    held = asyncio.get_running_loop().create_task(store._engine.write(hold))
    await asyncio.to_thread(started.wait)
    for n in range(25):
        store.samples.add(KEY, None, Sample(NOON + n * SECOND, 0.0), None)
    assert store.dropped_samples == 15
    go_on.set()
    await held
    await store.flush()
    trace = await store.samples.trace(KEY, NOON)
    assert [point.at_utc for point in trace] == [NOON + n * SECOND for n in range(15, 25)]
    await store.close()


@pytest.mark.parametrize("inline", [False, True])
async def test_a_failed_batch_waits_for_the_next(path: Path, inline: bool) -> None:
    store = open_store(path, inline=inline, waiting_samples=3)
    await store._engine.write(_forbid_samples)
    for n in range(2):
        store.samples.add(KEY, None, Sample(NOON + n * SECOND, 0.0), None)
    with pytest.raises(StorageError) as refused:
        await store.flush()
    assert (refused.value.key, store.trouble_key) == ("storage-rejected", "storage-rejected")
    for n in range(2, 4):
        store.samples.add(KEY, None, Sample(NOON + n * SECOND, 0.0), None)
    with pytest.raises(StorageError):
        await store.flush()
    await store._engine.write(_allow_samples)
    await store.flush()
    assert store.dropped_samples == 1
    assert not store.trouble_key
    trace = await store.samples.trace(KEY, NOON)
    assert [point.at_utc for point in trace] == [NOON + n * SECOND for n in (1, 2, 3)]
    await store.close()


async def test_samples_that_come_during_a_failing_batch_keep_their_place(path: Path) -> None:
    store = open_store(path, waiting_samples=3)
    buffer = store._buffer
    batch: list[tuple[ConnectorKey, tuple[int | None, ...]]] = [(KEY, (n,)) for n in range(5)]
    for waiting in batch[3:]:
        buffer.add(waiting)
    buffer._put_back(type(buffer._waiting)(batch[:3]))
    assert list(buffer._waiting) == batch[2:]
    assert store.dropped_samples == 2
    await store.close()


async def test_pruning_deletes_what_is_older_and_counts_it(store: SqliteStore) -> None:
    for connector_id in (1, 2):
        for n in range(10):
            key = ConnectorKey("A-001", connector_id)
            store.samples.add(key, None, Sample(NOON + n * SECOND, 0.0), None)
    await store.flush()
    assert await store.samples.prune(NOON + 7 * SECOND) == 14
    assert await stored(store) == 6
    assert await store.samples.prune(NOON + 7 * SECOND) == 0


async def test_a_naive_time_is_refused_at_the_door(store: SqliteStore) -> None:
    naive = msgspec.structs.replace(Sample(NOON, 0.0), at_utc=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="naive"):
        store.samples.add(KEY, None, naive, None)
    await store.flush()
    assert await stored(store) == 0


def _forbid_samples(database: Database) -> None:
    database.raw.execute(
        "CREATE TRIGGER no_sample BEFORE INSERT ON sample"
        " BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
    )


def _allow_samples(database: Database) -> None:
    database.raw.execute("DROP TRIGGER no_sample")
