"""How likely a step is under each way in which outlets and meters can be wired.

The likelihood of what the meter showed, given what should have come, has heavy tails: lifts and
heat pumps start when they like. What no hypothesis explains counts as chance, and one step alone
never convinces: the worst hypothesis is taken for no less likely than ``CONVINCES`` below the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

from app.domain.units import Rotation
from app.energy.meter_trace import Three
from app.energy.plateaus import Change
from app.energy.steps import Mover, Step

ROTATIONS: tuple[Rotation, ...] = tuple(Rotation)

CONVINCES = 4.0
"""Most that one step may say (natural logarithm of a ratio of likelihoods)."""

_CHANCE = 0.03
_CHANCE_SPREAD_A = 15.0
_COUNT_ODDS = {1: 0.4, 2: 0.15, 3: 0.45}
"""How common cars with so many phases are."""


def placed(change_a: Change, conductors: Sequence[int]) -> Three:
    """Amperes per conductor moved to the site phases that these are wired to."""
    values = [0.0, 0.0, 0.0]
    for conductor, phase in enumerate(conductors):
        values[phase] += change_a[conductor]
    return (values[0], values[1], values[2])


def of_count(mover: Mover, count: int) -> Change:
    """The mover's change if its car uses ``count`` phases."""
    a, b, c = (value if n < count else 0.0 for n, value in enumerate(mover.change_a))
    return (a, b, c)


def log_likelihood(step: Step, expected_a: Three) -> float:
    """Of what the meter showed, where ``expected_a`` was to come."""
    likely = sum(
        _student((shown - due) / spread) - log(spread)
        for shown, due, spread in zip(step.meter_a, expected_a, step.spread_a, strict=True)
    )
    chance = sum(
        _student(shown / _CHANCE_SPREAD_A) - log(_CHANCE_SPREAD_A) for shown in step.meter_a
    )
    return log_sum([log(1 - _CHANCE) + likely, log(_CHANCE) + chance])


def log_sum(values: Sequence[float]) -> float:
    """Logarithm of the sum of the exponentials."""
    most = max(values)
    return most + log(sum(exp(value - most) for value in values))


def mover_log_likelihoods(step: Step, mover: Mover, others_a: Three) -> list[dict[int, float]]:
    """Per rotation, by possible number of phases; ``others_a`` is the share of other movers."""
    counts = (mover.wired,) if mover.counts is None else mover.counts
    table = []
    for rotation in ROTATIONS:
        conductors = rotation.site_phases[: mover.wired]
        by_count = {}
        for count in counts:
            own = placed(of_count(mover, count), conductors)
            due = (own[0] + others_a[0], own[1] + others_a[1], own[2] + others_a[2])
            by_count[count] = log_likelihood(step, due)
        table.append(by_count)
    return table


def over_counts(by_count: dict[int, float]) -> float:
    """The likelihood whatever the number of phases."""
    total = sum(_COUNT_ODDS[count] for count in by_count)
    return log_sum([log(_COUNT_ODDS[count] / total) + value for count, value in by_count.items()])


def count_prior(count: int) -> float:
    """Logarithm of how common cars with ``count`` phases are."""
    return log(_COUNT_ODDS[count])


def bounded(values: Sequence[float]) -> list[float]:
    """Relative to the best, and none further below it than one step may say."""
    most = max(values)
    return [max(value - most, -CONVINCES) for value in values]


def _student(deviation: float) -> float:
    """Logarithm of Student's density with three degrees of freedom, up to a constant."""
    return -2.0 * log(1.0 + deviation * deviation / 3.0) - 1.0007
