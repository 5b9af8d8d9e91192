"""Whether a rehearsal's report keeps the bounds that every rehearsal must keep.

Run as `python -m tests.support.report_gate build/rehearsal/basement-100.json...`. Prints each
report's figures against their bounds and exits 1 when one is broken.
"""

from __future__ import annotations

import json
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Compare = Callable[[float, float], bool]
Bound = tuple[str, str, float]  # key of the report, comparison, figure

COMPARE: Mapping[str, Compare] = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}
ALWAYS: Sequence[Bound] = (
    ("breakers_tripped", "==", 0),
    ("overload_s_p95", "<=", 8),
    ("longest_overload_s", "<=", 15),
    ("disobeying_found_s", "<=", 60),
    ("wrongly_flagged", "==", 0),
    ("starved_cars", "==", 0),
    ("profile_messages_per_connector_hour", "<=", 60),
)
CAPACITY = "capacity_used_ratio"
CAPACITY_USED = 0.95
LESS_CAPACITY: Mapping[str, float] = {
    # Half of it without a living manager, or without a meter that can be trusted: safety costs.
    "manager-killed": 0.8,
    "meter-gone": 0.85,
    "meter-lies": 0.85,
    # What 25 stations out of reach may begin to draw stays reserved.
    "group-partition": 0.87,
    # One message in twenty is lost, in either direction.
    "lossy-lan": 0.88,
    # All stations are away at once, again and again.
    "reboot-storm": 0.9,
    # Cars come and go all day long; most of the day few want more.
    "workplace-day": 0.9,
}


def verdicts(report: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Each bound of a report: whether it holds, and a line that says so.

    A missing figure breaks its bound. A duration is null when nothing lasted at all.
    """
    capacity = LESS_CAPACITY.get(report.get("scenario", ""), CAPACITY_USED)
    for key, sign, bound in (*ALWAYS, (CAPACITY, ">=", capacity)):
        value = report.get(key, "missing")
        if value is None and key.endswith(("_s", "_s_p95")):
            value = 0
        holds = isinstance(value, int | float) and COMPARE[sign](value, bound)
        yield holds, f"{key} = {value} (must be {sign} {bound})"
    expected = report.get("transactions_expected", "missing")
    recorded = report.get("transactions_recorded", "missing")
    yield (
        isinstance(expected, int) and expected == recorded,
        f"transactions_recorded = {recorded} (must be == {expected})",
    )


def main(argv: Sequence[str]) -> int:
    """Exit code of the command line: the reports to judge."""
    broken = 0
    for name in argv:
        report = json.loads(Path(name).read_text(encoding="utf-8"))
        print(f"{report.get('scenario', name)}: {report.get('simulated_s', '?')} s simulated")
        for holds, line in verdicts(report):
            broken += not holds
            print(f"  {'ok  ' if holds else 'FAIL'} {line}")
    return 1 if broken or not argv else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
