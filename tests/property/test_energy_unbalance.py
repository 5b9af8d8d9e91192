"""Limits of unbalance on random sites: no phase exceeds the lowest by more because of charging."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.energy.allocator import AllocationProblem, Participant, Unbalance, allocate
from app.energy.bounds import UNBOUNDED

PHASES = ((0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2))


@st.composite
def problems(draw: st.DrawFn) -> AllocationProblem:
    """One node whose phases 0 to 2 may differ by so much; slots 3 to 5 are its unbalance."""
    amps = st.integers(0, 60).map(lambda a: a * 1000)
    participants = []
    for _ in range(draw(st.integers(1, 8))):
        phases = draw(st.sampled_from(PHASES))
        apart = () if len(phases) == 3 else tuple(3 + phase for phase in phases)
        participants.append(
            Participant(
                slots=(*phases, *apart),
                floor_ma=6_000,
                cap_ma=draw(st.integers(6_000, 32_000)),
                priority=draw(st.integers(0, 1)),
            )
        )
    base = (draw(amps), draw(amps), draw(amps))
    headroom = [draw(amps) for _ in range(3)]
    limit = Unbalance((3, 4, 5), base, draw(st.integers(1, 30)) * 1_000)
    return AllocationProblem([*headroom, *[UNBOUNDED] * 3], participants, [limit])


def apart(problem: AllocationProblem, granted_ma: list[int]) -> tuple[list[int], list[int]]:
    """Per phase, what cars on fewer than three phases add, and what it comes to with the base."""
    (limit,) = problem.unbalances
    added = [0, 0, 0]
    for one, current_ma in zip(problem.participants, granted_ma, strict=True):
        for slot in one.slots:
            if slot >= 3:
                added[slot - 3] += current_ma
    return added, [base + more for base, more in zip(limit.base_ma, added, strict=True)]


@given(problems())
def test_charging_never_lifts_a_phase_further_above_the_lowest(problem: AllocationProblem) -> None:
    (limit,) = problem.unbalances
    added, carried = apart(problem, allocate(problem).granted_ma)
    for phase in (0, 1, 2):
        assert added[phase] == 0 or carried[phase] - min(carried) <= limit.most_ma


@given(problems())
def test_cars_on_three_phases_lose_nothing_to_it(problem: AllocationProblem) -> None:
    """Alone on the node, they get what they would without any limit of unbalance."""
    everywhere = [one for one in problem.participants if len(one.slots) == 3]
    alone = AllocationProblem(problem.headroom, everywhere, problem.unbalances)
    free = AllocationProblem(problem.headroom, everywhere)
    assert allocate(alone).granted_ma == allocate(free).granted_ma
