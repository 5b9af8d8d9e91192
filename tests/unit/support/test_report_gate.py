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
    "capacity_used_ratio": 0.96,
    "disobeying_found_s": None,
    "wrongly_flagged": 0,
    "starved_cars": 0,
    "profile_messages_per_connector_hour": 31.5,
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
        ("capacity_used_ratio", 0.94),
        ("disobeying_found_s", 61),
        ("wrongly_flagged", 1),
        ("starved_cars", 1),
        ("profile_messages_per_connector_hour", 61),
        ("transactions_recorded", 69),
    ],
)
def test_each_bound_can_break(key: str, value: float) -> None:
    assert broken(GOOD | {key: value}) == [key]


def test_less_capacity_is_asked_where_safety_costs_it() -> None:
    assert broken(GOOD | {"scenario": "meter-gone", "capacity_used_ratio": 0.86}) == []


def test_a_missing_figure_breaks_its_bound() -> None:
    assert broken({"scenario": "other"}) == [
        "breakers_tripped",
        "overload_s_p95",
        "longest_overload_s",
        "disobeying_found_s",
        "wrongly_flagged",
        "starved_cars",
        "profile_messages_per_connector_hour",
        "capacity_used_ratio",
        "transactions_recorded",
    ]
