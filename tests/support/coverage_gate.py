"""The coverage that the tests owe: every branch of the core, nine tenths of the rest.

Run as `python -m tests.support.coverage_gate build/coverage/coverage.json`, the JSON report of
coverage.py. Prints what is missing and exits 1 when a gate does not hold.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CORE = ("app/domain/", "app/energy/", "app/ocpp16/", "app/meters/")
REST = "app/"
REST_RATIO = 0.90


def _covered_and_all(summary: Mapping[str, Any]) -> tuple[int, int]:
    covered = summary["covered_lines"] + summary.get("covered_branches", 0)
    total = summary["num_statements"] + summary.get("num_branches", 0)
    return covered, total


def _missing(data: Mapping[str, Any]) -> str:
    lines = ", ".join(str(number) for number in data["missing_lines"])
    branches = ", ".join(f"{start}->{end}" for start, end in data.get("missing_branches", []))
    return "; ".join(
        part for part in (lines and f"lines {lines}", branches and f"branches {branches}") if part
    )


def failures(report: Mapping[str, Any]) -> list[str]:
    """What keeps a coverage.py JSON report from passing, one line each; empty when it passes."""
    found: list[str] = []
    rest_covered = rest_total = 0
    weak: list[tuple[float, str]] = []
    files: Mapping[str, Any] = report["files"]
    if not any(name.startswith(REST) for name in files):
        return [f"the report covers nothing below {REST}"]
    for name, data in sorted(files.items()):
        covered, total = _covered_and_all(data["summary"])
        if name.startswith(CORE):
            if covered < total:
                found.append(f"{name}: {covered}/{total}, missing {_missing(data)}")
        elif name.startswith(REST):
            rest_covered += covered
            rest_total += total
            if total and covered / total < REST_RATIO:
                weak.append((covered / total, name))
    if rest_total and rest_covered / rest_total < REST_RATIO:
        found.append(
            f"outside the core {rest_covered / rest_total:.1%} is covered, "
            f"{REST_RATIO:.0%} is owed; the weakest:"
        )
        found += [f"    {ratio:6.1%}  {name}" for ratio, name in sorted(weak)[:15]]
    return found


def main(argv: Sequence[str]) -> int:
    """Exit code of the command line."""
    report = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    found = failures(report)
    for line in found:
        print(line, file=sys.stderr)
    print(
        f"coverage: {report['totals']['percent_covered']:.1f} % of lines and branches; "
        f"gates {'FAILED' if found else 'hold'}"
    )
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
