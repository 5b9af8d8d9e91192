"""The frames of each persona against the OCPP 1.6 schemas of an independent implementation."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import ocpp
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from simulators.station.certificates import identity
from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import Persona, load_persona, persona_names
from tests.support.authority import Authority
from tests.unit.simulators.station_bench import EPOCH, Bench, MemoryFiles, set_limit, virtual

SCHEMAS = Path(ocpp.__file__).parent / "v16" / "schemas"
ALL_PROFILES = (
    "Core,FirmwareManagement,LocalAuthListManagement,RemoteTrigger,Reservation,SmartCharging"
)
TWO = StationConfig(
    station_id="A-001",
    feed_limit_a=32,
    connectors=(
        ConnectorConfig(connector_id=1),
        ConnectorConfig(connector_id=2, phases=1, max_a=16, socket=True),
    ),
)


@cache
def validator(name: str) -> jsonschema.Draft4Validator:
    # Decimals on both sides: 0.1 is not a binary fraction, and "multipleOf 0.1" must hold exactly.
    text = (SCHEMAS / f"{name}.json").read_text("utf-8-sig")
    return jsonschema.Draft4Validator(json.loads(text, parse_float=Decimal))


def errors(name: str, payload: Any) -> list[str]:
    exact = json.loads(json.dumps(payload), parse_float=Decimal)
    return [f"{name}: {error.message}" for error in validator(name).iter_errors(exact)]


async def a_day(bench: Bench) -> dict[str, Any]:
    """A life with everything in it; the answers that the station gave, by action."""
    central, station = bench.central, bench.station
    answers: dict[str, Any] = {}

    async def call(action: str, payload: dict[str, Any]) -> None:
        answer = await central.call(action, payload)
        if isinstance(answer, dict):
            answers[action] = answer

    station.plug(1, Car(), "TAG")
    station.plug(2, Car(phases=1), "TAG2")
    await bench.run(130)
    unit = bench.station.persona.rate_units[0]
    await call("SetChargingProfile", set_limit(10 if unit == "A" else 6900, unit=unit))
    await call("GetCompositeSchedule", {"connectorId": 1, "duration": 900})
    await call("ClearChargingProfile", {})
    await call("GetConfiguration", {"key": ["HeartbeatInterval", "Whim"]})
    await call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    for wanted in ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification"):
        await call("TriggerMessage", {"requestedMessage": wanted})
    station.fail(2)
    await bench.run(5)
    station.repair(2)
    station.swipe("TAG", 1)
    await bench.run(5)
    station.unplug(1)
    await call("RemoteStartTransaction", {"connectorId": 1, "idTag": "REMOTE"})
    await call("RemoteStopTransaction", {"transactionId": 102})
    await call("UnlockConnector", {"connectorId": 1})
    await call("ChangeAvailability", {"connectorId": 0, "type": "Operative"})
    await call("GetLocalListVersion", {})
    await call("SendLocalList", {"listVersion": 1, "updateType": "Full"})
    await call("ClearCache", {})
    await call("DataTransfer", {"vendorId": "x"})
    reservation = {
        "connectorId": 1,
        "expiryDate": "2026-06-01T10:00:00Z",
        "idTag": "X",
        "reservationId": 1,
    }
    await call("ReserveNow", reservation)
    await call("CancelReservation", {"reservationId": 1})
    await call("Reset", {"type": "Hard"})
    await bench.run(40)
    return answers


async def violations(persona: Persona) -> dict[str, set[str]]:
    """Schema errors of every frame of a day, by action."""
    async with Bench(persona, TWO) as bench:
        answers = await a_day(bench)
        found: dict[str, set[str]] = {}
        for action, payload in bench.central.calls:
            if wrong := errors(action, payload):
                found.setdefault(action, set()).update(wrong)
        for action, answer in answers.items():
            if wrong := errors(f"{action}Response", answer):
                found.setdefault(f"{action}Response", set()).update(wrong)
        seen = {action for action, _ in bench.central.calls}
        assert seen == {
            "Authorize",
            "BootNotification",
            "Heartbeat",
            "MeterValues",
            "StartTransaction",
            "StatusNotification",
            "StopTransaction",
        }
        assert len(answers) >= 15
        return found


@pytest.mark.parametrize(
    "name", ["control-generic", "strict-generic", "power-generic", "whole-generic"]
)
@virtual
async def test_the_frames_of_the_clean_personas_are_valid(name: str) -> None:
    assert await violations(load_persona(name)) == {}


@virtual
async def test_the_frames_of_files_and_of_the_security_extension_are_valid() -> None:
    files = MemoryFiles()
    files.content["http://box/f-9.0.bin"] = b"bytes"
    maker = Authority("Maker", EPOCH)
    signer, key = maker.issue("Signer")
    signature = key.sign(b"bytes", ec.ECDSA(hashes.SHA256()))
    moment = "2026-06-01T08:00:00Z"
    log = {"log": {"remoteLocation": "http://box/"}, "logType": "SecurityLog", "requestId": 1}
    root = {"certificateType": "ManufacturerRootCertificate"}
    firmware = {
        "location": "http://box/f-9.0.bin",
        "retrieveDateTime": moment,
        "signingCertificate": signer,
        "signature": base64.b64encode(signature).decode(),
    }
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    calls: list[tuple[str, dict[str, Any], int]] = [
        ("GetDiagnostics", {"location": "http://box/"}, 5),
        ("UpdateFirmware", {"location": "http://box/f-9.0.bin", "retrieveDate": moment}, 60),
        ("GetLog", log, 5),
        ("InstallCertificate", {**root, "certificate": maker.pem}, 1),
        ("GetInstalledCertificateIds", root, 1),
        ("SignedUpdateFirmware", {"requestId": 2, "firmware": firmware}, 60),
        ("ExtendedTriggerMessage", trigger, 1),
        ("CertificateSigned", {"certificateChain": "none"}, 1),
        (
            "DeleteCertificate",
            {"certificateHashData": identity(maker.certificate, maker.certificate)},
            1,
        ),
    ]
    found: list[str] = []
    async with Bench("secure-generic", files=files) as bench:
        for action, payload, seconds in calls:
            assert errors(action, payload) == []
            answer = await bench.central.call(action, payload)
            found += errors(f"{action}Response", answer)
            await bench.run(seconds)
        bench.station.data_transfer("org.example", "Mood", "good")
        await bench.run(1)
        for action, payload in bench.central.calls:
            found += errors(action, payload)
        seen = {action for action, _ in bench.central.calls}
    assert found == []
    assert seen >= {
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
    }


@virtual
async def test_the_2019_firmware_violates_where_the_guide_and_the_log_say() -> None:
    found = await violations(load_persona("premium-2019"))
    assert set(found) == {"MeterValues", "StopTransaction", "StatusNotification"}
    assert all("mesurand" in text for text in found["MeterValues"] | found["StopTransaction"])
    assert all("'Error'" in text for text in found["StatusNotification"])


@virtual
async def test_the_2019_firmware_is_otherwise_valid() -> None:
    tamed = msgspec.structs.replace(
        load_persona("premium-2019"), measurand_key="measurand", fault_code="OtherError"
    )
    assert await violations(tamed) == {}


@virtual
async def test_the_2024_firmware_violates_by_its_fault_only() -> None:
    found = await violations(load_persona("premium-2024"))
    assert set(found) == {"StatusNotification"}
    assert all("'Error'" in text for text in found["StatusNotification"])


@virtual
async def test_the_2019_firmware_reproduces_the_frames_of_the_guide() -> None:
    config = StationConfig(station_id="GreenUp", free_mode=True)
    async with Bench("premium-2019", config) as bench:
        bench.station.plug(1, Car(phases=1, max_a=16))
        await bench.run(31)
        boot = bench.central.named("BootNotification")[0]
        assert boot["chargePointVendor"] == "Legrand"
        assert boot["chargePointModel"] == "059004"
        assert boot["firmwareVersion"] == "V01.01.65/V01.01.08"
        assert len(boot["chargeBoxSerialNumber"]) == 6
        assert boot["chargeBoxSerialNumber"].isdigit()
        assert "chargePointSerialNumber" not in boot
        status = bench.central.named("StatusNotification")[0]
        assert status == {
            "connectorId": 1,
            "errorCode": "NoError",
            "info": "No failure",
            "status": "Available",
            "vendorId": "Legrand",
        }
        start = bench.central.named("StartTransaction")[0]
        assert start["timestamp"] == "2026-06-01T10:00:02.000+02:00"
        bench.station.unplug(1)
        await bench.run(1)
        data = bench.central.named("StopTransaction")[0]["transactionData"]
        assert {v["context"] for v in data[0]["sampledValue"]} == {"Interruption.End"}


@pytest.mark.parametrize(
    ("name", "timestamp"),
    [
        ("premium-2024", "2026-06-01T08:00:02Z"),
        ("control-generic", "2026-06-01T08:00:02.000Z"),
        ("premium-2019", "2026-06-01T10:00:02.000+02:00"),
    ],
)
@virtual
async def test_times_are_written_as_the_make_does(name: str, timestamp: str) -> None:
    async with Bench(name, StationConfig(station_id="A-001", free_mode=True)) as bench:
        bench.station.plug(1, Car())
        await bench.run(1)
        assert bench.central.named("StartTransaction")[0]["timestamp"] == timestamp


def test_every_persona_has_its_description_and_can_be_told_from_the_others() -> None:
    names = persona_names()
    assert set(names) >= {"control-generic", "premium-2019", "premium-2024", "strict-generic"}
    personas = [load_persona(name) for name in names]
    assert len({persona.description for persona in personas}) == len(names)
    assert len({(persona.model, persona.firmware) for persona in personas}) == len(names)


def test_a_persona_based_on_another_differs_where_its_file_says() -> None:
    base, made = load_persona("control-generic"), load_persona("switching-generic")
    assert made.rate_units == ("W",)
    assert made.switches_phases
    assert made.measurands == base.measurands


def test_an_unknown_persona_is_refused() -> None:
    with pytest.raises(ValueError, match="no persona"):
        load_persona("whim")


@pytest.mark.parametrize(
    ("name", "profiles"),
    [
        ("core-generic", "Core,SmartCharging"),
        ("uncontrolled-generic", "Core"),
        ("premium-2024", ALL_PROFILES),
    ],
)
@virtual
async def test_a_make_says_what_it_knows(name: str, profiles: str) -> None:
    async with Bench(name) as bench:
        request = {"key": ["SupportedFeatureProfiles"]}
        answer = await bench.central.call("GetConfiguration", request)
        assert answer["configurationKey"][0]["value"] == profiles
