"""Logs and firmware of a station: OCPP 1.6 clauses 5.7 and 5.19, and the security extension."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from simulators.station.config import Faults, FirmwareTrouble, StationConfig
from simulators.station.ev import Car
from simulators.station.files import UploadMethod, address_of
from simulators.station.persona import load_persona
from tests.support.authority import Authority
from tests.unit.simulators.station_bench import EPOCH, Bench, MemoryFiles, Payload, virtual

PLACE = "http://box/files/drop"
NEW = "http://box/files/control-3.5.0.bin"
SECURE = load_persona("secure-generic")


def wrong(**faults: Any) -> StationConfig:
    return StationConfig(station_id="A-001", free_mode=True, faults=Faults(**faults))


def told(bench: Bench, action: str) -> list[str]:
    return [payload["status"] for payload in bench.central.named(action)]


# ---------------------------------------------------------------------- logs


@virtual
async def test_diagnostics_are_uploaded_and_told() -> None:
    files = MemoryFiles()
    async with Bench(files=files) as bench:
        bench.station.reboot("Reboot")
        await bench.run(40)
        request = {"location": PLACE, "startTime": "2026-06-01T08:00:00Z"}
        answer = await bench.central.call("GetDiagnostics", request)
        trigger = {"requestedMessage": "DiagnosticsStatusNotification"}
        await bench.central.call("TriggerMessage", trigger)
        await bench.run(3)
        assert told(bench, "DiagnosticsStatusNotification") == [
            "Uploading",
            "Uploading",
            "Uploaded",
        ]
        ((url, content, method),) = files.uploaded
        assert url == f"{PLACE}/{answer['fileName']}"
        assert method is UploadMethod.PUT
        assert b"Control-22, firmware 3.4.1" in content
        assert b"down: Reboot" in content
        assert b"HeartbeatInterval = 300" in content
        assert b"AuthorizationKey" not in content


@pytest.mark.parametrize(
    ("failing", "retries", "statuses"),
    [
        (2, 2, ["Uploading", "Uploaded"]),
        (2, 1, ["Uploading", "UploadFailed"]),
        (0, None, ["Uploading", "Uploaded"]),
    ],
)
@virtual
async def test_an_upload_is_tried_again_as_often_as_asked(
    failing: int, retries: int | None, statuses: list[str]
) -> None:
    async with Bench(config=wrong(failing_uploads=failing), files=MemoryFiles()) as bench:
        request: Payload = {"location": PLACE, "retryInterval": 20}
        if retries is not None:
            request["retries"] = retries
        await bench.central.call("GetDiagnostics", request)
        await bench.run(60)
        assert told(bench, "DiagnosticsStatusNotification") == statuses


@virtual
async def test_an_address_that_takes_nothing() -> None:
    async with Bench(files=MemoryFiles()) as bench:
        await bench.central.call("GetDiagnostics", {"location": "http://elsewhere/"})
        await bench.run(5)
        assert told(bench, "DiagnosticsStatusNotification") == ["Uploading", "UploadFailed"]


@virtual
async def test_a_make_without_diagnostics_names_no_file() -> None:
    made = msgspec.structs.replace(SECURE, has_diagnostics=False)
    async with Bench(made, files=MemoryFiles()) as bench:
        assert await bench.central.call("GetDiagnostics", {"location": PLACE}) == {}
        log = {"log": {"remoteLocation": PLACE}, "logType": "SecurityLog", "requestId": 3}
        assert await bench.central.call("GetLog", log) == {"status": "Rejected"}
        await bench.run(5)
        assert not bench.central.named("DiagnosticsStatusNotification")


@virtual
async def test_a_log_of_the_security_alone() -> None:
    files = MemoryFiles()
    made = msgspec.structs.replace(SECURE, appends_file_name=False, upload_method=UploadMethod.FORM)
    async with Bench(made, files=files) as bench:
        bench.station.security_event("TamperDetectionActivated")
        bench.station.reboot("Reboot")
        await bench.run(40)
        request = {"log": {"remoteLocation": PLACE}, "logType": "SecurityLog", "requestId": 3}
        answer = await bench.central.call("GetLog", request)
        assert answer["status"] == "Accepted"
        # A second one takes the place of the first.
        second = {**request, "requestId": 4}
        assert (await bench.central.call("GetLog", second))["status"] == "AcceptedCanceled"
        await bench.run(3)
        trigger = {"requestedMessage": "LogStatusNotification"}
        await bench.central.call("ExtendedTriggerMessage", trigger)
        assert bench.central.named("LogStatusNotification") == [
            {"status": "Uploading", "requestId": 3},
            {"status": "Uploading", "requestId": 4},
            {"status": "Uploaded", "requestId": 4},
            {"status": "Idle"},
        ]
        ((url, content, method),) = files.uploaded
        assert (url, method) == (PLACE, UploadMethod.FORM)
        assert b"security: TamperDetectionActivated" in content
        assert b"down: Reboot" not in content
        wrong_kind = {**request, "logType": "Diary"}
        assert await bench.central.call("GetLog", wrong_kind) == "FormationViolation"
        failing = {**request, "log": {"remoteLocation": "http://elsewhere"}}
        await bench.central.call("GetLog", failing)
        await bench.run(3)
        assert told(bench, "LogStatusNotification")[-1] == "UploadFailure"


def test_the_address_of_a_file_in_a_folder() -> None:
    assert address_of("ftp://u:p@h/a/", "x y.txt") == "ftp://u:p@h/a/x%20y.txt"
    assert address_of("https://h/a?token=1", "x.txt") == "https://h/a/x.txt?token=1"


# ---------------------------------------------------------------------- firmware


def update(**more: Any) -> Payload:
    return {"location": NEW, "retrieveDate": "2026-06-01T08:00:00Z", **more}


@pytest.mark.parametrize(
    ("content", "version"),
    [
        (b"FIRMWARE 4.0.0-rc1\nbytes", "4.0.0-rc1"),
        (b"bytes", "3.5.0"),
    ],
)
@virtual
async def test_a_firmware_is_fetched_installed_and_boots(content: bytes, version: str) -> None:
    files = MemoryFiles()
    files.content[NEW] = content
    async with Bench(files=files) as bench:
        assert await bench.central.call("UpdateFirmware", update()) == {}
        await bench.run(60)
        assert told(bench, "FirmwareStatusNotification") == [
            "Downloading",
            "Downloaded",
            "Installing",
            "Installed",
        ]
        boots = bench.central.named("BootNotification")
        assert [boot["firmwareVersion"] for boot in boots] == ["3.4.1", version]
        await bench.central.call(
            "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}
        )
        assert told(bench, "FirmwareStatusNotification")[-1] == "Idle"


@virtual
async def test_a_firmware_without_any_version_in_sight() -> None:
    files = MemoryFiles()
    files.content["http://box/f"] = b"bytes"
    async with Bench(files=files) as bench:
        await bench.central.call("UpdateFirmware", update(location="http://box/f"))
        await bench.run(60)
        assert bench.central.named("BootNotification")[-1]["firmwareVersion"].startswith("3.4.1+")


@virtual
async def test_a_firmware_waits_for_its_time_and_for_the_last_car() -> None:
    files = MemoryFiles()
    files.content[NEW] = b"bytes"
    async with Bench(config=wrong(), files=files) as bench:
        bench.station.plug(1, Car())
        await bench.central.call("UpdateFirmware", update(retrieveDate="2026-06-01T08:10:00Z"))
        await bench.run(590)
        assert not bench.central.named("FirmwareStatusNotification")
        await bench.run(60)
        assert told(bench, "FirmwareStatusNotification") == ["Downloading", "Downloaded"]
        bench.station.unplug(1)
        await bench.run(60)
        assert told(bench, "FirmwareStatusNotification")[2:] == ["Installing", "Installed"]
        assert bench.station.records[0].stop_reason == "EVDisconnected"


@pytest.mark.parametrize(
    ("faults", "request_", "statuses", "versions"),
    [
        (
            {"failing_downloads": 1},
            {"retries": 1, "retryInterval": 5},
            ["Downloading", "Downloading", "Downloaded", "Installing", "Installed"],
            ["3.4.1", "3.5.0"],
        ),
        ({"failing_downloads": 9}, {"retries": 1}, ["Downloading"] * 2 + ["DownloadFailed"], None),
        ({}, {"location": "http://box/none"}, ["Downloading", "DownloadFailed"], None),
        (
            {"firmware_trouble": FirmwareTrouble.INSTALLATION_FAILS},
            {},
            ["Downloading", "Downloaded", "Installing", "InstallationFailed"],
            None,
        ),
        (
            {"firmware_trouble": FirmwareTrouble.OLD_VERSION},
            {},
            ["Downloading", "Downloaded", "Installing", "Installed"],
            ["3.4.1", "3.4.1"],
        ),
        ({"firmware_trouble": FirmwareTrouble.SILENT}, {}, [], ["3.4.1", "3.5.0"]),
    ],
)
@virtual
async def test_updates_that_end_in_another_way(
    faults: dict[str, Any], request_: Payload, statuses: list[str], versions: list[str] | None
) -> None:
    files = MemoryFiles()
    files.content[NEW] = b"bytes"
    async with Bench(config=wrong(**faults), files=files) as bench:
        await bench.central.call("UpdateFirmware", update(**request_))
        await bench.run(90)
        assert told(bench, "FirmwareStatusNotification") == statuses
        boots = bench.central.named("BootNotification")
        assert [boot["firmwareVersion"] for boot in boots] == (versions or ["3.4.1"])


@virtual
async def test_a_power_cut_in_the_middle_ends_an_update() -> None:
    files = MemoryFiles(takes_s=30)
    files.content[NEW] = b"bytes"
    async with Bench(files=files) as bench:
        await bench.central.call("UpdateFirmware", update())
        await bench.run(5)
        bench.station.power_cut(10)
        await bench.run(120)
        assert told(bench, "FirmwareStatusNotification") == ["Downloading"]
        assert bench.central.named("BootNotification")[-1]["firmwareVersion"] == "3.4.1"
        await bench.central.call(
            "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}
        )
        assert told(bench, "FirmwareStatusNotification")[-1] == "Idle"


# ---------------------------------------------------------------------- signed firmware


MAKER = Authority("Maker", EPOCH)
SIGNER, SIGNER_KEY = MAKER.issue("Signer")


def sign(content: bytes) -> str:
    return base64.b64encode(SIGNER_KEY.sign(content, ec.ECDSA(hashes.SHA256()))).decode()


def signed_update(content: bytes = b"bytes", **more: Any) -> Payload:
    firmware = {
        "location": NEW,
        "retrieveDateTime": "2026-06-01T08:00:00Z",
        "signingCertificate": SIGNER,
        "signature": sign(content),
        **more,
    }
    return {"requestId": 8, "firmware": firmware}


async def install_maker(bench: Bench) -> None:
    answer = await bench.central.call(
        "InstallCertificate",
        {"certificateType": "ManufacturerRootCertificate", "certificate": MAKER.pem},
    )
    assert answer == {"status": "Accepted"}


@virtual
async def test_a_signed_firmware_is_verified_and_scheduled() -> None:
    files = MemoryFiles()
    files.content[NEW] = b"bytes"
    async with Bench(SECURE, files=files) as bench:
        await install_maker(bench)
        request = signed_update(
            retrieveDateTime="2026-06-01T08:01:00Z", installDateTime="2026-06-01T08:02:00Z"
        )
        assert await bench.central.call("SignedUpdateFirmware", request) == {"status": "Accepted"}
        again = await bench.central.call("SignedUpdateFirmware", request)
        assert again == {"status": "AcceptedCanceled"}
        await bench.run(30)
        trigger = {"requestedMessage": "FirmwareStatusNotification"}
        await bench.central.call("ExtendedTriggerMessage", trigger)
        await bench.run(150)
        seen = bench.central.named("SignedFirmwareStatusNotification")
        assert {payload["requestId"] for payload in seen} == {8}
        assert [payload["status"] for payload in seen] == ["DownloadScheduled"] * 3 + [
            "Downloading",
            "Downloaded",
            "SignatureVerified",
            "InstallScheduled",
            "Installing",
            "InstallRebooting",
            "Installed",
        ]
        events = [event["type"] for event in bench.central.named("SecurityEventNotification")]
        assert events == ["StartupOfTheDevice", "FirmwareUpdated"]
        assert bench.central.named("BootNotification")[-1]["firmwareVersion"] == "3.5.0"


@pytest.mark.parametrize(
    ("faults", "more", "answer", "last", "event"),
    [
        ({"firmware_trouble": FirmwareTrouble.REVOKED}, {}, "RevokedCertificate", None, None),
        (
            {},
            {"signingCertificate": Authority("Other", EPOCH).issue("Signer")[0]},
            "InvalidCertificate",
            None,
            "InvalidFirmwareSigningCertificate",
        ),
        (
            {},
            {"signingCertificate": "none"},
            "InvalidCertificate",
            None,
            "InvalidFirmwareSigningCertificate",
        ),
        (
            {"firmware_trouble": FirmwareTrouble.CORRUPT},
            {},
            "Accepted",
            "InvalidSignature",
            "InvalidFirmwareSignature",
        ),
        ({}, {"signature": "???"}, "Accepted", "InvalidSignature", "InvalidFirmwareSignature"),
        ({}, {"location": "http://box/none"}, "Accepted", "DownloadFailed", None),
    ],
)
@virtual
async def test_signed_firmware_that_is_refused(
    faults: dict[str, Any], more: Payload, answer: str, last: str | None, event: str | None
) -> None:
    files = MemoryFiles()
    files.content[NEW] = b"bytes"
    async with Bench(SECURE, wrong(**faults), files=files) as bench:
        await install_maker(bench)
        request = signed_update(**more)
        assert await bench.central.call("SignedUpdateFirmware", request) == {"status": answer}
        await bench.run(60)
        statuses = told(bench, "SignedFirmwareStatusNotification")
        assert statuses[-1:] == ([] if last is None else [last])
        events = [each["type"] for each in bench.central.named("SecurityEventNotification")]
        assert events == ([] if event is None else [event])
        assert len(bench.central.named("BootNotification")) == 1


@pytest.mark.parametrize("scheme", ["pss", "pkcs1"])
@virtual
async def test_a_signature_of_an_rsa_key(scheme: str) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem, _ = MAKER.issue("RSA", key=key)
    pads: dict[str, padding.AsymmetricPadding] = {
        "pss": padding.PSS(padding.MGF1(hashes.SHA256()), 32),
        "pkcs1": padding.PKCS1v15(),
    }
    signature = base64.b64encode(key.sign(b"bytes", pads[scheme], hashes.SHA256())).decode()
    files = MemoryFiles()
    files.content[NEW] = b"bytes"
    async with Bench(SECURE, files=files) as bench:
        await install_maker(bench)
        request = signed_update(signingCertificate=pem, signature=signature)
        assert await bench.central.call("SignedUpdateFirmware", request) == {"status": "Accepted"}
        await bench.run(60)
        assert told(bench, "SignedFirmwareStatusNotification")[-1] == "Installed"
