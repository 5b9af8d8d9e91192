"""Repairs of single values: text, numbers, booleans, enumerations and times.

Each takes the value and the log of its message, names what it mended in the log, and raises
``HopelessError`` for a value without a reasonable meaning. The names are listed in ``repair``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

import msgspec

from app.ocpp16.actions.types import UnitOfMeasure


class Log(dict[str, None]):
    """Names of the repairs of one message, in order, each once; ``zone`` is that of its times."""

    __slots__ = ("zone",)

    def __init__(self, zone: tzinfo = UTC) -> None:
        super().__init__()
        self.zone = zone


Mend = Callable[[Any, Log], Any]
"""Returns the value mended, or raises ``HopelessError``."""


class HopelessError(Exception):
    """The value has no reasonable meaning."""


_UNIT_NAMES: Final[dict[str, str]] = {
    "%": UnitOfMeasure.PERCENT,
    "amp": UnitOfMeasure.A,
    "amps": UnitOfMeasure.A,
    "ampere": UnitOfMeasure.A,
    "amperes": UnitOfMeasure.A,
    "volt": UnitOfMeasure.V,
    "volts": UnitOfMeasure.V,
    "watt": UnitOfMeasure.W,
    "watts": UnitOfMeasure.W,
    "watthour": UnitOfMeasure.WH,
    "hz": UnitOfMeasure.HERTZ,
}


def plain(text: str) -> str:
    """Letters and digits only, in lower case."""
    return "".join(filter(str.isalnum, text)).lower()


def mend_text(longest: int | None, *, token: bool) -> Mend:
    """Text of at most ``longest`` characters; ``token``: never cut into another token."""

    def mend(value: Any, log: Log) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise HopelessError
        if not isinstance(value, str):
            value = str(value)
            log["number-as-text"] = None
        if longest is not None and len(value) > longest:
            if token:
                log["id-tag-long"] = None
                return value[: longest - 1] + "~"
            log["text-cut"] = None
            return value[:longest]
        return value

    return mend


_GREATEST: Final = 10**300
"""Whole numbers beyond it do not fit a float; all are far out of every range."""


def _number(value: Any, log: Log) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise HopelessError
    if isinstance(value, str):
        try:
            value = float(value.strip().replace(",", "."))
        except ValueError:
            raise HopelessError from None
        log["text-as-number"] = None
    number = float(min(max(value, -_GREATEST), _GREATEST))
    if not math.isfinite(number):
        raise HopelessError
    return number


def mend_integer(value: Any, log: Log) -> Any:
    """A whole number of 32 bits, the nearest there is."""
    number = _number(value, log)
    whole = round(number)
    if isinstance(value, float) or whole != number:
        log["float-as-integer"] = None
    kept = min(max(whole, -(2**31)), 2**31 - 1)
    if kept != whole:
        log["integer-range"] = None
    return kept


def mend_boolean(value: Any, log: Log) -> Any:
    """True or false."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in {"true", "false", "1", "0"}:
        raise HopelessError
    log["text-as-boolean"] = None
    return text in {"true", "1"}


def mend_enum(values: tuple[str, ...]) -> Mend:
    """One of ``values``, however it is spelt."""
    exact = frozenset(values)
    spellings = {plain(value): value for value in values}
    if UnitOfMeasure.WH in exact:
        spellings |= _UNIT_NAMES

    def mend(value: Any, log: Log) -> Any:
        if not isinstance(value, str):
            raise HopelessError
        if value in exact:
            return value
        spelt = spellings.get(plain(value)) or spellings.get(value.strip())
        if spelt is None:
            raise HopelessError
        log["enum-spelling"] = None
        return spelt

    return mend


_TIME: Final = re.compile(
    r"\s*(\d{4})[-/](\d\d?)[-/](\d\d?)[Tt ]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?"
    r"\s*(?:([Zz])|([+-])(\d\d):?(\d\d)?)?\s*",
    re.ASCII,
)
_MILLISECONDS_FROM: Final = 100_000_000_000


def mend_time(value: Any, log: Log) -> Any:
    """An aware instant, from text in many notations or from Unix seconds or milliseconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        log["time-form"] = None
        seconds = value / 1000 if value >= _MILLISECONDS_FROM else value
        try:
            return datetime.fromtimestamp(seconds, tz=UTC)
        except (OverflowError, ValueError, OSError):
            raise HopelessError from None
    if not isinstance(value, str):
        raise HopelessError
    try:
        instant = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        instant = _read_time(value)
        log["time-form"] = None
    if instant.tzinfo is None:
        log["time-zone" if log.zone is UTC else "time-local"] = None
        return instant.replace(tzinfo=log.zone)
    return instant


def _read_time(text: str) -> datetime:
    found = _TIME.fullmatch(text)
    if found is None:
        raise HopelessError
    year, month, day, hour, minute, second, fraction, zulu, sign, off_h, off_m = found.groups()
    offset = timedelta(hours=int(off_h or 0), minutes=int(off_m or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset) if zulu or sign else None
        return datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            min(int(second or 0), 59),  # a leap second
            int(((fraction or "") + "000000")[:6]),
            tzinfo=zone,
        )
    except ValueError:
        raise HopelessError from None
