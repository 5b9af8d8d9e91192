"""Plays scenarios in a shorter form, and the bounds that every one of them must keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from simulators import virtual_time
from simulators.plan import make_plan
from simulators.rehearsal import rehearse
from simulators.report import build_report
from simulators.scenario import Scenario, load_scenario


def rehearsed(scenario: Scenario, folder: Path, **options: Any) -> dict[str, Any]:
    plan = make_plan(scenario, **options)
    driver, recorded = virtual_time.run(rehearse(plan, folder, scenario.duration_s))
    return build_report(driver, simulated_s=scenario.duration_s, recorded=recorded, real_s=0.0)


def short(name: str, duration_s: float, **changes: Any) -> Scenario:
    scenario = load_scenario(name)
    return msgspec.structs.replace(scenario, duration_s=duration_s, **changes)


def check_safe(report: dict[str, Any]) -> None:
    """No breaker, no long overload, no lost transaction, nobody forgotten or wrongly blamed."""
    assert report["breakers_tripped"] == 0, report["trips"]
    assert report["overload_s_p95"] <= 8, report["overloads"]
    assert report["longest_overload_s"] <= 15, report["overloads"]
    assert (report["power_overload_s"] or 0) <= 15
    assert (report["disobeying_found_s"] or 0) <= 60
    assert report["wrongly_flagged"] == 0
    assert report["starved_cars"] == 0, report["longest_wait_s"]
    assert report["transactions_recorded"] == report["transactions_expected"] > 0
    assert report["kwh_delivered"] > 0
