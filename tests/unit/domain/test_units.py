"""Currents, rotation and conversions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.units import (
    ZERO,
    PhaseCurrents,
    Rotation,
    amperes_to_ma,
    floor_to_step,
)

currents = st.builds(PhaseCurrents, *[st.integers(-100_000, 100_000)] * 3)


def test_on_places_the_current_on_the_named_phases() -> None:
    assert PhaseCurrents.on((0, 2), 7) == PhaseCurrents(7, 0, 7)


def test_of_takes_exactly_three_values() -> None:
    assert PhaseCurrents.of(iter([1, 2, 3])) == PhaseCurrents(1, 2, 3)
    with pytest.raises(ValueError, match="unpack"):
        PhaseCurrents.of([1, 2])


@given(currents, currents)
def test_arithmetic_is_per_phase(a: PhaseCurrents, b: PhaseCurrents) -> None:
    assert (a + b) - b == a
    for phase in range(3):
        assert a.at_least(b)[phase] == max(a[phase], b[phase])
        assert a.at_most(b)[phase] == min(a[phase], b[phase])
    assert a.fits(b) == all(a[phase] <= b[phase] for phase in range(3))
    assert a.peak() == max(a)
    assert a.total() == sum(a)
    assert ZERO.fits(a.floored())


@given(currents, st.sampled_from(Rotation))
def test_each_conductor_loads_the_phase_it_is_wired_to(
    current: PhaseCurrents, rotation: Rotation
) -> None:
    site = rotation.to_site(current)
    assert PhaseCurrents.of(site[phase] for phase in rotation.site_phases) == current


@pytest.mark.parametrize(
    ("rotation", "site"),
    [
        (Rotation.RST, PhaseCurrents(16, 0, 0)),
        (Rotation.RTS, PhaseCurrents(16, 0, 0)),
        (Rotation.SRT, PhaseCurrents(0, 16, 0)),
        (Rotation.STR, PhaseCurrents(0, 16, 0)),
        (Rotation.TRS, PhaseCurrents(0, 0, 16)),
        (Rotation.TSR, PhaseCurrents(0, 0, 16)),
    ],
)
def test_a_single_phase_car_loads_the_phase_of_the_first_conductor(
    rotation: Rotation, site: PhaseCurrents
) -> None:
    assert rotation.to_site(PhaseCurrents(16, 0, 0)) == site


def test_second_conductor_of_trs_is_on_l1() -> None:
    assert Rotation.TRS.to_site(PhaseCurrents(0, 5, 0)) == PhaseCurrents(5, 0, 0)


def test_conversions() -> None:
    assert amperes_to_ma(16.05) == 16_050
    assert floor_to_step(16_999, 1_000) == 16_000
    assert floor_to_step(-5, 1_000) == 0
