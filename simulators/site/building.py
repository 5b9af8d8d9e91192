"""What the building itself draws on a circuit, per phase, second by second."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from simulators.site import tables

SATURDAY, SUNDAY = 5, 6


class Load(Protocol):
    """Something that draws a current on each phase of a circuit."""

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """Amperes on L1, L2 and L3 at ``now_s`` seconds after the start; times never go back."""
        ...


class ConstantLoad:
    """The same for ever (A per phase)."""

    def __init__(self, amperes: Sequence[float]) -> None:
        a, b, c = amperes
        self._amperes = (float(a), float(b), float(c))

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """The same at every instant."""
        del now_s
        return self._amperes


class StepLoad:
    """A load switched on at ``at_s`` for ``for_s`` seconds, again every ``every_s`` when given."""

    def __init__(
        self,
        amperes: Sequence[float],
        *,
        at_s: float,
        for_s: float = math.inf,
        every_s: float = math.inf,
    ) -> None:
        if not 0 < for_s <= every_s:
            raise ValueError("a step must last longer than 0 s and end before it comes again")
        a, b, c = amperes
        self._on = (float(a), float(b), float(c))
        self._at_s, self._for_s, self._every_s = at_s, for_s, every_s

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """Nothing, or the whole step."""
        since_s = now_s - self._at_s
        if since_s < 0:
            return (0.0, 0.0, 0.0)
        if math.isfinite(self._every_s):
            since_s %= self._every_s
        return self._on if since_s < self._for_s else (0.0, 0.0, 0.0)


class CurveLoad:
    """The BDEW G25 curve of the start's month and day type, scaled to a yearly peak.

    ``peak_a`` is the mean of the three phases at the year's greatest quarter hour, ``shares`` how
    the phases differ from that mean (1.0 each when balanced). Between the middles of the quarter
    hours the curve is a straight line. After midnight the next day's own curve follows.
    """

    def __init__(self, *, peak_a: float, start: datetime, shares: Sequence[float]) -> None:
        self._shares = tuple(shares)
        self._a_per_kwh = peak_a / tables.building_peak_kwh()
        self._start_s = start.hour * 3600 + start.minute * 60 + start.second
        self._month = start.month
        self._weekday = start.weekday()

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """The curve at this instant."""
        position = (self._start_s + now_s) / 900 - 0.5
        quarter = math.floor(position)
        before, after = self._quarter_a(quarter), self._quarter_a(quarter + 1)
        mean_a = before + (after - before) * (position - quarter)
        a, b, c = self._shares
        return (mean_a * a, mean_a * b, mean_a * c)

    def _quarter_a(self, quarter: int) -> float:
        day, quarter_of_day = divmod(quarter, tables.QUARTER_HOURS_PER_DAY)
        weekday = (self._weekday + day) % 7
        curve = tables.building_kwh(self._month, day_type(weekday))
        return curve[quarter_of_day] * self._a_per_kwh


class WaveLoad:
    """A slow swing between 0 and ``amperes``, once every ``period_s``: lifts, kitchens, pumps."""

    def __init__(self, amperes: Sequence[float], *, period_s: float) -> None:
        a, b, c = amperes
        self._half = (a / 2, b / 2, c / 2)
        self._turns_per_s = 2 * math.pi / period_s

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """A sine from nothing to the whole and back, each phase a third of a period later."""
        angle = now_s * self._turns_per_s
        a, b, c = self._half
        third = 2 * math.pi / 3
        return (
            a * (1 - math.cos(angle)),
            b * (1 - math.cos(angle - third)),
            c * (1 - math.cos(angle - 2 * third)),
        )


class NoiseLoad:
    """Small loads that come and go: a random walk drawn back to 0 (Ornstein-Uhlenbeck).

    ``deviation_a`` is its standard deviation on each phase, ``memory_s`` how long it lasts. It is
    kept within ``BOUND`` deviations, so that a declared worst building is never exceeded by luck.
    """

    BOUND = 2.5

    def __init__(self, rng: random.Random, *, deviation_a: float, memory_s: float = 60.0) -> None:
        self._rng = rng
        self._deviation_a = deviation_a
        self._memory_s = memory_s
        self._values = [0.0, 0.0, 0.0]
        self._last_s = 0.0

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """The walk, moved on to this instant; may be below 0."""
        elapsed_s = now_s - self._last_s
        if elapsed_s > 0:
            self._last_s = now_s
            kept = math.exp(-elapsed_s / self._memory_s)
            spread_a = self._deviation_a * math.sqrt(1 - kept * kept)
            bound_a = self._deviation_a * self.BOUND
            gauss = self._rng.gauss
            self._values = [
                max(-bound_a, min(bound_a, value * kept + gauss(0.0, spread_a)))
                for value in self._values
            ]
        a, b, c = self._values
        return (a, b, c)


class Building:
    """All that the building draws on one circuit; never below 0 on any phase."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._loads = tuple(loads)

    def amperes(self, now_s: float) -> tuple[float, float, float]:
        """The sum of its loads."""
        a = b = c = 0.0
        for load in self._loads:
            la, lb, lc = load.amperes(now_s)
            a += la
            b += lb
            c += lc
        return (max(0.0, a), max(0.0, b), max(0.0, c))


def day_type(weekday: int) -> str:
    """The curve's day type for a weekday (0 = Monday)."""
    if weekday == SATURDAY:
        return "saturday"
    return "sunday_holiday" if weekday == SUNDAY else "workday"
