"""Capabilities, fallbacks held, profile writes, disobedience and blocked connectors on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.adapters.storage import SqliteStore, open_store
from app.adapters.storage.copies import copy_database
from app.domain.capability import (
    Capability,
    Disobedience,
    FallbackForm,
    HeldFallback,
    LeaseForm,
    LeaseTrust,
    LimitKind,
    LimitPurpose,
    ModelKey,
    ProfileForm,
)
from app.domain.station import ConnectorKey, RateUnit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MODEL = ModelKey("Legrand", "059004", "V1")
WATTS = FallbackForm(LimitPurpose.STATION, LimitKind.ABSOLUTE, 7, RateUnit.WATTS, True)


async def test_a_capability_is_kept_by_vendor_model_and_firmware(store: SqliteStore) -> None:
    known = Capability(
        fallback=WATTS,
        live=ProfileForm(stack_level=7, lease=LeaseForm.VALID_TO, kind=LimitKind.RELATIVE),
        lease=LeaseTrust.HONOURED,
        composite=True,
        lowest_ma=6_000,
        resumes=False,
        acceptance_s=0.4,
        comply_s=9.5,
        overshoot_ma=1_200,
    )
    await store.capabilities.save(MODEL, Capability())
    await store.capabilities.save(MODEL, known)
    newer = MODEL._replace(firmware="V2")
    await store.capabilities.save(newer, Capability())
    assert await store.capabilities.load() == {MODEL: known, newer: Capability()}


async def test_fallbacks_held_are_replaced_and_forgotten(store: SqliteStore) -> None:
    for current in (6_000, 0):
        await store.capabilities.save_fallback(HeldFallback("A", current, WATTS, MODEL))
    await store.capabilities.save_fallback(HeldFallback("B", 0, FallbackForm(), MODEL))
    assert await store.capabilities.fallbacks() == [
        HeldFallback("A", 0, WATTS, MODEL),
        HeldFallback("B", 0, FallbackForm(), MODEL),
    ]
    await store.capabilities.forget_fallback("A")
    assert [held.station_id for held in await store.capabilities.fallbacks()] == ["B"]


async def test_a_copy_does_not_say_what_stations_hold(path: Path) -> None:
    opened = open_store(path)
    await opened.capabilities.save_fallback(HeldFallback("A", 0, WATTS, MODEL))
    await opened.close()
    copy = path.with_name("copy")
    copy_database(path, copy)
    restored = open_store(copy)
    assert await restored.capabilities.fallbacks() == []
    await restored.close()


async def test_disobedience_is_completed_and_listed_newest_first(store: SqliteStore) -> None:
    first = Disobedience(ConnectorKey("A", 1), NOON, 6_000, 16_000)
    second = Disobedience(ConnectorKey("B", 2), NOON + timedelta(hours=1), 0, 9_000)
    await store.conduct.record(first)
    await store.conduct.record(second)
    ended = Disobedience(ConnectorKey("A", 1), NOON, 6_000, 17_000, 95)
    await store.conduct.record(ended)
    assert await store.conduct.recent() == [second, ended]
    assert await store.conduct.recent(1) == [second]
    assert await store.conduct.recent(10, "A") == [ended]
    await store.conduct.prune(NOON + timedelta(minutes=1))
    assert await store.conduct.recent() == [second]


async def test_writes_add_up_by_day(store: SqliteStore) -> None:
    await store.conduct.add_writes(20_000, {"A": 3, "B": 1})
    await store.conduct.add_writes(20_000, {"A": 2})
    await store.conduct.add_writes(20_001, {"A": 7})
    assert await store.conduct.writes(20_000) == {"A": {20_000: 5, 20_001: 7}, "B": {20_000: 1}}
    assert await store.conduct.writes(20_001) == {"A": {20_001: 7}}
    await store.conduct.prune(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=20_001))
    assert await store.conduct.writes(0) == {"A": {20_001: 7}}


async def test_blocked_connectors_keep_their_first_instant(store: SqliteStore) -> None:
    key = ConnectorKey("A", 1)
    await store.conduct.block(key, NOON)
    await store.conduct.block(key, NOON + timedelta(hours=1))
    assert await store.conduct.blocked() == {key: NOON}
    await store.conduct.unblock(key)
    assert await store.conduct.blocked() == {}
