"""Every scenario in a shorter form, with fewer stations: the bounds hold whatever goes wrong."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulators.scenario import scenario_names
from tests.scenarios.stage import check_safe, rehearsed, short

ELSEWHERE = {"basement-100", "manager-killed", "meter-lost", "small-4", "station-offline"}
"""Played in ``test_rehearsal``."""


local = datetime.fromisoformat


class Case(msgspec.Struct, frozen=True):
    """How a scenario is shortened; ``expects`` are figures that it must reach besides.

    ``awaits`` is what the manager lacks to keep the bounds: such a case is not played yet.
    """

    name: str
    duration_s: float
    stations: int = 20
    changes: dict[str, Any] = {}
    expects: dict[str, float] = {}
    awaits: str = ""


CASES = (
    Case("clocks-wrong", 900),
    Case("demo-100", 600),
    Case(
        "dst-night",
        6000,
        8,
        changes={"start": local("2026-10-25T02:30:00")},
    ),
    Case(
        "dst-night-spring",
        5100,
        8,
        changes={"start": local("2026-03-29T01:45:00")},
    ),
    Case("feeder-tree", 1200, 28),
    Case("group-partition", 1900, 16),
    Case(
        "lasting-limits",
        2300,
        40,
    ),
    Case("liars", 900, expects={"disobeying": 2}),
    Case(
        "lossy-lan",
        1200,
        changes={"starved_after_s": 600},
    ),
    Case("meter-gone", 1100, 16),
    Case("meter-lies", 2300),
    Case("near-minimum", 900, changes={"starved_after_s": 120}),
    Case("operator-order", 1300),
    Case("phase-rotation", 900),
    Case("phase-switching", 600),
    Case("picky-stations", 1000),
    Case("planner-fails", 960),
    Case("power-limit", 900),
    Case("power-only", 600),
    Case("reboot-storm", 960, expects={"transactions_expected": 25}),
    Case("shortage-rotation", 4200, 10, changes={"starved_after_s": 2400}),
    Case("sleepy-cars", 900),
    Case("spiky-stations", 700),
    Case("truncating", 600),
    Case("twin-outlets", 900, 10),
    Case("workplace-day", 3600, 16, changes={"start": local("2026-01-20T08:00:00")}),
)
PLAYED = [case for case in CASES if not case.awaits]


@pytest.mark.parametrize("case", PLAYED, ids=lambda case: case.name)
def test_the_bounds_hold(case: Case, tmp_path: Path) -> None:
    report = rehearsed(
        short(case.name, case.duration_s, **case.changes), tmp_path, stations=case.stations
    )
    check_safe(report)
    for figure, least in case.expects.items():
        assert report[figure] >= least


def test_nobody_is_paused_while_6_a_fit_for_everybody(tmp_path: Path) -> None:
    report = rehearsed(short("near-minimum", 900), tmp_path, stations=12)
    assert report["pauses_per_session"] == 0


def test_charging_goes_on_without_a_meter(tmp_path: Path) -> None:
    """Half an hour after its death cars still charge, by what was declared."""
    with_it = rehearsed(short("meter-gone", 600), tmp_path / "a", stations=12)
    without = rehearsed(short("meter-gone", 1500), tmp_path / "b", stations=12)
    assert without["kwh_delivered"] > 1.5 * with_it["kwh_delivered"]


def test_every_scenario_has_its_case() -> None:
    cases = [case.name for case in CASES]
    assert sorted([*cases, *ELSEWHERE]) == scenario_names()
