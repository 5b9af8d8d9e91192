"""Every message type against the OCA's schemas."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions import FROM_MANAGER, FROM_STATION, KNOWN_ACTIONS
from app.ocpp16.actions.station_calls import (
    HeartbeatConfirmation,
    IdTagInfo,
    StartTransaction,
    StatusNotification,
)
from app.ocpp16.actions.types import Call, Confirmation, in_utc
from app.ocpp16.frames import CallFrame, OcppError, read_call
from tests.unit.ocpp16.schemas import damaged, payloads, schema, valid

Message = type[Call[Any]] | type[Confirmation]

MESSAGES: list[tuple[str, bool, Message]] = [
    *((action, False, call) for action, call in FROM_STATION.items()),
    *((action, True, call.confirmation_type) for action, call in FROM_STATION.items()),
    *((action, False, call) for action, call in FROM_MANAGER.items() if action != "DataTransfer"),
    *(
        (action, True, call.confirmation_type)
        for action, call in FROM_MANAGER.items()
        if action != "DataTransfer"
    ),
]

each_message = pytest.mark.parametrize(
    ("action", "answer", "struct"), MESSAGES, ids=lambda value: getattr(value, "__name__", value)
)


def accepted(struct: Message, payload: bytes) -> bool:
    try:
        msgspec.json.decode(payload, type=struct)
    except msgspec.ValidationError:
        return False
    return True


@each_message
@given(data=st.data())
@settings(max_examples=40)
def test_what_the_schema_allows_is_taken_and_given_back(
    action: str, answer: bool, struct: Message, data: st.DataObject
) -> None:
    payload = data.draw(payloads(schema(action, answer=answer)))
    text = msgspec.json.encode(payload)
    assert valid(text, action, answer=answer)
    message = msgspec.json.decode(text, type=struct)
    sent = msgspec.json.encode(message)
    assert valid(sent, action, answer=answer)
    assert msgspec.json.decode(sent, type=struct) == message
    assert set(json.loads(sent)) == set(payload)


@each_message
@given(data=st.data())
@settings(max_examples=60)
def test_what_the_schema_refuses_is_refused(
    action: str, answer: bool, struct: Message, data: st.DataObject
) -> None:
    payload = data.draw(payloads(schema(action, answer=answer)).flatmap(damaged))
    text = msgspec.json.encode(payload)
    if accepted(struct, text):
        # Ours to tolerate: settings longer than 500 characters, as stations have them.
        long_setting = action == "GetConfiguration" and answer and "x" * 501 in text.decode()
        assert valid(text, action, answer=answer) or long_setting
    elif valid(text, action, answer=answer):
        # Ours to refuse: the schemas do not check that a time is one.
        assert "datetime" in refusal(struct, text)


def refusal(struct: Message, payload: bytes) -> str:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(payload, type=struct)
    return str(caught.value)


@pytest.mark.parametrize("action", FROM_STATION)
@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_call_is_taken_in_a_form_that_the_schema_allows_or_refused(
    action: str, data: st.DataObject
) -> None:
    payload = data.draw(payloads(schema(action)).flatmap(damaged).flatmap(damaged))
    frame = CallFrame("1", action, msgspec.Raw(msgspec.json.encode(payload)))
    try:
        request, _repairs = read_call(frame)
    except OcppError:
        return
    sent = msgspec.json.encode(request)
    if b'"sampledValue":[]' not in sent and b'"meterValue":[]' not in sent:
        assert valid(sent, action)


@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction"])
@given(data=st.data())
@settings(max_examples=150)
def test_a_transaction_is_refused_only_for_its_identity(action: str, data: st.DataObject) -> None:
    identity = "connectorId" if action == "StartTransaction" else "transactionId"
    payload = data.draw(payloads(schema(action)).flatmap(damaged).flatmap(damaged))
    payload[identity] = 1
    frame = CallFrame("1", action, msgspec.Raw(msgspec.json.encode(payload)))
    request, _repairs = read_call(frame)
    assert request.action == action


def test_actions_carry_the_names_of_the_specification() -> None:
    assert set(FROM_STATION) | set(FROM_MANAGER) <= KNOWN_ACTIONS
    assert len(KNOWN_ACTIONS) == 28 + 11
    for action in KNOWN_ACTIONS:
        assert schema(action)["type"] == "object"


def test_times_are_in_utc_once_built() -> None:
    paris = timezone(timedelta(hours=2))
    noon = datetime(2026, 7, 1, 14, 0, 0, 250_000, tzinfo=paris)
    start = StartTransaction(1, "A", 0, noon)
    assert start.timestamp.tzinfo is UTC
    assert start.timestamp == noon
    info = IdTagInfo(AuthorizationStatus.ACCEPTED, expiry_date=noon)
    assert info.expiry_date == datetime(2026, 7, 1, 12, tzinfo=UTC)
    confirmation = HeartbeatConfirmation(noon)
    assert msgspec.json.encode(confirmation) == b'{"currentTime":"2026-07-01T12:00:00Z"}'


def test_the_first_and_last_hours_of_the_calendar_do_not_crash() -> None:
    east = timezone(timedelta(hours=14))
    dawn = datetime(1, 1, 1, tzinfo=east)
    assert in_utc(dawn) == datetime(1, 1, 1, tzinfo=UTC)
    payload = msgspec.Raw(
        b'{"connectorId":1,"errorCode":"NoError","status":"Available",'
        b'"timestamp":"0001-01-01T00:00:00+14:00"}'
    )
    request, repairs = read_call(CallFrame("1", "StatusNotification", payload))
    assert isinstance(request, StatusNotification)
    assert request.timestamp == datetime(1, 1, 1, tzinfo=UTC)
    assert repairs == ()
