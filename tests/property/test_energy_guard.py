"""The guard's word (load-management: property 19): all that the allocator gives, nothing beyond."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.limits import Reason, ReasonCode
from app.domain.units import Rotation
from app.energy.allocator import AllocationProblem, Participant, allocate
from app.energy.guard import Guard
from app.energy.plan import LimitChange
from app.energy.site_model import SiteModel
from tests.support.effort import examples
from tests.support.energy_site import circuit, model_of, station

NOW_S, UNTIL_S = 5.0, 10.0


def random_model(random: Random) -> SiteModel:
    """A supply, two feeders and stations of every kind, some shared by two connectors."""
    circuits = [
        circuit(limit=_three(random, 30, 120), margin=random.choice([0, 2])),
        circuit("east", random.choice([25, 40]), parent="supply"),
        circuit("west", _three(random, 20, 60), parent="supply"),
    ]
    stations = [
        station(
            f"S{number}",
            random.choice(["supply", "east", "west"]),
            phases=random.choice([1, 3, 3]),
            rotation=random.choice(list(Rotation)),
            outlets=random.choice([1, 1, 2]),
            station_max=32,
        )
        for number in range(random.randint(1, 10))
    ]
    return model_of(circuits, stations)


def _three(random: Random, low: int, high: int) -> tuple[float, float, float]:
    return (random.randint(low, high), random.randint(low, high), random.randint(low, high))


class Judged:
    """A guard, and what the allocator gives on the same site beside the same background."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.model = model = random_model(random)
        self.upper = [
            0 if model.is_station(slot // 3) else random.randrange(0, usable + 1)
            for slot, usable in enumerate(model.usable)
        ]
        self.phases = [
            node.triple(random.choice([(0,), range(len(node.conductors))]), 1)
            for node in model.connectors
        ]
        self.granted_ma = allocate(
            AllocationProblem(
                [usable - load for usable, load in zip(model.usable, self.upper, strict=True)],
                [
                    Participant(
                        model.slots(node.index, self.phases[node.index]),
                        node.min_ma,
                        random.randint(5_000, node.rating_ma),
                    )
                    for node in model.connectors
                ],
            )
        ).granted_ma
        beside = [usable - load for usable, load in zip(model.usable, self.upper, strict=True)]
        self.guard = Guard(model, model.with_power(beside), frozenset(), self.phases, UNTIL_S)

    def room(self, index: int) -> int:
        """How much more than all the grants connector ``index`` could have."""
        load = self.model.sum_up(
            [
                (a * granted, b * granted, c * granted)
                for (a, b, c), granted in zip(self.phases, self.granted_ma, strict=True)
            ]
        )
        return min(
            self.model.usable[slot] - self.upper[slot] - load[slot]
            for slot in self.model.slots(index, self.phases[index])
        )

    def change(self, index: int, limit_ma: int) -> LimitChange:
        reason = Reason(ReasonCode.CIRCUIT)
        return LimitChange(self.model.connectors[index].key, limit_ma, False, reason, 0.0)


@settings(max_examples=examples(150))
@given(st.integers(0, 2**32 - 1))
def test_all_that_the_allocator_gives_is_accepted_in_any_order(seed: int) -> None:
    judged = Judged(Random(seed))
    changes = [judged.change(n, granted) for n, granted in enumerate(judged.granted_ma)]
    judged.random.shuffle(changes)
    nothing = [0] * len(changes)
    floors = dict(enumerate(nothing))
    assert judged.guard.admit(changes, floors, nothing, NOW_S) == changes


@settings(max_examples=examples(150))
@given(st.integers(0, 2**32 - 1))
def test_a_milliampere_beyond_what_fits_is_refused(seed: int) -> None:
    judged = Judged(Random(seed))
    for node in judged.model.connectors:
        granted, room = judged.granted_ma[node.index], judged.room(node.index)
        fits = judged.change(node.index, granted + max(0, room))
        beyond = judged.change(node.index, granted + max(0, room) + 1)
        floors = {node.index: granted}
        if room >= 0 and fits.limit_ma <= node.rating_ma:
            assert judged.guard.admit([fits], floors, judged.granted_ma, NOW_S) == [fits]
        assert judged.guard.admit([beyond], floors, judged.granted_ma, NOW_S) == []
        assert judged.guard.admit([beyond], floors, judged.granted_ma, UNTIL_S + 1) == []


@settings(max_examples=examples(100))
@given(st.integers(0, 2**32 - 1))
def test_what_raises_nothing_passes_however_full_the_site_is(seed: int) -> None:
    judged = Judged(Random(seed))
    frozen = frozenset(range(judged.model.node_count))
    less_than_nothing = judged.model.with_power([-usable for usable in judged.model.usable])
    guard = Guard(judged.model, less_than_nothing, frozen, judged.phases, UNTIL_S)
    for node in judged.model.connectors:
        held = judged.granted_ma[node.index]
        lower = judged.change(node.index, judged.random.randint(0, held))
        assert guard.admit([lower], {node.index: held}, judged.granted_ma, UNTIL_S + 1) == [lower]
