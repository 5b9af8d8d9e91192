"""The coverage gate tells a full core from a core with one branch missing."""

from __future__ import annotations

from typing import Any

from tests.support.coverage_gate import failures


def measured(covered: int, total: int, missing: list[int] | None = None) -> dict[str, Any]:
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": total,
            "covered_branches": 4,
            "num_branches": 4,
        },
        "missing_lines": missing or [],
        "missing_branches": [],
    }


def test_passes_when_the_core_is_full_and_the_rest_nearly() -> None:
    files = {"app/energy/guard.py": measured(10, 10), "app/web/pages.py": measured(93, 100)}
    assert failures({"files": files}) == []


def test_one_line_missing_in_the_core_fails_and_is_named() -> None:
    files = {"app/energy/guard.py": measured(9, 10, [7])}
    assert failures({"files": files}) == ["app/energy/guard.py: 13/14, missing lines 7"]


def test_the_rest_is_judged_together() -> None:
    strong, weak = measured(996, 996), measured(40, 96)
    assert failures({"files": {"app/main.py": strong, "app/config.py": weak}}) == []
    found = failures({"files": {"app/main.py": measured(96, 96), "app/config.py": weak}})
    assert "app/config.py" in found[-1]


def test_a_report_about_something_else_fails() -> None:
    assert failures({"files": {"simulators/x.py": measured(1, 1)}})
