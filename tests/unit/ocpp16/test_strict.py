"""The strict reading of conformance tests, against the OCA's schemas."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ocpp16 import frames
from app.ocpp16.actions import FROM_STATION
from app.ocpp16.actions.station_calls import Heartbeat
from app.ocpp16.frames import CallFrame, ErrorCode, ErrorFrame, FrameError, ResultFrame
from app.ocpp16.session import CallReceived, SessionLimits, StationSession
from tests.unit.ocpp16.schemas import payloads, schema

CODES = {
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "additionalProperties": ErrorCode.FORMATION_VIOLATION,
    "required": ErrorCode.PROTOCOL_ERROR,
    "maxLength": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "enum": ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
}
"""The code of clause 4.2.3 for each keyword of a schema that may be violated."""

JUNK = st.one_of(
    st.sampled_from([None, True, False, 0, 17, -1, 1.5, 2**31 - 1]),
    st.sampled_from(["", "17", "junk", "Accepted", "A", "x" * 600]),
    st.sampled_from([[], [1], [{}], {}, {"a": 1}]),
)


def strict() -> StationSession:
    return StationSession("A", lambda: "m1", SessionLimits(strict=True))


def verdict(session: StationSession, text: str | bytes) -> ErrorCode | None:
    """The code of the CALLERROR that answers ``text``; ``None`` when it is taken."""
    events = session.receive(text, 0.0)
    if events and isinstance(events[0], CallReceived):
        assert not events[0].repairs
        return None
    (answer,) = session.frames_to_send()
    kind, message_id, code, *_ = json.loads(answer)
    assert (kind, message_id) == (4, "1")
    return ErrorCode(code)


@st.composite
def spoilt(draw: st.DrawFn, payload: dict[str, Any]) -> dict[str, Any]:
    """``payload`` with one field, at any depth, removed, added, or filled with junk."""
    result: dict[str, Any] = json.loads(json.dumps(payload))
    objects = [result]
    for found in objects:
        for value in found.values():
            members = value if isinstance(value, list) else [value]
            objects.extend(member for member in members if isinstance(member, dict))
    target = draw(st.sampled_from(objects))
    field = draw(st.sampled_from([*target, "vendorField"]))
    if draw(st.booleans()):
        target.pop(field, None)
    else:
        target[field] = draw(JUNK)
    return result


def ours_to_refuse(payload: Any) -> bool:
    """What chapter 7 forbids and no schema says: a meter value without a sample, 33 bits."""
    if isinstance(payload, list):
        return any(map(ours_to_refuse, payload))
    if isinstance(payload, dict):
        return payload.get("sampledValue") == [] or any(map(ours_to_refuse, payload.values()))
    return False


@pytest.mark.parametrize("action", FROM_STATION)
@given(data=st.data())
@settings(max_examples=60)
def test_read_strictly_a_call_is_taken_when_its_schema_takes_it_and_has_its_error_otherwise(
    action: str, data: st.DataObject
) -> None:
    whole = schema(action)
    payload = data.draw(payloads(whole).flatmap(spoilt))
    text = json.dumps([2, "1", action, payload])
    instance = json.loads(json.dumps(payload), parse_float=Decimal)
    errors = list(jsonschema.Draft4Validator(whole).iter_errors(instance))
    code = verdict(strict(), text)
    if errors:
        degree = action == "StopTransaction" and "Celsius" in text  # the other spelling there
        assert code in {CODES[str(error.validator)] for error in errors} or (
            degree and code is None
        )
    elif code is not None:
        # The schemas do not check that a time is one, nor that there are samples.
        undated = (
            any(name in text for name in ("timestamp", "Timestamp"))
            and code is ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
        )
        assert undated or (
            ours_to_refuse(payload) and code is ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
        )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[2,"1","Heartbeat"]', "FormationViolation"),
        ('[2,"1","Heartbeat",{},1]', "FormationViolation"),
        ('[2,"1","Heartbeat",null]', "FormationViolation"),
        ('[2,"1","Heartbeat",[]]', "FormationViolation"),
        ('[2,"1",17,{}]', "FormationViolation"),
        ('[2,"1"]', "FormationViolation"),
        ('[2,"1","Heartbeat",{"a":NaN}]', "FormationViolation"),
        ('[2,"1","\\ud800",{}]', "FormationViolation"),
        ('[2,"1","DataTransfer",{"vendorId":"\t"}]', "FormationViolation"),
        (b'[2,"1","DataTransfer",{"vendorId":"\xe9"}]', "FormationViolation"),
        ('[2,"1","heartbeat",{}]', "NotImplemented"),
        ('[2,"1","Reset",{"type":"Hard"}]', "NotSupported"),
        ('[2,"1","Authorize",{"idTag":"04A1","idTag":17}]', "TypeConstraintViolation"),
    ],
)
def test_read_strictly_a_frame_with_a_readable_id_is_answered(text: str | bytes, code: str) -> None:
    assert verdict(strict(), text) == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "not a frame"),
        ("[2]", "not a frame"),
        ('[2.0,"1","Heartbeat",{}]', "unknown message type"),
        ('[true,"1","Heartbeat",{}]', "unknown message type"),
        ('[9,"1",{}]', "unknown message type"),
        ('[2,1,"Heartbeat",{}]', "message id is not a string"),
        (f'[2,"{"9" * 256}","Heartbeat",{{}}]', "message id too long"),
        ('[3,"1"]', "wrong number of elements"),
        ('[4,"1","GenericError",""]', "wrong number of elements"),
        ('[4,"1",17,"",{}]', "an element of the wrong type"),
        ('[3,"1",{"a":NaN}]', "not JSON"),
        (f'[3,"{"9" * 37}",{{}}]', "message id too long"),
    ],
)
def test_read_strictly_what_is_no_call_is_not_answered(text: str, reason: str) -> None:
    with pytest.raises(FrameError) as caught:
        frames.split_strictly(text)
    assert (caught.value.reason, caught.value.message_id) == (reason, None)


def test_read_strictly_an_id_may_have_36_characters() -> None:
    for length, answered in ((36, None), (37, "9" * 37)):
        text = f'[2,"{"9" * length}","Heartbeat",{{}}]'
        if answered is None:
            frame, repairs = frames.split_strictly(text)
            assert isinstance(frame, CallFrame)
            assert frames.read_call(frame, strict=True) == (Heartbeat(), ())
            assert repairs == ()
        else:
            with pytest.raises(FrameError) as caught:
                frames.split_strictly(text)
            assert caught.value.message_id == answered


def test_read_strictly_answers_are_frames_too() -> None:
    assert isinstance(frames.split_strictly('[3,"1",{}]')[0], ResultFrame)
    assert isinstance(frames.split_strictly('[4,"1","GenericError","",{}]')[0], ErrorFrame)


def test_read_strictly_every_fault_is_answered_however_many_there_are() -> None:
    session = strict()
    for _ in range(100):
        assert verdict(session, '[2,"1","Authorize",{}]') == "ProtocolError"
    assert session.counts == {"refused": 100}


def test_a_payload_in_another_encoding_is_a_formation_violation() -> None:
    frame = CallFrame("1", "DataTransfer", msgspec.Raw(b'{"vendorId":"\xe9"}'))
    with pytest.raises(frames.OcppError) as caught:
        frames.read_call(frame, strict=True)
    assert caught.value.code is ErrorCode.FORMATION_VIOLATION
