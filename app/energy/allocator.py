"""The stateless heart: who gets how much, per phase, within every circuit.

Admission hands the least usable current to sessions in the given order while it fits on all their
slots; then weighted max-min ("progressive filling") raises all admitted sessions together above
that, each until it has what it wants or one of its slots is full. Strict classes are served one
after the other. Grants are rounded down to each station's step and what this leaves is handed out
step by step, the most deprived first. Limits of unbalance are met by narrowing the fullest phases
and sharing again.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import groupby

import msgspec

from app.energy.filling import EPSILON, Filling, Participant

__all__ = ["OWN_CAP", "AllocationProblem", "Grants", "Participant", "Unbalance", "allocate"]

OWN_CAP = -1
"""Binding marker: the participant's own cap, not a slot."""

UNBALANCE_ROUNDS = 3
"""Most times that everything is shared again because a phase exceeded the others."""


class Unbalance(msgspec.Struct, frozen=True):
    """No phase may carry more than ``most_ma`` above the one that carries least.

    ``slots`` are three slots of their own, loaded only by sessions that do not use all three
    phases (the others change no difference); ``base_ma`` is what the phases carry besides.
    """

    slots: tuple[int, int, int]
    base_ma: tuple[int, int, int]
    most_ma: int


class AllocationProblem(msgspec.Struct, frozen=True):
    """``headroom`` per slot (mA, may be negative) and participants in the order of admission."""

    headroom: Sequence[int]
    participants: Sequence[Participant]
    unbalances: Sequence[Unbalance] = ()


class Grants(msgspec.Struct, frozen=True):
    """Per participant ``granted_ma`` and ``binding`` (the slot, or ``OWN_CAP``).

    ``headroom`` per slot is the problem's, narrowed where an unbalance asked for it, and ``room``
    what is left of it.
    """

    granted_ma: list[int]
    binding: list[int]
    headroom: list[int]
    room: list[int]


def allocate(problem: AllocationProblem) -> Grants:
    """Share ``headroom`` among the participants (see the module).

    Every grant is 0, or at least the floor and at most the cap, in whole steps; the sum on each
    slot is within its headroom whenever that is not negative to begin with.
    """
    grants = _share(list(problem.headroom), problem.participants)
    for round_number in range(1, UNBALANCE_ROUNDS + 1):
        last = round_number == UNBALANCE_ROUNDS
        narrowed = [_narrow(one, grants, last=last) for one in problem.unbalances]
        if True not in narrowed:
            break
        grants = _share(grants.headroom, problem.participants)
    return grants


def _narrow(one: Unbalance, grants: Grants, *, last: bool) -> bool:
    """Narrow the phases that exceed the lowest by too much; whether any did.

    The lowest may fall when all is shared again, so the ``last`` time it is what no session adds to.
    """
    used = [grants.headroom[slot] - grants.room[slot] for slot in one.slots]
    carried = [base + more for base, more in zip(one.base_ma, used, strict=True)]
    most_ma = min(one.base_ma if last else carried) + one.most_ma
    narrowed = False
    for phase, slot in enumerate(one.slots):
        allowed_ma = max(0, most_ma - one.base_ma[phase])
        if used[phase] > allowed_ma:
            narrowed = True
        if used[phase] > allowed_ma or last:
            grants.headroom[slot] = min(grants.headroom[slot], allowed_ma)
    return narrowed


def _share(headroom: list[int], participants: Sequence[Participant]) -> Grants:
    room = list(headroom)
    grants = [0] * len(participants)
    binding = [OWN_CAP] * len(participants)
    order = sorted(range(len(participants)), key=lambda i: participants[i].priority)
    for _, members in groupby(order, key=lambda i: participants[i].priority):
        _serve_class(participants, list(members), room, grants, binding)
    return Grants(grants, binding, headroom, room)


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
        full = _lacking(one, room, floor)
        if full is not None:
            binding[i] = full
            continue
        _take(one, room, floor)
        grants[i] = floor
        caps[i] = cap
        admitted.append(i)
    filling = Filling({i: participants[i] for i in admitted}, caps, room)
    raised = filling.run()
    for i, slot in filling.bound.items():
        binding[i] = slot
    for i in admitted:
        one = participants[i]
        grant = min(caps[i], one.floor_ma + int(raised[i] + EPSILON))
        grant = max(one.floor_ma, grant - grant % one.step_ma)
        _take(one, room, grant - one.floor_ma)
        grants[i] = grant
    _hand_out_leftovers(participants, admitted, caps, raised, room, grants, binding)


def _lacking(one: Participant, room: Sequence[int], more_ma: int) -> int | None:
    """A slot that cannot carry ``more_ma`` more of this session, the fullest; else ``None``."""
    least = min(one.slots, key=room.__getitem__)
    if room[least] < more_ma:
        return least
    for slot in one.power_slots:
        if room[slot] < more_ma * one.phase_count:
            return slot
    return None


def _take(one: Participant, room: list[int], current_ma: int) -> None:
    for slot in one.slots:
        room[slot] -= current_ma
    for slot in one.power_slots:
        room[slot] -= current_ma * one.phase_count


def _hand_out_leftovers(
    participants: Sequence[Participant],
    admitted: list[int],
    caps: dict[int, int],
    raised: dict[int, float],
    room: list[int],
    grants: list[int],
    binding: list[int],
) -> None:
    """One step at a time to the most deprived; ties: who holds it now, then the order given."""

    def entry(rank: int, i: int) -> tuple[int, int, int, int]:
        one = participants[i]
        deficit = round((one.floor_ma + raised[i] - grants[i]) * 1000 / one.weight)
        holds_it = one.held_ma >= grants[i] + one.step_ma
        return (-deficit, not holds_it, rank, i)

    waiting = [entry(rank, i) for rank, i in enumerate(admitted) if grants[i] < caps[i]]
    heapq.heapify(waiting)
    while waiting:
        _, _, rank, i = heapq.heappop(waiting)
        one = participants[i]
        step = min(one.step_ma, caps[i] - grants[i])
        full = _lacking(one, room, step)
        if full is not None:
            if binding[i] == OWN_CAP or not _is_full(one, binding[i], room, step):
                binding[i] = full
            continue
        _take(one, room, step)
        grants[i] += step
        if grants[i] < caps[i]:
            heapq.heappush(waiting, entry(rank, i))
        else:
            binding[i] = OWN_CAP


def _is_full(one: Participant, slot: int, room: Sequence[int], more_ma: int) -> bool:
    """Whether ``slot`` cannot carry ``more_ma`` more of this session."""
    factor = one.phase_count if slot in one.power_slots else 1
    return room[slot] < more_ma * factor
