"""Sharing, in tables: headroom and participants, then grants and what binds them."""

from __future__ import annotations

import pytest

from app.energy.allocator import OWN_CAP, AllocationProblem, Participant, allocate

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
