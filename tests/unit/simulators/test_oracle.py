"""The oracle against tables worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from simulators.site.oracle import (
    HEATING_TIME_CONSTANT_S,
    Breaker,
    Oracle,
    percentile,
    seconds_to_trip,
)

HOUR_S = 3600

# τ·ln(r² / (r² - 1.1236)) with τ = 180 s, worked out by hand.
TRIP_TABLE = [
    (1.10, 475.0),
    (1.30, 196.9),
    (1.45, 137.6),
    (2.00, 59.4),
    (2.55, 34.2),
    (3.00, 24.0),
    (4.90, 8.6),
]


def trips_after(rated_a: float, current_a: float, at_most_s: int, heat: float = 0.0) -> int | None:
    breaker = Breaker(rated_a, heat)
    for second in range(1, at_most_s + 1):
        if breaker.carry(current_a, 1.0):
            return second
    return None


@pytest.mark.parametrize(("ratio", "expected_s"), TRIP_TABLE)
def test_time_to_trip_from_cold_follows_the_table(ratio: float, expected_s: float) -> None:
    assert seconds_to_trip(ratio) == pytest.approx(expected_s, rel=0.01)
    assert trips_after(100, 100 * ratio, HOUR_S) == math.ceil(seconds_to_trip(ratio))


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 1.05])
def test_never_trips_up_to_the_conventional_non_tripping_current(ratio: float) -> None:
    assert seconds_to_trip(ratio) == math.inf
    assert trips_after(63, 63 * ratio, 24 * HOUR_S) is None


@pytest.mark.parametrize("ratio", [1.3, 1.45])
def test_trips_within_the_conventional_hour(ratio: float) -> None:
    assert trips_after(400, 400 * ratio, HOUR_S) is not None


def test_two_and_a_half_times_trips_within_the_minute_of_the_domestic_standard() -> None:
    seconds = trips_after(32, 32 * 2.55, 120)
    assert seconds is not None
    assert 1 <= seconds <= 60


def test_magnetic_release_acts_at_once_beyond_five_times() -> None:
    assert trips_after(100, 501, 1) == 1
    assert trips_after(100, 499, 1) is None
    assert seconds_to_trip(5.01) == 0.0


def test_a_hot_breaker_trips_sooner_than_a_cold_one() -> None:
    cold = trips_after(100, 130, HOUR_S)
    hot = trips_after(100, 130, HOUR_S, heat=1.0)
    assert cold is not None
    assert hot is not None
    assert hot < cold
    assert hot == math.ceil(HEATING_TIME_CONSTANT_S * math.log(0.69 / (1.69 - 1.1236)))


def test_heat_leaves_with_the_time_constant() -> None:
    breaker = Breaker(100, heat=1.0)
    for _ in range(int(HEATING_TIME_CONSTANT_S)):
        breaker.carry(0, 1.0)
    assert breaker.heat == pytest.approx(math.exp(-1))


def test_one_long_step_heats_as_much_as_many_short_ones() -> None:
    short, long = Breaker(100), Breaker(100)
    for _ in range(600):
        short.carry(103, 0.1)
    long.carry(103, 60)
    assert short.heat == pytest.approx(long.heat)


def test_fifteen_seconds_at_a_quarter_too_much_do_not_trip_a_fully_loaded_breaker() -> None:
    assert trips_after(400, 500, 15, heat=1.0) is None


def observe(oracle: Oracle, currents_a: Sequence[float]) -> None:
    for second, current_a in enumerate(currents_a, start=1):
        oracle.observe([[current_a, 0.0, 0.0]], float(second), 1.0)


def test_an_overload_runs_from_the_first_second_above_to_the_last() -> None:
    oracle = Oracle([("supply", (100.0, 100.0, 100.0))])
    observe(oracle, [100, 105, 106, 120, 110, 105, 100])
    (overload,) = oracle.overloads
    assert (overload.circuit_id, overload.phase) == ("supply", 0)
    assert overload.start_s == 2.0
    assert overload.duration_s == 3.0
    assert overload.peak_ratio == pytest.approx(1.2)
    assert oracle.trips == []


def test_a_break_makes_two_overloads_and_each_phase_its_own() -> None:
    oracle = Oracle([("supply", (100.0, 50.0, 100.0))])
    for second, row in enumerate(
        [(110.0, 40.0, 0.0), (90.0, 60.0, 0.0), (110.0, 60.0, 0.0), (90.0, 0.0, 0.0)], start=1
    ):
        oracle.observe([row], float(second), 1.0)
    assert [(o.phase, o.start_s, o.duration_s) for o in oracle.overloads] == [
        (0, 0.0, 1.0),
        (0, 2.0, 1.0),
        (1, 1.0, 2.0),
    ]


def test_an_overload_that_still_runs_at_the_end_counts() -> None:
    oracle = Oracle([("supply", (100.0, 100.0, 100.0))])
    observe(oracle, [90, 120, 120, 120])
    assert oracle.overloads == []
    oracle.finish(4.0)
    assert [overload.duration_s for overload in oracle.overloads] == [3.0]


def test_a_trip_is_counted_once_and_the_breaker_is_closed_again_cold() -> None:
    oracle = Oracle([("supply", (100.0, 100.0, 100.0))])
    observe(oracle, [600] + [90] * 60)
    (trip,) = oracle.trips
    assert (trip.circuit_id, trip.phase, trip.at_s, trip.magnetic) == ("supply", 0, 1.0, True)


def test_a_thermal_trip_names_its_circuit_and_second() -> None:
    oracle = Oracle([("supply", (500.0,) * 3), ("feeder", (100.0,) * 3)])
    for second in range(1, 150):
        oracle.observe([[145.0, 0.0, 0.0], [145.0, 0.0, 0.0]], float(second), 1.0)
    assert [(trip.circuit_id, trip.at_s, trip.magnetic) for trip in oracle.trips] == [
        ("feeder", 138.0, False)
    ]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.95, 0.0),
        ([4.0], 0.95, 4.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
    ],
)
def test_percentile(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected
