"""What a station answers to each call of the central system (OCPP 1.6, clause 5)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import load_persona
from tests.unit.simulators.station_bench import Bench, Payload, set_limit, virtual

FREE = StationConfig(station_id="A-001", free_mode=True)
PEM = "-----BEGIN CERTIFICATE-----"
SECURITY_CALLS: dict[str, Payload] = {
    "CertificateSigned": {"certificateChain": PEM},
    "DeleteCertificate": {"certificateHashData": {}},
    "ExtendedTriggerMessage": {"requestedMessage": "Heartbeat"},
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
    "GetLog": {"log": {"remoteLocation": "x"}, "logType": "SecurityLog", "requestId": 1},
    "InstallCertificate": {"certificateType": "CentralSystemRootCertificate", "certificate": PEM},
    "SignedUpdateFirmware": {"requestId": 1, "firmware": {}},
}
TWO = StationConfig(
    station_id="A-001",
    feed_limit_a=32,
    connectors=(ConnectorConfig(connector_id=1), ConnectorConfig(connector_id=2)),
)


def persona(**changes: Any) -> Any:
    return msgspec.structs.replace(load_persona("control-generic"), **changes)


# ---------------------------------------------------------------------- configuration


@virtual
async def test_every_key_is_given_when_none_is_asked_for() -> None:
    async with Bench() as bench:
        answer = await bench.central.call("GetConfiguration", {})
        keys = {entry["key"]: entry for entry in answer["configurationKey"]}
        assert len(keys) > 30
        assert "unknownKey" not in answer
        assert keys["ChargingScheduleAllowedChargingRateUnit"] == {
            "key": "ChargingScheduleAllowedChargingRateUnit",
            "readonly": True,
            "value": "Current",
        }
        assert keys["ConnectorPhaseRotation"]["value"] == "0.RST,1.RST"
        assert keys["HeartbeatInterval"]["value"] == "300"
        # The key of the station can be written, and not be read (OCPP-J 1.6, clause 6.2).
        assert keys.pop("AuthorizationKey") == {"key": "AuthorizationKey", "readonly": False}
        assert all(isinstance(entry["value"], str) for entry in keys.values())


@virtual
async def test_unknown_keys_are_named() -> None:
    async with Bench() as bench:
        request = {"key": ["NumberOfConnectors", "Whim"]}
        answer = await bench.central.call("GetConfiguration", request)
        assert [entry["key"] for entry in answer["configurationKey"]] == ["NumberOfConnectors"]
        assert answer["unknownKey"] == ["Whim"]


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("MeterValueSampleInterval", "15", "Accepted"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "soon", "Rejected"),
        ("LocalPreAuthorize", "TRUE", "Accepted"),
        ("LocalPreAuthorize", "yes", "Rejected"),
        ("NumberOfConnectors", "2", "Rejected"),
        ("MeterValuesSampledData", "Current.Import,Voltage", "Accepted"),
        ("MeterValuesSampledData", "", "Accepted"),
        ("MeterValuesSampledData", "Temperature", "Rejected"),
        ("ConnectorPhaseRotation", "1.STR", "Accepted"),
        ("ConnectorPhaseRotation", "x" * 501, "Rejected"),
        ("Whim", "1", "NotSupported"),
    ],
)
@virtual
async def test_changing_a_key(key: str, value: str, status: str) -> None:
    async with Bench() as bench:
        before = (await bench.central.call("GetConfiguration", {"key": [key]})).get(
            "configurationKey"
        )
        answer = await bench.central.call("ChangeConfiguration", {"key": key, "value": value})
        assert answer == {"status": status}
        after = (await bench.central.call("GetConfiguration", {"key": [key]})).get(
            "configurationKey"
        )
        if status == "Accepted":
            assert after[0]["value"].lower() == value.lower()
        else:
            assert after == before


@virtual
async def test_a_new_heartbeat_interval_is_followed_at_once() -> None:
    async with Bench() as bench:
        request = {"key": "HeartbeatInterval", "value": "10"}
        await bench.central.call("ChangeConfiguration", request)
        await bench.run(60)
        assert len(bench.central.named("Heartbeat")) == 6


# ---------------------------------------------------------------------- remote start and stop


@virtual
async def test_remote_start_with_a_car_and_remote_stop() -> None:
    async with Bench() as bench:
        bench.station.plug(1, Car(max_a=32))
        profile = set_limit(9, transaction_id=None)["csChargingProfiles"]
        request = {"idTag": "REMOTE", "connectorId": 1, "chargingProfile": profile}
        answer = await bench.central.call("RemoteStartTransaction", request)
        assert answer == {"status": "Accepted"}
        await bench.run(20)
        assert bench.central.named("StartTransaction")[0]["idTag"] == "REMOTE"
        assert not bench.central.named("Authorize")
        assert bench.amps == (9.0, 9.0, 9.0)
        again = await bench.central.call("RemoteStartTransaction", request)
        assert again == {"status": "Rejected"}
        for transaction_id, status in ((5, "Rejected"), (101, "Accepted"), (101, "Rejected")):
            stop = {"transactionId": transaction_id}
            answer = await bench.central.call("RemoteStopTransaction", stop)
            assert answer == {"status": status}
        assert bench.central.named("StopTransaction")[0]["reason"] == "Remote"


@virtual
async def test_remote_start_waits_for_the_cable() -> None:
    async with Bench(config=TWO) as bench:
        await bench.central.call("RemoteStartTransaction", {"idTag": "REMOTE"})
        await bench.run(30)
        assert bench.central.statuses()[-1] == "Preparing"
        bench.station.plug(1, Car())
        await bench.run(1)
        assert bench.central.named("StartTransaction")[0]["idTag"] == "REMOTE"
        await bench.central.call("RemoteStartTransaction", {"idTag": "OTHER", "connectorId": 2})
        await bench.run(61)
        assert bench.central.statuses(2)[-1] == "Available"


@virtual
async def test_remote_start_may_need_an_authorisation() -> None:
    async with Bench() as bench:
        request = {"key": "AuthorizeRemoteTxRequests", "value": "true"}
        await bench.central.call("ChangeConfiguration", request)
        bench.central.answers["Authorize"] = {"idTagInfo": {"status": "Expired"}}
        bench.station.plug(1, Car())
        await bench.central.call("RemoteStartTransaction", {"idTag": "REMOTE"})
        await bench.run(5)
        assert bench.central.named("Authorize") == [{"idTag": "REMOTE"}]
        assert not bench.central.named("StartTransaction")


@virtual
async def test_unlocking_ends_the_transaction() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(5)
        answer = await bench.central.call("UnlockConnector", {"connectorId": 1})
        assert answer == {"status": "Unlocked"}
        assert bench.central.named("StopTransaction")[0]["reason"] == "UnlockCommand"
        answer = await bench.central.call("UnlockConnector", {"connectorId": 9})
        assert answer == {"status": "NotSupported"}


# ---------------------------------------------------------------------- the station as a whole


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
@virtual
async def test_a_reset_stops_goes_down_and_boots(kind: str) -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(10)
        assert await bench.central.call("Reset", {"type": kind}) == {"status": "Accepted"}
        stops_at_once = len(bench.central.named("StopTransaction"))
        assert stops_at_once == (1 if kind == "Soft" else 0)
        await bench.run(5)
        assert not bench.online()
        assert bench.amps == (0.0, 0.0, 0.0)
        await bench.run(30)
        assert bench.online()
        assert len(bench.central.named("BootNotification")) == 2
        (stop,) = bench.central.named("StopTransaction")
        assert stop["reason"] == f"{kind}Reset"
        # In free mode the car that is there begins again.
        assert len(bench.central.named("StartTransaction")) == 2
        assert all(r.acknowledged_start for r in bench.station.records)


@virtual
async def test_availability_waits_for_the_end_of_a_transaction() -> None:
    async with Bench(config=TWO) as bench:
        bench.station.plug(1, Car(), "TAG")
        await bench.run(3)
        request = {"connectorId": 0, "type": "Inoperative"}
        answer = await bench.central.call("ChangeAvailability", request)
        assert answer == {"status": "Scheduled"}
        assert bench.central.statuses(2)[-1] == "Unavailable"
        assert bench.central.statuses(1)[-1] == "Charging"
        bench.station.unplug(1)
        await bench.run(1)
        assert bench.central.statuses(1)[-1] == "Unavailable"
        bench.station.plug(1, Car(), "TAG")
        await bench.run(2)
        assert bench.station.transactions_started == 1
        answer = await bench.central.call(
            "ChangeAvailability", {"connectorId": 2, "type": "Operative"}
        )
        assert answer == {"status": "Accepted"}
        assert bench.central.statuses(2)[-1] == "Available"
        answer = await bench.central.call(
            "ChangeAvailability", {"connectorId": 5, "type": "Operative"}
        )
        assert answer == {"status": "Rejected"}


@pytest.mark.parametrize(
    "action", ["BootNotification", "Heartbeat", "StatusNotification", "MeterValues"]
)
@virtual
async def test_a_triggered_message_follows_the_answer(action: str) -> None:
    async with Bench() as bench:
        before = len(bench.central.named(action))
        request: Payload = {"requestedMessage": action}
        assert await bench.central.call("TriggerMessage", request) == {"status": "Accepted"}
        assert len(bench.central.named(action)) == before + 1
        answer = await bench.central.call("TriggerMessage", {**request, "connectorId": 8})
        assert answer == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("action", "wanted", "answer"),
    [
        ("TriggerMessage", "LogStatusNotification", {"status": "NotImplemented"}),
        ("TriggerMessage", "Whim", {"status": "NotImplemented"}),
        ("ExtendedTriggerMessage", "Heartbeat", "NotImplemented"),
    ],
)
@virtual
async def test_messages_that_cannot_be_triggered(action: str, wanted: str, answer: Any) -> None:
    async with Bench() as bench:
        assert await bench.central.call(action, {"requestedMessage": wanted}) == answer


@pytest.mark.parametrize("action", ["DiagnosticsStatusNotification", "FirmwareStatusNotification"])
@virtual
async def test_idle_statuses_follow_their_trigger(action: str) -> None:
    async with Bench() as bench:
        answer = await bench.central.call("TriggerMessage", {"requestedMessage": action})
        assert answer == {"status": "Accepted"}
        assert bench.central.named(action) == [{"status": "Idle"}]


# ---------------------------------------------------------------------- lists and reservations


@virtual
async def test_the_local_list_decides_before_the_central_system_is_asked() -> None:
    async with Bench() as bench:
        assert await bench.central.call("GetLocalListVersion", {}) == {"listVersion": 0}
        full = {
            "listVersion": 3,
            "updateType": "Full",
            "localAuthorizationList": [
                {"idTag": "GOOD", "idTagInfo": {"status": "Accepted"}},
                {"idTag": "GONE", "idTagInfo": {"status": "Accepted"}},
            ],
        }
        assert await bench.central.call("SendLocalList", full) == {"status": "Accepted"}
        change = {
            "listVersion": 4,
            "updateType": "Differential",
            "localAuthorizationList": [{"idTag": "GONE"}],
        }
        assert await bench.central.call("SendLocalList", change) == {"status": "Accepted"}
        assert await bench.central.call("SendLocalList", change) == {"status": "VersionMismatch"}
        assert await bench.central.call("GetLocalListVersion", {}) == {"listVersion": 4}
        request = {"key": "LocalPreAuthorize", "value": "true"}
        await bench.central.call("ChangeConfiguration", request)
        bench.station.plug(1, Car(), "good")
        await bench.run(1)
        assert not bench.central.named("Authorize")
        assert bench.central.named("StartTransaction")


@virtual
async def test_the_cache_remembers_answers_until_it_is_cleared() -> None:
    async with Bench() as bench:
        request = {"key": "LocalPreAuthorize", "value": "true"}
        await bench.central.call("ChangeConfiguration", request)
        for asked in (1, 1, 2):
            bench.station.plug(1, Car(), "TAG")
            await bench.run(2)
            assert len(bench.central.named("Authorize")) == asked
            bench.station.unplug(1)
            if bench.station.transactions_started == 2:
                assert await bench.central.call("ClearCache", {}) == {"status": "Accepted"}


@virtual
async def test_a_reserved_outlet_waits_for_its_driver() -> None:
    async with Bench() as bench:
        request = {
            "connectorId": 1,
            "expiryDate": "2026-06-01T08:30:00Z",
            "idTag": "MINE",
            "reservationId": 5,
        }
        assert await bench.central.call("ReserveNow", request) == {"status": "Accepted"}
        assert bench.central.statuses()[-1] == "Reserved"
        other = {**request, "reservationId": 6}
        assert await bench.central.call("ReserveNow", other) == {"status": "Occupied"}
        assert await bench.central.call("ReserveNow", request) == {"status": "Accepted"}
        bench.station.plug(1, Car(), "OTHER")
        await bench.run(2)
        assert not bench.central.named("StartTransaction")
        bench.station.swipe("MINE")
        await bench.run(2)
        assert bench.central.named("StartTransaction")[0]["reservationId"] == 5


@virtual
async def test_a_reservation_ends_by_itself_or_on_request() -> None:
    async with Bench() as bench:
        request = {
            "connectorId": 1,
            "expiryDate": "2026-06-01T08:01:00Z",
            "idTag": "MINE",
            "reservationId": 5,
        }
        await bench.central.call("ReserveNow", request)
        await bench.run(60)
        assert bench.central.statuses()[-1] == "Available"
        await bench.central.call(
            "ReserveNow", {**request, "expiryDate": "2026-06-01T09:00:00Z", "reservationId": 6}
        )
        for reservation_id, status in ((5, "Rejected"), (6, "Accepted")):
            cancel = {"reservationId": reservation_id}
            assert await bench.central.call("CancelReservation", cancel) == {"status": status}
        assert bench.central.statuses()[-1] == "Available"
        bench.station.fail(1)
        assert await bench.central.call("ReserveNow", request) == {"status": "Faulted"}
        bench.station.repair(1)
        await bench.central.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
        assert await bench.central.call("ReserveNow", request) == {"status": "Unavailable"}
        answer = await bench.central.call("ReserveNow", {**request, "connectorId": 2})
        assert answer == {"status": "Rejected"}


# ---------------------------------------------------------------------- what it cannot do


@pytest.mark.parametrize(
    ("name", "action", "payload", "answer"),
    [
        ("control-generic", "DataTransfer", {"vendorId": "x"}, {"status": "UnknownVendorId"}),
        ("premium-2019", "DataTransfer", {"vendorId": "x"}, "NotSupported"),
        ("core-generic", "GetDiagnostics", {"location": "ftp://x"}, "NotSupported"),
        ("control-generic", "GetDiagnostics", {}, "FormationViolation"),
        (
            "control-generic",
            "SendLocalList",
            {"listVersion": 1, "updateType": "x"},
            "FormationViolation",
        ),
        *[
            ("control-generic", action, payload, "NotImplemented")
            for action, payload in SECURITY_CALLS.items()
        ],
        *[("secure-generic", action, {}, "FormationViolation") for action in SECURITY_CALLS],
        ("control-generic", "Whim", {}, "NotImplemented"),
        ("control-generic", "Reset", {"type": "Warm"}, "FormationViolation"),
        ("control-generic", "Reset", {}, "FormationViolation"),
        ("control-generic", "Reset", [], "FormationViolation"),
        ("control-generic", "SetChargingProfile", {"connectorId": 1}, "FormationViolation"),
        ("control-generic", "Reset", {"type": "Soft", "why": "no"}, {"status": "Accepted"}),
        ("strict-generic", "Reset", {"type": "Soft", "why": "no"}, "FormationViolation"),
    ],
)
@virtual
async def test_calls_that_are_refused(name: str, action: str, payload: Any, answer: Any) -> None:
    async with Bench(name) as bench:
        assert await bench.central.call(action, payload) == answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[2]",
        "7",
        "null",
        '[3,"nobody",{}]',
        '[4,"x"]',
        "[9,1,2]",
        "[2,[],[],{}]",
        '[2,"i",{},{}]',
        "[3,{},{}]",
    ],
)
@virtual
async def test_garbage_changes_nothing(text: str) -> None:
    async with Bench() as bench:
        bench.central.links[-1].post(text)
        await bench.run(1)
        assert await bench.central.call("ClearCache", {}) == {"status": "Accepted"}
        assert bench.station.counters.connections == 1


@pytest.mark.parametrize("answer", [[], 7, {"interval": "soon", "status": "Accepted"}])
@virtual
async def test_nonsense_in_answer_to_the_boot(answer: Any) -> None:
    bench = Bench()
    bench.central.answers["BootNotification"] = lambda _: answer
    async with bench:
        assert bench.online() is isinstance(answer, dict)
        del bench.central.answers["BootNotification"]
        await bench.run(30)
        assert bench.online()
