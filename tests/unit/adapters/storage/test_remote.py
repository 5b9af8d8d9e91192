"""Orders, settings read, set-ups, histories and jobs on disk, in both modes of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from app.adapters.storage import SqliteStore, open_store
from app.domain.remote import (
    BulkJob,
    EventKind,
    JobState,
    KeyReading,
    KeyTemplate,
    Outage,
    OutageStage,
    Outcome,
    OutcomeState,
    Reading,
    Reservation,
    ReservationState,
    SetupRecord,
    SetupStep,
    StationEvent,
    StepRecord,
    StepState,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_outages_are_kept_until_they_are_over(store: SqliteStore) -> None:
    first = await store.orders.save_outage(Outage(0, "A", 1, NOON, NOON + HOUR, "admin"))
    second = await store.orders.save_outage(Outage(0, "A", 0, NOON, None, "admin"))
    assert first.outage_id < second.outage_id
    taken = msgspec.structs.replace(first, stage=OutageStage.IN_FORCE, answer="Scheduled")
    assert await store.orders.save_outage(taken) == taken
    assert await store.orders.outages() == [taken, second]
    for one in (taken, second):
        await store.orders.save_outage(msgspec.structs.replace(one, stage=OutageStage.OVER))
    assert await store.orders.outages() == []
    assert await store.orders.prune(NOON) == 0
    assert await store.orders.prune(NOON + 2 * HOUR) == 2


async def test_a_number_of_a_reservation_is_never_given_again(path: Path) -> None:
    store = open_store(path)
    made = await store.orders.save_reservation(
        Reservation(0, "A", 1, "AAAA", NOON, NOON + HOUR, "admin")
    )
    assert await store.orders.reservations() == [made]
    over = msgspec.structs.replace(made, state=ReservationState.EXPIRED)
    await store.orders.save_reservation(over)
    assert await store.orders.reservations() == []
    assert await store.orders.prune(NOON + 2 * HOUR) == 1
    await store.close()
    store = open_store(path)
    again = await store.orders.save_reservation(
        Reservation(0, "A", 1, "AAAA", NOON, NOON + HOUR, "admin")
    )
    assert again.reservation_id > made.reservation_id
    await store.close()


async def test_the_newest_readings_are_kept(store: SqliteStore) -> None:
    records = store.station_records
    for hour in range(8):
        keys = (KeyReading("A", str(hour), True), KeyReading("B", None, secret=True))
        await records.save_reading(Reading("S", NOON + hour * HOUR, "V1", keys, portions=True))
    await records.save_reading(Reading("T", NOON, "V2", ()))
    kept = await records.readings("S")
    assert [one.keys[0].value for one in kept] == ["7", "6", "5", "4", "3"]
    assert await records.latest_readings() == {"S": kept[0], "T": Reading("T", NOON, "V2", ())}
    assert await records.readings("Z") == []


async def test_templates_and_set_ups_are_replaced_in_place(store: SqliteStore) -> None:
    records = store.station_records
    night = await records.save_template(KeyTemplate(0, "Night", {"A": "1"}))
    day = await records.save_template(KeyTemplate(0, "Day", {"A": "2"}))
    changed = KeyTemplate(night.template_id, "Night", {"A": "3"})
    assert await records.save_template(changed) == changed
    assert await records.templates() == [day, changed]
    await records.remove_template(day.template_id)
    assert await records.templates() == [changed]
    steps = {SetupStep.READING: StepRecord(StepState.REFUSED, NOON, "NotImplemented")}
    await records.save_setup(SetupRecord("A", "V1"))
    await records.save_setup(SetupRecord("A", "V2", steps))
    assert await records.setups() == {"A": SetupRecord("A", "V2", steps)}


async def test_the_history_is_read_newest_first_and_pruned(store: SqliteStore) -> None:
    records = store.station_records
    events = [
        StationEvent(NOON + hour * HOUR, "A", kind, hour, f"{hour}")
        for hour, kind in enumerate((EventKind.CONNECTED, EventKind.FAULT, EventKind.LOST))
    ]
    await records.add_events([*events, StationEvent(NOON, "B", EventKind.LOST)])
    assert await records.events("A", NOON, 10) == events[::-1]
    assert await records.events("A", NOON + HOUR, 1) == [events[2]]
    assert await records.prune(NOON + HOUR) == 2
    assert await records.events("A", NOON, 10) == [events[2], events[1]]


async def test_jobs_are_kept_with_their_outcomes(store: SqliteStore) -> None:
    jobs = store.jobs
    job = await jobs.create(
        BulkJob(0, "restart", {"kind": "soft"}, "admin", NOON, (Outcome("A"), Outcome("B")))
    )
    done = Outcome("B", OutcomeState.DONE, "Reset", "Accepted", attempts=1)
    await jobs.save_outcomes(job.job_id, {1: done})
    found = await jobs.get(job.job_id)
    assert found == msgspec.structs.replace(job, outcomes=(Outcome("A"), done))
    assert await jobs.running() == [found]
    ended = msgspec.structs.replace(job, state=JobState.DONE, ended_utc=NOON + HOUR)
    await jobs.save(ended)
    assert await jobs.running() == []
    other = await jobs.create(BulkJob(0, "unlock", {}, "admin", NOON + HOUR, ()))
    assert [one.job_id for one in await jobs.recent(5)] == [other.job_id, job.job_id]
    assert await jobs.get(99) is None
    # What still runs is never pruned.
    assert await jobs.prune(NOON + 2 * HOUR) == 1
    assert [one.job_id for one in await jobs.recent(5)] == [other.job_id]
