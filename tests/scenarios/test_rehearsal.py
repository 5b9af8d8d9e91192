"""The whole manager against the simulated site on a virtual clock, judged by the oracle alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.events import ManagerKilled, MeterDead, StationsOffline
from simulators.scenario import load_scenario
from tests.scenarios.stage import check_safe, rehearsed, short


def test_four_stations_share_a_small_supply(tmp_path: Path) -> None:
    report = rehearsed(load_scenario("small-4"), tmp_path)
    check_safe(report)
    assert report["transactions_expected"] == 4
    assert report["energy_error_ratio"] < 0.05


@pytest.mark.parametrize("meter", ["Nemo D4-Le", "Nemo 96HD+", "F4N200", "Conto D4-Pd"])
def test_the_loop_closes_over_each_proven_meter(tmp_path: Path, meter: str) -> None:
    """What the manager reads of each make is what flows: else the oracle would see overloads."""
    report = rehearsed(load_scenario("small-4"), tmp_path, meter_model=meter)
    check_safe(report)
    assert report["capacity_used_ratio"] > 0.8


def test_a_rehearsal_is_repeatable(tmp_path: Path) -> None:
    scenario = short("small-4", 120)
    first = rehearsed(scenario, tmp_path / "a")
    second = rehearsed(scenario, tmp_path / "b")
    assert first == second


@pytest.mark.parametrize("seed", [1, 2])
def test_a_restless_building_over_a_full_basement(tmp_path: Path, seed: int) -> None:
    report = rehearsed(short("basement-100", 720), tmp_path, seed=seed, stations=20)
    check_safe(report)
    assert report["capacity_used_ratio"] > 0.75


def test_the_meter_dies_and_the_building_steps_up(tmp_path: Path) -> None:
    scenario = short("meter-lost", 900, events=(MeterDead(at_s=590, for_s=200),))
    check_safe(rehearsed(scenario, tmp_path, stations=20))


def test_stations_lose_the_network_while_others_want_their_current(tmp_path: Path) -> None:
    scenario = short(
        "station-offline", 1000, events=(StationsOffline(at_s=600, share=0.3, for_s=200),)
    )
    check_safe(rehearsed(scenario, tmp_path, stations=20))


def test_the_manager_is_killed_and_comes_back_on_the_same_data(tmp_path: Path) -> None:
    scenario = short("manager-killed", 960, events=(ManagerKilled(at_s=605, for_s=40),))
    check_safe(rehearsed(scenario, tmp_path, stations=20))
