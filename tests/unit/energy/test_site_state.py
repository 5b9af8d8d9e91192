"""What a station's report says, as an interval per conductor."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.transaction import Sample
from app.domain.units import PhaseCurrents
from app.energy.site_state import ConnectorSample, shows_fractions

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def read(
    *phases: int | None, unphased: int | None = None, power: int | None = None, wired: int = 3
) -> ConnectorSample | None:
    three = (*phases, None, None, None)[:3]
    sample = Sample(WHEN, 5.0, (three[0], three[1], three[2]), unphased, power)
    return ConnectorSample.of(sample, wired)


def test_three_phases_reported() -> None:
    seen = read(10_100, 10_200, 9_900)
    assert seen == ConnectorSample(
        5.0,
        PhaseCurrents(10_100, 10_200, 9_900),
        PhaseCurrents(10_100, 10_200, 9_900),
        (0, 1, 2),
    )


def test_whole_amperes_may_have_been_truncated() -> None:
    seen = read(10_000, 0, 0)
    assert seen is not None
    assert seen.low == PhaseCurrents(10_000, 0, 0)
    assert seen.high == PhaseCurrents(11_000, 0, 0)
    assert seen.conductors_in_use == (0,)


def test_a_conductor_that_was_not_reported_may_carry_as_much_as_the_greatest() -> None:
    seen = read(10_100, None, 500)
    assert seen is not None
    assert seen.low == PhaseCurrents(10_100, 0, 500)
    assert seen.high == PhaseCurrents(10_100, 10_100, 500)
    assert seen.conductors_in_use is None


def test_a_small_draw_tells_nothing_of_the_phases() -> None:
    seen = read(2_900, 0, 0)
    assert seen is not None
    assert seen.conductors_in_use is None


def test_signs_of_power_and_current_vary_between_makers() -> None:
    seen = read(-10_100, -10_200, -9_900)
    assert seen is not None
    assert seen.low == PhaseCurrents(10_100, 10_200, 9_900)


@pytest.mark.parametrize(
    ("current", "power", "wired", "in_use"),
    [
        (10_100, 10 * 230, 3, (0,)),
        (10_100, 20 * 230, 3, (0, 1)),
        (10_100, 30 * 230, 3, (0, 1, 2)),
        (10_000, 30 * 230, 3, (0, 1, 2)),
        (10_100, -10 * 230, 3, (0,)),
        (10_100, 15 * 230, 3, None),
        (10_100, 50 * 230, 3, None),
        (10_100, None, 3, None),
        (2_000, 460, 3, None),
        (10_100, None, 1, (0,)),
        (2_000, None, 1, None),
    ],
)
def test_one_current_without_a_phase(
    current: int, power: int | None, wired: int, in_use: tuple[int, ...] | None
) -> None:
    seen = read(unphased=current, power=power, wired=wired)
    assert seen is not None
    assert seen.conductors_in_use == in_use
    sure = in_use or (0,)
    assert seen.low == PhaseCurrents.on(sure, current)
    more = 1_000 if current % 1_000 == 0 else 0
    assert seen.high == PhaseCurrents.on(range(wired), current + more)


def test_power_alone_bounds_the_current_from_above() -> None:
    seen = read(power=2_300)
    assert seen == ConnectorSample(5.0, PhaseCurrents(), PhaseCurrents.uniform(10_000))


def test_nothing_electrical_is_no_sample() -> None:
    assert read() is None


@pytest.mark.parametrize(("current_ma", "in_use"), [(7_500, (0, 1)), (1_100, None)])
def test_an_outlet_between_two_lines_loads_both(
    current_ma: int, in_use: tuple[int, ...] | None
) -> None:
    seen = read(current_ma, wired=1)
    assert seen is not None
    currents = PhaseCurrents(current_ma, current_ma, 0)
    assert seen.between_lines() == ConnectorSample(5.0, currents, currents, in_use)


def test_a_station_that_shows_fractions_does_not_truncate() -> None:
    whole = Sample(WHEN, 5.0, (7_000, 0, None))
    assert not shows_fractions(whole)
    assert shows_fractions(Sample(WHEN, 5.0, (7_000, 6_900, None)))
    assert shows_fractions(Sample(WHEN, 5.0, current_unphased_ma=100))
    exact = ConnectorSample.of(whole, 3, exact=True)
    assert exact is not None
    assert exact.high == PhaseCurrents(7_000, 0, 7_000)
