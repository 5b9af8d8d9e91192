"""Random sites for the allocator: small ones that hypothesis can shrink, large ones from a seed.

With N nodes, slot ``3 * n + phase`` is a phase of node n, slot ``3 * N + n`` its total power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import msgspec
from hypothesis import strategies as st

from app.energy.allocator import AllocationProblem, Grants, Participant, allocate
from tests.support.fair_optimum import load_of


@dataclass(frozen=True)
class Site:
    """Nodes of a random tree (parent indices), headroom per slot, participants."""

    parents: tuple[int, ...]
    headroom: tuple[int, ...]
    participants: tuple[Participant, ...]

    @property
    def problem(self) -> AllocationProblem:
        """The same, as the allocator takes it."""
        return AllocationProblem(self.headroom, self.participants)

    def solve(self) -> Grants:
        """The allocator's answer."""
        return allocate(self.problem)

    def left(self, grants: Grants) -> list[int]:
        """What the grants leave on each slot."""
        room = list(self.headroom)
        for one, granted in zip(self.participants, grants.granted_ma, strict=True):
            for slot, share in load_of(one).items():
                room[slot] -= share * granted
        return room

    @staticmethod
    def full_slots(one: Participant, room: Sequence[int], more_ma: int) -> list[int]:
        """Those of its slots that cannot carry ``more_ma`` more of ``one``."""
        return [slot for slot, share in load_of(one).items() if room[slot] < share * more_ma]

    def in_steps_of(self, step_ma: int) -> Site:
        """The same wishes, granted in other steps."""
        changed = tuple(msgspec.structs.replace(one, step_ma=step_ma) for one in self.participants)
        return Site(self.parents, self.headroom, changed)


@st.composite
def sites(draw: st.DrawFn, priorities: int = 1) -> Site:
    """Up to five nodes and twelve participants, headroom that may be negative."""
    nodes = draw(st.integers(1, 5))
    parents = (-1, *(draw(st.integers(0, node - 1)) for node in range(1, nodes)))
    amps = st.integers(-5, 90).map(lambda a: a * 1000)
    fine = st.integers(-5_000, 90_000)
    powers = st.integers(0, 200).map(lambda a: a * 1000)
    headroom = (
        *(draw(st.one_of(amps, fine)) for _ in range(3 * nodes)),
        *(draw(powers) for _ in range(nodes)),
    )
    bounded = draw(st.sets(st.integers(0, nodes - 1)))
    participants = []
    for _ in range(draw(st.integers(1, 12))):
        phases = draw(st.sampled_from([(0,), (1,), (2,), (0, 1, 2), (0, 1)]))
        place = draw(st.integers(0, nodes - 1))
        participants.append(
            Participant(
                slots=_slots(parents, place, phases),
                power_slots=_power_slots(parents, place, bounded),
                phase_count=len(phases),
                start_ma=draw(st.sampled_from([0, 0, 3_000, 20_000])),
                floor_ma=6_000,
                cap_ma=draw(st.integers(0, 32_000)),
                step_ma=draw(st.sampled_from([1_000, 1_000, 100])),
                weight=draw(st.sampled_from([500, 1_000, 1_000, 2_000, 4_000])),
                held_ma=draw(st.sampled_from([0, 6_000, 10_000])),
                priority=draw(st.integers(0, priorities - 1)),
            )
        )
    return Site(parents, headroom, tuple(participants))


def large_site(seed: int) -> Site:
    """Ten to a hundred sessions on a tree of up to fifteen circuits, from short to ample."""
    random = Random(seed)
    nodes = random.randint(1, 15)
    parents = (-1, *(random.randrange(node) for node in range(1, nodes)))
    count = random.randint(10, 100)
    places = [random.randrange(nodes) for _ in range(count)]
    below = [0] * nodes
    for place in places:
        for node in _path(parents, place):
            below[node] += 1
    ample_ma = random.choice([3_000, 7_000, 10_000, 16_000, 30_000])

    def room_ma(node: int) -> int:
        return int(ample_ma * below[node] * random.uniform(0.6, 1.3)) + random.randrange(
            -2_000, 8_000
        )

    headroom = (
        *(room_ma(node) for node in range(nodes) for _ in range(3)),
        *(2 * room_ma(node) for node in range(nodes)),
    )
    bounded = {node for node in range(nodes) if random.random() < random.choice([0, 0.5])}
    head_starts = random.choice([(0,), (0,), (0, 2_000, 10_000)])
    priorities = random.choice([1, 1, 2, 3])
    participants = []
    for place in places:
        phases = random.choice([(0,), (1,), (2,), (0, 1, 2), (0, 1, 2), (0, 1)])
        participants.append(
            Participant(
                slots=_slots(parents, place, phases),
                power_slots=_power_slots(parents, place, bounded),
                phase_count=len(phases),
                start_ma=random.choice(head_starts),
                floor_ma=random.choice([6_000, 6_000, 6_000, 8_000]),
                cap_ma=random.choice([16_000, 32_000, random.randint(5_000, 63_000)]),
                step_ma=random.choice([1_000, 1_000, 100, 500]),
                weight=random.choice([500, 1_000, 1_000, 1_000, 2_000, 4_000]),
                held_ma=random.randrange(0, 32_000, 1_000),
                priority=random.randrange(priorities),
            )
        )
    return Site(parents, headroom, tuple(participants))


def _path(parents: tuple[int, ...], node: int) -> list[int]:
    path = [node]
    while parents[path[-1]] >= 0:
        path.append(parents[path[-1]])
    return path


def _slots(parents: tuple[int, ...], node: int, phases: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(3 * n + phase for n in _path(parents, node) for phase in phases)


def _power_slots(parents: tuple[int, ...], node: int, bounded: set[int]) -> tuple[int, ...]:
    return tuple(3 * len(parents) + n for n in _path(parents, node) if n in bounded)
