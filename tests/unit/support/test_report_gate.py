"""A rehearsal's report passes only when every bound holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.report_gate import verdicts

GOOD: dict[str, Any] = {
    "scenario": "basement-100",
    "breakers_tripped": 0,
    "overload_s_p95": 4.0,
    "longest_overload_s": 9,
    "capacity_used_ratio": 0.93,
    "transactions_expected": 70,
    "transactions_recorded": 70,
}


def broken(report: dict[str, Any]) -> list[str]:
    return [line.split(" ")[0] for holds, line in verdicts(report) if not holds]


def test_a_good_report_passes() -> None:
    assert broken(GOOD) == []


def test_no_overload_at_all_passes() -> None:
    assert broken(GOOD | {"overload_s_p95": None, "longest_overload_s": None}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("breakers_tripped", 1),
        ("overload_s_p95", 8.5),
        ("longest_overload_s", 16),
        ("capacity_used_ratio", 0.89),
        ("transactions_recorded", 69),
    ],
)
def test_each_bound_can_break(key: str, value: float) -> None:
    assert broken(GOOD | {key: value}) == [key]


def test_a_missing_figure_breaks_its_bound() -> None:
    assert broken({"scenario": "other"}) == [
        "breakers_tripped",
        "overload_s_p95",
        "longest_overload_s",
        "transactions_recorded",
    ]
