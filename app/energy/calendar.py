"""Weekly windows on the clock of the site's wall.

A window holds whenever the wall clock shows a time inside it. So the hour that comes twice in
autumn counts twice, and the one that is skipped in spring does not count: a window from 02:30 to
03:30 begins then at 03:00, and one from 02:15 to 02:45 does not occur in that night.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from app.domain.limits import CircuitCap, LimitSource
from app.domain.rules import DAY_MINUTES, ScheduledLimit, WeekWindow

HORIZON_DAYS = 15
"""A weekly window may be skipped once, in the night of the missing hour; never twice in a row."""

_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)


def holds(window: WeekWindow, local: datetime) -> bool:
    """Whether the window holds while the wall clock shows ``local``."""
    return window.covers(local.weekday(), local.hour * 60 + local.minute)


def limits_at(
    schedules: Iterable[ScheduledLimit], zone: tzinfo, now_utc: datetime
) -> tuple[CircuitCap, ...]:
    """The scheduled limits in force at ``now_utc``, in the order of the rules."""
    local = now_utc.astimezone(zone)
    return tuple(
        scheduled.bound.cap(scheduled.circuit_id, LimitSource.SCHEDULE)
        for scheduled in schedules
        if holds(scheduled.window, local)
    )


def next_change_utc(
    windows: Sequence[WeekWindow], zone: tzinfo, now_utc: datetime
) -> datetime | None:
    """When another set of ``windows`` will hold than at ``now_utc``; ``None``: never."""
    if not windows:
        return None
    present = _holding(windows, zone, now_utc)
    for instant in _turns(windows, zone, now_utc):
        if _holding(windows, zone, instant) != present:
            return instant
    return None


def _holding(windows: Sequence[WeekWindow], zone: tzinfo, at_utc: datetime) -> list[bool]:
    local = at_utc.astimezone(zone)
    return [holds(window, local) for window in windows]


def _turns(windows: Sequence[WeekWindow], zone: tzinfo, now_utc: datetime) -> list[datetime]:
    """Every instant of the horizon at which a window may begin or end, in order."""
    minutes = {window.start_minute for window in windows}
    minutes |= {window.end_minute % DAY_MINUTES for window in windows}
    first = now_utc.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    found = set(_clock_changes(zone, now_utc))
    for day in range(-1, HORIZON_DAYS + 1):
        for minute in minutes:
            wall = first + timedelta(days=day, minutes=minute)
            for fold in (0, 1):
                found.add(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC))
    return sorted(instant for instant in found if instant > now_utc)


def _clock_changes(zone: tzinfo, now_utc: datetime) -> Iterable[datetime]:
    """The instants of the horizon at which the wall clock jumps."""
    before = now_utc.replace(minute=0, second=0, microsecond=0)
    for _ in range((HORIZON_DAYS + 1) * 24):
        after = before + _HOUR
        if _offset(zone, before) != _offset(zone, after):
            yield _jump(zone, before, after)
        before = after


def _jump(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The first second with the offset of ``after``."""
    old = _offset(zone, before)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // (2 * _SECOND))
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: tzinfo, at_utc: datetime) -> timedelta | None:
    return at_utc.astimezone(zone).utcoffset()
