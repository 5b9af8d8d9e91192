"""Weight and class of a session, and what a tariff lets it draw."""

from __future__ import annotations

import pytest

from app.domain.badge import Badge
from app.domain.rules import PriorityWindow, TariffCharge, TariffWindow, WeekWindow
from app.domain.station import ChargingStation, Connector
from app.energy.standing import Standing, held_to_ma, standing

ALWAYS = WeekWindow()
STATION = ChargingStation("A-1", "A-1", "p1", (Connector(1),), weight=1_500, priority=2)
PATH = ("p1", "supply")


def slot(priority: int, **named: tuple[str, ...]) -> PriorityWindow:
    return PriorityWindow(ALWAYS, priority, **named)


def test_without_a_badge_the_station_counts() -> None:
    assert standing(STATION, None, PATH, ()) == Standing(1_500, 2)


def test_weights_multiply_and_are_never_lost() -> None:
    assert standing(STATION, Badge("b", weight=2_000), PATH, ()) == Standing(3_000, 2)
    assert standing(STATION, Badge("b", weight=333), PATH, ()).weight == 500
    assert standing(STATION, Badge("b", weight=0), PATH, ()).weight == 1


def test_the_badges_class_goes_before_the_stations() -> None:
    assert standing(STATION, Badge("b", priority=0), PATH, ()).priority == 0
    assert standing(STATION, Badge("b", priority=3), PATH, ()).priority == 3


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ((slot(0, stations=("A-1",)),), 0),
        ((slot(0, circuits=("supply",)),), 0),
        ((slot(0, badges=("B",)),), 0),
        ((slot(0, badges=("C",), stations=("A-2",), circuits=("p2",)),), 3),
        ((slot(2, badges=("B",)), slot(1, circuits=("p1",)), slot(0, stations=("A-2",))), 1),
    ],
)
def test_a_time_slot_goes_before_the_badge(
    slots: tuple[PriorityWindow, ...], expected: int
) -> None:
    assert standing(STATION, Badge("b", priority=3), PATH, slots).priority == expected


def test_a_slot_of_badges_says_nothing_of_a_session_without_one() -> None:
    assert standing(STATION, None, PATH, (slot(0, badges=("B",)),)).priority == 2


NONE = TariffWindow(ALWAYS, TariffCharge.NONE)
MINIMUM = TariffWindow(ALWAYS, TariffCharge.MINIMUM)
FULL = TariffWindow(ALWAYS, TariffCharge.FULL)
OUTLET = Connector(1, min_ma=8_000)


@pytest.mark.parametrize(
    ("windows", "priority", "expected"),
    [
        ((), 1, None),
        ((MINIMUM,), 1, 8_000),
        ((MINIMUM, NONE), 1, 0),
        ((NONE, FULL), 1, None),
        ((TariffWindow(ALWAYS, TariffCharge.NONE, "supply"),), 1, 0),
        ((TariffWindow(ALWAYS, TariffCharge.NONE, "p2"),), 1, None),
        ((TariffWindow(ALWAYS, TariffCharge.NONE, spares_first=True),), 0, None),
        ((TariffWindow(ALWAYS, TariffCharge.NONE, spares_first=True),), 1, 0),
        ((TariffWindow(ALWAYS, TariffCharge.NONE, spares_first=True), MINIMUM), 0, 8_000),
    ],
)
def test_tariff_windows_hold_charging_back(
    windows: tuple[TariffWindow, ...], priority: int, expected: int | None
) -> None:
    assert held_to_ma(OUTLET, priority, PATH, windows) == expected
