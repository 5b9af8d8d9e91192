"""Instants as the file keeps them: whole microseconds since 1970, UTC.

An integer compares, sorts and indexes as it should, and gives back the very datetime it was made
from, so that equality (idempotent starts) holds across a restart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US_PER_S = 1_000_000
_US_PER_DAY = 86_400 * _US_PER_S


def to_us(instant: datetime) -> int:
    """Microseconds since 1970. Raises ``ValueError`` for a datetime without a time zone."""
    if instant.tzinfo is None:
        raise ValueError("a naive datetime cannot be stored")
    since = instant - _EPOCH
    return since.days * _US_PER_DAY + since.seconds * _US_PER_S + since.microseconds


def from_us(instant_us: int) -> datetime:
    """The aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=instant_us)


def optional_us(instant: datetime | None) -> int | None:
    """``to_us``, and ``None`` for ``None``."""
    return None if instant is None else to_us(instant)


def optional_instant(instant_us: int | None) -> datetime | None:
    """``from_us``, and ``None`` for ``None``."""
    return None if instant_us is None else from_us(instant_us)
