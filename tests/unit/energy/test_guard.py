"""The guard has the last word, and knows nothing of plans."""

from __future__ import annotations

import pytest

from app.domain.limits import Reason, ReasonCode
from app.energy.bounds import UNBOUNDED
from app.energy.guard import Guard
from app.energy.plan import LimitChange
from tests.support.energy_site import circuit, key, model_of, station

MODEL = model_of(
    [circuit(limit=50), circuit("f", 20, parent="supply")],
    [station("A", "f"), station("B", "f"), station("C", phases=1)],
)
PHASES = [(1, 1, 1), (1, 1, 1), (1, 0, 0)]


def change(name: str, amperes: float) -> LimitChange:
    return LimitChange(key(name), round(amperes * 1000), False, Reason(ReasonCode.CIRCUIT), 0.0)


def admitted(
    changes: list[LimitChange],
    ceilings: list[int],
    *,
    floors: dict[int, int] | None = None,
    background: int = 20_000,
    power: int | None = None,
    frozen: frozenset[int] = frozenset(),
    now_s: float = 5.0,
) -> list[str]:
    supply = [50_000 - background] * 3
    room = [*supply, *[20_000] * 3, sum(supply) if power is None else power, UNBOUNDED]
    guard = Guard(MODEL, room, frozen, PHASES, 10.0)
    kept = guard.admit(changes, floors or {0: 0, 1: 0, 2: 0}, ceilings, now_s)
    return [f"{one.key.station_id}{one.limit_ma // 1000}" for one in kept]


def test_increases_fit_one_after_another() -> None:
    changes = [change("A", 10), change("B", 10), change("C", 10)]
    assert admitted(changes, [0, 0, 0]) == ["A10", "B10", "C10"]
    changes = [change("A", 12), change("B", 10), change("B", 8)]
    assert admitted(changes, [0, 0, 0]) == ["A12", "B8"]


def test_the_total_of_the_phases_is_bounded_too() -> None:
    # Three phases of 6 A and one of 10 A make 28 A.
    assert admitted([change("A", 6), change("C", 10)], [0, 0, 0], power=28_000) == ["A6", "C10"]
    assert admitted([change("A", 6), change("C", 10)], [0, 0, 0], power=27_999) == ["A6"]


def test_the_old_ceiling_counts_until_it_is_gone() -> None:
    assert admitted([change("B", 6)], [16_000, 0, 0]) == []
    assert admitted([change("B", 6)], [14_000, 0, 0]) == ["B6"]


def test_a_rise_within_the_ceiling_needs_a_site_that_fits() -> None:
    floors = {0: 6_000}
    assert admitted([change("A", 10)], [16_000, 0, 0], floors=floors) == ["A10"]
    assert admitted([change("A", 10)], [16_000, 10_000, 0], floors=floors) == []


@pytest.mark.parametrize("amperes", [0, 6])
def test_what_raises_nothing_always_passes(amperes: float) -> None:
    assert admitted(
        [change("A", amperes)],
        [32_000, 32_000, 32_000],
        floors={0: 6_000},
        background=90_000,
        frozen=frozenset({0, 1}),
        now_s=99.0,
    ) == [f"A{amperes}"]


def test_a_frozen_circuit_takes_no_increase() -> None:
    assert admitted([change("A", 6), change("C", 6)], [0, 0, 0], frozen=frozenset({1})) == ["C6"]


def test_an_old_judgement_permits_no_increase() -> None:
    assert admitted([change("A", 6)], [0, 0, 0], now_s=10.1) == []


def test_nothing_above_the_rating_nor_to_strangers() -> None:
    assert admitted([change("C", 33), change("Z", 0)], [0, 0, 0], background=0) == []
