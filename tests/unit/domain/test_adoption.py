"""Expected stations and the commissioning window, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.adoption import CommissioningWindow, PlannedStation, WindowScope
from app.domain.station import PendingStation, StationIdentity


def plan(station_id: str = "", serial: str = "", name: str = "") -> PlannedStation:
    return PlannedStation("p", station_id, serial, name, "", "supply")


@pytest.mark.parametrize(
    ("expected", "station_id", "serial", "fits"),
    [
        (plan("A-1"), "A-1", "", True),
        (plan("A-1"), "a-1", "", False),
        (plan("A-1", "S1"), "other", "s1", True),
        (plan("A-1", "S1"), "S1", "", False),
        (plan("", "S1"), "s1", "", True),
        (plan("", "S1"), "GREENUP", "S1", True),
        (plan("", "S1"), "GREENUP", "S2", False),
        (plan("A-1"), "B-1", "", False),
    ],
)
def test_whom_a_line_of_the_list_means(
    expected: PlannedStation, station_id: str, serial: str, fits: bool
) -> None:
    assert expected.fits(station_id, serial) is fits


def test_what_it_is_called() -> None:
    assert plan("A-1", "S1", "Nord").shown_name == "Nord"
    assert plan("A-1", "S1").shown_name == "A-1"
    assert plan("", "S1").expected_id == "S1"


def test_a_window_is_open_from_its_opening_to_its_end() -> None:
    opened = datetime(2026, 11, 22, 8, tzinfo=UTC)
    window = CommissioningWindow(
        opened, opened + timedelta(minutes=15), WindowScope.ALL, "supply", "admin"
    )
    assert window.is_open(opened)
    assert window.is_open(opened + timedelta(minutes=15, seconds=-1))
    assert not window.is_open(opened + timedelta(minutes=15))
    assert not window.is_open(opened - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("ignored", "blocked", "waits"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
def test_who_waits(ignored: bool, blocked: bool, waits: bool) -> None:
    caller = PendingStation(
        "A-1", StationIdentity(), "10.0.0.1", "", "", ignored=ignored, blocked=blocked
    )
    assert caller.waits is waits
