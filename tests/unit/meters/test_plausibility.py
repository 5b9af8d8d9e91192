from __future__ import annotations

import math
from typing import Any

import pytest

from app.domain.meter import Quality
from app.meters.plausibility import GOOD, Doubt, judge
from app.meters.scale import DIRECT, UNKNOWN_RATIOS, Ratios

NORMAL = {
    **{f"current_l{n}": 16.0 for n in (1, 2, 3)},
    **{f"voltage_l{n}_n": 230.0 for n in (1, 2, 3)},
    "power_active_total": 11_000.0,
}


def reason(changes: dict[str, float | None], **options: Any) -> str:
    values = {**NORMAL, **changes}
    known = {name: value for name, value in values.items() if value is not None}
    verdict = judge(known, **{"ratios": DIRECT, **options})
    assert (verdict.quality is Quality.GOOD) == (verdict.reason == "")
    return verdict.reason


def test_a_normal_reading_is_good() -> None:
    assert judge(NORMAL, ratios=DIRECT) == GOOD


def test_export_is_good() -> None:
    changes = {f"current_l{n}": -16.0 for n in (1, 2, 3)}
    assert reason({**changes, "power_active_total": -11_000.0}) == ""


def test_a_missing_current() -> None:
    assert reason({"current_l2": None}) == Doubt.CURRENT_MISSING
    assert reason({"current_l2": None, "power_active_total": 3_000.0}, phases=1) == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number(value: float) -> None:
    assert reason({"power_active_total": value}) == Doubt.NOT_A_NUMBER


@pytest.mark.parametrize(
    ("volts", "expected"),
    [(19.9, Doubt.VOLTAGE), (20.0, ""), (600.0, ""), (600.1, Doubt.VOLTAGE), (0.0, Doubt.VOLTAGE)],
)
def test_voltage_bounds(volts: float, expected: str) -> None:
    assert reason({"voltage_l3_n": volts, "power_active_total": None}) == expected


def test_unread_voltages_are_no_doubt() -> None:
    assert reason({f"voltage_l{n}_n": None for n in (1, 2, 3)}) == ""


def test_without_neutral_the_line_voltages_decide() -> None:
    dead: dict[str, float | None] = {f"voltage_l{n}_n": 0.0 for n in (1, 2, 3)}
    lines = {"voltage_l1_l2": 400.0, "voltage_l2_l3": 401.0, "voltage_l3_l1": 399.0}
    assert reason({**dead, **lines}) == ""
    assert reason({**dead, **lines, "voltage_l2_l3": 0.0}) == Doubt.VOLTAGE
    assert reason({**dead, **lines, "voltage_l1_n": 3.0}) == Doubt.VOLTAGE
    assert reason(dead) == Doubt.VOLTAGE


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"max_current_a": 63.0}, 630.0),
        ({"ratios": Ratios(80, 1.0)}, 4000.0),
        ({"ratios": UNKNOWN_RATIOS}, 20_000.0),
        ({}, 20_000.0),
    ],
)
def test_current_bound_follows_the_rating(options: dict[str, Any], bound: float) -> None:
    unread = {f"voltage_l{n}_n": None for n in (1, 2, 3)}
    assert reason({**unread, "current_l1": bound}, **options) == ""
    assert reason({**unread, "current_l1": -bound - 1}, **options) == Doubt.CURRENT


def test_power_far_above_what_flows() -> None:
    apparent = 3 * 230 * 16
    assert reason({"power_active_total": 1.5 * apparent + 999}) == ""
    assert reason({"power_active_total": 1.5 * apparent + 1001}) == Doubt.POWER
    assert reason({"power_active_total": -1.5 * apparent - 1001}) == Doubt.POWER


def test_a_power_of_unconfirmed_scale_is_dropped_instead() -> None:
    verdict = judge(
        {**NORMAL, "power_active_total": 1e6}, ratios=DIRECT, power_scale_confirmed=False
    )
    assert verdict.quality is Quality.GOOD
    assert not verdict.trust_power


@pytest.mark.parametrize(
    ("now", "expected", "doubt"),
    [
        (100, 100, ""),
        (100, None, ""),
        (None, 100, ""),
        (40, 100, Doubt.RATIO_CHANGED),
    ],
)
def test_changed_transformer_ratio(now: int | None, expected: int | None, doubt: str) -> None:
    assert reason({}, ratios=Ratios(now), expected_kta=expected) == doubt
