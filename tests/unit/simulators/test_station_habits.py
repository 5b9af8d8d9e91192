"""Habits of real firmware that a manager meets: each is a knob of a persona."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import pytest

from simulators.station.config import ConnectorConfig, Faults, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import Persona, load_persona
from tests.unit.simulators.station_bench import Bench, MemoryFiles, Payload, set_limit, virtual

FREE = StationConfig(station_id="A-001", free_mode=True)


def persona(name: str = "control-generic", **changes: Any) -> Persona:
    return msgspec.structs.replace(load_persona(name), **changes)


async def charged(bench: Bench, seconds: int = 70) -> None:
    bench.station.plug(1, Car(max_a=16))
    await bench.run(seconds)
    bench.station.unplug(1)
    await bench.run(3)


# ---------------------------------------------------------------------- what it writes


@virtual
async def test_whole_numbers_as_strings_and_values_as_numbers() -> None:
    async with Bench("text-generic", FREE) as bench:
        await charged(bench)
        (start,), (stop,) = (bench.central.named(f"{x}Transaction") for x in ("Start", "Stop"))
        assert (start["connectorId"], start["meterStart"].isdigit()) == ("1", True)
        assert stop["transactionId"] == "101"
        values = bench.central.named("MeterValues")[0]["meterValue"][0]["sampledValue"]
        assert all(isinstance(value["value"], float) for value in values)
        assert all(isinstance(value["context"], str) for value in values)


@virtual
async def test_fields_of_its_own_and_texts_too_long() -> None:
    async with Bench("wordy-generic", FREE) as bench:
        await charged(bench)
        assert all(payload["vendorMood"] == "good" for _, payload in bench.central.calls)
        assert len(bench.central.named("StatusNotification")[0]["info"]) > 50


@pytest.mark.parametrize(
    ("name", "text"),
    [("zoneless-generic", "2026-06-01T08:00:02"), ("local-generic", "2026-06-01T10:00:02")],
)
@virtual
async def test_times_without_a_zone(name: str, text: str) -> None:
    async with Bench(name, FREE) as bench:
        await charged(bench, 5)
        assert bench.central.named("StartTransaction")[0]["timestamp"] == text


@virtual
async def test_kilowatt_hours_that_are_called_watt_hours() -> None:
    async with Bench("mislabelled-generic", FREE) as bench:
        await charged(bench, 121)
        samples = [
            p["meterValue"][0]["sampledValue"][0] for p in bench.central.named("MeterValues")
        ]
        assert {sample["unit"] for sample in samples} == {"Wh"}
        start = bench.central.named("StartTransaction")[0]["meterStart"]
        assert float(samples[0]["value"]) == pytest.approx(start / 1000, abs=0.2)


@virtual
async def test_the_status_of_the_whole_post() -> None:
    async with Bench("wordy-generic") as bench:
        assert bench.central.statuses(0) == ["Available"]
        bench.station.fail(1)
        assert bench.station.connectors[0].status() == "Faulted"
        await bench.run(1)
        bench.station.repair(1)
        await bench.central.call("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
        assert bench.central.statuses(0) == ["Available", "Faulted", "Available", "Unavailable"]


# ---------------------------------------------------------------------- what it sends twice


@virtual
async def test_the_next_call_before_the_answer_to_the_last() -> None:
    async with Bench("hasty-generic", FREE) as bench:
        bench.central.answers["Heartbeat"] = None
        bench.station.send_heartbeat()
        bench.station.plug(1, Car())
        await bench.run(1)
        assert "Heartbeat" in [action for action, _ in bench.central.calls]
        assert bench.central.named("StartTransaction")
        patient = Bench("control-generic", FREE)
        async with patient:
            patient.central.answers["Heartbeat"] = None
            patient.station.send_heartbeat()
            patient.station.plug(1, Car())
            await patient.run(1)
            assert not patient.central.named("StartTransaction")


@virtual
async def test_a_transaction_that_was_answered_is_sent_again_with_a_new_id() -> None:
    async with Bench("repeating-generic", FREE) as bench:
        bench.station.set_faults(duplicates=0.0)
        sent = len(bench.central.ids)
        await charged(bench)
        for action in ("StartTransaction", "StopTransaction"):
            first, second = bench.central.named(action)
            assert first == second
        ids = Counter(bench.central.ids[sent:])
        assert set(ids.values()) == {1}
        assert bench.station.counters.starts_acknowledged == 1


@pytest.mark.parametrize("name", ["forgetful-generic", "insisting-generic"])
@virtual
async def test_after_a_lost_answer_the_same_is_asked_again(name: str) -> None:
    async with Bench(name, FREE) as bench:
        await charged(bench)
        await bench.run(60)
        texts = [json.loads(t) for t in bench.central.texts if "StopTransaction" in t]
        starts = [json.loads(t) for t in bench.central.texts if "StartTransaction" in t]
        again = texts + starts
        assert len(again) > 2
        kinds = {(frame[2], json.dumps(frame[3])) for frame in again}
        assert len(kinds) == 2
        ids = {frame[1] for frame in again}
        assert len(ids) == (2 if name == "insisting-generic" else len(again))
        (record,) = bench.station.records
        assert (record.acknowledged_start, record.acknowledged_stop) == (True, True)


# ---------------------------------------------------------------------- how it connects


@virtual
async def test_it_hangs_up_when_its_boot_is_answered_with_pending() -> None:
    bench = Bench("impatient-generic")
    pending = {"status": "Pending", "currentTime": "2026-06-01T08:00:00Z", "interval": 300}
    bench.central.answers["BootNotification"] = pending
    async with bench:
        await bench.run(60)
        assert len(bench.central.links) > 3
        assert not bench.online()
        del bench.central.answers["BootNotification"]
        await bench.run(120)
        assert bench.online()


@pytest.mark.parametrize("fault", ["drops_socket_s", "half_opens_s"])
@virtual
async def test_a_link_that_does_not_last(fault: str) -> None:
    config = StationConfig(
        station_id="A-001", free_mode=True, faults=msgspec.convert({fault: 30.0}, Faults)
    )
    async with Bench(config=config) as bench:
        await charged(bench, 300)
        await bench.run(15)
        assert 9 <= len(bench.central.links) <= 12
        seem_alive = sum(not link.closed for link in bench.central.links)
        assert seem_alive == (len(bench.central.links) if fault == "half_opens_s" else 1)
        (record,) = bench.station.records
        assert record.acknowledged_stop
        bench.station.set_faults(**{fault: 0.0})
        links = len(bench.central.links)
        await bench.run(120)
        assert len(bench.central.links) <= links + 1


@virtual
async def test_it_beats_once_a_day_until_it_is_told() -> None:
    async with Bench("quiet-generic") as bench:
        await bench.run(600)
        assert not bench.central.named("Heartbeat")
        request = {"key": "HeartbeatInterval", "value": "60"}
        assert await bench.central.call("ChangeConfiguration", request) == {"status": "Accepted"}
        await bench.run(180)
        assert len(bench.central.named("Heartbeat")) == 3


@virtual
async def test_a_value_that_counts_after_the_next_boot() -> None:
    async with Bench("quiet-generic") as bench:
        request = {"key": "WebSocketPingInterval", "value": "7"}
        answer = await bench.central.call("ChangeConfiguration", request)
        assert answer == {"status": "RebootRequired"}
        for expected in ("60", "7"):
            answer = await bench.central.call("GetConfiguration", {"key": [request["key"]]})
            assert answer["configurationKey"][0]["value"] == expected
            bench.station.reboot("Reboot")
            await bench.run(40)


@virtual
async def test_it_goes_on_with_its_transaction_through_its_own_restarts() -> None:
    async with Bench("looping-generic", FREE) as bench:
        bench.station.plug(1, Car(max_a=32))
        await bench.run(60)
        await bench.central.call("SetChargingProfile", set_limit(8))
        await bench.run(15)
        assert bench.amps == (8.0, 8.0, 8.0)
        await bench.run(60)
        assert len(bench.central.named("BootNotification")) >= 2
        assert bench.station.transactions_started == 1
        # The limit is forgotten.
        assert bench.amps == (32.0, 32.0, 32.0)


# ---------------------------------------------------------------------- what it answers


@pytest.mark.parametrize("action", ["GetConfiguration", "TriggerMessage"])
@virtual
async def test_calls_that_are_never_answered(action: str) -> None:
    async with Bench("mute-generic") as bench:
        with pytest.raises(KeyError):
            await bench.central.call(action, {"requestedMessage": "Heartbeat"}, within_s=60.0)
        assert await bench.central.call("ClearCache", {}) == {"status": "Accepted"}


@pytest.mark.parametrize(("name", "most"), [("core-generic", 20), ("control-generic", 99)])
@virtual
async def test_more_keys_at_once_than_it_says(name: str, most: int) -> None:
    async with Bench(name) as bench:
        keys = (await bench.central.call("GetConfiguration", {}))["configurationKey"]
        assert (len(keys) > 20) is (most > 20)
        assert len(keys) <= most
        answer = await bench.central.call("GetConfiguration", {"key": ["GetConfigurationMaxKeys"]})
        assert answer["configurationKey"][0]["value"] == "20"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (
            {"vendorId": "org.example.station", "messageId": "Echo", "data": "é"},
            {"status": "Accepted", "data": "é"},
        ),
        ({"vendorId": "org.example.station", "messageId": "Refuse"}, {"status": "Rejected"}),
        ({"vendorId": "org.example.station"}, {"status": "UnknownMessageId"}),
        ({"vendorId": "org.example.other"}, {"status": "UnknownVendorId"}),
    ],
)
@virtual
async def test_data_of_its_maker(request_: Payload, answer: Payload) -> None:
    async with Bench("secure-generic") as bench:
        assert await bench.central.call("DataTransfer", request_) == answer
        bench.station.data_transfer("org.example.station", "Mood", "good")
        bench.station.data_transfer("org.example.station")
        await bench.run(1)
        assert bench.central.named("DataTransfer") == [
            {"vendorId": "org.example.station", "messageId": "Mood", "data": "good"},
            {"vendorId": "org.example.station", "data": ""},
        ]


@pytest.mark.parametrize(
    ("name", "offered_a"), [("control-generic", 0.0), ("low-generic", 4.0), ("floor-generic", 6.0)]
)
@virtual
async def test_what_a_limit_of_four_amperes_does(name: str, offered_a: float) -> None:
    async with Bench(name, FREE) as bench:
        bench.station.plug(1, Car(max_a=16, min_a=1))
        await bench.run(20)
        await bench.central.call("SetChargingProfile", set_limit(4))
        await bench.run(20)
        assert bench.amps == (offered_a,) * 3


# ---------------------------------------------------------------------- faults of a whole make


@virtual
async def test_the_faults_of_a_make_and_those_of_one_station() -> None:
    own = StationConfig(station_id="A-001", free_mode=True, faults=Faults(clock_skew_s=60))
    async with Bench("late-clock-generic", FREE) as bench, Bench("deaf-generic", own) as other:
        assert bench.station.faults == Faults(clock_skew_s=-10_800)
        assert other.station.faults == Faults(clock_skew_s=60, ignores_profiles=True)
        await charged(bench, 5)
        start = bench.central.named("StartTransaction")[0]
        assert start["timestamp"].startswith("2026-06-01T05:00:04")


# ---------------------------------------------------------------------- numbers of a persona


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"heartbeat_interval_s": 600, "ignores_boot_interval": True}, "HeartbeatInterval", "600"),
        ({"max_keys": 7}, "GetConfigurationMaxKeys", "7"),
        ({"allow_offline_unknown": True}, "AllowOfflineTxForUnknownId", "true"),
        ({"certificates_max": 9}, "CertificateStoreMaxLength", "9"),
    ],
)
@virtual
async def test_keys_that_a_persona_decides(changes: dict[str, Any], key: str, value: str) -> None:
    async with Bench(persona("secure-generic", **changes)) as bench:
        answer = await bench.central.call("GetConfiguration", {"key": [key]})
        assert answer["configurationKey"][0]["value"] == value


@pytest.mark.parametrize(("tells", "times"), [(True, 2), (False, 1)])
@virtual
async def test_statuses_after_a_reconnection(*, tells: bool, times: int) -> None:
    async with Bench(persona(statuses_on_reconnect=tells)) as bench:
        bench.station.drop_socket()
        await bench.run(5)
        assert bench.central.statuses() == ["Available"] * times


@virtual
async def test_the_installation_takes_its_time() -> None:
    files = MemoryFiles()
    files.content["http://box/f"] = b"bytes"
    async with Bench(persona(install_s=100), files=files) as bench:
        request = {"location": "http://box/f", "retrieveDate": "2026-06-01T08:00:00Z"}
        await bench.central.call("UpdateFirmware", request)
        await bench.run(95)
        assert bench.online()
        await bench.run(10)
        assert not bench.online()


@virtual
async def test_a_post_has_its_own_voltage_time_and_badge_of_free_mode() -> None:
    config = StationConfig(
        station_id="A-001",
        free_mode=True,
        free_id_tag="ANYBODY",
        voltage_v=110.0,
        timezone="Indian/Reunion",
    )
    async with Bench("local-generic", config) as bench:
        bench.station.plug(1, Car(phases=1, max_a=10, resume_s=0))
        await bench.run(65)
        start = bench.central.named("StartTransaction")[0]
        assert (start["idTag"], start["timestamp"]) == ("ANYBODY", "2026-06-01T12:00:02")
        sample = bench.central.named("MeterValues")[0]["meterValue"][0]["sampledValue"]
        assert sample[-1]["value"] == "1100.0"


@virtual
async def test_a_socket_carries_what_its_cable_allows() -> None:
    socket = ConnectorConfig(connector_id=1, phases=1, socket=True)
    config = StationConfig(station_id="A-001", connectors=(socket,), free_mode=True)
    async with Bench(persona(socket_a=8.0), config) as bench:
        bench.station.plug(1, Car(phases=1, max_a=16))
        await bench.run(20)
        assert bench.amps == (8.0, 0.0, 0.0)
