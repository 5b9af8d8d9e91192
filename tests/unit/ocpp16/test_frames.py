"""Frames: text in, typed values out, and back. The refusals are in the dialogues."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ocpp16 import frames
from app.ocpp16.actions.manager_calls import ChangeConfiguration, Reset
from app.ocpp16.actions.station_calls import (
    Authorize,
    DataTransfer,
    HeartbeatConfirmation,
    MeterValue,
    SampledValue,
)
from app.ocpp16.actions.types import Call, ResetType
from app.ocpp16.frames import CallFrame, ErrorCode, ErrorFrame, FrameError, ResultFrame

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def test_frames_are_split_without_reading_their_payload() -> None:
    frame, repairs = frames.split('[2,"1","Heartbeat",{"any":[1]}]')
    assert isinstance(frame, CallFrame)
    assert (frame.message_id, frame.action, bytes(frame.payload)) == (
        "1",
        "Heartbeat",
        b'{"any":[1]}',
    )
    assert repairs == ()
    frame, _ = frames.split(b'[3,"1",{}]')
    assert isinstance(frame, ResultFrame)
    frame, _ = frames.split('[4,"1","GenericError","why",{"x":1}]')
    assert frame == ErrorFrame("1", "GenericError", "why")
    assert frames.split('[4,"1"]')[0] == ErrorFrame("1", "GenericError", "")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('[2,"1","DataTransfer",{"vendorId":"V","data":"a\tb"}]', "a\tb"),
        ('[2,"1","DataTransfer",{"vendorId":"V","data":"\\ud800"}]', "?"),
        ('[2.0,"1","DataTransfer",{"vendorId":"V","data":"x","n":[NaN]}]', "x"),
        ('\ufeff[2,"1","DataTransfer",{"vendorId":"V","data":"x"}]', "x"),
    ],
)
def test_json_that_is_almost_json_is_taken(text: str, data: str) -> None:
    frame, repairs = frames.split(text)
    assert repairs == ("json-loose",)
    assert isinstance(frame, CallFrame)
    request, _ = frames.read_call(frame)
    assert request == DataTransfer("V", None, data)


BOTH = ("text-encoding", "json-loose")


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (b'[2,"1","DataTransfer",{"vendorId":"\xe9","data":"d\xe9faut"}]', ()),
        (b'[2,"1","DataTransfer",{"vendorId":"\xe9","data":"d\xe9faut","n":NaN}]', BOTH),
    ],
)
def test_text_in_latin_1_is_taken(text: bytes, repairs: tuple[str, ...]) -> None:
    frame, found = frames.split(text)
    assert isinstance(frame, CallFrame)
    request, payload_repairs = frames.read_call(frame)
    assert request == DataTransfer("é", None, "défaut")
    assert found == repairs
    if not repairs:
        assert payload_repairs == ("text-encoding",)


@pytest.mark.parametrize("payload", [b'{"idTag":', b'{"idTag":' + b"[" * 2000 + b"]" * 2000 + b"}"])
def test_a_payload_that_cannot_be_read_is_a_formation_violation(payload: bytes) -> None:
    with pytest.raises(frames.OcppError) as caught:
        frames.read_call(CallFrame("1", "Authorize", msgspec.Raw(payload)))
    assert caught.value.code is ErrorCode.FORMATION_VIOLATION


def test_an_action_in_no_encoding_is_an_unknown_one() -> None:
    frame, repairs = frames.split('[2,"1","\\ud800",{}]')
    assert isinstance(frame, CallFrame)
    assert (frame.action, repairs) == ("?", ("json-loose",))


def test_an_answer_that_no_decoder_takes_has_no_id_to_answer() -> None:
    with pytest.raises(FrameError) as caught:
        frames.split('[4,"1",17]')
    assert caught.value.message_id is None


def test_an_error_may_quote_anything() -> None:
    assert frames.encode_error("1", ErrorCode.INTERNAL_ERROR, "a\ud800") == (
        '[4,"1","InternalError","a?",{}]'
    )


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Object missing required field `x`", "ProtocolError"),
        ("Expected `array` of length >= 1 - at `$.a`", "OccurenceConstraintViolation"),
        ("Expected `str` of length <= 20 - at `$.a`", "PropertyConstraintViolation"),
        ("Invalid enum value 'x' - at `$.a`", "PropertyConstraintViolation"),
        ("Expected `int` <= 2147483647 - at `$.a`", "PropertyConstraintViolation"),
        ("Expected `int`, got `object` - at `$.a`", "TypeConstraintViolation"),
        ("Expected `object`, got `array`", "FormationViolation"),
    ],
)
def test_codes_by_the_decoders_words(message: str, code: str) -> None:
    assert frames._violation(message) == code


def test_what_is_written_is_what_the_specification_draws() -> None:
    assert frames.encode_call("1", Reset(ResetType.HARD)) == '[2,"1","Reset",{"type":"Hard"}]'
    confirmation = HeartbeatConfirmation(NOON)
    assert frames.encode_result("1", confirmation) == (
        '[3,"1",{"currentTime":"2026-03-02T12:00:00Z"}]'
    )
    assert frames.encode_error("1", ErrorCode.GENERIC_ERROR) == '[4,"1","GenericError","",{}]'


def test_what_the_specification_does_not_allow_is_not_written() -> None:
    with pytest.raises(frames.UnfitMessageError, match="length <= 50"):
        frames.encode_call("1", ChangeConfiguration("k" * 51, "1"))
    with pytest.raises(frames.UnfitMessageError, match="Unheard"):
        frames.encode_call("1", Unheard())
    with pytest.raises(frames.UnfitMessageError, match="datetime"):
        frames.encode_result("1", HeartbeatConfirmation(NOON.replace(tzinfo=None)))


class Unheard(Call[HeartbeatConfirmation], frozen=True):
    action = "Unheard"
    confirmation_type = HeartbeatConfirmation


@given(st.text() | st.binary())
def test_anything_else_is_a_frame_error(text: str | bytes) -> None:
    with pytest.raises(FrameError):
        frames.split(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.lists(st.sampled_from([2, 3, 4, "1", "Heartbeat", "MeterValues", {}]) | _JSON, max_size=6)
)
def test_lists_of_anything_are_frames_or_frame_errors(parts: list[object]) -> None:
    text = json.dumps(parts)
    try:
        frame, _repairs = frames.split(text)
    except FrameError:
        return
    assert frame.message_id == parts[1]


def test_a_request_is_read_as_fast_path_without_repairs() -> None:
    frame, _ = frames.split('[2,"1","Authorize",{"idTag":"A"}]')
    assert isinstance(frame, CallFrame)
    assert frames.read_call(frame) == (Authorize("A"), ())


def test_values_are_frozen() -> None:
    value = MeterValue(NOON, (SampledValue("1"),))
    with pytest.raises(AttributeError):
        value.timestamp = NOON  # type: ignore[misc]
    assert msgspec.structs.replace(value, sampled_value=()).sampled_value == ()
