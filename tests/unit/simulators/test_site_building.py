"""The building: real curve, steps, swings and noise."""

from __future__ import annotations

import calendar
import random
from datetime import datetime, timedelta

import pytest

from simulators.site import tables
from simulators.site.building import (
    Building,
    ConstantLoad,
    CurveLoad,
    NoiseLoad,
    StepLoad,
    WaveLoad,
    day_type,
)

TUESDAY = datetime(2026, 1, 20)  # noqa: DTZ001 - the site's local time


def test_a_year_of_the_curve_is_a_thousand_megawatt_hours() -> None:
    total_kwh = 0.0
    for month in range(1, 13):
        _, days = calendar.monthrange(2025, month)
        for day in range(1, days + 1):
            weekday = calendar.weekday(2025, month, day)
            total_kwh += sum(tables.building_kwh(month, day_type(weekday)))
    # Public holidays, which count as Sundays, are not known here.
    assert total_kwh == pytest.approx(1_000_000, rel=0.03)


def test_the_curve_reaches_its_peak_once_a_year_and_no_more() -> None:
    curve = CurveLoad(peak_a=200, start=TUESDAY, shares=(1.05, 1.0, 0.95))
    day = [curve.amperes(float(second)) for second in range(0, 86_400, 60)]
    assert max(b for _, b, _ in day) == pytest.approx(200, rel=0.001)
    assert all(a == pytest.approx(1.05 * b) and c == pytest.approx(0.95 * b) for a, b, c in day)


def test_the_curve_passes_through_the_middle_of_each_quarter_hour() -> None:
    curve = CurveLoad(peak_a=tables.building_peak_kwh(), start=TUESDAY, shares=(1, 1, 1))
    table = tables.building_kwh(1, "workday")
    for quarter in (0, 40, 95):
        a, _, _ = curve.amperes(quarter * 900 + 450)
        assert a == pytest.approx(table[quarter])
    halfway, _, _ = curve.amperes(900)
    assert halfway == pytest.approx((table[0] + table[1]) / 2)


def test_a_days_energy_is_that_of_the_table() -> None:
    curve = CurveLoad(peak_a=tables.building_peak_kwh(), start=TUESDAY, shares=(1, 1, 1))
    mean = sum(curve.amperes(second + 5)[0] for second in range(0, 86_400, 10)) / 8640
    table = tables.building_kwh(1, "workday")
    assert mean == pytest.approx(sum(table) / 96, rel=0.001)


def test_the_curve_starts_at_the_local_time_and_goes_on_into_the_next_days() -> None:
    morning = CurveLoad(peak_a=100, start=TUESDAY + timedelta(hours=8), shares=(1, 1, 1))
    midnight = CurveLoad(peak_a=100, start=TUESDAY, shares=(1, 1, 1))
    assert morning.amperes(3600) == pytest.approx(midnight.amperes(9 * 3600))
    friday = CurveLoad(peak_a=100, start=datetime(2026, 1, 23), shares=(1, 1, 1))  # noqa: DTZ001
    saturday = tables.building_kwh(1, "saturday")
    expected = saturday[48] * 100 / tables.building_peak_kwh()
    assert friday.amperes(86_400 + 12 * 3600 + 450)[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [(0, "workday"), (4, "workday"), (5, "saturday"), (6, "sunday_holiday")],
)
def test_day_types(weekday: int, expected: str) -> None:
    assert day_type(weekday) == expected


def test_a_step_comes_goes_and_comes_again() -> None:
    step = StepLoad((100, 50, 0), at_s=300, for_s=120, every_s=300)
    on = [second for second in range(0, 1000, 10) if step.amperes(second)[0]]
    assert on == [*range(300, 420, 10), *range(600, 720, 10), *range(900, 1000, 10)]
    assert step.amperes(300) == (100, 50, 0)


def test_a_step_without_end_stays() -> None:
    step = StepLoad((10, 10, 10), at_s=5)
    assert step.amperes(4.9) == (0, 0, 0)
    assert step.amperes(1e6) == (10, 10, 10)


@pytest.mark.parametrize(("for_s", "every_s"), [(0.0, 10.0), (20.0, 10.0)])
def test_a_step_that_makes_no_sense_is_refused(for_s: float, every_s: float) -> None:
    with pytest.raises(ValueError):
        StepLoad((1, 1, 1), at_s=0, for_s=for_s, every_s=every_s)


def test_a_swing_stays_between_nothing_and_all() -> None:
    wave = WaveLoad((30, 20, 10), period_s=90)
    values = [wave.amperes(second) for second in range(90)]
    for phase, most in enumerate((30, 20, 10)):
        column = [value[phase] for value in values]
        assert min(column) == pytest.approx(0, abs=0.1)
        assert max(column) == pytest.approx(most, abs=0.1)


def test_noise_is_repeatable_small_and_around_nothing() -> None:
    def walk(seed: int) -> list[tuple[float, float, float]]:
        noise = NoiseLoad(random.Random(seed), deviation_a=2.0, memory_s=10)
        return [noise.amperes(float(second)) for second in range(5000)]

    first = walk(1)
    assert walk(1) == first
    assert walk(2) != first
    column = [a for a, _, _ in first]
    assert max(map(abs, column)) <= 5.0
    assert sum(column) / len(column) == pytest.approx(0, abs=0.3)
    deviation = (sum(a * a for a in column) / len(column)) ** 0.5
    assert deviation == pytest.approx(2.0, rel=0.15)


def test_noise_does_not_move_while_time_stands() -> None:
    noise = NoiseLoad(random.Random(3), deviation_a=2.0)
    assert noise.amperes(10) == noise.amperes(10)


def test_a_building_sums_its_loads_and_never_gives_back() -> None:
    building = Building([ConstantLoad((10, 5, 0)), ConstantLoad((1, -7, 2))])
    assert building.amperes(0) == (11, 0, 2)
