"""Entry of Locust: the users, the shape of the scenario, and the figures it leaves behind.

Started by ``python -m loadtests.run``, which also judges. Alone, against a manager that runs:
``BORNIER_LOAD_PASSWORD=… .venv-load/bin/locust -f loadtests/locustfile.py``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import urllib3
from locust import events

from loadtests import stage
from loadtests.shapes import Ramp, StormShape
from loadtests.users.station import StationUser
from loadtests.users.web import ManagerUser

__all__ = ["ManagerUser", "Ramp", "StationUser", "StormShape"]

urllib3.disable_warnings()  # the manager's own certificate is not what is tested here

NOT_ANSWERS = frozenset({"LIVE", "STORM"})
"""Kinds whose times are none of an answer: they stay out of the figures of the whole."""

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


def _figures(entry: Any) -> dict[str, Any]:
    figures: dict[str, Any] = {"requests": entry.num_requests, "failures": entry.num_failures}
    for name, share in QUANTILES.items():
        figures[name] = entry.get_response_time_percentile(share) or 0.0
    figures["max_ms"] = entry.max_response_time
    return figures


def _whole(entries: list[Any]) -> dict[str, Any]:
    """The figures of all answers together."""
    times: Counter[int] = Counter()
    for entry in entries:
        if entry.method not in NOT_ANSWERS:
            times.update(entry.response_times)
    figures: dict[str, Any] = {
        "requests": sum(entry.num_requests for entry in entries),
        "failures": sum(entry.num_failures for entry in entries),
    }
    in_order = sorted(times.elements())
    for name, share in QUANTILES.items():
        figures[name] = in_order[int(len(in_order) * share)] if in_order else 0
    return figures


@events.quitting.add_listener
def leave_figures(environment: Any, **_: Any) -> None:
    """Everything that ``loadtests.judgement`` needs, as JSON."""
    path = os.environ.get("BORNIER_LOAD_REPORT")
    if path is None:
        return
    stats = environment.stats
    report = {
        "scenario": stage.SCENARIO,
        "users": stage.STATIONS + stage.MANAGERS,
        "most_users": max((each["user_count"][1] for each in stats.history), default=0),
        "total": _whole(list(stats.entries.values())),
        "requests": {
            f"{method} {name}": _figures(entry) for (name, method), entry in stats.entries.items()
        },
        "failures": [
            {
                "request": f"{each.method} {each.name}",
                "error": str(each.error),
                "times": each.occurrences,
            }
            for each in stats.errors.values()
        ],
        "storm": {
            "cut": stage.storm.cut_stations,
            "settled": len(stage.storm.settled_s),
            "settled_s": round(max(stage.storm.settled_s, default=0.0), 3),
        },
        "truth": stage.truth.as_dict(),
    }
    Path(path).write_text(json.dumps(report, indent=2) + "\n")
