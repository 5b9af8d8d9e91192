"""Repairs of payloads that real stations send and the specification does not allow.

``repaired(struct, payload)`` walks the untyped payload beside the struct it should become, mends
what has only one reasonable meaning, and names every repair. What it cannot mend it leaves for the
decoder to refuse, except inside lists (samples, settings), where the one item is dropped: a
transaction is never refused because one of its samples is odd.

Names of repairs (each counted once per message):

==================  ==============================================================================
``mesurand``        the misspelt field of the 2019 firmware of one maker
``field-spelling``  a known field in other case or with separators
``unknown-field``   a field that OCPP 1.6 does not know, left out
``null-field``      a null where the field may be absent
``missing-field``   a required field that has a safe stand-in (time, meter, vendor, readonly)
``field-dropped``   an optional field that means nothing readable
``item-dropped``    a sample or setting that means nothing readable
``single-as-list``  one object where a list is due
``number-as-text``  a number where a string is due
``text-cut``        a string longer than allowed
``id-tag-long``     a token longer than allowed, cut so that it cannot equal another one
``text-as-number``  a string where a number is due
``float-as-integer``  a fraction where a whole number is due
``integer-range``   a whole number beyond 32 bits
``text-as-boolean`` ``"true"`` or 0 and 1 where a boolean is due
``enum-spelling``   a value of an enumeration in other case, or a usual name of a unit
``error-code``      an errorCode outside of the enumeration: OtherError, the original in ``info``
``stop-reason``     a reason outside of the enumeration: Other
``time-zone``       a time without zone, taken as UTC
``time-form``       a time in another notation
``time-unreadable`` a time that cannot be read, replaced by ``UNREADABLE_TIME``
``payload-missing`` no payload where an empty object is due
==================  ==============================================================================
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from msgspec import inspect

from app.ocpp16.actions import FROM_MANAGER, FROM_STATION
from app.ocpp16.actions.manager_calls import KeyValue
from app.ocpp16.actions.station_calls import (
    BootNotification,
    MeterValue,
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
    (StartTransaction, "idTag"): ("", "missing-field"),
    (StartTransaction, "meterStart"): (0, "missing-field"),
    (StopTransaction, "meterStop"): (0, "missing-field"),
    (BootNotification, "chargePointVendor"): ("", "missing-field"),
    (BootNotification, "chargePointModel"): ("", "missing-field"),
    (KeyValue, "readonly"): (False, "missing-field"),
}

# Optional fields whose garbled value must not silently become the default: without its measurand a
# current would be taken for the energy register.
_MEANINGFUL: Final[frozenset[tuple[type[Any], str]]] = frozenset(
    (SampledValue, field) for field in ("measurand", "unit", "phase", "format")
)


def repaired(struct: type[Any], payload: Any) -> tuple[Any, tuple[str, ...]]:
    """The payload mended as far as possible for ``struct``, and the names of the repairs.

    ``payload`` is decoded JSON (``None`` when there was none). Never raises; what is still wrong
    afterwards is for the decoder of ``struct`` to say.
    """
    log: Log = {}
    if payload is None or payload == []:
        payload = {}
        log["payload-missing"] = None
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
