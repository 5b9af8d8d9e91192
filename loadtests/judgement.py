"""Whether a scenario has passed: the figures of a run against the bounds of ``thresholds.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TIMES = ("p50_ms", "p95_ms", "p99_ms")

Figures = Mapping[str, Any]


def faults(report: Figures, lost: int, bounds: Figures) -> list[str]:
    """Each bound that was not kept, in words; none when the scenario has passed.

    ``report`` is what ``loadtests.locustfile`` leaves behind, ``lost`` the transactions that the
    manager does not have as the stations know them. A bound that nothing was measured for is a
    fault as well: a test that does not test has not passed.
    """
    found = []
    total, truth, storm = report["total"], report["truth"], report["storm"]

    def most(name: str, value: float) -> None:
        if name in bounds and value > bounds[name]:
            found.append(f"{name}: {value:g}, at most {bounds[name]:g}")

    def least(name: str, value: float) -> None:
        if name in bounds and value < bounds[name]:
            found.append(f"{name}: {value:g}, at least {bounds[name]:g}")

    most("failures", total["failures"])
    most("transactions_lost", lost)
    least("users", report["most_users"])
    least("transactions_least", len(truth["started"]))
    least("live_events_least", truth["live_events"])
    least("storm_stations", storm["settled"])
    most("storm_settled_s", storm["settled_s"])
    for rule in bounds.get("times", ()):
        pattern = re.compile(rule["match"])
        measured = [name for name in report["requests"] if pattern.fullmatch(name)]
        if not measured:
            found.append(f"{rule['match']}: nothing measured")
        for name in measured:
            figures = report["requests"][name]
            found += [
                f"{name}: {key} {figures[key]:g}, at most {rule[key]:g}"
                for key in TIMES
                if key in rule and figures[key] > rule[key]
            ]
    return found


def summary(report: Figures, lost: int, found: list[str]) -> dict[str, Any]:
    """The scenario's part of ``summary.json``."""
    total, storm = report["total"], report["storm"]
    told: dict[str, Any] = {
        "users": report["users"],
        "requests": total["requests"],
        "failures": total["failures"],
        **{key: total[key] for key in TIMES},
        "passed": not found,
        "faults": found,
        "transactions": len(report["truth"]["started"]),
        "transactions_lost": lost,
        "commands": sum(report["truth"]["commands"].values()),
        "live_events": report["truth"]["live_events"],
        "delivered_kwh": report["truth"]["delivered_kwh"],
        "kinds": dict(report["requests"]),
    }
    if storm["cut"]:
        told["storm_settled_s"] = storm["settled_s"]
    return told
