"""An oracle for the allocation: the weighted max-min optimum by linear programming.

Written from the definition, and sharing nothing with the allocator but the words of the problem.
A session's level is its raise above the floor per weight, counted from where it starts; a vector is
fair when no level can grow without shrinking one that is equal or smaller. The least level is
maximised first; whoever cannot have more in any solution, which the duals tell, is fixed there;
then the least of the others is maximised, and so on.

Grants are continuous here: what whole steps cost is what a comparison shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from app.energy.allocator import AllocationProblem, Participant

_ZERO = 1e-7


@dataclass(frozen=True)
class Seat:
    """An admitted participant: ``load`` is what each slot carries per mA it is granted."""

    number: int
    load: Mapping[int, int]
    floor_ma: int
    cap_ma: int
    weight: float
    start_ma: int


def load_of(one: Participant) -> Mapping[int, int]:
    """How much each slot carries for one mA granted to ``one``."""
    return dict.fromkeys(one.slots, 1) | dict.fromkeys(one.power_slots, one.phase_count)


def fair_optimum(problem: AllocationProblem, granted_ma: Sequence[int]) -> list[float]:
    """Each participant's grant (mA) in the optimum of its class.

    A class shares what the classes before it left, by the ``granted_ma`` they really got: so one
    class's whole steps are not held against the next one.
    """
    room = list(problem.headroom)
    best = [0.0] * len(problem.participants)
    for priority in sorted({one.priority for one in problem.participants}):
        members = [n for n, one in enumerate(problem.participants) if one.priority == priority]
        seats = _admit(problem.participants, members, room)
        for seat, raised in zip(seats, _raises(seats, room), strict=True):
            best[seat.number] = seat.floor_ma + raised
        for n in members:
            for slot, share in load_of(problem.participants[n]).items():
                room[slot] -= share * granted_ma[n]
    return best


def _admit(
    participants: Sequence[Participant], members: Iterable[int], room: Sequence[int]
) -> list[Seat]:
    """Those who get the least usable current: in the order given, while it fits."""
    left = list(room)
    seats = []
    for n in members:
        one, load = participants[n], load_of(participants[n])
        cap_ma = one.cap_ma // one.step_ma * one.step_ma
        if cap_ma < one.floor_ma:
            continue
        if any(left[slot] < share * one.floor_ma for slot, share in load.items()):
            continue
        for slot, share in load.items():
            left[slot] -= share * one.floor_ma
        seats.append(Seat(n, load, one.floor_ma, cap_ma, one.weight / 1000, one.start_ma))
    return seats


def _raises(seats: Sequence[Seat], room: Sequence[int]) -> list[float]:
    """What each seat gets above its floor (mA)."""
    slots = sorted({slot for seat in seats for slot in seat.load})
    row = {slot: number for number, slot in enumerate(slots)}
    # In amperes, so that all numbers of the programme are of one size.
    matrix = np.zeros((len(slots), len(seats)))
    floors = np.zeros(len(slots))
    for column, seat in enumerate(seats):
        for slot, share in seat.load.items():
            matrix[row[slot], column] = share
            floors[row[slot]] += share * seat.floor_ma / 1000
    bound = np.array([room[slot] / 1000 for slot in slots]) - floors
    caps = np.array([(seat.cap_ma - seat.floor_ma) / 1000 for seat in seats])
    weights = np.array([seat.weight for seat in seats])
    starts = np.array([seat.start_ma / 1000 for seat in seats])
    found = np.zeros(len(seats))
    free = np.flatnonzero(caps > 0)
    while free.size:
        level, blocked = _least_raised(
            matrix[:, free], bound - matrix @ found, caps[free], weights[free], starts[free]
        )
        fixed = free[blocked]
        raised = np.maximum(0.0, weights[fixed] * (level - starts[fixed]))
        found[fixed] = np.minimum(caps[fixed], raised)
        free = free[~blocked]
    return [float(raised) * 1000 for raised in found]


def _least_raised(
    matrix: np.ndarray,
    bound: np.ndarray,
    caps: np.ndarray,
    weights: np.ndarray,
    starts: np.ndarray,
) -> tuple[float, np.ndarray]:
    """The greatest level that everybody can have, and who can have no more than that."""
    count = len(caps)
    # Variables: a raise for each, then the level. Rows: the slots, then the
    # "level <= start + raise / weight" of each.
    rows = np.zeros((len(bound) + count, count + 1))
    rows[: len(bound), :count] = matrix
    rows[len(bound) :, :count] = -np.eye(count)
    rows[len(bound) :, count] = weights
    limits = np.concatenate([np.maximum(bound, 0.0), weights * starts])
    goal = np.zeros(count + 1)
    goal[count] = -1.0
    result = linprog(
        goal, A_ub=rows, b_ub=limits, bounds=[*((0.0, cap) for cap in caps), (0.0, None)]
    )
    if not result.success:
        raise RuntimeError(result.message)
    level = float(result.x[count])
    # A dual that is not zero: this one is at the level in every best solution.
    blocked = np.abs(result.ineqlin.marginals[len(bound) :]) > _ZERO
    blocked |= caps <= weights * (level - starts) + _ZERO
    if not blocked.any():
        raise RuntimeError("nobody is blocked at the greatest level")
    return level, blocked
