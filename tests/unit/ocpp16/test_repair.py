"""Each repair, alone; what several do together is in the dialogues."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ocpp16 import repair
from app.ocpp16.actions import FROM_STATION
from app.ocpp16.actions.manager_calls import GetConfigurationConfirmation
from app.ocpp16.actions.station_calls import (
    Authorize,
    BootNotification,
    Heartbeat,
    MeterValues,
    StartTransaction,
    StatusNotification,
    StopTransaction,
)
from app.ocpp16.actions.types import UNREADABLE_TIME

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-03-02T12:00:00Z"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
SAMPLE: dict[str, Any] = {"value": "1"}


def start(**changes: Any) -> tuple[Any, tuple[str, ...]]:
    return repair.repaired(StartTransaction, START | changes)


@pytest.mark.parametrize(
    ("field", "given_value", "expected", "name"),
    [
        ("idTag", 1234, "1234", "number-as-text"),
        ("idTag", 12.5, "12.5", "number-as-text"),
        ("idTag", "x" * 21, "x" * 19 + "~", "id-tag-long"),
        ("idTag", None, "", "null-field"),
        ("idTag", True, "", "missing-field"),
        ("connectorId", "2", 2, "text-as-number"),
        ("connectorId", " 2 ", 2, "text-as-number"),
        ("meterStart", 15.0, 15, "float-as-integer"),
        ("meterStart", 15.6, 16, "float-as-integer"),
        ("meterStart", "15,6", 16, "text-as-number"),
        ("meterStart", 2**40, 2**31 - 1, "integer-range"),
        ("meterStart", -(2**40), -(2**31), "integer-range"),
        ("meterStart", 10**400, 2**31 - 1, "integer-range"),
        ("meterStart", float("inf"), 2**31 - 1, "integer-range"),
        ("meterStart", "NaN", 0, "missing-field"),
        ("meterStart", "lots", 0, "missing-field"),
        ("meterStart", False, 0, "missing-field"),
        ("meterStart", [1], 0, "missing-field"),
        ("reservationId", None, None, "null-field"),
        ("reservationId", {}, None, "field-dropped"),
    ],
)
def test_scalars(field: str, given_value: Any, expected: Any, name: str) -> None:
    mended, names = start(**{field: given_value})
    assert mended.get(field) == expected
    assert name in names


@pytest.mark.parametrize(
    ("text", "expected", "name"),
    [
        ("2026-03-02T12:00:00", NOON, "time-zone"),
        ("2026-03-02 12:00:00", NOON, "time-zone"),
        ("2026/3/2 12:00", NOON, "time-form"),
        ("2026-03-02T12:00Z", NOON, "time-form"),
        (" 2026-03-02T12:00:00,5Z ", NOON.replace(microsecond=500_000), "time-form"),
        ("2026-03-02T13:00:00 +01:00", NOON, "time-form"),
        ("2026-03-02T09:30 -0230", NOON, "time-form"),
        ("2026-03-02T10:00:00 -02", NOON, "time-form"),
        ("2026-03-02T11:59:60Z", NOON.replace(hour=11, minute=59, second=59), "time-form"),
        (int(NOON.timestamp()), NOON, "time-form"),
        (int(NOON.timestamp() * 1000), NOON, "time-form"),
        ("2026-02-30T12:00:00Z", UNREADABLE_TIME, "time-unreadable"),
        ("2026-03-02T12:00 +25:00", UNREADABLE_TIME, "time-unreadable"),
        ("tomorrow", UNREADABLE_TIME, "time-unreadable"),
        (1e300, UNREADABLE_TIME, "time-unreadable"),
        (True, UNREADABLE_TIME, "time-unreadable"),
        ({}, UNREADABLE_TIME, "time-unreadable"),
    ],
)
def test_times(text: Any, expected: datetime, name: str) -> None:
    mended, names = start(timestamp=text)
    assert mended["timestamp"] == expected
    assert mended["timestamp"].tzinfo is not None
    assert name in names


@pytest.mark.parametrize("field", ["timestamp", "meterStart", "idTag"])
def test_a_start_without_a_field_that_has_a_stand_in(field: str) -> None:
    mended, _names = repair.repaired(
        StartTransaction, {key: value for key, value in START.items() if key != field}
    )
    assert field in mended


def test_a_start_without_connector_is_that_of_the_station() -> None:
    mended, names = start(connectorId=None)
    assert (mended["connectorId"], names) == (0, ("null-field", "missing-field"))
    mended, names = start(connectorId={})
    assert (mended["connectorId"], names) == (0, ("missing-field",))


@pytest.mark.parametrize("payload", ["text", 17, [1], True])
def test_what_is_no_object_is_left_to_the_decoder(payload: Any) -> None:
    assert repair.repaired(Authorize, payload) == (payload, ())


@pytest.mark.parametrize("payload", [None, []])
def test_no_payload_is_an_empty_one(payload: Any) -> None:
    mended, names = repair.repaired(Heartbeat, payload)
    assert mended == {}
    assert names == ("payload-missing",)


@pytest.mark.parametrize(
    ("key", "name"),
    [("IDTAG", "field-spelling"), ("id_tag", "field-spelling"), ("id-Tag", "field-spelling")],
)
def test_fields_in_other_spellings(key: str, name: str) -> None:
    assert repair.repaired(Authorize, {key: "A"}) == ({"idTag": "A"}, (name,))


def test_the_proper_spelling_wins() -> None:
    mended, names = repair.repaired(Authorize, {"IDTAG": "B", "idTag": "A", "colour": "red"})
    assert mended == {"idTag": "A"}
    assert names == ("unknown-field",)


def test_the_misspelt_measurand_is_known_in_samples_only() -> None:
    assert repair.repaired(Authorize, {"idTag": "A", "mesurand": "x"})[1] == ("unknown-field",)
    sample = SAMPLE | {"mesurand": "SoC"}
    mended, names = repair.repaired(MeterValues, meter_values(sample))
    assert sampled(mended) == [{"value": "1", "measurand": "SoC"}]
    assert names == ("mesurand",)


@pytest.mark.parametrize(
    ("code", "status", "expected", "info"),
    [
        ("Error", "Faulted", "OtherError", "Error"),
        ("E" * 60, "Faulted", "OtherError", "E" * 50),
        (17, "Faulted", "OtherError", "17"),
        (None, "Faulted", "OtherError", None),
        (None, "Available", "NoError", None),
    ],
)
def test_error_codes_out_of_the_enumeration(
    code: Any, status: str, expected: str, info: str | None
) -> None:
    mended, names = repair.repaired(
        StatusNotification, STATUS | {"errorCode": code, "status": status}
    )
    assert mended["errorCode"] == expected
    assert mended.get("info") == info
    assert names == ("error-code",)


def test_an_error_code_in_other_case_is_spelling_only() -> None:
    mended, names = repair.repaired(StatusNotification, STATUS | {"errorCode": "noerror"})
    assert mended["errorCode"] == "NoError"
    assert names == ("enum-spelling",)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("suspendedevse", "SuspendedEVSE"), ("Suspended_EV", "SuspendedEV"), ("Asleep", "Asleep")],
)
def test_statuses(status: str, expected: str) -> None:
    mended, _names = repair.repaired(StatusNotification, STATUS | {"status": status})
    assert mended["status"] == expected


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("kwh", "kWh"),
        ("KW", "kW"),
        ("Amps", "A"),
        ("%", "Percent"),
        ("hz", "Hertz"),
        ("watt", "W"),
    ],
)
def test_units_by_their_usual_names(unit: str, expected: str) -> None:
    mended, names = repair.repaired(MeterValues, meter_values(SAMPLE | {"unit": unit}))
    assert sampled(mended) == [{"value": "1", "unit": expected}]
    assert names == ("enum-spelling",)


@pytest.mark.parametrize(
    "sample",
    [
        {"value": "1", "measurand": "Humidity"},
        {"value": "1", "measurand": 7},
        {"value": "1", "unit": "parsec"},
        {"value": "1", "phase": "L4"},
        {"value": "1", "format": "Cooked"},
        {"value": None},
        {"value": True},
        {},
        17,
    ],
)
def test_a_sample_without_meaning_is_left_out(sample: Any) -> None:
    mended, names = repair.repaired(MeterValues, meter_values(sample, SAMPLE))
    assert sampled(mended) == [SAMPLE]
    assert "item-dropped" in names


def test_text_is_cut_to_its_length() -> None:
    boot = {"chargePointVendor": "V" * 30, "chargePointModel": "M", "iccid": "1" * 25}
    mended, names = repair.repaired(BootNotification, boot)
    assert mended["chargePointVendor"] == "V" * 20
    assert mended["iccid"] == "1" * 20
    assert names == ("text-cut",)


def test_a_boot_that_names_nobody_is_taken() -> None:
    mended, names = repair.repaired(BootNotification, {})
    assert mended == {"chargePointVendor": "", "chargePointModel": ""}
    assert names == ("missing-field",)


def test_an_unknown_stop_reason_is_other() -> None:
    stop = {"transactionId": 1, "meterStop": 1, "timestamp": 0, "reason": 17}
    mended, names = repair.repaired(StopTransaction, stop)
    assert mended["reason"] == "Other"
    assert names == ("time-form", "stop-reason")


@pytest.mark.parametrize(
    ("readonly", "expected", "names"),
    [
        ("true", True, ("text-as-boolean",)),
        ("False", False, ("text-as-boolean",)),
        (1, True, ("text-as-boolean",)),
        (0, False, ("text-as-boolean",)),
        ("perhaps", False, ("missing-field",)),
        (True, True, ()),
    ],
)
def test_settings(readonly: Any, expected: bool, names: tuple[str, ...]) -> None:
    setting = {"key": "HeartbeatInterval", "readonly": readonly, "value": "60"}
    payload = {"configurationKey": [setting]}
    mended, found = repair.repaired(GetConfigurationConfirmation, payload)
    assert mended["configurationKey"][0]["readonly"] is expected
    assert found == names


def meter_values(*samples: Any) -> dict[str, Any]:
    return {
        "connectorId": 1,
        "meterValue": [{"timestamp": "2026-03-02T12:00:00Z", "sampledValue": list(samples)}],
    }


def sampled(mended: Any) -> Any:
    return mended["meterValue"][0]["sampledValue"]


_NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("action", FROM_STATION)
@given(data=st.data())
def test_never_raises_and_a_second_pass_changes_nothing(action: str, data: st.DataObject) -> None:
    struct = FROM_STATION[action]
    keys = [field.encode_name for field in msgspec.structs.fields(struct)] or ["x"]
    payload = data.draw(_JSON | st.dictionaries(st.sampled_from(keys), _JSON))
    mended, _names = repair.repaired(struct, payload)
    if isinstance(mended, dict):
        again, _names = repair.repaired(struct, msgspec.json.decode(msgspec.json.encode(mended)))
        assert msgspec.json.encode(again) == msgspec.json.encode(mended)


def test_a_payload_in_a_list_is_taken_out_of_it() -> None:
    assert repair.repaired(Authorize, [{"idTag": "A"}]) == ({"idTag": "A"}, ("payload-in-list",))


@pytest.mark.parametrize(
    ("status", "expected", "info"),
    [
        ("Occupied", "Preparing", "Occupied"),
        ("out of service", "Unavailable", "out of service: door"),
        ("FAULT", "Faulted", "FAULT"),
    ],
)
def test_words_for_a_status_from_elsewhere(status: str, expected: str, info: str) -> None:
    said = STATUS | {"status": status} | ({"info": "door"} if ": " in info else {})
    mended, names = repair.repaired(StatusNotification, said)
    assert (mended["status"], mended["info"]) == (expected, info)
    assert names == ("status-word",)


@pytest.mark.parametrize("struct", [StartTransaction, StopTransaction, MeterValues, Authorize])
def test_a_transaction_message_without_anything_is_still_understood(struct: Any) -> None:
    mended, _names = repair.repaired(struct, {})
    msgspec.convert(mended, struct)
