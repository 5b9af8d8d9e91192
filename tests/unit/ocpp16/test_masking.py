"""No credential reaches the record, however a station writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.ocpp16.masking import MASK, without_secrets


def call(action: str, payload: Any) -> str:
    return json.dumps([2, "17", action, payload])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (call("ChangeConfiguration", {"key": "AuthorizationKey", "value": "c0ffee"}), "c0ffee"),
        (call("ChangeConfiguration", {"value": "c0ffee", "key": "authorizationkey"}), "c0ffee"),
        (call("ChangeConfiguration", {"key": "WifiPassword", "value": "c0ffee"}), "c0ffee"),
        (call("ChangeConfiguration", {"key": "WPA_PSK", "value": "c0ffee"}), "c0ffee"),
        (
            json.dumps(
                [3, "1", {"configurationKey": [{"key": "AuthorizationKey", "value": "c0ffee"}]}]
            ),
            "c0ffee",
        ),
        (call("GetDiagnostics", {"location": "ftp://anna:c0ffee@10.0.0.2/d"}), "c0ffee"),
        (call("GetDiagnostics", {"location": "http://10.0.0.2:8080/files/c0ffee/put"}), "c0ffee"),
        (call("UpdateFirmware", {"location": "https://box.lan?token=c0ffee"}), "c0ffee"),
        (call("GetLog", {"log": {"remoteLocation": "sftp://u:c0ffee@h/"}}), "c0ffee"),
        (call("SignedUpdateFirmware", {"firmware": {"location": "ftps://u@h/c0ffee"}}), "c0ffee"),
        (call("UpdateFirmware", {"location": "not an address: c0ffee", "x": "://"}), "c0ffee"),
        (
            call("DataTransfer", {"vendorId": "V", "data": "Authorization: Basic c0ffee=="}),
            "c0ffee",
        ),
        (call("DataTransfer", {"vendorId": "V", "Authorization": "Basic c0ffee"}), "c0ffee"),
        (call("DataTransfer", {"data": '{"password": "c0ffee", "n": 1}'}), "c0ffee"),
        (call("DataTransfer", {"data": "see http://u:c0ffee@h/x and ftp://h/?k=c0ffee"}), "c0ffee"),
        (
            '[2,"1","ChangeConfiguration",{"key":"\\u0041uthorizationKey","value":"c0ffee"}]',
            "c0ffee",
        ),
        ('[2,"1","GetDiagnostics",{"location":"ftp:\\/\\/u:c0ffee@h\\/"}]', "c0ffee"),
        ('[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"c0ffee"', "c0ffee"),
        ("[" * 100_000 + "authorization c0ffee", "c0ffee"),
    ],
)
def test_a_credential_is_masked(text: str, secret: str) -> None:
    masked = without_secrets(text)
    assert secret not in masked
    assert MASK in masked


def test_the_rest_of_the_frame_stays() -> None:
    text = call(
        "ChangeConfiguration", {"key": "AuthorizationKey", "value": "c0ffee", "x": [1, None, "é"]}
    )
    assert json.loads(without_secrets(text)) == [
        2, "17", "ChangeConfiguration", {"key": "AuthorizationKey", "value": MASK, "x": [1, None, "é"]},
    ]  # fmt: skip


def test_of_an_address_the_host_stays() -> None:
    masked = without_secrets(call("GetDiagnostics", {"location": "ftp://a:b@10.0.0.2:21/c?d=e"}))
    assert json.loads(masked)[3] == {"location": "ftp://10.0.0.2:21/***"}
    masked = without_secrets(call("GetDiagnostics", {"location": "ftp://10.0.0.2"}))
    assert json.loads(masked)[3] == {"location": "ftp://10.0.0.2"}


@pytest.mark.parametrize(
    "text",
    [
        '[2, "1",  "Heartbeat", {}]',
        "no JSON at all",
        call("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "300"}),
        call("DataTransfer", {"data": "[1, 2]", "text": "caf\u00e9 http://10.0.0.2/manual"}),
        '[3,"1",{"configurationKey":[{"key":"AuthorizeRemoteTxRequests","value":"true"}]}]',
        '[2,"1","X",{"data":"{broken \\u0041"}]',
    ],
)
def test_a_frame_without_a_credential_stays_to_the_letter(text: str) -> None:
    assert without_secrets(text) == text
