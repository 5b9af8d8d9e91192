"""The stateless heart: who gets how much, per phase, within every circuit.

Admission hands the least usable current to sessions in the given order while it fits on all their
slots; then weighted max-min ("progressive filling") raises all admitted sessions together above
that, each until it has what it wants or one of its slots is full. Strict classes are served one
after the other. Grants are rounded down to each station's step and what this leaves is handed out
step by step, the most deprived first.

Work: every connector freezes once and touches its own slots; a slot's saturation instant only
moves later when a member freezes, so a heap with lazy re-evaluation finds the next event.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import groupby

import msgspec

OWN_CAP = -1
"""Binding marker: the participant's own cap, not a slot."""

_EPSILON = 1e-6
_CAP, _SLOT = 0, 1  # At the same level a cap comes first: it is what binds.


class Participant(msgspec.Struct, frozen=True):
    """A session that may receive current.

    ``slots`` are the slots it loads; ``floor_ma`` the least usable current, ``cap_ma`` the most it
    wants, ``step_ma`` its granularity; ``weight`` in thousandths; ``held_ma`` what it has now (it
    keeps a leftover step rather than another gets it); ``priority`` its strict class, 0 first.
    """

    slots: tuple[int, ...]
    floor_ma: int
    cap_ma: int
    step_ma: int = 1_000
    weight: int = 1_000
    held_ma: int = 0
    priority: int = 0


class AllocationProblem(msgspec.Struct, frozen=True):
    """``headroom`` per slot (mA, may be negative) and participants in the order of admission."""

    headroom: Sequence[int]
    participants: Sequence[Participant]


class Grants(msgspec.Struct, frozen=True):
    """Per participant ``granted_ma`` and ``binding`` (the slot, or ``OWN_CAP``); ``room`` is what
    is left per slot.
    """

    granted_ma: list[int]
    binding: list[int]
    room: list[int]


def allocate(problem: AllocationProblem) -> Grants:
    """Share ``headroom`` among the participants (see the module).

    Every grant is 0, or at least the floor and at most the cap, in whole steps; the sum on each
    slot is within its headroom whenever that is not negative to begin with.
    """
    participants = problem.participants
    room = list(problem.headroom)
    grants = [0] * len(participants)
    binding = [OWN_CAP] * len(participants)
    order = sorted(range(len(participants)), key=lambda i: participants[i].priority)
    for _, members in groupby(order, key=lambda i: participants[i].priority):
        _serve_class(participants, list(members), room, grants, binding)
    return Grants(grants, binding, room)


def _serve_class(
    participants: Sequence[Participant],
    members: list[int],
    room: list[int],
    grants: list[int],
    binding: list[int],
) -> None:
    admitted = []
    caps: dict[int, int] = {}
    for i in members:
        one = participants[i]
        floor, cap = one.floor_ma, one.cap_ma - one.cap_ma % one.step_ma
        if cap < floor:
            continue
        least = min(one.slots, key=room.__getitem__)
        if room[least] < floor:
            binding[i] = least
            continue
        for slot in one.slots:
            room[slot] -= floor
        grants[i] = floor
        caps[i] = cap
        admitted.append(i)
    levels = _fill(participants, admitted, caps, room, binding)
    for i in admitted:
        one = participants[i]
        raised = int(one.weight * levels[i] / 1000 + _EPSILON)
        grant = min(caps[i], one.floor_ma + raised)
        grant = max(one.floor_ma, grant - grant % one.step_ma)
        for slot in one.slots:
            room[slot] -= grant - one.floor_ma
        grants[i] = grant
    _hand_out_leftovers(participants, admitted, caps, levels, room, grants, binding)


def _fill(
    participants: Sequence[Participant],
    admitted: list[int],
    caps: dict[int, int],
    room: list[int],
    binding: list[int],
) -> dict[int, float]:
    """The level (mA above the floor, per weight of 1000) at which each participant freezes."""
    weight = {i: participants[i].weight / 1000 for i in admitted}
    users, asked = _loads(participants, admitted, caps)
    # A slot that can carry all that is asked of it never binds.
    tight = {slot for slot, more in asked.items() if more > room[slot]}
    speed = {slot: sum(weight[i] for i in users[slot]) for slot in tight}
    count = {slot: len(users[slot]) for slot in tight}
    left = {slot: float(room[slot]) for slot in tight}
    since = dict.fromkeys(tight, 0.0)
    narrow = {i: [slot for slot in participants[i].slots if slot in tight] for i in admitted}
    # Events by level: a participant reaching its cap, or a slot becoming full.
    events = [(left[slot] / speed[slot], _SLOT, slot) for slot in tight]
    events += [((caps[i] - participants[i].floor_ma) / weight[i], _CAP, i) for i in admitted]
    heapq.heapify(events)
    levels: dict[int, float] = {}

    def freeze(i: int, level: float) -> None:
        levels[i] = level
        for slot in narrow[i]:
            left[slot] -= speed[slot] * (level - since[slot])
            since[slot] = level
            speed[slot] -= weight[i]
            count[slot] -= 1

    while len(levels) < len(admitted):
        level, kind, item = heapq.heappop(events)
        if kind == _CAP:
            if item not in levels:
                freeze(item, level)
        elif count[item]:
            full = since[item] + max(0.0, left[item]) / speed[item]
            if full > level + _EPSILON:
                heapq.heappush(events, (full, _SLOT, item))
                continue
            for user in users[item]:
                if user not in levels:
                    freeze(user, level)
                    binding[user] = item
    return levels


def _loads(
    participants: Sequence[Participant], admitted: list[int], caps: dict[int, int]
) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Per slot: who loads it, and how much above the floors they want in all."""
    users: dict[int, list[int]] = {}
    asked: dict[int, int] = {}
    for i in admitted:
        one = participants[i]
        more = caps[i] - one.floor_ma
        for slot in one.slots:
            if slot in users:
                users[slot].append(i)
                asked[slot] += more
            else:
                users[slot] = [i]
                asked[slot] = more
    return users, asked


def _hand_out_leftovers(
    participants: Sequence[Participant],
    admitted: list[int],
    caps: dict[int, int],
    levels: dict[int, float],
    room: list[int],
    grants: list[int],
    binding: list[int],
) -> None:
    """One step at a time to the most deprived; ties: who holds it now, then the order given."""

    def entry(rank: int, i: int) -> tuple[int, int, int, int]:
        one = participants[i]
        fair = one.floor_ma + one.weight * levels[i] / 1000
        deficit = round((fair - grants[i]) * 1000 / one.weight)
        holds_it = one.held_ma >= grants[i] + one.step_ma
        return (-deficit, not holds_it, rank, i)

    waiting = [entry(rank, i) for rank, i in enumerate(admitted) if grants[i] < caps[i]]
    heapq.heapify(waiting)
    while waiting:
        _, _, rank, i = heapq.heappop(waiting)
        one = participants[i]
        step = min(one.step_ma, caps[i] - grants[i])
        least = min(one.slots, key=room.__getitem__)
        if room[least] < step:
            if binding[i] == OWN_CAP or room[binding[i]] >= step:
                binding[i] = least
            continue
        for slot in one.slots:
            room[slot] -= step
        grants[i] += step
        if grants[i] < caps[i]:
            heapq.heappush(waiting, entry(rank, i))
        else:
            binding[i] = OWN_CAP
