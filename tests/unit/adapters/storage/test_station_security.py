from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from app.adapters.storage import SqliteStore
from app.domain.station_security import (
    Delivery,
    SecurityDefaults,
    SecurityEvent,
    SecurityProfile,
    Setback,
    StationCertificate,
    StationKey,
    StationSecurity,
    Strangers,
)

NOW = datetime(2026, 11, 22, 8, 0, 0, 123_456, tzinfo=UTC)


async def test_records_come_back_as_they_were(store: SqliteStore) -> None:
    record = StationSecurity(
        "A/1",
        required=SecurityProfile.KEY,
        key=StationKey("a", NOW, proved_utc=NOW),
        next_key=StationKey("b", NOW, Delivery.TO_SEND, "sealed"),
        wanted=SecurityProfile.CERTIFICATE,
        profile_sent=True,
        until_utc=NOW,
        restart_due=True,
        setback=Setback.BY_HAND,
        setback_detail="NotSupported",
    )
    await store.security.save(StationSecurity("A/1"))
    await store.security.save(record)
    await store.security.save(StationSecurity("B"))
    assert await store.security.load() == [record, StationSecurity("B")]
    await store.security.remove("A/1")
    assert await store.security.load() == [StationSecurity("B")]


async def test_the_sites_choices(store: SqliteStore) -> None:
    assert await store.security.defaults() == SecurityDefaults()
    for strangers in (Strangers.TLS, Strangers.NONE):
        chosen = SecurityDefaults(SecurityProfile.TLS_KEY, strangers, "Régie")
        await store.security.save_defaults(chosen)
        assert await store.security.defaults() == chosen


async def test_certificates_newest_first(store: SqliteStore) -> None:
    first = StationCertificate("f1", "A", "1", NOW, NOW + timedelta(days=730))
    second = StationCertificate("f2", "A", "2", NOW + timedelta(days=1), NOW)
    for each in (first, second):
        await store.security.save_certificate(each)
    revoked = msgspec.structs.replace(first, revoked_utc=NOW, revoked_because="lost")
    await store.security.save_certificate(revoked)
    assert await store.security.certificates() == [second, revoked]


async def test_of_each_station_the_newest_events_stay(store: SqliteStore) -> None:
    def event(station: str, n: int) -> SecurityEvent:
        return SecurityEvent(station, NOW + timedelta(seconds=n), NOW, "ResetOrReboot", f"{n}")

    assert await store.security.add_event(event("B", 0), 3)
    for n in range(5):
        assert await store.security.add_event(event("A", n), 3)
    assert not await store.security.add_event(event("A", 4), 3)
    assert await store.security.events("A") == [event("A", n) for n in (4, 3, 2)]
    assert await store.security.events("A", limit=1) == [event("A", 4)]
    assert len(await store.security.events()) == 4


async def test_events_are_unseen_until_somebody_looks(store: SqliteStore) -> None:
    event = SecurityEvent("A", NOW, NOW, "MemoryExhaustion")
    await store.security.add_event(event, 3)
    await store.security.add_event(msgspec.structs.replace(event, station_id="B"), 3)
    await store.security.see_events("A")
    assert [each.station_id for each in await store.security.unseen()] == ["B"]
    assert (await store.security.events("A"))[0].seen
