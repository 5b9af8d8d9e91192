"""Sharing, in tables: headroom and participants, then grants and what binds them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.energy.allocator import OWN_CAP, AllocationProblem, Participant, Unbalance, allocate
from app.energy.bounds import UNBOUNDED

ALL = (0, 1, 2)


def one(
    cap: float = 32,
    slots: tuple[int, ...] = ALL,
    *,
    weight: int = 1_000,
    step: int = 1_000,
    held: float = 0,
    priority: int = 0,
) -> Participant:
    return Participant(slots, 6_000, round(cap * 1000), step, weight, round(held * 1000), priority)


@pytest.mark.parametrize(
    ("headroom", "participants", "grants", "binding"),
    [
        ([40] * 3, [one(), one()], [20, 20], [0, 0]),
        ([40] * 3, [one(10), one()], [10, 30], [OWN_CAP, 0]),
        ([100] * 3, [one(), one(12.9)], [32, 12], [OWN_CAP, OWN_CAP]),
        ([41] * 3, [one(), one(held=21)], [20, 21], [0, 0]),
        ([41] * 3, [one(), one()], [21, 20], [0, 0]),
        ([41] * 3, [one(21), one(21)], [21, 20], [OWN_CAP, 0]),
        ([11] * 3, [one(), one()], [11, 0], [0, 0]),
        ([5] * 3, [one()], [0], [0]),
        ([-3] * 3, [one()], [0], [0]),
        ([40] * 3, [one(5), one()], [0, 32], [OWN_CAP, OWN_CAP]),
        ([40, 12, 40], [one(), one(slots=(0,))], [12, 28], [1, 0]),
        ([30] * 3, [one(weight=500), one(weight=1_000)], [12, 18], [0, 0]),
        ([30] * 3, [one(priority=1), one()], [0, 30], [0, 0]),
        ([20.5] * 3, [one(step=100), one(step=100, held=10.3)], [10.2, 10.3], [0, 0]),
    ],
)
def test_tables(
    headroom: list[float],
    participants: list[Participant],
    grants: list[float],
    binding: list[int],
) -> None:
    rooms = [round(value * 1000) for value in headroom]
    result = allocate(AllocationProblem(rooms, participants))
    assert [granted / 1000 for granted in result.granted_ma] == grants
    assert result.binding == binding
    rest = list(rooms)
    for participant, granted in zip(participants, result.granted_ma, strict=True):
        for slot in participant.slots:
            rest[slot] -= granted
    assert result.room == rest


def test_nobody_no_grants() -> None:
    assert allocate(AllocationProblem([1], [])).granted_ma == []


def test_a_feeder_filled_early_frees_the_rest_for_the_others() -> None:
    feeder = (3, 4, 5, 0, 1, 2)
    participants = [one(slots=feeder), one(slots=feeder), one(), one()]
    result = allocate(AllocationProblem([80_000] * 3 + [16_000] * 3, participants))
    assert result.granted_ma == [8_000, 8_000, 32_000, 32_000]
    assert result.binding == [3, 3, OWN_CAP, OWN_CAP]


def test_a_slot_emptied_by_others_binds_nobody() -> None:
    """Its members froze elsewhere first: its turn comes and finds no one."""
    participants = [one(10), one(slots=(0, 3)), one(slots=(3,))]
    result = allocate(AllocationProblem([20_000, 30_000, 30_000, 22_000], participants))
    assert result.granted_ma == [10_000, 10_000, 12_000]


def unbalanced(
    headroom: Sequence[float], participants: Sequence[tuple[float, tuple[int, ...]]], most: float
) -> list[float]:
    """Grants (A) to participants of (cap, phases) on three phases that may differ by ``most``."""
    everyone = [
        one(cap, (*phases, *(3 + phase for phase in phases)) if len(phases) < 3 else phases)
        for cap, phases in participants
    ]
    problem = AllocationProblem(
        [*(round(room * 1000) for room in headroom), *[UNBOUNDED] * 3],
        everyone,
        [Unbalance((3, 4, 5), (0, 0, 0), round(most * 1000))],
    )
    return [granted / 1000 for granted in allocate(problem).granted_ma]


def test_the_difference_of_phases_is_kept_by_sharing_again() -> None:
    cars = [(32.0, (0,)), (32.0, (1,)), (10.0, (2,))]
    assert unbalanced([40, 40, 40], cars, 100) == [32, 32, 10]
    assert unbalanced([40, 40, 40], cars, 8) == [18, 18, 10]


def test_phases_that_pull_each_other_down_end_where_nothing_can_fall_any_more() -> None:
    """Two cars on two phases each: narrowing one lowers the phase that the other is measured by."""
    cars = [(32.0, (1, 2)), (10.0, (0, 2))]
    assert unbalanced([20, 40, 20], cars, 6) == [6, 0]
