"""The set-up of a station, frame by frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.remote import SetupStep, StepRecord, StepState
from app.services.commissioning import Ended
from app.services.ports import StationLink
from app.services.registry import StationLive
from tests.support.garage import garage
from tests.support.scripted import MemoryManager, settle


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, garage(["A"]))
    await running.start()
    yield running
    await running.stop()


def steps(site: MemoryManager) -> dict[SetupStep, StepRecord]:
    return site.manager.remote.set_up_of("A").steps


async def test_a_station_that_boots_in_a_loop_is_not_asked_for_its_status_each_time(
    site: MemoryManager,
) -> None:
    station = site.connect("A")
    for _ in range(10):
        await station.boot()
        site.clock.advance(30.0)
    asked = station.sent("TriggerMessage")
    assert asked[0] == {"requestedMessage": "StatusNotification"}
    # After 0 s, then when 60 s, then 120 s more have passed.
    assert len(asked) == 3
    assert steps(site)[SetupStep.STATUS].state is StepState.SKIPPED


async def test_a_station_that_told_its_status_is_not_asked_at_all(site: MemoryManager) -> None:
    station = site.connect("A")
    await station.call("StatusNotification", connectorId=1, errorCode="NoError", status="Available")
    await station.boot()
    assert station.sent("TriggerMessage") == []
    assert steps(site)[SetupStep.STATUS].state is StepState.DONE


async def test_a_refused_fallback_leaves_the_station_in_use(site: MemoryManager) -> None:
    station = site.connect("A")
    station.answers["SetChargingProfile"] = "NotSupported"
    await station.boot()
    assert steps(site)[SetupStep.FALLBACK].state is StepState.REFUSED
    live = site.manager.registry.station("A")
    assert live is not None
    assert live.set_up
    assert steps(site)[SetupStep.SAMPLING].state is StepState.DONE


async def test_what_it_refuses_is_named(site: MemoryManager) -> None:
    station = site.connect("A")
    station.answers["ChangeConfiguration"] = lambda payload: {
        "status": "Rejected" if payload["key"] == "MeterValuesSampledData" else "Accepted"
    }
    station.answers["TriggerMessage"] = {"status": "Rejected"}
    station.answers["ClearChargingProfile"] = "InternalError"
    await station.boot()
    assert steps(site)[SetupStep.SAMPLING].answer == "MeterValuesSampledData"
    assert steps(site)[SetupStep.STATUS].answer == "Rejected"
    assert steps(site)[SetupStep.LEFTOVERS].answer == "InternalError"


async def test_others_add_their_step(site: MemoryManager) -> None:
    seen: list[str] = []

    async def local_list(station: StationLive, _link: StationLink) -> Ended:
        seen.append(station.station.station_id)
        return StepState.SKIPPED, "too long"

    site.manager.commissioning.steps[SetupStep.LOCAL_LIST] = local_list
    station = site.connect("A")
    await station.boot()
    await settle()
    assert seen == ["A"]
    assert steps(site)[SetupStep.LOCAL_LIST].state is StepState.SKIPPED
    assert list(steps(site))[-1] is SetupStep.LOCAL_LIST
