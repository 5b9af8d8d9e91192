"""The real data of ``simulators/data``: when cars come, stay and charge, and what a building draws.

Sources are named in ``simulators/data/README.md``.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import msgspec

DATA = Path(__file__).parent.parent / "data"

QUARTER_HOURS_PER_DAY = 96
PLACES = ("private", "public", "workplace")
"""Kinds of place for which arrivals, stays and energies were recorded."""
DAY_TYPES = ("workday", "saturday", "sunday_holiday")
"""Day types of the building curve."""


class CarModel(msgspec.Struct, frozen=True):
    """A car as registered: its battery, and what its on-board charger takes from alternating current.

    ``max_a`` is amperes on each of its ``phases`` (1 or 3).
    """

    name: str
    registrations: int
    battery_kwh: float
    phases: int
    max_a: int

    @property
    def max_kw(self) -> float:
        """Highest charging power at 230 V, in kW."""
        return self.phases * self.max_a * 0.230


_ON_BOARD_CHARGERS: tuple[tuple[float, int, int], ...] = (
    (3.7, 1, 16),
    (7.4, 1, 32),
    (11.0, 3, 16),
    (22.0, 3, 32),
)


def phases_and_current(max_ac_kw: float) -> tuple[int, int]:
    """Phases and amperes per phase of the usual on-board charger nearest to a power in kW."""
    _, phases, max_a = min(_ON_BOARD_CHARGERS, key=lambda known: abs(known[0] - max_ac_kw))
    return phases, max_a


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def car_models() -> tuple[CarModel, ...]:
    """The cars on the road, most frequent first."""
    models: list[CarModel] = []
    for row in _rows("ev-models.csv"):
        phases, max_a = phases_and_current(float(row["max_ac_kw"]))
        models.append(
            CarModel(
                row["model"], int(row["registrations"]), float(row["battery_kwh"]), phases, max_a
            )
        )
    return tuple(models)


@cache
def arrivals(place: str) -> tuple[float, ...]:
    """Share of a day's arrivals in each of its 96 quarter hours; the sum is 1."""
    shares = [float(row[f"{place}_pct"]) for row in _rows("ev-arrivals.csv")]
    total = sum(shares)
    return tuple(share / total for share in shares)


@cache
def stays_h(place: str) -> tuple[float, ...]:
    """Connection time in hours exceeded by 0, 1, ... 100 % of the sessions."""
    return tuple(float(row[f"{place}_h"]) for row in _rows("ev-connection-hours.csv"))


@cache
def energies_kwh(place: str) -> tuple[float, ...]:
    """Energy in kWh exceeded by 0, 1, ... 100 % of the sessions."""
    return tuple(float(row[f"{place}_kwh"]) for row in _rows("ev-energy-kwh.csv"))


def exceeded_by(table: tuple[float, ...], share: float) -> float:
    """The value that a ``share`` (0 to 1) of the sessions exceeds, between the table's steps."""
    position = share * (len(table) - 1)
    step = min(int(position), len(table) - 2)
    return table[step] + (table[step + 1] - table[step]) * (position - step)


@cache
def building_kwh(month: int, day_type: str) -> tuple[float, ...]:
    """kWh in each quarter hour of a day, for a building of 1,000 MWh a year.

    ``month`` is 1 to 12, ``day_type`` one of ``DAY_TYPES``.
    """
    column = f"{month:02d}-{day_type}"
    return tuple(float(row[column]) for row in _rows("building-bdew-g25.csv"))


@cache
def building_peak_kwh() -> float:
    """The greatest quarter hour of the year, in kWh, for a building of 1,000 MWh a year."""
    return max(max(building_kwh(month, day)) for month in range(1, 13) for day in DAY_TYPES)
