"""The planner over random histories (load-management: properties 2, 12, 13, 15 and 16)."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import UnsafeConfigurationError
from app.domain.meter import Quality
from app.domain.units import Rotation
from app.energy.failsafe import check
from tests.support.effort import examples
from tests.support.energy_site import Desk, amps, circuit, key, model_of, station

SEEDS = st.integers(0, 2**32 - 1)


def random_desk(random: Random, worst: float | None = None) -> Desk:
    """A supply, a feeder and a few stations of every kind."""
    circuits = [
        circuit(limit=random.choice([40, 63, 100]), margin=random.choice([0, 2]), worst=worst),
        circuit("feeder", random.choice([25, 40]), parent="supply"),
    ]
    stations = [
        station(
            f"S{number}",
            random.choice(["supply", "feeder"]),
            phases=random.choice([1, 3, 3]),
            rotation=random.choice(list(Rotation)),
            rating=random.choice([16, 32]),
            outlets=random.choice([1, 1, 2]),
            station_max=32,
        )
        for number in range(random.randint(2, 7))
    ]
    return Desk.of(circuits, stations, building=amps(random.uniform(0, 20)))


def happen(desk: Desk, random: Random) -> None:
    """A car comes or goes, the building changes, or nothing."""
    name = f"S{random.randrange(len(desk.states))}"
    if key(name) not in desk.states:
        return
    dice = random.random()
    if dice < 0.3:
        if desk.states[key(name)].transaction_id is None:
            weight = random.choice([500, 1_000, 2_000])
            desk.plug(name, weight=weight, cap_ma=random.choice([None, None, 8_500, 13_000]))
    elif dice < 0.4:
        desk.unplug(name)
    elif dice < 0.5:
        desk.building = amps(random.uniform(0, 35), random.uniform(0, 35), random.uniform(0, 35))


@settings(max_examples=examples(25))
@given(seed=SEEDS)
def test_limits_are_usable_and_the_same_state_twice_sends_nothing(seed: int) -> None:
    random = Random(seed)
    desk = random_desk(random)
    # Answers bring news: they come before the second look, or not at all.
    desk.answer = random.choice(["accepted", "accepted", "none"])
    for _ in range(60):
        happen(desk, random)
        plan = desk.run(random.choice([1, 1, 3]))
        for change in plan.changes:
            node = desk.planner.model.connectors[desk.planner.model.index[change.key]]
            assert change.limit_ma == 0 or node.min_ma <= change.limit_ma <= node.rating_ma
            assert change.limit_ma % node.step_ma == 0
            assert change.limit_ma <= (desk.states[change.key].cap_ma or node.rating_ma)
        before = len(desk.sent)
        desk.cycle()
        assert len(desk.sent) == before


@settings(max_examples=examples(25))
@given(seed=SEEDS)
def test_the_ceilings_fit_whenever_something_is_increased(seed: int) -> None:
    random = Random(seed)
    desk = random_desk(random)
    for _ in range(60):
        happen(desk, random)
        desk.run(1)
        assert desk.plan is not None
        if all(change.is_decrease for change in desk.plan.changes):
            continue
        now = desk.now_s
        most = [desk.planner.ceilings.ceiling(n.key, now) for n in desk.planner.model.connectors]
        for slot, limit in enumerate(desk.planner.model.usable):
            node, phase = divmod(slot, 3)
            drawn = sum(
                most[one.index]
                for one in desk.planner.model.connectors
                if node in one.path and phase in one.conductors and one.key in _risen(desk)
            )
            assert drawn <= limit


def _risen(desk: Desk) -> set[object]:
    assert desk.plan is not None
    return {change.key for change in desk.plan.changes if not change.is_decrease}


@settings(max_examples=examples(20))
@given(seed=SEEDS)
def test_an_offline_station_is_reserved_at_what_it_may_draw(seed: int) -> None:
    random = Random(seed)
    desk = random_desk(random)
    for name in {one.station_id for one in desk.states}:
        desk.plug(name)
    desk.run(40)
    gone = random.choice(sorted(desk.states))
    held = desk.planner.ceilings.limit_in_force(gone, desk.now_s) or 0
    desk.change(gone.station_id, gone.connector_id, online=False)
    for _ in range(30):
        happen(desk, random)
        desk.change(
            gone.station_id,
            gone.connector_id,
            online=False,
            transaction_id=desk.planner.ceilings.transaction_id(gone),
        )
        desk.run(5)
        assert desk.planner.ceilings.ceiling(gone, desk.now_s) >= held


@settings(max_examples=examples(30))
@given(seed=SEEDS)
def test_a_dead_meter_leaves_the_static_budget_whatever_it_last_said(seed: int) -> None:
    random = Random(seed)
    worst = random.choice([None, 10, 25])
    desk = random_desk(random, worst)
    for name in {one.station_id for one in desk.states}:
        desk.plug(name)
    desk.run(40)
    desk.metered = None
    desk.meter(amps(random.choice([0, 5, 500])), quality=random.choice(list(Quality)))
    # Four seconds until it counts for nothing, eight for the cars to follow, and a few cycles.
    desk.run(15)
    # Of the margin, the dead band may be in use; nothing at all when the circuit counts as full.
    limits = desk.planner.model.limit[:3]
    budget = [0 if worst is None else max(0, limit - worst * 1000) for limit in limits]
    sums = [0, 0, 0]
    for node in desk.planner.model.connectors:
        for phase in node.conductors:
            sums[phase] += desk.planner.ceilings.ceiling(node.key, desk.now_s)
    assert all(total <= room for total, room in zip(sums, budget, strict=True))


@settings(max_examples=examples(200))
@given(seed=SEEDS)
def test_fallbacks_fit_or_are_refused(seed: int) -> None:
    random = Random(seed)
    circuits = {"supply": random.randint(20, 90), "feeder": random.randint(10, 40)}
    worst = random.randint(0, 15)
    stations = [
        station(
            f"S{number}",
            random.choice(list(circuits)),
            phases=random.choice([1, 3]),
            rotation=random.choice(list(Rotation)),
            fallback=random.choice([0, 6, 8]),
            rating=16,
            controllable=random.random() < 0.9,
        )
        for number in range(random.randint(1, 9))
    ]
    # Worked out here once more: a socket without pilot is off, or draws its rating.
    most = {name: [worst] * 3 if name == "supply" else [0] * 3 for name in circuits}
    for one in stations:
        (outlet,) = one.connectors
        drawn = one.fallback_ma if outlet.controllable or not one.fallback_ma else outlet.max_ma
        for phase in outlet.site_phases:
            for name in {"supply", one.circuit_id}:
                most[name][phase] += drawn // 1000
    model = model_of(
        [
            circuit(limit=circuits["supply"], worst=worst),
            circuit("feeder", circuits["feeder"], parent="supply", worst=0),
        ],
        stations,
    )
    loaded = {name for name in circuits if any(most[name][p] for p in range(3))}
    if any(max(most[name]) > circuits[name] for name in loaded):
        with pytest.raises(UnsafeConfigurationError):
            check(model)
    else:
        check(model)
