"""Repairs of payloads that real stations send and the specification does not allow.

``repaired(struct, payload)`` walks the untyped payload beside the struct it should become, mends
what has only one reasonable meaning, and names every repair. What it cannot mend it leaves for the
decoder to refuse, except inside lists (samples, settings), where the one item is dropped: a
transaction is never refused because one of its samples is odd.

The names of the repairs, each counted once per message, are in ``repair_names``.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any, Final, NamedTuple

from msgspec import inspect

from app.ocpp16.actions import FROM_MANAGER, FROM_STATION
from app.ocpp16.actions.manager_calls import KeyValue
from app.ocpp16.actions.security_calls import SecurityEventNotification
from app.ocpp16.actions.station_calls import (
    Authorize,
    BootNotification,
    MeterValue,
    MeterValues,
    SampledValue,
    StartTransaction,
    StatusNotification,
    StopTransaction,
)
from app.ocpp16.actions.types import UNREADABLE_TIME, ChargePointErrorCode
from app.ocpp16.repair_values import (
    HopelessError,
    Log,
    Mend,
    mend_boolean,
    mend_enum,
    mend_integer,
    mend_text,
    mend_time,
    plain,
)


class _Field(NamedTuple):
    encoded: str
    required: bool
    mend: Mend


_ALIASES: Final[dict[str, str]] = {"mesurand": "measurand"}

# Stand-ins for a required field that is missing or garbled, with the name of the repair. A session
# must be recorded and a boot answered even so; a zero meter only makes the energy of one session
# visibly wrong, while a refusal would make the station ask again for ever.
_STAND_INS: Final[dict[tuple[type[Any], str], tuple[Any, str]]] = {
    (StartTransaction, "timestamp"): (UNREADABLE_TIME, "time-unreadable"),
    (StopTransaction, "timestamp"): (UNREADABLE_TIME, "time-unreadable"),
    (MeterValue, "timestamp"): (UNREADABLE_TIME, "time-unreadable"),
    (SecurityEventNotification, "timestamp"): (UNREADABLE_TIME, "time-unreadable"),
    (Authorize, "idTag"): ("", "missing-field"),
    (StartTransaction, "connectorId"): (0, "missing-field"),
    (StartTransaction, "idTag"): ("", "missing-field"),
    (StartTransaction, "meterStart"): (0, "missing-field"),
    (StopTransaction, "transactionId"): (-1, "missing-field"),
    (StopTransaction, "meterStop"): (0, "missing-field"),
    (MeterValues, "connectorId"): (0, "missing-field"),
    (MeterValues, "meterValue"): ((), "missing-field"),
    (MeterValue, "sampledValue"): ((), "missing-field"),
    (BootNotification, "chargePointVendor"): ("", "missing-field"),
    (BootNotification, "chargePointModel"): ("", "missing-field"),
    (KeyValue, "readonly"): (False, "missing-field"),
}

# Optional fields whose garbled value must not silently become the default: without its measurand a
# current would be taken for the energy register.
_MEANINGFUL: Final[frozenset[tuple[type[Any], str]]] = frozenset(
    (SampledValue, field) for field in ("measurand", "unit", "phase", "format")
)


_STATUS_WORDS: Final[dict[str, str]] = {
    "free": "Available",
    "idle": "Available",
    "ready": "Available",
    "occupied": "Preparing",
    "plugged": "Preparing",
    "pluggedin": "Preparing",
    "suspended": "SuspendedEVSE",
    "paused": "SuspendedEVSE",
    "finished": "Finishing",
    "offline": "Unavailable",
    "outofservice": "Unavailable",
    "inoperative": "Unavailable",
    "error": "Faulted",
    "fault": "Faulted",
}
"""Words of other versions and of daily life, for a status; the original stays in ``info``."""


def repaired(struct: type[Any], payload: Any, zone: tzinfo = UTC) -> tuple[Any, tuple[str, ...]]:
    """The payload mended as far as possible for ``struct``, and the names of the repairs.

    ``payload`` is decoded JSON (``None`` when there was none), ``zone`` that of times without one.
    Never raises; what is still wrong afterwards is for the decoder of ``struct`` to say.
    """
    log = Log(zone)
    if payload is None or payload == []:
        payload = {}
        log["payload-missing"] = None
    elif isinstance(payload, list) and len(payload) == 1 and isinstance(payload[0], dict):
        (payload,) = payload
        log["payload-in-list"] = None
    if not isinstance(payload, dict):
        return payload, ()
    return _mend_object(struct, payload, log, inside=False), tuple(log)


def _mend_object(
    struct: type[Any], given: dict[str, Any], log: Log, *, inside: bool
) -> dict[str, Any]:
    """The object with known fields only. ``inside`` a list, a hopeless one raises instead."""
    fields = _FIELDS[struct]
    named = _named(struct, given, log)
    if struct is StatusNotification:
        _mend_error_code(named, log)
        _mend_status(named, log)
    mended: dict[str, Any] = {}
    for field in fields.values():
        value = named.get(field.encoded)
        if value is None:
            if field.encoded in named:
                log["null-field"] = None
            if field.required:
                _stand_in(struct, field, mended, log, inside=inside)
            continue
        try:
            mended[field.encoded] = field.mend(value, log)
        except HopelessError:
            if (struct, field.encoded) in _MEANINGFUL:
                raise
            if struct is StopTransaction and field.encoded == "reason":
                mended["reason"] = "Other"
                log["stop-reason"] = None
            elif not field.required:
                log["field-dropped"] = None
            elif not _stand_in(struct, field, mended, log, inside=inside):
                mended[field.encoded] = value
    return mended


def _stand_in(
    struct: type[Any], field: _Field, mended: dict[str, Any], log: Log, *, inside: bool
) -> bool:
    """Fills a required field that has a safe stand-in; says whether it has one."""
    stand_in = _STAND_INS.get((struct, field.encoded))
    if stand_in is not None:
        mended[field.encoded], name = stand_in
        log[name] = None
        return True
    if inside:
        raise HopelessError
    return False


def _named(struct: type[Any], given: dict[str, Any], log: Log) -> dict[str, Any]:
    """The fields of ``given`` under their proper names; the first spelling of each wins."""
    fields = _FIELDS[struct]
    named = {key: value for key, value in given.items() if key in fields}
    for key, value in given.items():
        if key in fields:
            continue
        alias = _ALIASES.get(key)
        if alias in fields:
            name, repair = alias, key
        else:
            name, repair = _SPELLINGS[struct].get(plain(key), ""), "field-spelling"
        if name and name not in named:
            named[name] = value
            log[repair] = None
        else:
            log["unknown-field"] = None
    return named


def _mend_status(given: dict[str, Any], log: Log) -> None:
    """Reads the words that other versions and makers have for a status."""
    status = given.get("status")
    word = _STATUS_WORDS.get(plain(status)) if isinstance(status, str) else None
    if word is None:
        return
    log["status-word"] = None
    info = given.get("info")
    given |= {"status": word, "info": (f"{status}: {info}" if info else f"{status}")[:50]}


def _mend_error_code(given: dict[str, Any], log: Log) -> None:
    """Keeps the fault and the original code of a StatusNotification (legible in ``info``)."""
    code = given.get("errorCode")
    if isinstance(code, str) and plain(code) in _ERROR_CODES:
        return
    log["error-code"] = None
    if code is None:
        faulted = given.get("status") == "Faulted"
        given["errorCode"] = "OtherError" if faulted else "NoError"
        return
    given["errorCode"] = "OtherError"
    info = given.get("info")
    given["info"] = (f"{code}: {info}" if info else f"{code}")[:50]


def _mend_list(item: Mend) -> Mend:
    def mend(value: Any, log: Log) -> Any:
        if not isinstance(value, list):
            value = [value]
            log["single-as-list"] = None
        kept = []
        for each in value:
            try:
                kept.append(item(each, log))
            except HopelessError:
                log["item-dropped"] = None
        return kept

    return mend


def _mend_struct(struct: type[Any]) -> Mend:
    def mend(value: Any, log: Log) -> Any:
        if not isinstance(value, dict):
            raise HopelessError
        return _mend_object(struct, value, log, inside=True)

    return mend


def _mend_for(kind: inspect.Type, encoded: str) -> Mend:
    """How a field of this type is mended; learns the fields of the structs it meets."""
    match kind:
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return _mend_for(inner, encoded)
        case inspect.StructType(cls=struct):
            _learn(struct, kind)
            return _mend_struct(struct)
        case inspect.VarTupleType(item_type=item):
            return _mend_list(_mend_for(item, encoded))
        case inspect.EnumType(cls=enumeration):
            return mend_enum(tuple(member.value for member in enumeration))
        case inspect.StrType(max_length=longest):
            return mend_text(longest, token=encoded in {"idTag", "parentIdTag"})
        case inspect.DateTimeType():
            return mend_time
        case inspect.IntType():
            return mend_integer
        case _:
            return mend_boolean


_FIELDS: Final[dict[type[Any], dict[str, _Field]]] = {}
_SPELLINGS: Final[dict[type[Any], dict[str, str]]] = {}


def _learn(struct: type[Any], kind: inspect.StructType) -> None:
    if struct in _FIELDS:
        return
    _FIELDS[struct] = {
        field.encode_name: _Field(
            field.encode_name, field.required, _mend_for(field.type, field.encode_name)
        )
        for field in kind.fields
    }
    _SPELLINGS[struct] = {plain(encoded): encoded for encoded in _FIELDS[struct]}


for _struct in {*FROM_STATION.values(), *(c.confirmation_type for c in FROM_MANAGER.values())}:
    _kind = inspect.type_info(_struct)
    assert isinstance(_kind, inspect.StructType)
    _learn(_struct, _kind)

_ERROR_CODES: Final = frozenset(plain(code) for code in ChargePointErrorCode)
