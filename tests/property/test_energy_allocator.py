"""The allocator's invariants (load-management: properties 1 to 4, 6 to 10, 14), on random sites.

How near its result is to the optimum is measured in ``test_energy_optimum``.
"""

from __future__ import annotations

import heapq
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.energy import allocator, filling
from app.energy.allocator import OWN_CAP, AllocationProblem, allocate
from tests.support.allocation_sites import Site, large_site, sites
from tests.support.effort import examples
from tests.support.fair_optimum import load_of


@given(sites(priorities=3))
def test_no_slot_carries_more_than_its_headroom(site: Site) -> None:
    room = site.left(site.solve())
    for slot, rest in enumerate(room):
        assert rest >= min(0, site.headroom[slot])


@given(sites(priorities=3))
def test_a_grant_is_nothing_or_a_usable_current_in_whole_steps(site: Site) -> None:
    for one, granted in zip(site.participants, site.solve().granted_ma, strict=True):
        assert granted == 0 or one.floor_ma <= granted <= one.cap_ma
        assert granted % one.step_ma == 0


@given(sites(priorities=2))
def test_nobody_admitted_could_have_one_step_more(site: Site) -> None:
    grants = site.solve()
    room = site.left(grants)
    for one, granted in zip(site.participants, grants.granted_ma, strict=True):
        if granted and granted + one.step_ma <= one.cap_ma:
            assert site.full_slots(one, room, one.step_ma)


@given(sites())
def test_a_session_is_poorer_only_where_nobody_richer_could_give(site: Site) -> None:
    """Max-min: raising one means lowering another that has no more above its floor."""
    grants = site.solve()
    room = site.left(grants)

    def level(i: int) -> float:
        one = site.participants[i]
        return one.start_ma + (grants.granted_ma[i] - one.floor_ma) * 1000 / one.weight

    for i, one in enumerate(site.participants):
        granted = grants.granted_ma[i]
        if not granted or granted + one.step_ma > one.cap_ma:
            continue
        full = site.full_slots(one, room, one.step_ma)
        # On one of its full slots, it is among the richest, but for the rounding to steps.
        slack = 2 * 1_000 * 1_000 / min(other.weight for other in site.participants)
        richest = [
            max(
                (
                    level(k)
                    for k, other in enumerate(site.participants)
                    if slot in load_of(other) and grants.granted_ma[k] > other.floor_ma
                ),
                default=0.0,
            )
            for slot in full
        ]
        assert any(level(i) >= most - slack for most in richest)


@given(sites(priorities=3))
def test_nobody_waits_while_the_least_current_fits(site: Site) -> None:
    grants = site.solve()
    room = site.left(grants)
    for one, granted in zip(site.participants, grants.granted_ma, strict=True):
        if not granted and one.cap_ma - one.cap_ma % one.step_ma >= one.floor_ma:
            assert site.full_slots(one, room, one.floor_ma)


@given(sites(priorities=3))
def test_every_grant_below_its_cap_names_a_full_slot(site: Site) -> None:
    grants = site.solve()
    room = site.left(grants)
    for i, one in enumerate(site.participants):
        if grants.binding[i] == OWN_CAP:
            cap = one.cap_ma - one.cap_ma % one.step_ma
            assert grants.granted_ma[i] == (cap if cap >= one.floor_ma else 0)
        else:
            more_ma = one.step_ma if grants.granted_ma[i] else one.floor_ma
            assert grants.binding[i] in site.full_slots(one, room, more_ma)


@given(sites(priorities=2))
def test_a_lower_class_never_changes_a_higher_ones_grants(site: Site) -> None:
    grants = site.solve()
    high = [i for i, one in enumerate(site.participants) if one.priority == 0]
    alone = Site(site.parents, site.headroom, tuple(site.participants[i] for i in high)).solve()
    assert [grants.granted_ma[i] for i in high] == alone.granted_ma


@given(sites(), st.sampled_from([(1, 2, 0), (2, 0, 1), (0, 2, 1)]))
def test_rotating_every_phase_rotates_nothing_else(site: Site, turn: tuple[int, int, int]) -> None:
    def moved(slot: int) -> int:
        return slot - slot % 3 + turn[slot % 3] if slot < 3 * len(site.parents) else slot

    headroom = [0] * len(site.headroom)
    for slot, value in enumerate(site.headroom):
        headroom[moved(slot)] = value
    turned = [
        msgspec.structs.replace(one, slots=tuple(moved(slot) for slot in one.slots))
        for one in site.participants
    ]
    assert allocate(AllocationProblem(headroom, turned)).granted_ma == site.solve().granted_ma


@settings(max_examples=examples(300))
@given(sites(priorities=2), st.integers(0, 20_000), st.data())
def test_less_headroom_never_gives_its_slot_more(
    site: Site, less: int, data: st.DataObject
) -> None:
    slot = data.draw(st.integers(0, len(site.headroom) - 1))
    smaller = list(site.headroom)
    smaller[slot] -= less
    reduced = Site(site.parents, tuple(smaller), site.participants)
    users = [one for one in site.participants if slot in load_of(one)]
    assert used(reduced, slot) <= max(0, reduced.headroom[slot])
    # Rounding alone may move less than a step of each of its users.
    assert used(reduced, slot) <= used(site, slot) + sum(
        load_of(one)[slot] * one.step_ma for one in users
    )
    fine, fine_reduced = site.in_steps_of(1), reduced.in_steps_of(1)
    assert used(fine_reduced, slot) <= used(fine, slot) + 3 * len(users)


def used(site: Site, slot: int) -> int:
    return site.headroom[slot] - site.left(site.solve())[slot]


@settings(max_examples=examples(200))
@given(sites(), st.randoms(use_true_random=False))
def test_where_there_is_enough_for_all_the_order_decides_nothing(
    site: Site, random: Random
) -> None:
    ample = tuple(max(0, value) + 18_000 * len(site.participants) for value in site.headroom)
    one = Site(site.parents, ample, site.participants).in_steps_of(1)
    order = list(range(len(site.participants)))
    random.shuffle(order)
    other = Site(site.parents, ample, tuple(one.participants[n] for n in order))
    granted, shuffled = one.solve().granted_ma, other.solve().granted_ma
    for place, n in enumerate(order):
        # Ties concern the last milliamperes alone.
        assert abs(shuffled[place] - granted[n]) <= len(order)


@given(sites(priorities=2), st.randoms(use_true_random=False))
def test_numbering_the_slots_otherwise_changes_nothing(site: Site, random: Random) -> None:
    number = list(range(len(site.headroom)))
    random.shuffle(number)
    headroom = [0] * len(number)
    for slot, value in enumerate(site.headroom):
        headroom[number[slot]] = value
    renamed = [
        msgspec.structs.replace(
            one,
            slots=tuple(number[slot] for slot in one.slots),
            power_slots=tuple(number[slot] for slot in one.power_slots),
        )
        for one in site.participants
    ]
    assert allocate(AllocationProblem(headroom, renamed)).granted_ma == site.solve().granted_ma


# ---------------------------------------------------------------- work


class CountingHeap:
    """``heapq`` as the allocator uses it; counts what is taken out and what is put back."""

    def __init__(self) -> None:
        self.taken = 0
        self.put_back = 0

    @staticmethod
    def heapify(heap: list[Any]) -> None:
        heapq.heapify(heap)

    def heappop(self, heap: list[Any]) -> Any:
        self.taken += 1
        return heapq.heappop(heap)

    def heappush(self, heap: list[Any], item: Any) -> None:
        self.put_back += 1
        heapq.heappush(heap, item)


@pytest.mark.parametrize("seed", range(examples(60)))
def test_the_work_is_bounded_by_connectors_and_slots(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each session begins, freezes and takes leftovers once, each slot fills once in each class.

    What is put back: a slot looked at too early, or a step handed out; a few for each load.
    """
    site = large_site(seed).in_steps_of(1_000)
    heap = CountingHeap()
    monkeypatch.setattr(allocator, "heapq", heap)
    monkeypatch.setattr(filling, "heapq", heap)
    site.solve()
    classes = len({one.priority for one in site.participants})
    loads = sum(len(load_of(one)) for one in site.participants)
    assert heap.put_back <= 4 * loads
    assert heap.taken > 0
    # What is put back may be left there, when all of a class is filled before.
    rounds = heap.taken - heap.put_back
    assert rounds <= 3 * len(site.participants) + classes * len(site.headroom)
