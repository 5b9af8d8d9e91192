"""Windows of lower limits by the clock on the wall, nights of clock change included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from simulators.limit_windows import LimitWindow, OnceWindow, WeeklyWindow, lowered_a

PARIS = ZoneInfo("Europe/Paris")
NIGHT = {"kind": "weekly", "circuit": "supply", "limit_a": 60, "from": "22:00", "to": "06:00"}


def window(**changes: object) -> LimitWindow:
    made: LimitWindow = msgspec.convert({**NIGHT, **changes}, LimitWindow)
    return made


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def minutes_covered(made: LimitWindow, begins: str, ends: str) -> int:
    """True minutes between two instants (UTC) in which the window runs in Paris."""

    def instants() -> Iterator[datetime]:
        at = datetime.fromisoformat(begins).replace(tzinfo=UTC)
        while at < datetime.fromisoformat(ends).replace(tzinfo=UTC):
            yield at
            at += timedelta(minutes=1)

    return sum(made.covers(at.astimezone(PARIS).replace(tzinfo=None)) for at in instants())


@pytest.mark.parametrize(
    ("at", "covered"),
    [
        ("2026-10-23T21:59:59", False),
        ("2026-10-23T22:00:00", True),
        ("2026-10-24T05:59:59", True),
        ("2026-10-24T06:00:00", False),
        ("2026-10-24T23:00:00", False),
        ("2026-10-23T03:00:00", False),
    ],
)
def test_a_window_past_midnight_belongs_to_the_day_on_which_it_begins(
    at: str, covered: bool
) -> None:
    assert window(days=["fri"]).covers(local(at)) is covered


@pytest.mark.parametrize(
    ("at", "covered"),
    [("2026-10-23T07:59:59", False), ("2026-10-23T08:00:00", True), ("2026-10-23T12:00:00", False)],
)
def test_a_window_of_a_day_ends_on_that_day(at: str, covered: bool) -> None:
    assert window(**{"from": "08:00", "to": "12:00"}).covers(local(at)) is covered


def test_a_window_from_a_time_to_the_same_lasts_a_day() -> None:
    made = window(**{"from": "08:00", "to": "08:00", "days": ["mon"]})
    assert minutes_covered(made, "2026-06-01T00:00", "2026-06-05T00:00") == 24 * 60


def test_the_hour_that_comes_twice_counts_twice() -> None:
    made = window(**{"from": "02:00", "to": "03:00"})
    assert minutes_covered(made, "2026-10-24T22:00", "2026-10-25T06:00") == 120
    assert minutes_covered(window(), "2026-10-24T18:00", "2026-10-25T12:00") == 9 * 60


def test_the_hour_that_is_skipped_does_not_count() -> None:
    made = window(**{"from": "02:00", "to": "03:00"})
    assert minutes_covered(made, "2026-03-28T22:00", "2026-03-29T06:00") == 0
    assert minutes_covered(window(), "2026-03-28T18:00", "2026-03-29T12:00") == 7 * 60


def test_a_window_of_once_runs_between_two_local_times() -> None:
    made = window(kind="once", **{"from": "2026-10-23T08:00:00", "to": "2026-10-24T09:30:00"})
    assert isinstance(made, OnceWindow)
    assert made.covers(local("2026-10-24T09:29"))
    assert not made.covers(local("2026-10-24T09:30"))


def test_of_several_windows_the_lowest_counts_on_each_phase() -> None:
    windows = [window(limit_a=[60, 40, 50]), window(limit_a=50), window(circuit="yard")]
    assert lowered_a(windows, local("2026-10-23T23:00")) == {
        "supply": (50, 40, 50),
        "yard": (60, 60, 60),
    }
    assert lowered_a(windows, local("2026-10-23T12:00")) == {}


@pytest.mark.parametrize("wrong", [{"from": "24:00"}, {"to": "6:00"}, {"days": ["lun"]}])
def test_a_wrong_window_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        window(**wrong)


def test_every_day_is_meant_when_none_is_named() -> None:
    made = window()
    assert isinstance(made, WeeklyWindow)
    assert len(made.days) == 7
