"""What steps of the stations say of the meter: its signs, the order of its phases, its ratio.

For each way in which a meter can be wrong, the evidence against the meter being right adds up
step by step and never falls below nothing, so that a meter that was right for years is found out
as fast as a new one (Page's cumulative sum). One outlet alone may be wired in another way than the
configuration says: what it could do alone convicts no meter.
"""

from __future__ import annotations

from collections import deque
from itertools import permutations, product
from math import exp

import msgspec

from app.domain.station import ConnectorKey
from app.energy.meter_trace import Three
from app.energy.meter_verdict import Lie
from app.energy.steps import Mover, Step
from app.energy.wiring import CONVINCES, log_likelihood, log_sum, of_count, placed

CONVICTS = 9.0
"""Evidence (natural logarithm of the likelihood ratio) that convicts."""

LEAST_STEPS = 3

_MOST = 14.0
_COUNTED = 1.0
_LARGEST_OUTLETS = 3


class Wrong(msgspec.Struct, frozen=True):
    """A way to be wrong: site phase p shows as phase ``order[p]`` times ``factors[p]``."""

    lie: Lie
    order: tuple[int, int, int] = (0, 1, 2)
    factors: Three = (1.0, 1.0, 1.0)

    def shown(self, true_a: Three) -> Three:
        """What the meter shows of a change."""
        values = [0.0, 0.0, 0.0]
        for phase in (0, 1, 2):
            values[self.order[phase]] = true_a[phase] * self.factors[phase]
        return (values[0], values[1], values[2])


def _ways() -> tuple[Wrong, ...]:
    orders = [order for order in permutations((0, 1, 2)) if order != (0, 1, 2)]
    signs = [(a, b, c) for a, b, c in product((1.0, -1.0), repeat=3) if min(a, b, c) < 0]
    small, great = (0.1, 0.2, 0.5), (2.0, 5.0, 10.0)
    return (
        *(Wrong(Lie.ORDER, order=(order[0], order[1], order[2])) for order in orders),
        *(Wrong(Lie.SIGN, factors=sign) for sign in signs),
        *(Wrong(Lie.RATIO, factors=(ratio, ratio, ratio)) for ratio in small),
        *(Wrong(Lie.RATIO_HIGH, factors=(ratio, ratio, ratio)) for ratio in great),
        Wrong(Lie.BLIND, factors=(0.0, 0.0, 0.0)),
    )


WAYS = _ways()
_RIGHT = Wrong(Lie.ORDER)
_BLIND = len(WAYS) - 1
_NEEDED = {Lie.SIGN: 1, Lie.RATIO: 2, Lie.RATIO_HIGH: 2, Lie.ORDER: 3, Lie.BLIND: 3}
"""Outlets that must agree; for a ratio no more than there are."""

_ORDER_MOST = 6
_VOTES_KEPT = 6
_FOR = 3.0
_AGAINST = -2.0
_OUTNUMBER = 5


class Score(msgspec.Struct):
    """Evidence for one way to be wrong, since it was last nothing."""

    way: Wrong
    value: float = 0.0
    steps: int = 0
    outlets: set[ConnectorKey] = set()

    @property
    def confidence(self) -> float:
        """As a probability, a wrong and a right meter being equally likely at first."""
        return 1.0 - exp(-self.value)


class MeterScores:
    """The scores of one meter, over ``outlets`` outlets below it."""

    def __init__(self, outlets: int) -> None:
        self.outlets = outlets
        self.scores = [Score(way) for way in WAYS]
        # What the last steps of each outlet alone said of each way.
        self._votes: dict[ConnectorKey, deque[list[float]]] = {}
        self.right_steps = 0
        """Steps that a right meter explains as well as any wrong one, since ``restart``."""

    def restart(self) -> None:
        """Forget everything."""
        self.scores = [Score(way) for way in WAYS]
        self._votes = {}
        self.right_steps = 0

    def take(self, step: Step, conductors: dict[ConnectorKey, tuple[int, ...]]) -> None:
        """A step; ``conductors`` are the site phases of each outlet as configured."""
        alone = [mover for mover in step.movers if not mover.balanced]
        if len(alone) > 1 or any(mover.key not in conductors for mover in step.movers):
            return  # several outlets wired wrongly could look like anything
        changes = _changes(step, conductors)
        right = _over(step, changes, _RIGHT)
        values = [_over(step, changes, way) for way in WAYS]
        # An outlet wired in another order is no fault of the meter's sign or ratio.
        orders = [v for v, way in zip(values, WAYS, strict=True) if way.lie is Lie.ORDER]
        excused = max(right, *orders)
        if right >= max(values) - 0.5 and right > min(values) + _COUNTED:
            self.right_steps += 1
        least = [v for v, way in zip(values, WAYS, strict=True) if way.lie is Lie.RATIO]
        nulls = {
            Lie.ORDER: right,
            # Very little and nothing look alike: each has to beat the other.
            Lie.BLIND: max(right, *least),
            Lie.RATIO: max(excused, values[_BLIND]),
        }
        for score, value in zip(self.scores, values, strict=True):
            self._add(score, value - nulls.get(score.way.lie, excused), step)
        if alone:
            votes = self._votes.setdefault(alone[0].key, deque(maxlen=_VOTES_KEPT))
            votes.append([max(-CONVINCES, min(CONVINCES, value - right)) for value in values])

    def worst(self) -> Score | None:
        """The way that is convicted by most evidence, if any is."""
        convicted = [
            score for n, score in enumerate(self.scores) if self._convicts(score, self._tally(n))
        ]
        return max(convicted, key=lambda score: score.value, default=None)

    def value_of(self, lie: Lie) -> float:
        """The evidence for a kind of lie."""
        return max((score.value for score in self.scores if score.way.lie is lie), default=0.0)

    def _tally(self, way: int) -> tuple[int, int]:
        """How many outlets by themselves speak for a way, and how many against it."""
        sums = [sum(vote[way] for vote in votes) for votes in self._votes.values()]
        return sum(1 for x in sums if x >= _FOR), sum(1 for x in sums if x <= _AGAINST)

    def _convicts(self, score: Score, tally: tuple[int, int]) -> bool:
        lie = score.way.lie
        if score.value < CONVICTS or score.steps < LEAST_STEPS:
            return False
        if lie in (Lie.ORDER, Lie.BLIND):
            # Some outlets may be wired wrongly and alike; nearly all of them are not.
            needed = max(_NEEDED[lie], min(_ORDER_MOST, (self.outlets + 1) // 2))
            return tally[0] >= needed and tally[0] >= _OUTNUMBER * tally[1]
        needed = _NEEDED[lie]
        if lie is not Lie.SIGN:
            needed = min(needed, self.outlets)
        return len(score.outlets) >= needed

    @staticmethod
    def _add(score: Score, ratio: float, step: Step) -> None:
        score.value = min(_MOST, score.value + max(-CONVINCES, min(CONVINCES, ratio)))
        if score.value <= 0.0:
            score.value = 0.0
            score.steps = 0
            score.outlets = set()
        elif ratio > _COUNTED:
            score.steps += 1
            largest = sorted(step.movers, key=lambda one: -max(map(abs, one.change_a)))
            score.outlets.update(mover.key for mover in largest[:_LARGEST_OUTLETS])


def _changes(step: Step, conductors: dict[ConnectorKey, tuple[int, ...]]) -> list[Three]:
    """The possible true changes per site phase; several where a phase count is not known."""
    sums: list[Three] = [(0.0, 0.0, 0.0)]
    for mover in step.movers:
        own = [placed(change, conductors[mover.key]) for change in _possible(mover)]
        sums = [(a + x, b + y, c + z) for a, b, c in sums for x, y, z in own]
    return sums


def _possible(mover: Mover) -> list[Three]:
    counts = (mover.wired,) if mover.counts is None else mover.counts
    return [of_count(mover, count) for count in counts]


def _over(step: Step, changes: list[Three], way: Wrong) -> float:
    return log_sum([log_likelihood(step, way.shown(change)) for change in changes])
