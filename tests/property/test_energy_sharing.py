"""The planner over hours (load-management: properties 5, 7, 9, 10, 11 and 17)."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.station import ChargingStation
from app.domain.units import PhaseCurrents, Rotation
from app.energy.settings import EnergySettings
from app.energy.site_state import ConnectorSample
from tests.support.effort import examples
from tests.support.energy_site import Desk, amps, circuit, key, station

SEEDS = st.integers(0, 2**32 - 1)
SETTINGS = EnergySettings()
CYCLE_S = 2.0
FLOOR_A = 6


def hours(desk: Desk, count: float) -> Iterable[float]:
    """Cycles of two seconds, so that hours pass quickly; cars draw what they may."""
    end_s = desk.now_s + count * 3_600
    while desk.now_s < end_s:
        desk.now_s += CYCLE_S
        total = desk.building
        for node in desk.planner.model.connectors:
            if desk.states[node.key].transaction_id is not None:
                limit = desk.planner.ceilings.limit_in_force(node.key, desk.now_s) or 0
                total += PhaseCurrents.on(node.conductors, limit)
                desk.change(*node.key, sample=_sample(desk.now_s, len(node.conductors), limit))
        desk.meter(total)
        desk.cycle()
        yield desk.now_s


def _sample(now_s: float, wired: int, drawn_ma: int) -> ConnectorSample:
    currents = PhaseCurrents.on(range(wired), drawn_ma)
    return ConnectorSample(now_s, currents, currents, tuple(range(wired)) if drawn_ma else None)


def limits(desk: Desk) -> dict[str, int]:
    return {one.key.station_id: one.limit_ma for one in desk.plan.allocations} if desk.plan else {}


# ---------------------------------------------------------------- turns


@pytest.mark.parametrize(
    ("sessions", "places"), [(2, 1), (3, 1), (3, 2), (4, 2), (5, 2), (5, 3), (7, 3)]
)
def test_under_lasting_shortage_everybody_has_a_turn(sessions: int, places: int) -> None:
    """Nobody is without current for longer than ceil(n / k) turns, from the first minute on."""
    names = [f"S{number}" for number in range(sessions)]
    desk = Desk.of([circuit(limit=places * FLOOR_A + 1)], [station(name) for name in names])
    desk.plug(*names)
    turns = ceil(sessions / places)
    # A change of hands takes a few cycles: a decrease, its settling, an increase.
    patience_s = turns * (SETTINGS.rotation_s + 60)
    served_s = dict.fromkeys(names, desk.now_s)
    had_a_turn: set[str] = set()
    for now_s in hours(desk, 2.5 * patience_s / 3_600):
        serving = [name for name, limit in limits(desk).items() if limit]
        assert len(serving) <= places
        for name in serving:
            served_s[name] = now_s
        had_a_turn.update(serving)
        for name in names:
            assert now_s - served_s[name] <= patience_s, name
    assert had_a_turn == set(names)


@settings(max_examples=examples(5))
@given(seed=SEEDS)
def test_pauses_are_as_few_as_the_least_times_on_and_off_allow(seed: int) -> None:
    """Without hard limits: at most elapsed / (least on + least off) + 1 for each session."""
    random = Random(seed)
    names = [f"S{number}" for number in range(random.randint(2, 5))]
    desk = Desk.of(
        [circuit(limit=random.randint(8, 30), margin=2), circuit("feeder", 25, parent="supply")],
        [station(name, random.choice(["supply", "feeder"])) for name in names],
    )
    for name in names:
        desk.plug(name)
        for _ in hours(desk, random.uniform(0, 0.1)):
            pass
    before, begin_s = limits(desk), desk.now_s
    pauses = dict.fromkeys(names, 0)
    for now_s in hours(desk, 2):
        after = limits(desk)
        for name in names:
            pauses[name] += bool(before[name]) and not after[name]
            most = (now_s - begin_s) / (SETTINGS.min_on_s + SETTINGS.min_off_s) + 1
            assert pauses[name] <= most, name
        before = after


@settings(max_examples=examples(25))
@given(seed=SEEDS)
def test_nobody_is_paused_while_the_least_current_fits_and_no_rest_holds(seed: int) -> None:
    random = Random(seed)
    desk = random_desk(random)
    names = sorted({one.station_id for one in desk.states})
    desk.plug(*names)
    for _ in hours(desk, (SETTINGS.min_off_s + 300) / 3_600):
        pass
    held = limits(desk)
    model = desk.planner.model
    used = model.sum_up(
        [node.triple(range(len(node.conductors)), held[node.key[0]]) for node in model.connectors]
    )
    for node in model.connectors:
        if held[node.key.station_id]:
            continue
        slots = model.slots(node.index, node.triple(range(len(node.conductors)), 1))
        room = min(
            model.usable[slot] - used[slot] - (desk.building[slot] if slot < 3 else 0)
            for slot in slots
        )
        assert room < node.min_ma + 500, node.key


def random_desk(random: Random, turn: int = 0, shuffle: bool = False) -> Desk:
    """A supply and a feeder under a constant building, all phases moved on by ``turn``."""
    three = [random.randint(20, 60) for _ in range(3)]
    load = [random.uniform(0, 15) for _ in range(3)]
    stations = [_station(random, f"S{number}", turn) for number in range(random.randint(2, 8))]
    if shuffle:
        Random(turn).shuffle(stations)
    moved = [three[(phase - turn) % 3] for phase in range(3)]
    return Desk.of(
        [
            circuit(limit=(moved[0], moved[1], moved[2]), margin=1),
            circuit("feeder", 25, parent="supply"),
        ],
        stations,
        building=amps(*(load[(phase - turn) % 3] for phase in range(3))),
    )


def _station(random: Random, name: str, turn: int) -> ChargingStation:
    rotation = random.choice(list(Rotation))
    phases = "".join("RST"[(place + turn) % 3] for place in rotation.site_phases)
    return station(
        name,
        random.choice(["supply", "feeder"]),
        phases=random.choice([1, 3]),
        rotation=Rotation(phases),
        rating=random.choice([16, 32]),
    )


# ---------------------------------------------------------------- symmetries


@settings(max_examples=examples(15))
@given(seed=SEEDS, turn=st.sampled_from([1, 2]))
def test_moving_all_phases_on_changes_no_limit(seed: int, turn: int) -> None:
    straight, turned = random_desk(Random(seed)), random_desk(Random(seed), turn)
    for desk in (straight, turned):
        desk.plug(*sorted({one.station_id for one in desk.states}))
    for _ in zip(hours(straight, 0.1), hours(turned, 0.1), strict=True):
        assert limits(straight) == limits(turned)


@settings(max_examples=examples(15))
@given(seed=SEEDS)
def test_the_order_of_the_configuration_changes_no_limit(seed: int) -> None:
    one, other = random_desk(Random(seed)), random_desk(Random(seed), shuffle=True)
    for desk in (one, other):
        desk.plug(*sorted({state.station_id for state in desk.states}))
    for _ in zip(hours(one, 0.15), hours(other, 0.15), strict=True):
        pass
    assert limits(one) == limits(other)


@settings(max_examples=examples(15))
@given(
    names=st.lists(
        st.text("abcxyz-09", min_size=1, max_size=6), min_size=5, max_size=5, unique=True
    ),
    limit=st.integers(8, 80),
)
def test_names_decide_who_gets_what_among_equals_and_no_more(names: list[str], limit: int) -> None:
    def shares(of: list[str]) -> list[int]:
        desk = Desk.of([circuit(limit=limit)], [station(name) for name in of])
        desk.plug(*of)
        for _ in hours(desk, 0.05):
            pass
        return sorted(limits(desk).values())

    assert shares(names) == shares([f"S{number}" for number in range(len(names))])


# ---------------------------------------------------------------- phases


@settings(max_examples=examples(60))
@given(
    rotation=st.sampled_from(list(Rotation)),
    used=st.sets(st.sampled_from([0, 1, 2]), min_size=1),
    draws=st.lists(st.sampled_from([0, 1.5, 2.9, 3.1, 6, 10, 16]), min_size=1, max_size=8),
)
def test_a_session_is_charged_on_all_wired_phases_until_two_draws_have_told(
    rotation: Rotation, used: set[int], draws: list[float]
) -> None:
    desk = Desk.of([circuit(limit=100)], [station("S0", rotation=rotation)])
    desk.plug("S0")
    _pass(desk, amps(0), 30)
    told = 0
    for draw in draws:
        currents = amps(*(draw if conductor in used else 0 for conductor in range(3)))
        in_use = tuple(sorted(used)) if draw > 3 else None
        desk.change("S0", sample=ConnectorSample(desk.now_s + CYCLE_S, currents, currents, in_use))
        _pass(desk, rotation.to_site(currents), 10)
        told += draw > 3
        ceiling = desk.planner.ceilings.ceiling(key("S0"), desk.now_s)
        charged = {
            rotation.site_phases[conductor] for conductor in (range(3) if told < 2 else used)
        }
        assert ceiling > 0
        assert desk.balance().ceilings == PhaseCurrents.on(charged, ceiling)


def _pass(desk: Desk, metered: PhaseCurrents, seconds: int) -> None:
    end_s = desk.now_s + seconds
    while desk.now_s < end_s:
        desk.now_s += CYCLE_S
        desk.meter(metered)
        desk.cycle()
