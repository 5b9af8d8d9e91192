"""What a station is answered, and what the manager does with what it hears."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.badge import Badge
from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.limits import ReasonCode
from app.domain.station import ConnectorKey, ConnectorStatus
from app.services.adoption import AdoptionDefaults
from app.services.live import DisplayState, SiteView
from tests.support.scripted import MemoryManager, ScriptedStation, settle

SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [
        {
            "id": "supply",
            "name": "Arrivée",
            "limit_a": [50, 50, 50],
            "margin_a": 2,
            "worst_background_a": [30, 30, 30],
        }
    ],
    "meters": [{"id": "m", "model": "IME Nemo D4-Le", "host": "127.0.0.1", "circuit": "supply"}],
    "stations": [
        {"id": "A-1", "name": "Nord", "circuit": "supply", "connectors": [{"id": 1}]},
        {
            "id": "A-2",
            "circuit": "supply",
            "connectors": [{"id": 1}, {"id": 2}],
            "free_charging": True,
        },
    ],
    "badges": [{"id_tag": "C0FFEE", "holder": "Claire"}],
}

A1 = ConnectorKey("A-1", 1)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


def view(site: MemoryManager) -> SiteView:
    latest = site.manager.live.latest
    assert latest is not None
    return latest


async def charging(site: MemoryManager, station_id: str = "A-1") -> tuple[ScriptedStation, int]:
    """A booted station with a car, its transaction and its first limit."""
    station = site.connect(station_id)
    await station.boot()
    await station.call("StatusNotification", connectorId=1, errorCode="NoError", status="Preparing")
    answer = await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="c0ffee",
        meterStart=1_000,
        timestamp=site.clock.utc_now().isoformat(),
    )
    assert answer["idTagInfo"]["status"] == "Accepted"
    await station.call("StatusNotification", connectorId=1, errorCode="NoError", status="Charging")
    await site.cycle(45, readings=(10, 10, 10))
    return station, int(answer["transactionId"])


def last_limit(station: ScriptedStation) -> float:
    profile = station.sent("SetChargingProfile")[-1]["csChargingProfiles"]
    return float(profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"])


async def test_a_known_station_is_accepted_and_set_up(site: MemoryManager) -> None:
    station = site.connect("A-1")
    answer = await station.boot(chargeBoxSerialNumber="260988", firmwareVersion="V1/V2")
    assert answer["status"] == "Accepted"
    asked = list(dict.fromkeys(name for name, _ in station.calls))
    assert asked[:2] == ["GetConfiguration", "SetChargingProfile"]
    fallback = station.sent("SetChargingProfile")[0]
    assert fallback["connectorId"] == 0
    profile = fallback["csChargingProfiles"]
    assert profile["chargingProfilePurpose"] == "TxDefaultProfile"
    assert profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 0
    keys = {call["key"] for call in station.sent("ChangeConfiguration")}
    assert "MeterValueSampleInterval" in keys
    assert site.manager.services.stations.identity("A-1").serial == "260988"
    assert site.manager.services.stations.is_online("A-1")


async def test_a_car_gets_its_current_and_its_transaction_is_recorded(
    site: MemoryManager,
) -> None:
    station, transaction_id = await charging(site)
    assert last_limit(station) == 32.0
    profile = station.sent("SetChargingProfile")[-1]["csChargingProfiles"]
    assert profile["transactionId"] == transaction_id
    assert profile["chargingProfilePurpose"] == "TxProfile"
    assert profile["chargingSchedule"]["duration"] >= 600
    shown = view(site).connectors[0]
    assert (shown.state, shown.limit_ma, shown.badge_label) == (
        DisplayState.CHARGING,
        32_000,
        "Claire",
    )
    await station.call(
        "MeterValues",
        connectorId=1,
        transactionId=transaction_id,
        meterValue=[
            {
                "timestamp": site.clock.utc_now().isoformat(),
                "sampledValue": [
                    {"value": "16.0", "measurand": "Current.Import", "unit": "A", "phase": p}
                    for p in ("L1", "L2", "L3")
                ]
                + [{"value": "1250", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}],
            }
        ],
    )
    await site.cycle(readings=(26, 26, 26))
    shown = view(site).connectors[0]
    assert shown.measured is not None
    assert shown.measured.l1 == 16_000
    assert shown.energy_wh == 250
    stop = await station.call(
        "StopTransaction",
        transactionId=transaction_id,
        meterStop=2_000,
        timestamp=site.clock.utc_now().isoformat(),
        idTag="C0FFEE",
        reason="Local",
    )
    assert stop["idTagInfo"]["status"] == "Accepted"
    (recorded,) = await site.manager.sessions.recent()
    assert recorded.energy_wh == 1_000
    await site.cycle()
    assert view(site).connectors[0].transaction_id is None


async def test_less_supply_lowers_the_limit(site: MemoryManager) -> None:
    station, _ = await charging(site)
    await site.cycle(5, readings=(60, 60, 60))
    assert last_limit(station) < 32
    reason = view(site).connectors[0].reason
    assert reason is not None
    assert (reason.code, reason.circuit_id) == (ReasonCode.CIRCUIT, "supply")


async def test_a_silent_meter_means_the_declared_worst(site: MemoryManager) -> None:
    station, _ = await charging(site)
    await site.cycle(10)
    assert last_limit(station) <= 18
    assert any(alarm.key == "DLM-003" for alarm in view(site).alarms)


async def test_a_repeated_start_is_answered_the_same(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await station.boot()
    payload = {
        "connectorId": 1,
        "idTag": "C0FFEE",
        "meterStart": 5,
        "timestamp": "2026-11-22T08:00:00Z",
    }
    first = await station.call("StartTransaction", **payload)
    again = await station.call("StartTransaction", **payload)
    assert first == again
    assert await site.manager.sessions.count() == 1


async def test_an_unknown_badge_gets_no_current_but_a_record(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await station.boot()
    assert (await station.call("Authorize", idTag="WHO"))["idTagInfo"]["status"] == "Invalid"
    answer = await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="WHO",
        meterStart=0,
        timestamp=site.clock.utc_now().isoformat(),
    )
    assert answer["idTagInfo"]["status"] == "Invalid"
    assert answer["transactionId"] > 0
    await site.cycle(15, readings=(0, 0, 0))
    purposes = {
        call["csChargingProfiles"]["chargingProfilePurpose"]
        for call in station.sent("SetChargingProfile")
        if call["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] > 0
    }
    assert purposes == set()


async def test_a_free_station_takes_anybody_but_a_blocked_badge(site: MemoryManager) -> None:
    station = site.connect("A-2")
    await station.boot()
    assert (await station.call("Authorize", idTag="WHO"))["idTagInfo"]["status"] == "Accepted"
    await site.manager.badges.block("C0FFEE", True, "admin")
    assert (await station.call("Authorize", idTag="C0FFEE"))["idTagInfo"]["status"] == "Blocked"


async def test_a_stop_of_an_unknown_transaction_is_acknowledged(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await station.boot()
    answer = await station.call(
        "StopTransaction", transactionId=4711, meterStop=9, timestamp="2026-11-22T08:00:00Z"
    )
    assert answer == {}
    assert await site.manager.sessions.count() == 0


async def test_a_station_back_without_a_boot_is_served_at_once(site: MemoryManager) -> None:
    station, transaction_id = await charging(site)
    await station.hang_up()
    await site.cycle(2, readings=(10, 10, 10))
    shown = view(site).connectors[0]
    assert shown.state is DisplayState.OFFLINE
    assert shown.reason is not None
    assert shown.reason.code is ReasonCode.OFFLINE
    assert any(alarm.key == "STN-001" for alarm in view(site).alarms)
    back = site.connect("A-1")
    await back.call("Heartbeat")
    await site.cycle(2, readings=(10, 10, 10))
    assert view(site).connectors[0].transaction_id == transaction_id
    assert view(site).connectors[0].online


async def test_faults_of_the_whole_station_show_on_its_connectors(site: MemoryManager) -> None:
    station = site.connect("A-2")
    await station.boot()
    await station.call("StatusNotification", connectorId=0, errorCode="Error", status="Faulted")
    await site.cycle(readings=(0, 0, 0))
    states = {item.state for item in view(site).connectors if item.key.station_id == "A-2"}
    assert states == {DisplayState.FAULTED}
    assert site.manager.repairs.total("A-2")
    await station.hang_up()
    assert site.manager.repairs.total("A-2")


async def test_data_transfer_and_heartbeat(site: MemoryManager) -> None:
    station = site.connect("A-1")
    assert (await station.call("DataTransfer", vendorId="x"))["status"] == "UnknownVendorId"
    assert (await station.call("Heartbeat"))["currentTime"].endswith("Z")


async def test_a_refused_limit_is_tried_in_watts(site: MemoryManager) -> None:
    station = site.connect("A-1")

    def only_watts(payload: dict[str, Any]) -> dict[str, Any]:
        schedule = payload["csChargingProfiles"]["chargingSchedule"]
        return {"status": "Accepted" if schedule["chargingRateUnit"] == "W" else "Rejected"}

    station.answers["SetChargingProfile"] = only_watts
    await station.boot()
    await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="C0FFEE",
        meterStart=0,
        timestamp=site.clock.utc_now().isoformat(),
    )
    await site.cycle(60, readings=(0, 0, 0))
    schedule = station.sent("SetChargingProfile")[-1]["csChargingProfiles"]["chargingSchedule"]
    assert schedule["chargingRateUnit"] == "W"
    assert schedule["chargingSchedulePeriod"][0]["limit"] == 32 * 230 * 3


async def test_a_station_without_getconfiguration_is_set_up_all_the_same(
    site: MemoryManager,
) -> None:
    station = site.connect("A-1")
    station.answers["GetConfiguration"] = {"configurationKey": "what"}
    await station.boot()
    assert station.sent("SetChargingProfile")


# ------------------------------------------------------------------ unknown callers


async def test_an_unknown_caller_waits_is_adopted_and_boots_again(site: MemoryManager) -> None:
    caller = site.connect("NEW-1")
    answer = await caller.boot(chargeBoxSerialNumber="123456")
    assert (answer["status"], answer["interval"]) == ("Pending", 33)
    for connector_id in (0, 1, 2):
        await caller.call(
            "StatusNotification", connectorId=connector_id, errorCode="NoError", status="Available"
        )
    start = await caller.call(
        "StartTransaction",
        connectorId=1,
        idTag="C0FFEE",
        meterStart=0,
        timestamp="2026-11-22T08:00:00Z",
    )
    assert start["idTagInfo"]["status"] == "Invalid"
    await caller.call("MeterValues", connectorId=1, meterValue=[METER_VALUE])
    stations, adoption = site.manager.services.stations, site.manager.services.adoption
    (shown,) = adoption.callers()
    pending = shown.pending
    assert (pending.station_id, pending.identity.serial) == ("NEW-1", "123456")
    assert (pending.connector_ids, pending.address) == ((1, 2), "10.0.0.9")
    assert await adoption.adopt(["NEW-1"], AdoptionDefaults("supply"), "admin") == 1
    await settle()
    assert caller.sent("TriggerMessage")[-1]["requestedMessage"] == "BootNotification"
    assert adoption.callers() == ()
    assert len(stations.configuration()[-1].connectors) == 2
    # Served over the link it has, before it boots again.
    assert stations.is_online("NEW-1")
    assert stations.identity("NEW-1").serial == "123456"
    assert (await caller.boot())["status"] == "Accepted"
    await caller.call("StatusNotification", connectorId=2, errorCode="NoError", status="Preparing")
    await site.cycle(readings=(10, 10, 10))
    assert view(site).connectors[-1].state is DisplayState.PLUGGED


METER_VALUE = {
    "timestamp": "2026-11-22T08:00:00Z",
    "sampledValue": [{"value": "1"}],
}


async def test_an_adopted_caller_that_will_not_boot_is_cut_off(site: MemoryManager) -> None:
    caller = site.connect("NEW-1")
    caller.answers["TriggerMessage"] = {"status": "Rejected"}
    await caller.boot()
    await site.manager.services.adoption.adopt(["NEW-1"], AdoptionDefaults("supply"), "admin")
    await settle()
    assert caller.closed_because == "adopted"


async def test_an_ignored_caller_stays_out_of_the_inbox(site: MemoryManager) -> None:
    caller = site.connect("NEW-1")
    await caller.boot()
    adoption = site.manager.services.adoption
    await adoption.ignore("NEW-1", "admin")
    assert adoption.callers() == ()
    assert (await caller.boot())["status"] == "Rejected"
    with pytest.raises(NotFoundError):
        await adoption.adopt(["nobody"], AdoptionDefaults("supply"), "admin")
    assert await adoption.adopt([], AdoptionDefaults("supply"), "admin") == 0


# ------------------------------------------------------------------ commands


async def test_remote_commands_reach_the_station(site: MemoryManager) -> None:
    station, transaction_id = await charging(site)
    services = site.manager.services
    with pytest.raises(InvalidInputError, match="connector-charging"):
        await services.remote.commands.start(A1, "C0FFEE", "admin")
    await services.remote.commands.stop(A1, "admin")
    assert station.sent("RemoteStopTransaction") == [{"transactionId": transaction_id}]
    await services.remote.commands.reset("A-1", True, "admin")
    assert station.sent("Reset") == [{"type": "Hard"}]
    with pytest.raises(InvalidInputError, match="station-charging"):
        await services.stations.remove("A-1", "admin")


async def test_commands_that_cannot_be(site: MemoryManager) -> None:
    services = site.manager.services
    with pytest.raises(StationUnreachableError):
        await services.remote.commands.start(A1, "C0FFEE", "admin")
    with pytest.raises(InvalidInputError, match="connector-idle"):
        await services.remote.commands.stop(A1, "admin")
    with pytest.raises(NotFoundError):
        await services.remote.commands.reset("nobody", False, "admin")
    with pytest.raises(NotFoundError):
        await services.remote.commands.stop(ConnectorKey("A-1", 9), "admin")
    station = site.connect("A-1")
    await station.boot()
    station.answers["RemoteStartTransaction"] = {"status": "Rejected"}
    with pytest.raises(StationRefusedError) as refused:
        await services.remote.commands.start(A1, "C0FFEE", "admin")
    assert refused.value.params["answer"] == "Rejected"


async def test_a_removed_station_is_a_stranger_again(site: MemoryManager) -> None:
    station = site.connect("A-1")
    await station.boot()
    await site.manager.services.stations.remove("A-1", "admin")
    await settle()
    assert station.closed_because == "removed"
    again = site.connect("A-1")
    assert (await again.boot())["status"] == "Pending"


# ------------------------------------------------------------------ restart


async def test_a_restart_keeps_transactions_and_what_cars_may_draw(
    site: MemoryManager, tmp_path: Path
) -> None:
    _, transaction_id = await charging(site)
    site.store.abandon()
    site.manager.abandon()
    again = MemoryManager(tmp_path)
    again.clock.advance(site.clock.monotonic_s() - again.clock.monotonic_s())
    await again.start()
    try:
        await again.cycle(2, readings=(42, 42, 42))
        shown = view(again).connectors[0]
        assert shown.transaction_id == transaction_id
        assert view(again).supply.ceilings.l1 >= 32_000
        assert again.manager.registry.connector(A1) is not None
        assert again.manager.services.badges.get("C0FFEE") == Badge(
            "C0FFEE",
            "Claire",
            last_seen_utc=again.manager.services.badges.get("C0FFEE").last_seen_utc,
            last_station_id="A-1",
        )
        live = again.manager.registry.connector(A1)
        assert live is not None
        assert live.status is ConnectorStatus.UNKNOWN
    finally:
        await again.stop()


async def test_what_the_stations_draw_adds_up_from_feeder_to_supply(tmp_path: Path) -> None:
    feeder = {"id": "f", "name": "Départ", "parent": "supply", "limit_a": [40, 40, 40]}
    stations = [{**SITE["stations"][0], "circuit": "f"}]
    running = MemoryManager(
        tmp_path, {**SITE, "circuits": [*SITE["circuits"], feeder], "stations": stations}
    )
    await running.start()
    station, transaction_id = await charging(running)
    currents = [
        {"value": str(value), "measurand": "Current.Import", "unit": "A", "phase": phase}
        for phase, value in (("L1", 12), ("L2", 11), ("L3", 0))
    ]
    await station.call(
        "MeterValues",
        connectorId=1,
        transactionId=transaction_id,
        meterValue=[{"timestamp": running.clock.utc_now().isoformat(), "sampledValue": currents}],
    )
    await running.cycle(readings=(20, 10, 5))
    supply, branch = view(running).circuits
    assert list(branch.charging) == list(branch.total) == [12_000, 11_000, 0]
    assert list(supply.charging) == [12_000, 10_000, 0]
    assert list(supply.building) == [8_000, 0, 5_000]
    await running.stop()
