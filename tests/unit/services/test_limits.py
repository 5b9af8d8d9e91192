"""Refusals of limits and fallbacks, played frame by frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.storage import open_store
from app.domain.capability import FallbackForm, LeaseTrust
from app.domain.errors import NotFoundError
from app.domain.station import ChargingStation, Connector, ConnectorKey, StationIdentity
from app.services.capabilities import CapabilityBook
from app.services.registry import StationLive
from app.services.tasks import TaskSupervisor
from tests.support.scripted import MemoryManager, ScriptedStation, settle
from tests.unit.services.test_intake import SITE, charging

A1 = ConnectorKey("A-1", 1)
REJECTED = {"status": "Rejected"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


def live(site: MemoryManager) -> StationLive:
    found = site.manager.registry.station("A-1")
    assert found is not None
    return found


def units(station: ScriptedStation, since: int) -> list[str]:
    return [
        call["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"]
        for call in station.sent("SetChargingProfile")[since:]
    ]


async def test_a_station_without_smart_charging_is_asked_once(site: MemoryManager) -> None:
    station = site.connect("A-1")
    station.answers["SetChargingProfile"] = "NotSupported"
    await station.boot()
    assert len(station.sent("SetChargingProfile")) == 1
    assert live(site).capability.fallback is None
    await site.cycle(2, readings=(0, 0, 0))
    assert site.manager.planner.ceilings.ceiling(A1, site.clock.monotonic_s()) == 32_000


async def test_who_refuses_every_fallback_is_asked_in_many_forms(site: MemoryManager) -> None:
    station = site.connect("A-1")
    station.answers["SetChargingProfile"] = REJECTED
    await station.boot()
    await settle()
    assert len(station.sent("SetChargingProfile")) == 16
    assert live(site).capability.fallback is None


async def test_a_form_that_was_accepted_is_kept_for_two_refusals(site: MemoryManager) -> None:
    station, _ = await charging(site)
    before = len(station.sent("SetChargingProfile"))
    station.answers["SetChargingProfile"] = REJECTED
    await site.cycle(8, readings=(60, 60, 60))
    assert set(units(station, before)) == {"A"}
    await site.cycle(30, readings=(60, 60, 60))
    assert set(units(station, before)) == {"A", "W"}
    # The supply is overloaded meanwhile: its charge is told to end.
    assert station.sent("RemoteStopTransaction")
    assert live(site).capability.follows  # it holds its fallback
    assert site.manager.capabilities.of(live(site)).live is not None


async def test_the_end_of_the_charge_ends_the_search(site: MemoryManager) -> None:
    station, transaction_id = await charging(site)
    before = len(station.sent("SetChargingProfile"))
    live(site).capability.form_proven = False

    def refuse_and_leave(_payload: dict[str, Any]) -> dict[str, Any]:
        live(site).connectors[1].transaction = None
        return REJECTED

    station.answers["SetChargingProfile"] = refuse_and_leave
    await site.cycle(3, readings=(60, 60, 60))
    assert len(station.sent("SetChargingProfile")) == before + 1
    assert transaction_id


@pytest.mark.parametrize("answer", [REJECTED, "NotSupported"])
async def test_who_tells_nothing_of_its_schedule_is_not_asked_for_ever(
    site: MemoryManager, answer: Any
) -> None:
    station = site.connect("A-1")
    station.answers["GetCompositeSchedule"] = answer
    await station.boot()
    await station.call(
        "StartTransaction", connectorId=1, idTag="C0FFEE", meterStart=0,
        timestamp=site.clock.utc_now().isoformat(),
    )  # fmt: skip
    for current in (0, 30, 40, 0, 40, 0, 40, 0):
        await site.cycle(30, readings=(current, current, current))
    asked = len(station.sent("GetCompositeSchedule"))
    assert asked == (1 if answer == "NotSupported" else 5)
    assert site.manager.capabilities.of(live(site)).lease is LeaseTrust.UNKNOWN


async def test_a_boot_in_a_charge_brings_fallback_and_limit_again(site: MemoryManager) -> None:
    station, _ = await charging(site)
    before = len(station.sent("SetChargingProfile"))
    await station.boot()
    await site.cycle(2, readings=(10, 10, 10))
    purposes = [
        call["csChargingProfiles"]["chargingProfilePurpose"]
        for call in station.sent("SetChargingProfile")[before:]
    ]
    assert purposes == ["TxDefaultProfile", "TxProfile"]


async def test_nobody_is_told_of_a_station_that_is_not_there(site: MemoryManager) -> None:
    with pytest.raises(NotFoundError):
        await site.manager.safety.of("nobody")


async def test_what_is_learned_of_a_nameless_station_is_kept_for_it_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "bornier.sqlite3", inline=True)
    tasks = TaskSupervisor()
    book = CapabilityBook(store.capabilities, tasks)
    await book.load()
    nameless = StationLive(ChargingStation("N", "N", "supply", (Connector(1),)))
    book.learn(nameless, resumes=True)
    assert book.of(nameless).resumes
    await book.holds("N", nameless.identity, 0, FallbackForm())
    assert book.held("N") is None
    assert await store.capabilities.load() == {}
    named = StationLive(ChargingStation("M", "M", "supply", (Connector(1),)))
    named.identity = StationIdentity("Maker", "One")
    store.abandon()
    book.learn(named, resumes=True)
    await settle()
    assert book.of(named).resumes
    again = open_store(tmp_path / "bornier.sqlite3", inline=True)
    book._repository = again.capabilities
    await book.save()
    assert len(await again.capabilities.load()) == 1
    await again.close()
    await tasks.stop()
