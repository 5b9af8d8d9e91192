from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from app.adapters.storage import SqliteStore, transactions
from app.domain.station import ConnectorKey
from app.domain.transaction import Sample
from app.services.ports import NewTransaction, TransactionStop

NOON = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
HOUR = timedelta(hours=1)

START = NewTransaction(
    station_id="A-001",
    connector_id=2,
    id_tag="04A1B2C3",
    started_utc=NOON,
    received_utc=NOON + timedelta(seconds=3),
    meter_start_wh=1_000,
)


def later(hours: float, meter_start_wh: int = 5_000) -> NewTransaction:
    return msgspec.structs.replace(
        START,
        started_utc=NOON + hours * HOUR,
        received_utc=NOON + hours * HOUR,
        meter_start_wh=meter_start_wh,
    )


def stop_of(transaction_id: int, *, estimated: bool = False) -> TransactionStop:
    return TransactionStop(
        transaction_id=transaction_id,
        stopped_utc=NOON + 2 * HOUR,
        received_utc=NOON + 3 * HOUR,
        meter_stop_wh=8_000,
        reason="EVDisconnected",
        id_tag="04FFFFFF",
        estimated=estimated,
    )


async def test_a_start_is_recorded_and_given_back(store: SqliteStore) -> None:
    transaction, new = await store.transactions.start(START)
    assert new
    assert transaction.key == ConnectorKey("A-001", 2)
    assert transaction.id_tag == "04A1B2C3"
    assert transaction.started_utc == NOON
    assert transaction.received_utc == NOON + timedelta(seconds=3)
    assert transaction.meter_start_wh == 1_000
    assert transaction.is_open
    assert list(await store.transactions.open_transactions()) == [transaction]
    assert await store.transactions.count() == 1


async def test_the_same_start_again_is_the_same_transaction(store: SqliteStore) -> None:
    first, _ = await store.transactions.start(START)
    repeat = msgspec.structs.replace(START, received_utc=NOON + HOUR)
    assert await store.transactions.start(repeat) == (first, False)
    assert await store.transactions.count() == 1


async def test_a_repeated_start_does_not_reopen_what_was_stopped(store: SqliteStore) -> None:
    first, _ = await store.transactions.start(START)
    stopped = await store.transactions.stop(stop_of(first.transaction_id))
    assert await store.transactions.start(START) == (stopped, False)


@pytest.mark.parametrize(
    "change",
    [
        {"connector_id": 1},
        {"station_id": "A-002"},
        {"id_tag": "04A1B2C4"},
        {"started_utc": NOON + timedelta(microseconds=1)},
        {"meter_start_wh": 1_001},
    ],
)
async def test_any_other_start_is_another_transaction(
    store: SqliteStore, change: dict[str, object]
) -> None:
    first, _ = await store.transactions.start(START)
    other, new = await store.transactions.start(msgspec.structs.replace(START, **change))
    assert new
    assert other.transaction_id == first.transaction_id + 1


async def test_numbers_fit_31_bits_and_start_ahead_of_a_lost_database(store: SqliteStore) -> None:
    first, _ = await store.transactions.start(START)
    assert 0 < first.transaction_id < 2**31
    # A database begun a year before and busy ever since has not come so far.
    before = (NOON - timedelta(days=365) - datetime(2020, 1, 1, tzinfo=UTC)).days * 20_000
    assert first.transaction_id > before + 365 * 10_000


async def test_a_clock_from_before_our_time_still_numbers_from_one(store: SqliteStore) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    start = msgspec.structs.replace(START, started_utc=epoch, received_utc=epoch)
    transaction, _ = await store.transactions.start(start)
    assert transaction.transaction_id == 1
    following, _ = await store.transactions.start(later(0))
    assert following.transaction_id == 2


async def test_a_new_start_closes_the_orphan_at_its_last_sample(store: SqliteStore) -> None:
    orphan, _ = await store.transactions.start(START)
    for minutes, energy_wh in ((10, 1_500), (40, 3_500)):
        sample = Sample(NOON + timedelta(minutes=minutes), 0.0, energy_wh=energy_wh)
        store.samples.add(orphan.key, orphan.transaction_id, sample, None)
    store.samples.add(
        orphan.key, orphan.transaction_id, Sample(NOON + timedelta(minutes=50), 0.0), None
    )
    await store.flush()
    current, _ = await store.transactions.start(later(2))
    newest, closed = await store.transactions.recent()
    assert newest == current
    assert closed.transaction_id == orphan.transaction_id
    assert closed.estimated_stop
    assert closed.stop_reason == "Other"
    assert closed.stopped_utc == NOON + timedelta(minutes=40)
    assert closed.meter_stop_wh == 3_500
    assert list(await store.transactions.open_transactions()) == [current]


async def test_an_orphan_without_samples_ends_where_the_next_begins(store: SqliteStore) -> None:
    await store.transactions.start(START)
    await store.transactions.start(later(2, meter_start_wh=4_200))
    _, closed = await store.transactions.recent()
    assert closed.stopped_utc == NOON + 2 * HOUR
    assert closed.energy_wh == 3_200


async def test_a_register_that_restarts_gives_an_orphan_no_negative_energy(
    store: SqliteStore,
) -> None:
    await store.transactions.start(START)
    await store.transactions.start(later(2, meter_start_wh=0))
    _, closed = await store.transactions.recent()
    assert closed.meter_stop_wh == START.meter_start_wh


async def test_a_station_whose_clock_went_back_ends_nothing_before_it_began(
    store: SqliteStore,
) -> None:
    orphan, _ = await store.transactions.start(START)
    await store.transactions.start(later(-2))
    closed = (await store.transactions.recent())[0]
    assert closed.transaction_id == orphan.transaction_id
    assert closed.stopped_utc == NOON


async def test_the_other_connector_is_left_alone(store: SqliteStore) -> None:
    one, _ = await store.transactions.start(START)
    two, _ = await store.transactions.start(
        msgspec.structs.replace(later(1), connector_id=START.connector_id + 1)
    )
    assert list(await store.transactions.open_transactions()) == [one, two]


async def test_a_stop_is_recorded_once(store: SqliteStore) -> None:
    started, _ = await store.transactions.start(START)
    stopped = await store.transactions.stop(stop_of(started.transaction_id))
    assert stopped is not None
    assert stopped.stopped_utc == NOON + 2 * HOUR
    assert stopped.energy_wh == 7_000
    assert stopped.stop_reason == "EVDisconnected"
    assert not stopped.estimated_stop
    assert list(await store.transactions.open_transactions()) == []
    again = msgspec.structs.replace(stop_of(started.transaction_id), meter_stop_wh=9_999)
    assert await store.transactions.stop(again) == stopped


async def test_a_told_stop_replaces_an_estimated_one_but_not_the_reverse(
    store: SqliteStore,
) -> None:
    started, _ = await store.transactions.start(START)
    number = started.transaction_id
    estimated = await store.transactions.stop(
        msgspec.structs.replace(stop_of(number, estimated=True), meter_stop_wh=2_000)
    )
    assert estimated is not None
    assert estimated.estimated_stop
    assert await store.transactions.stop(stop_of(number, estimated=True)) == estimated
    told = await store.transactions.stop(stop_of(number))
    assert told is not None
    assert not told.estimated_stop
    assert told.meter_stop_wh == 8_000
    assert await store.transactions.stop(stop_of(number, estimated=True)) == told


async def test_an_unknown_stop_says_so_and_can_be_parked_twice(store: SqliteStore) -> None:
    assert await store.transactions.stop(stop_of(17)) is None
    await store.transactions.park_stop("A-001", stop_of(17))
    await store.transactions.park_stop("A-001", stop_of(17))
    parked = await store._engine.read(
        lambda database: database.raw.execute("SELECT * FROM parked_stop").fetchall()
    )
    assert len(parked) == 1
    assert parked[0][:2] == ("A-001", 17)
    assert parked[0][4:7] == (8_000, "EVDisconnected", "04FFFFFF")


async def test_recent_is_newest_first_by_station_and_by_page(store: SqliteStore) -> None:
    for hours in range(5):
        for station in ("A-001", "A-002"):
            await store.transactions.start(
                msgspec.structs.replace(later(hours), station_id=station)
            )
    everything = await store.transactions.recent()
    assert [each.started_utc for each in everything] == sorted(
        (each.started_utc for each in everything), reverse=True
    )
    of_one = await store.transactions.recent(station_id="A-002", limit=2, offset=1)
    assert [each.station_id for each in of_one] == ["A-002", "A-002"]
    assert [each.started_utc for each in of_one] == [NOON + 3 * HOUR, NOON + 2 * HOUR]
    assert await store.transactions.count() == 10
    assert await store.transactions.recent(offset=10) == []


async def test_times_of_any_zone_come_back_as_utc(store: SqliteStore) -> None:
    paris = timezone(HOUR)
    start = msgspec.structs.replace(START, started_utc=NOON.astimezone(paris))
    transaction, _ = await store.transactions.start(start)
    assert transaction.started_utc == NOON
    assert transaction.started_utc.utcoffset() == timedelta(0)
    assert await store.transactions.start(START) == (transaction, False)


async def test_a_naive_time_is_refused_and_nothing_is_written(store: SqliteStore) -> None:
    naive = msgspec.structs.replace(START, started_utc=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="naive"):
        await store.transactions.start(naive)
    assert await store.transactions.count() == 0


async def test_many_stations_at_once_get_numbers_of_their_own(threaded: SqliteStore) -> None:
    starts = [msgspec.structs.replace(START, station_id=f"S-{n:03}") for n in range(300)]
    # Every start is sent twice at the same time, as a station does that lost the answer.
    answers = await asyncio.gather(*map(threaded.transactions.start, starts + starts))
    firsts, repeats = answers[:300], answers[300:]
    assert len({transaction.transaction_id for transaction, _ in firsts}) == 300
    assert all(new for _, new in firsts)
    assert [each for each, _ in firsts] == [each for each, _ in repeats]
    assert not any(new for _, new in repeats)


@pytest.mark.parametrize(
    ("sql", "parameters", "index"),
    [
        (transactions._OPEN, (), "charge_transaction_open"),
        (transactions._OPEN_ON_CONNECTOR, ("A", 1), "charge_transaction_open"),
        (transactions._RECENT, (50, 0), "charge_transaction_time"),
        (transactions._RECENT_OF_STATION, ("A", 50, 0), "charge_transaction_station"),
        (transactions._SAME_START, ("A", 1, "T", 0, 0), "sqlite_autoindex_charge_transaction_1"),
    ],
)
async def test_two_years_of_history_cost_no_more_than_a_day(
    threaded: SqliteStore, sql: str, parameters: tuple[object, ...], index: str
) -> None:
    plan = await threaded._engine.read(
        lambda database: database.raw.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
    )
    assert f" {index}" in plan[0][3]
