"""OCPP-J 1.6 frames (clauses 4.1 and 4.2): text to typed values and back, without state.

Reading is lenient in two steps: the typed decoder first, which takes what the specification
allows; only when it refuses, the repairs, and then the same decoder again. Read strictly (for
conformance tests) nothing is repaired and each fault has its CALLERROR. Writing is strict: what
leaves is decoded once with the same types before it goes.
"""

from __future__ import annotations

import enum
import json
from typing import Any, Final, TypeVar

import msgspec

from app.ocpp16 import repair
from app.ocpp16.actions import FROM_MANAGER, FROM_STATION, KNOWN_ACTIONS
from app.ocpp16.actions.types import Call, Confirmation
from app.ocpp16.dialect import PLAIN, Dialect

MAX_MESSAGE_ID = 36
"""Length of a message id (OCPP-J 1.6, clause 4.1.4)."""

LONGEST_MESSAGE_ID_TAKEN = 255
"""Longer ids than the specification's are echoed up to here, and ignored beyond."""

MAX_DESCRIPTION = 255


class ErrorCode(enum.StrEnum):
    """Codes of a CALLERROR, in the spelling of OCPP-J 1.6 (clause 4.2.3)."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


class CallFrame(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """``[2, id, action, payload]``."""

    message_id: str
    action: str
    payload: msgspec.Raw = msgspec.Raw()


class ResultFrame(msgspec.Struct, array_like=True, tag=3, frozen=True, gc=False):
    """``[3, id, payload]``."""

    message_id: str
    payload: msgspec.Raw = msgspec.Raw()


class ErrorFrame(msgspec.Struct, array_like=True, tag=4, frozen=True, gc=False):
    """``[4, id, code, description, details]``; the details are read by nobody."""

    message_id: str
    code: str = ErrorCode.GENERIC_ERROR
    description: str = ""


Frame = CallFrame | ResultFrame | ErrorFrame


class FrameError(Exception):
    """A text that is no frame. ``message_id`` is that of a CALL which can be answered."""

    def __init__(self, reason: str, message_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message_id = message_id


class OcppError(Exception):
    """An answer by CALLERROR; a handler may raise it too."""

    def __init__(self, code: ErrorCode, description: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class UnfitMessageError(ValueError):
    """The manager was about to send a message that OCPP 1.6 does not allow."""


_ELEMENTS: Final = {2: 4, 3: 3, 4: 5}
"""How many elements a frame of each type has (clause 4.2)."""

_FRAME: Final = msgspec.json.Decoder(Frame)
_ENCODER: Final = msgspec.json.Encoder()
_DECODERS: Final[dict[type[Any], msgspec.json.Decoder[Any]]] = {
    struct: msgspec.json.Decoder(struct)
    for call in (*FROM_STATION.values(), *FROM_MANAGER.values())
    for struct in (call, call.confirmation_type)
}
_WITHOUT_FIELDS: Final = frozenset(
    struct for struct in _DECODERS if not msgspec.structs.fields(struct)
)
_NO_FIELDS: Final = msgspec.Raw(b"{}")
_NEVER_EMPTY: Final = frozenset({"meterValue", "sampledValue"})
_INVALID_VALUE: Final = ("of length", "Invalid", ">=", "<=", "out of range")
# What decoding foreign text may raise: malformed JSON, wrong types, bad UTF-8 or lone surrogates,
# brackets nested without end.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)

_StructT = TypeVar("_StructT", Call[Any], Confirmation)


def split(text: str | bytes) -> tuple[Frame, tuple[str, ...]]:
    """The frame in ``text``, its payload still raw, and the repairs it needed.

    Raises ``FrameError``.
    """
    try:
        frame = _FRAME.decode(text)
    except _UNREADABLE:
        return _split_loosely(text)
    if len(frame.message_id) > MAX_MESSAGE_ID:
        return frame, (_checked_long_id(frame.message_id),)
    return frame, ()


def _checked_long_id(message_id: str) -> str:
    if len(message_id) > LONGEST_MESSAGE_ID_TAKEN:
        raise FrameError("message id too long")
    return "message-id-long"


def _split_loosely(text: str | bytes) -> tuple[Frame, tuple[str, ...]]:
    """Finds out what is wrong with a frame, and takes what can still be understood."""
    repairs: tuple[str, ...] = ("json-loose",)
    try:
        if isinstance(text, bytes):
            text, encoding = _in_unicode(text)
            repairs = encoding + repairs
        value = json.loads(text.removeprefix("\ufeff"), strict=False)
    except (ValueError, RecursionError):
        raise FrameError("not JSON") from None
    if not isinstance(value, list) or len(value) < 2:
        raise FrameError("not a frame")
    kind, message_id = value[0], value[1]
    if isinstance(kind, bool) or kind not in (2, 3, 4):  # may be of any type, hashable or not
        raise FrameError("unknown message type")
    if not isinstance(message_id, str) or _plain(message_id) != message_id:
        raise FrameError("message id is not a string")
    _checked_long_id(message_id)
    if kind == 2 and (len(value) < 3 or not isinstance(value[2], str)):
        raise FrameError("action is missing or not a string", message_id)
    try:
        value[0] = int(kind)
        value[2:] = (_plain(item) for item in value[2:])
        return _FRAME.decode(_ENCODER.encode(value)), repairs
    except _UNREADABLE:
        raise FrameError("unreadable", message_id if kind == 2 else None) from None


def split_strictly(text: str | bytes) -> tuple[Frame, tuple[str, ...]]:
    """The frame in ``text``, which must be exactly what clauses 4.1 and 4.2 draw.

    Raises ``FrameError``, with the message id of whatever is a CALL with a readable one.
    """
    try:
        value = msgspec.json.decode(text)
    except _UNREADABLE:
        frame, _repairs = split(text)  # only to know whom to answer
        called = frame.message_id if isinstance(frame, CallFrame) else None
        raise FrameError("not JSON", called) from None
    if not isinstance(value, list) or len(value) < 2:
        raise FrameError("not a frame")
    kind, message_id = value[0], value[1]
    if type(kind) is not int or kind not in _ELEMENTS:
        raise FrameError("unknown message type")
    if not isinstance(message_id, str):
        raise FrameError("message id is not a string")
    _checked_long_id(message_id)
    called = message_id if kind == 2 else None
    if len(message_id) > MAX_MESSAGE_ID:
        raise FrameError("message id too long", called)
    if len(value) != _ELEMENTS[kind]:
        raise FrameError("wrong number of elements", called)
    try:
        return _FRAME.decode(text), ()
    except _UNREADABLE:
        raise FrameError("an element of the wrong type", called) from None


def _in_unicode(data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of ``data``, and the repair when it is not UTF-8: then it is taken as Latin-1."""
    try:
        return data.decode(), ()
    except UnicodeDecodeError:
        return data.decode("latin-1"), ("text-encoding",)


def _plain(value: Any) -> Any:
    """``value`` without what strict JSON cannot carry: lone surrogates become question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def read_call(
    frame: CallFrame, dialect: Dialect = PLAIN, *, strict: bool = False
) -> tuple[Call[Any], tuple[str, ...]]:
    """The typed request of a station's CALL, and the repairs it needed (``strict``: none is made).

    Raises ``OcppError`` with the code that clause 4.2.3 asks for.
    """
    call = FROM_STATION.get(frame.action)
    if call is None:
        if frame.action in KNOWN_ACTIONS:
            raise OcppError(
                ErrorCode.NOT_SUPPORTED,
                "Requested Action is recognized but not supported by the receiver",
            )
        raise OcppError(ErrorCode.NOT_IMPLEMENTED, "Requested Action is not known by receiver")
    request, repairs = _read(call, frame.payload, dialect, strict=strict or dialect.strict)
    return (dialect.inbound(request) if dialect.connectors else request), repairs


def read_confirmation(
    request: Call[Any], frame: ResultFrame, *, strict: bool = False
) -> tuple[Confirmation, tuple[str, ...]]:
    """The typed confirmation of ``request``, and the repairs it needed; as ``read_call``."""
    return _read(request.confirmation_type, frame.payload, strict=strict)


def _read(
    struct: type[_StructT], payload: msgspec.Raw, dialect: Dialect = PLAIN, *, strict: bool
) -> tuple[_StructT, tuple[str, ...]]:
    decoder: msgspec.json.Decoder[_StructT] = _DECODERS[struct]
    if strict:
        return _read_strictly(decoder, payload), ()
    try:
        return decoder.decode(payload), ()
    except _UNREADABLE:
        pass
    try:
        text, encoding = _in_unicode(bytes(payload))
        loose = msgspec.json.decode(text) if text else None
        repaired, names = repair.repaired(struct, loose, dialect.zone)
        return msgspec.convert(repaired, struct, str_keys=True), encoding + names
    except msgspec.ValidationError as error:
        raise OcppError(_violation(str(error)), str(error)) from None
    except _UNREADABLE:
        raise OcppError(ErrorCode.FORMATION_VIOLATION, "unreadable payload") from None


def _read_strictly(decoder: msgspec.json.Decoder[_StructT], payload: msgspec.Raw) -> _StructT:
    try:
        message = decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise OcppError(_violation(str(error)), str(error)) from None
    except _UNREADABLE:
        raise OcppError(ErrorCode.FORMATION_VIOLATION, "unreadable payload") from None
    _check_beyond_types(msgspec.json.decode(payload), "")
    return message


def _check_beyond_types(value: Any, field: str) -> None:
    """Refuses what our types take and the specification does not: nulls, and lists without samples.

    The types stand for what is left after repairs as well. Raises ``OcppError``.
    """
    if value is None:
        raise OcppError(ErrorCode.TYPE_CONSTRAINT_VIOLATION, f"`{field}` is null")
    if isinstance(value, dict):
        for name, each in value.items():
            _check_beyond_types(each, name)
    elif isinstance(value, list):
        if not value and field in _NEVER_EMPTY:
            raise OcppError(ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION, f"`{field}` is empty")
        for each in value:
            _check_beyond_types(each, field)


def _violation(message: str) -> ErrorCode:
    """The code for a refusal by the decoder, whose wording ends with ``at `$.path``` in a field."""
    if "missing required field" in message:
        return ErrorCode.PROTOCOL_ERROR
    if "unknown field" in message:
        return ErrorCode.FORMATION_VIOLATION
    if "`array` of length" in message:
        return ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
    if any(words in message for words in _INVALID_VALUE):
        return ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
    if " at `$" in message:
        return ErrorCode.TYPE_CONSTRAINT_VIOLATION
    return ErrorCode.FORMATION_VIOLATION


def encode_call(message_id: str, request: Call[Any]) -> str:
    """``[2, id, action, payload]``. Raises ``UnfitMessageError``."""
    payload = _checked(request)
    return _ENCODER.encode((2, message_id, request.action, payload)).decode()


def encode_result(message_id: str, confirmation: Confirmation) -> str:
    """``[3, id, payload]``. Raises ``UnfitMessageError``."""
    payload = _checked(confirmation)
    return _ENCODER.encode((3, message_id, payload)).decode()


def encode_error(message_id: str, code: ErrorCode, description: str = "") -> str:
    """``[4, id, code, description, {}]``."""
    told = _plain(description[:MAX_DESCRIPTION])
    return _ENCODER.encode((4, message_id, code, told, {})).decode()


def _checked(message: Call[Any] | Confirmation) -> msgspec.Raw:
    """The payload, once its own decoder has accepted it."""
    if type(message) in _WITHOUT_FIELDS:
        return _NO_FIELDS
    decoder = _DECODERS.get(type(message))
    if decoder is None:
        raise UnfitMessageError(f"{type(message).__name__} is no OCPP 1.6 message")
    payload = _ENCODER.encode(message)
    try:
        decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise UnfitMessageError(f"{type(message).__name__}: {error}") from None
    return msgspec.Raw(payload)
