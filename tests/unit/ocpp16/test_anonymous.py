"""An anonymous frame says what was said, and neither who nor where."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ocpp16.anonymous import MASK, Pseudonyms, anonymous


def said(action: str, payload: Any, names: Pseudonyms | None = None) -> Any:
    """The payload as a stranger sees it."""
    frame = json.dumps([2, "17", action, payload])
    return json.loads(anonymous(frame, 1, names or Pseudonyms()))[3]


def test_persons_places_and_serials_get_names_that_stay_the_same() -> None:
    names = Pseudonyms()
    boot = {
        "chargePointVendor": "Legrand",
        "chargePointModel": "Green'up",
        "chargePointSerialNumber": "21G0456",
        "chargeBoxSerialNumber": "21g0456",
        "meterSerialNumber": "M-1",
        "firmwareVersion": "4.2.1",
        "iccid": "8933012345678901234",
        "imsi": "208011234567890",
    }
    assert said("BootNotification", boot, names) == {
        "chargePointVendor": "Legrand",
        "chargePointModel": "Green'up",
        "chargePointSerialNumber": "SERIAL-0001",
        "chargeBoxSerialNumber": "SERIAL-0001",
        "meterSerialNumber": "SERIAL-0002",
        "firmwareVersion": "4.2.1",
        "iccid": "8900000001",
        "imsi": "8900000002",
    }
    assert said("Authorize", {"idTag": "04A1B2C3"}, names) == {"idTag": "BADGE-0001"}
    assert said("Authorize", {"idTag": "04a1b2c3"}, names) == {"idTag": "BADGE-0001"}
    assert said("Authorize", {"idTag": 4711, "parentIdTag": None}, names) == {
        "idTag": "BADGE-0002",
        "parentIdTag": None,
    }
    assert said("Authorize", {"idTag": ""}, names) == {"idTag": ""}
    assert names.station("S-1") == "STATION-001"
    assert names.station("S-2") == "STATION-002"
    assert names.station("S-1") == "STATION-001"


def test_free_texts_go_and_what_is_counted_stays() -> None:
    status = {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Charging",
        "info": "car of Mrs Leroy",
        "vendorErrorCode": "0x17",
        "timestamp": "2026-03-02T12:00:00.000Z",
        "made up by a maker": "Mrs Leroy",
    }
    assert said("StatusNotification", status) == {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Charging",
        "info": MASK,
        "vendorErrorCode": "0x17",
        "timestamp": "2026-03-02T12:00:00.000Z",
        MASK: MASK,
    }
    samples = [{"value": "16,5", "measurand": "Current.Import"}, {"value": "MIIB", "unit": "Wh"}]
    assert said("MeterValues", {"sampledValue": samples})["sampledValue"] == [
        {"value": "16,5", "measurand": "Current.Import"},
        {"value": MASK, "unit": "Wh"},
    ]
    transfer = {"vendorId": "fr.maker", "messageId": "Hello", "data": "Mrs Leroy"}
    assert said("DataTransfer", transfer) == {**transfer, "data": MASK}


def test_odd_times_stay_and_addresses_go_wherever_they_are() -> None:
    assert said("X", {"timestamp": "02/03/2026 12:00:00"}) == {"timestamp": "02/03/2026 12:00:00"}
    assert said("X", {"other": "2026-03-02T12:00:00+01:00"}) == {
        "other": "2026-03-02T12:00:00+01:00"
    }
    assert said("X", {"firmwareVersion": "4.2 at 192.168.1.17"}) == {"firmwareVersion": MASK}
    assert said("X", {"vendorId": "anna@maker.example"}) == {"vendorId": MASK}
    assert said("GetDiagnostics", {"location": "FTP://10.0.0.2/x"}) == {
        "location": "ftp://host-001.example/***"
    }
    assert said("MeterValues", {"location": "Outlet"}) == {"location": "Outlet"}
    assert Pseudonyms().address("10.0.0.2") == "host-001.example"


def test_settings_are_shown_where_the_norm_knows_them() -> None:
    answer = [
        {"key": "HeartbeatInterval", "value": "300", "readonly": False},
        {"key": "WifiName", "value": "Leroy"},
        {"key": 7, "value": "Leroy"},
    ]
    assert said("X", {"configurationKey": answer, "unknownKey": ["Nothing"]}) == {
        "configurationKey": [
            {"key": "HeartbeatInterval", "value": "300", "readonly": False},
            {"key": "WifiName", "value": MASK},
            {"key": 7, "value": MASK},
        ],
        "unknownKey": ["Nothing"],
    }


def test_message_ids_are_numbered_for_each_connection() -> None:
    names = Pseudonyms()
    ids = [
        json.loads(anonymous(f'[3,"{message}",{{}}]', connection, names))[1]
        for connection, message in ((1, "21G0456-1"), (1, "21G0456-1"), (2, "21G0456-1"), (1, "8"))
    ]
    assert ids == ["m1", "m1", "m2", "m3"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call Mrs Leroy", MASK),
        ("[" * 100_000, MASK),
        ('{"name":"Leroy"}', MASK),
        ("[2]", MASK),
        ("[2,7]", MASK),
        ('["Leroy","1"]', '["***","m1"]'),
        ('[2,"1"]', '[2,"m1","***"]'),
        ('[2,"1","Mrs Leroy",{}]', '[2,"m1","***",{}]'),
        ('[2,"1","Heartbeat",{}]', '[2,"m1","Heartbeat",{}]'),
        ('[4,"1","GenericError","Leroy",{"x":"Leroy"}]', '[4,"m1","GenericError","",{}]'),
        ('[4,"1","Mrs Leroy"]', '[4,"m1","***","",{}]'),
        ('[4,"1"]', '[4,"m1","***","",{}]'),
        ('[3,"1",{"status":"Accepted"}]', '[3,"m1",{"status":"Accepted"}]'),
    ],
)
def test_frames_of_every_shape(text: str, shown: str) -> None:
    assert anonymous(text, 1, Pseudonyms()) == shown


_FIELDS = st.sampled_from(
    [
        "info",
        "techInfo",
        "data",
        "idTag",
        "parentIdTag",
        "location",
        "csr",
        "custom",
        "iccid",
        "certificateChain",
        "chargePointSerialNumber",
        "value",
        "errorDescription",
    ]
)
_PAYLOADS = st.recursive(
    st.just("Leroy21G0456") | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(_PAYLOADS)
def test_a_name_in_a_free_field_never_gets_out(payload: Any) -> None:
    assert "Leroy" not in anonymous(json.dumps([2, "1", "X", payload]), 1, Pseudonyms())
