"""The allocator's invariants (load-management: properties 1 to 4, 6 to 10), on random sites."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.limits import Reason, ReasonCode
from app.domain.station import ConnectorKey
from app.energy.allocator import OWN_CAP, AllocationProblem, Grants, Participant, allocate
from app.energy.guard import Guard
from app.energy.plan import LimitChange
from tests.support.energy_site import flat_model

PHASES = (0, 1, 2)


@dataclass(frozen=True)
class Site:
    """Nodes of a random tree (parent indices), headroom per slot, participants."""

    parents: tuple[int, ...]
    headroom: tuple[int, ...]
    participants: tuple[Participant, ...]


@st.composite
def sites(draw: st.DrawFn, priorities: int = 1) -> Site:
    nodes = draw(st.integers(1, 5))
    parents = (-1, *(draw(st.integers(0, node - 1)) for node in range(1, nodes)))
    amps = st.integers(-5, 90).map(lambda a: a * 1000)
    fine = st.integers(-5_000, 90_000)
    headroom = tuple(draw(st.one_of(amps, fine)) for _ in range(3 * nodes))
    participants = []
    for _ in range(draw(st.integers(1, 12))):
        node = draw(st.integers(0, nodes - 1))
        phases = draw(st.sampled_from([(0,), (1,), (2,), (0, 1, 2), (0, 1)]))
        path = [node]
        while parents[path[-1]] >= 0:
            path.append(parents[path[-1]])
        participants.append(
            Participant(
                slots=tuple(3 * n + phase for n in path for phase in phases),
                floor_ma=6_000,
                cap_ma=draw(st.integers(0, 32_000)),
                step_ma=draw(st.sampled_from([1_000, 1_000, 100])),
                weight=draw(st.sampled_from([500, 1_000, 1_000, 2_000, 4_000])),
                held_ma=draw(st.sampled_from([0, 6_000, 10_000])),
                priority=draw(st.integers(0, priorities - 1)),
            )
        )
    return Site(parents, headroom, tuple(participants))


def solve(site: Site) -> Grants:
    return allocate(AllocationProblem(site.headroom, site.participants))


def left(site: Site, grants: Grants) -> list[int]:
    room = list(site.headroom)
    for one, granted in zip(site.participants, grants.granted_ma, strict=True):
        for slot in one.slots:
            room[slot] -= granted
    return room


@given(sites(priorities=3))
def test_no_slot_carries_more_than_its_headroom(site: Site) -> None:
    room = left(site, solve(site))
    for slot, rest in enumerate(room):
        assert rest >= min(0, site.headroom[slot])


@given(sites(priorities=3))
def test_a_grant_is_nothing_or_a_usable_current_in_whole_steps(site: Site) -> None:
    for one, granted in zip(site.participants, solve(site).granted_ma, strict=True):
        assert granted == 0 or one.floor_ma <= granted <= one.cap_ma
        assert granted % one.step_ma == 0


@given(sites(priorities=2))
def test_nobody_admitted_could_have_one_step_more(site: Site) -> None:
    grants = solve(site)
    room = left(site, grants)
    for one, granted in zip(site.participants, grants.granted_ma, strict=True):
        if granted and granted + one.step_ma <= one.cap_ma:
            assert min(room[slot] for slot in one.slots) < one.step_ma


@given(sites())
def test_a_session_is_poorer_only_where_nobody_richer_could_give(site: Site) -> None:
    """Max-min: raising one means lowering another that has no more above its floor."""
    grants = solve(site)
    room = left(site, grants)

    def level(i: int) -> float:
        one = site.participants[i]
        return (grants.granted_ma[i] - one.floor_ma) * 1000 / one.weight

    for i, one in enumerate(site.participants):
        granted = grants.granted_ma[i]
        if not granted or granted + one.step_ma > one.cap_ma:
            continue
        full = [slot for slot in one.slots if room[slot] < one.step_ma]
        # On one of its full slots, it is among the richest, but for the rounding to steps.
        slack = 2 * 1_000 * 1_000 / min(other.weight for other in site.participants)
        richest = [
            max(
                (
                    level(k)
                    for k, other in enumerate(site.participants)
                    if slot in other.slots and grants.granted_ma[k] > other.floor_ma
                ),
                default=0.0,
            )
            for slot in full
        ]
        assert any(level(i) >= most - slack for most in richest)


@given(sites(priorities=3))
def test_nobody_waits_while_the_least_current_fits(site: Site) -> None:
    grants = solve(site)
    room = left(site, grants)
    for one, granted in zip(site.participants, grants.granted_ma, strict=True):
        if not granted and one.cap_ma - one.cap_ma % one.step_ma >= one.floor_ma:
            assert min(room[slot] for slot in one.slots) < one.floor_ma


@given(sites(priorities=3))
def test_every_grant_below_its_cap_names_a_full_slot(site: Site) -> None:
    grants = solve(site)
    room = left(site, grants)
    for i, one in enumerate(site.participants):
        if grants.binding[i] == OWN_CAP:
            cap = one.cap_ma - one.cap_ma % one.step_ma
            assert grants.granted_ma[i] == (cap if cap >= one.floor_ma else 0)
        else:
            assert grants.binding[i] in one.slots
            assert room[grants.binding[i]] < (one.step_ma if grants.granted_ma[i] else one.floor_ma)


@given(sites(priorities=2))
def test_a_lower_class_never_changes_a_higher_ones_grants(site: Site) -> None:
    grants = solve(site)
    high = [i for i, one in enumerate(site.participants) if one.priority == 0]
    alone = solve(Site(site.parents, site.headroom, tuple(site.participants[i] for i in high)))
    assert [grants.granted_ma[i] for i in high] == alone.granted_ma


@given(sites(), st.sampled_from([(1, 2, 0), (2, 0, 1), (0, 2, 1)]))
def test_rotating_every_phase_rotates_nothing_else(site: Site, turn: tuple[int, int, int]) -> None:
    def moved(slot: int) -> int:
        return slot - slot % 3 + turn[slot % 3]

    headroom = [0] * len(site.headroom)
    for slot, value in enumerate(site.headroom):
        headroom[moved(slot)] = value
    turned = [
        Participant(
            tuple(moved(slot) for slot in one.slots),
            one.floor_ma,
            one.cap_ma,
            one.step_ma,
            one.weight,
            one.held_ma,
            one.priority,
        )
        for one in site.participants
    ]
    assert allocate(AllocationProblem(headroom, turned)).granted_ma == solve(site).granted_ma


@given(sites(), st.integers(0, 20_000), st.data())
def test_less_headroom_never_gives_its_slot_more(
    site: Site, less: int, data: st.DataObject
) -> None:
    slot = data.draw(st.integers(0, len(site.headroom) - 1))
    # Whole steps of one ampere: rounding alone may shift a fraction of a step between sessions.
    smaller = list(site.headroom)
    smaller[slot] -= less
    before = left(site, solve(site))[slot]
    reduced = Site(site.parents, tuple(smaller), site.participants)
    after = left(reduced, solve(reduced))[slot]
    used_before = site.headroom[slot] - before
    used_after = reduced.headroom[slot] - after
    # Admission is greedy and grants come in steps: what one loses another may get, with up to one
    # least current of difference, never beyond what is there.
    assert used_after <= max(used_before + 6_000, 0)
    assert used_after <= max(0, reduced.headroom[slot])


@settings(max_examples=60)
@given(st.data())
def test_the_guard_accepts_the_allocator_and_refuses_a_step_more(data: st.DataObject) -> None:
    """Property 19, on one circuit with three-phase connectors."""
    count = data.draw(st.integers(1, 8))
    limit = data.draw(st.integers(10, 120)) * 1_000
    upper = data.draw(st.integers(0, 60)) * 1_000
    model = flat_model(count, limit)
    participants = [
        Participant(model.slots(i, (1, 1, 1)), 6_000, data.draw(st.integers(6_000, 32_000)))
        for i in range(count)
    ]
    grants = allocate(AllocationProblem([limit - upper] * 3, participants))
    changes = [
        LimitChange(ConnectorKey(f"S{i}", 1), granted, False, Reason(ReasonCode.CIRCUIT), 0.0)
        for i, granted in enumerate(grants.granted_ma)
    ]
    room = [limit - upper] * 3
    guard = Guard(model, [*room, sum(room)], frozenset(), [(1, 1, 1)] * count, 10.0)
    floors = dict.fromkeys(range(count), 0)
    assert guard.admit(changes, floors, [0] * count, 5.0) == changes
    rest = limit - upper - sum(grants.granted_ma)
    for i, change in enumerate(changes):
        more = change.limit_ma + max(0, rest) + 1
        if more <= 32_000 and change.limit_ma:
            others = list(grants.granted_ma)
            bad = LimitChange(change.key, more, False, change.reason, 0.0)
            assert guard.admit([bad], {i: 0}, others, 5.0) == []
