"""SecurityEventNotification: on disk before it is acknowledged, bounded, told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.services import security_events
from tests.support.secure_site import SecureSite, secure_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SecureSite]:
    async with secure_site(tmp_path) as running:
        yield running


async def test_4_14_an_event_is_kept_once(site: SecureSite) -> None:
    station = await site.enter()
    for _ in range(2):
        answer = await station.call(
            "SecurityEventNotification",
            type="StartupOfTheDevice",
            timestamp="2026-11-22T07:59:00Z",
            techInfo="mains",
        )
        assert answer == {}
    await site.power_cut()
    (event,) = await site.security.events.last("A-1")
    assert (event.type, event.tech_info) == ("StartupOfTheDevice", "mains")
    assert event.at_utc.isoformat() == "2026-11-22T07:59:00+00:00"
    assert site.alarms() == []


@pytest.mark.parametrize("at", [{"timestamp": "1970-01-01T00:00:00Z"}, {"timestamp": "soon"}, {}])
async def test_without_a_clock_it_is_the_time_of_receipt(
    site: SecureSite, at: dict[str, str]
) -> None:
    station = await site.enter()
    await station.call("SecurityEventNotification", type="ResetOrReboot", **at)
    (event,) = await site.security.events.last("A-1")
    assert event.at_utc == event.received_utc


async def test_an_attack_is_told_until_somebody_has_looked(site: SecureSite) -> None:
    station = await site.enter()
    await station.call(
        "SecurityEventNotification",
        type="TamperDetectionActivated",
        timestamp="2026-11-22T07:59:00Z",
    )
    assert site.alarms() == [("SEC-006", {"subject": "A-1", "event": "TamperDetectionActivated"})]
    await site.power_cut()
    assert [key for key, _ in site.alarms()] == ["SEC-006"]
    await site.security.dismiss("A-1", "admin")
    assert site.alarms() == []
    assert ("admin", "security-events-seen", "A-1") in await site.audit()
    await site.power_cut()
    assert site.alarms() == []


async def test_a_removed_stations_alarm_ends(site: SecureSite) -> None:
    station = await site.enter()
    await station.call(
        "SecurityEventNotification", type="MemoryExhaustion", timestamp="2026-11-22T07:59:00Z"
    )
    await site.running.manager.services.stations.remove("A-1", "admin")
    assert site.alarms() == []


async def test_strangers_are_acknowledged_alone(site: SecureSite) -> None:
    station = await site.enter("NEW")
    answer = await station.call(
        "SecurityEventNotification", type="MemoryExhaustion", timestamp="2026-11-22T07:59:00Z"
    )
    assert answer == {}
    assert await site.security.events.last("NEW") == []


async def test_a_flood_pushes_out_its_own(
    site: SecureSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security_events, "MOST_PER_STATION", 5)
    for name in ("A-2", "A-1"):
        station = await site.enter(name)
        for n in range(8 if name == "A-1" else 1):
            await station.call(
                "SecurityEventNotification",
                type="InvalidMessages",
                timestamp=f"2026-11-22T07:59:{n:02d}Z",
            )
    assert len(await site.security.events.last("A-1")) == 5
    assert len(await site.security.events.last("A-2")) == 1
