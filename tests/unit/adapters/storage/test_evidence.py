"""Evidence on disk: events replaced when they are over, accounts added up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from app.adapters.storage import SqliteStore
from app.domain.evidence import EventKind, EvidenceEvent, EvidenceMonth

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

OVERLOAD = EvidenceEvent(
    EventKind.OVERLOAD, "supply", "supply", NOON, phase=1, limit_ma=50_000, peak_ma=51_000
)
LOST = EvidenceEvent(EventKind.METER_LOST, "p1", "p1", NOON - HOUR)
MONTH = EvidenceMonth("2026-11", NOON, observed_s=60.0, overloads=1, longest_s=4.0, static_s=2.5)


async def test_an_event_is_written_when_it_begins_and_again_when_it_is_over(
    store: SqliteStore,
) -> None:
    await store.evidence.record([OVERLOAD, LOST], [])
    over = msgspec.structs.replace(
        OVERLOAD,
        ended_utc=NOON + timedelta(seconds=4),
        peak_ma=53_000,
        severe_s=1.2,
        reaction_s=0.25,
    )
    await store.evidence.record([over], [])
    assert await store.evidence.events(NOON - 2 * HOUR) == [over, LOST]
    assert await store.evidence.events(NOON - 2 * HOUR, "p1") == [LOST]
    assert await store.evidence.events(NOON) == [over]
    assert await store.evidence.events(NOON - 2 * HOUR, None, 1) == [over]


async def test_accounts_of_a_month_add_up(store: SqliteStore) -> None:
    await store.evidence.record([], [MONTH])
    more = EvidenceMonth(
        "2026-11",
        NOON + HOUR,
        observed_s=30.0,
        overloads=2,
        severe=1,
        longest_s=3.0,
        meter_lost_s=1.5,
        disobeying=1,
        guard_refusals=4,
        unrecorded=5,
    )
    await store.evidence.record([], [more])
    assert await store.evidence.months() == [
        EvidenceMonth("2026-11", NOON, 90.0, 3, 1, 4.0, 1.5, 2.5, 1, 4, 5)
    ]


async def test_old_evidence_goes(store: SqliteStore) -> None:
    before = msgspec.structs.replace(MONTH, month="2023-10")
    await store.evidence.record([OVERLOAD, LOST], [MONTH, before])
    assert await store.evidence.prune(NOON) == 1
    assert await store.evidence.events(NOON - 2 * HOUR) == [OVERLOAD]
    assert await store.evidence.months() == [MONTH]
