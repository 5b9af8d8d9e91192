"""A configuration must be safe without its manager, or it is refused with the numbers."""

from __future__ import annotations

import pytest

from app.domain.errors import UnsafeConfigurationError
from app.domain.units import Rotation
from app.energy.failsafe import Excess, check, worst_case
from tests.support.energy_site import circuit, model_of, station


def test_blocked_fallbacks_are_always_safe() -> None:
    check(model_of([circuit(limit=10)], [station(f"S{n}") for n in range(50)]))


def test_a_sum_that_fits_is_safe() -> None:
    stations = [station(f"S{n}", fallback=6) for n in range(5)]
    check(model_of([circuit(limit=100, worst=70)], stations))


def test_a_sum_that_does_not_fit_is_refused_with_its_arithmetic() -> None:
    stations = [station(f"S{n}", fallback=6) for n in range(6)]
    model = model_of([circuit(limit=100, worst=70)], stations)
    expected = Excess("supply", False, 0, 100_000, 36_000, 70_000)
    assert worst_case(model)[0] == expected
    assert expected.over_ma == 6_000
    with pytest.raises(UnsafeConfigurationError) as refusal:
        check(model)
    assert refusal.value.key == "fallback-does-not-fit"
    params = refusal.value.params
    assert (params["circuit"], params["phase"], params["over_ma"]) == ("supply", 1, 6_000)


def test_the_worst_excess_is_named() -> None:
    circuits = [circuit(limit=100, worst=0), circuit("f", 10, parent="supply")]
    model = model_of(
        circuits,
        [
            station("A", "f", fallback=6),
            station("B", "f", fallback=8, phases=1, rotation=Rotation.SRT),
        ],
    )
    with pytest.raises(UnsafeConfigurationError) as refusal:
        check(model)
    assert (refusal.value.params["circuit"], refusal.value.params["phase"]) == ("f", 2)


def test_an_unknown_background_proves_nothing() -> None:
    model = model_of([circuit(limit=100)], [station("A", fallback=6)])
    excess = worst_case(model)[0]
    assert excess.background_ma is None
    assert excess.over_ma is None
    with pytest.raises(UnsafeConfigurationError, match="fallback-background-unknown"):
        check(model)


def test_what_the_supply_bounds_bounds_its_feeders() -> None:
    circuits = [
        circuit(limit=100, worst=20),
        circuit("f", 40, parent="supply"),
        circuit("g", 30, parent="supply", worst=30),
    ]
    check(model_of(circuits, [station("A", "f", fallback=20)]))
    excess = worst_case(model_of(circuits, [station("A", "g", fallback=12)]))[0]
    assert (excess.node, excess.background_ma) == ("g", 20_000)


def test_a_shared_station_counts_as_well() -> None:
    model = model_of(
        [circuit(limit=100, worst=0)], [station("A", fallback=20, outlets=2, station_max=32)]
    )
    excess = worst_case(model)[0]
    assert (excess.node, excess.is_station, excess.fallbacks_ma) == ("A", True, 40_000)


@pytest.mark.parametrize(("fallback", "safe"), [(0, True), (6, False)])
def test_a_socket_without_pilot_is_off_or_draws_its_rating(fallback: float, safe: bool) -> None:
    model = model_of(
        [circuit(limit=20, worst=0)], [station("A", fallback=fallback, controllable=False)]
    )
    assert (worst_case(model) == ()) is safe
