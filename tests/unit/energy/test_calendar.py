"""Weekly windows on the wall clock, in ordinary nights and in those of the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.limits import CircuitCap, LimitSource
from app.domain.rules import Bound, LimitScope, ScheduledLimit, WeekWindow
from app.domain.units import PhaseCurrents
from app.energy.calendar import holds, limits_at, next_change_utc

PARIS = ZoneInfo("Europe/Paris")
MINUTE = timedelta(minutes=1)
ZONES = (
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kathmandu",
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(start: str, end: str, days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)) -> WeekWindow:
    def minutes(clock: str) -> int:
        return int(clock[:2]) * 60 + int(clock[3:])

    return WeekWindow(days, minutes(start), minutes(end))


def minutes_held(one: WeekWindow, since_utc: datetime, hours: int) -> int:
    return sum(holds(one, (since_utc + n * MINUTE).astimezone(PARIS)) for n in range(hours * 60))


@pytest.mark.parametrize(
    ("start", "end", "days", "instant", "expected"),
    [
        # 2026-11-27 is a Friday; Paris is one hour ahead of UTC
        ("22:00", "06:00", (4,), "2026-11-27T20:59", False),
        ("22:00", "06:00", (4,), "2026-11-27T21:00", True),
        ("22:00", "06:00", (4,), "2026-11-28T04:59", True),
        ("22:00", "06:00", (4,), "2026-11-28T05:00", False),
        ("22:00", "06:00", (4,), "2026-11-27T03:00", False),
        ("22:00", "06:00", (6,), "2026-11-30T04:00", True),
        ("00:00", "00:00", (4,), "2026-11-26T23:00", True),
        ("00:00", "00:00", (4,), "2026-11-27T22:59", True),
        ("00:00", "00:00", (4,), "2026-11-27T23:00", False),
        ("00:00", "24:00", (4,), "2026-11-27T22:59", True),
        ("12:00", "13:30", (4,), "2026-11-27T12:29", True),
        ("12:00", "13:30", (4,), "2026-11-27T12:30", False),
    ],
)
def test_a_window_holds_by_the_wall_clock(
    start: str, end: str, days: tuple[int, ...], instant: str, expected: bool
) -> None:
    assert holds(window(start, end, days), at(instant).astimezone(PARIS)) is expected


def test_the_doubled_hour_counts_twice() -> None:
    autumn = at("2026-10-24T22:00")  # midnight of the night in which 02:00 to 03:00 comes twice
    assert minutes_held(window("02:00", "03:00"), autumn, 8) == 120
    assert minutes_held(window("02:30", "03:30"), autumn, 8) == 90
    assert minutes_held(window("22:00", "06:00"), at("2026-10-24T18:00"), 16) == 9 * 60


def test_the_missing_hour_is_skipped() -> None:
    spring = at("2026-03-28T23:00")  # midnight of the night that goes from 02:00 to 03:00
    assert minutes_held(window("02:30", "03:30"), spring, 8) == 30
    assert minutes_held(window("02:15", "02:45"), spring, 8) == 0
    assert minutes_held(window("22:00", "06:00"), at("2026-03-28T19:00"), 16) == 7 * 60


@pytest.mark.parametrize(
    ("start", "end", "now", "change"),
    [
        ("22:00", "06:00", "2026-11-27T12:00", "2026-11-27T21:00"),
        ("22:00", "06:00", "2026-11-27T21:00", "2026-11-28T05:00"),
        ("02:30", "03:30", "2026-03-29T00:30", "2026-03-29T01:00"),  # begins late, at 03:00
        ("02:30", "03:30", "2026-10-25T00:30", "2026-10-25T01:00"),  # 03:00 becomes 02:00 again
        ("02:30", "03:30", "2026-10-25T01:00", "2026-10-25T01:30"),
    ],
)
def test_the_next_change(start: str, end: str, now: str, change: str) -> None:
    assert next_change_utc([window(start, end)], PARIS, at(now)) == at(change)


def test_a_clock_may_jump_in_the_middle_of_an_hour() -> None:
    island = ZoneInfo("Australia/Lord_Howe")  # from 02:00 to 02:30, at 15:30 UTC
    found = next_change_utc([window("02:15", "02:45")], island, at("2026-10-03T15:20"))
    assert found == at("2026-10-03T15:30")


def test_what_never_changes_has_no_next_change() -> None:
    assert next_change_utc([], PARIS, at("2026-11-27T12:00")) is None
    assert next_change_utc([window("00:00", "24:00")], PARIS, at("2026-11-27T12:00")) is None


def test_a_window_that_falls_into_the_missing_hour_waits_for_the_week_after() -> None:
    sunday = window("02:15", "02:45", (6,))
    assert next_change_utc([sunday], PARIS, at("2026-03-22T02:00")) == at("2026-04-05T00:15")


def test_scheduled_limits_in_force_carry_their_source_and_scope() -> None:
    night, noon = window("22:00", "06:00"), window("12:00", "14:00")
    schedules = (
        ScheduledLimit("supply", night, Bound(PhaseCurrents.uniform(40_000), 30_000)),
        ScheduledLimit("p1", night, Bound(None, 11_000, LimitScope.CHARGING)),
        ScheduledLimit("p1", noon, Bound(PhaseCurrents.uniform(1))),
    )
    assert limits_at(schedules, PARIS, at("2026-11-27T23:00")) == (
        CircuitCap(
            "supply", LimitSource.SCHEDULE, limit=PhaseCurrents.uniform(40_000), power_w=30_000
        ),
        CircuitCap("p1", LimitSource.SCHEDULE, charging_power_w=11_000),
    )


MINUTES = st.integers(0, 1439)
WINDOWS = st.builds(
    WeekWindow,
    st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    MINUTES,
    MINUTES | st.just(1440),
)
INSTANTS = st.sampled_from(
    # the nights of the changes of some of the zones, and an ordinary day
    ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03",
     "2026-04-23", "2026-10-29", "2026-11-27"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    windows=st.lists(WINDOWS, min_size=1, max_size=3),
    zone=st.sampled_from(ZONES),
    day=INSTANTS,
    minute=st.integers(0, 2 * 1440),
)
def test_the_next_change_is_the_first_minute_at_which_another_set_holds(
    windows: list[WeekWindow], zone: str, day: str, minute: int
) -> None:
    now = at(f"{day}T00:00") + minute * MINUTE
    found = next_change_utc(windows, ZoneInfo(zone), now)

    def present(instant: datetime) -> list[bool]:
        """Spelled out day by day, another way than the product does it."""
        local = instant.astimezone(ZoneInfo(zone))
        clock = local.hour * 60 + local.minute
        held = []
        for one in windows:
            spans = [
                (start * 1440 + one.start_minute, one.end_minute + 1440 * (start + late))
                for start in one.days
                for late in [int(one.end_minute <= one.start_minute)]
            ]
            week = local.weekday() * 1440 + clock
            held.append(any(a <= week < b or a <= week + 7 * 1440 < b for a, b in spans))
        return held

    first = present(now)
    horizon = 3 * 1440
    expected = next(
        (now + n * MINUTE for n in range(1, horizon) if present(now + n * MINUTE) != first), None
    )
    if expected is not None:
        assert found == expected
    else:
        assert found is None or found >= now + horizon * MINUTE
