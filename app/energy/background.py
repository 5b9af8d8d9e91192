"""What loads other than the stations draw on each circuit, from its meter and the draws' bounds.

At the meter's instant the background lies between ``meter - most the cars draw`` and ``meter -
least they draw``. The guard uses the upper end. Planning does not: while cars ramp down after a
decrease the upper end rises by the whole decrease, and planning on it would cut again every
second until everyone is paused. The planned value is taken as unchanged unless the interval
forces it (a set-membership filter), drifts to what the samples have settled, and is the greatest
of the last seconds' candidates: fast attack, slow release.
"""

from __future__ import annotations

from collections import deque
from math import exp

import msgspec

from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.domain.units import PhaseCurrents
from app.energy.bounds import Bounds
from app.energy.plan import BalanceSource
from app.energy.settings import EnergySettings
from app.energy.site_model import NOTHING, SiteModel, Triple


class Sums(msgspec.Struct, frozen=True):
    """Per slot, sums over the connectors below (mA).

    ``falling`` is by how much draws may still fall because of limits lowered a moment ago; the
    others are those of ``Draw``.
    """

    held: list[int]
    low: list[int]
    likely: list[int]
    tight: list[int]
    ceiling: list[int]
    falling: list[int]


class Background(msgspec.Struct, frozen=True):
    """One circuit's background (mA per site phase): ``plan`` for planning, ``upper`` for the guard.

    ``frozen`` forbids increases below the circuit.
    """

    plan: Triple
    upper: Triple
    source: BalanceSource
    frozen: bool = False
    age_s: float | None = None


def static_background(model: SiteModel, node: int) -> Triple:
    """The background of a circuit whose meter is lost: the configured worst, or full."""
    worst = model.circuits[node].worst_background
    return _triple(worst) if worst is not None else _usable(model, node)


def unmetered_background(model: SiteModel, node: int) -> Triple:
    """The background of a circuit without a meter of its building load.

    The configured worst; where that is not known, nothing below a circuit whose meter sees
    everything (its own limit still bounds its stations), and full elsewhere.
    """
    if model.circuits[node].worst_background is None and model.metered_above(node):
        return NOTHING
    return static_background(model, node)


def worst_background(model: SiteModel, node: int) -> Triple | None:
    """The most that other loads may draw through ``node``: the least bound known on its path.

    A shared station carries nothing else. ``None`` when no circuit up to the root says.
    """
    if model.is_station(node):
        return NOTHING
    bound: Triple | None = None
    at: int | None = node
    while at is not None:
        worst = model.circuits[at].worst_background
        if worst is not None:
            other = _triple(worst)
            bound = other if bound is None else _least(bound, other)
        at = model.parent[at]
    return bound


class CircuitMeter:
    """Follows the meter of one circuit."""

    def __init__(self, model: SiteModel, node: int, settings: EnergySettings, now_s: float) -> None:
        self._settings = settings
        self._started_s = now_s
        self._history: deque[tuple[float, Triple]] = deque()
        self._plan: Triple | None = None
        self._upper = NOTHING
        self._over_since: list[float | None] = [None, None, None]
        self._good: MeterReading | None = None
        self._streak = 0
        self._lost = False
        self.contradicted: frozenset[int] = frozenset()
        """Phases on which the last reading was less than the stations below are thought to draw."""
        self.replace(model, node)

    def replace(self, model: SiteModel, node: int) -> None:
        """Take over a changed configuration of the same circuit."""
        self._model = model
        self._node = node
        self._placement = model.placements[model.node_names[node]]

    def live_at_s(self, now_s: float) -> float | None:
        """The instant of the last good reading, unless the meter is lost."""
        if self._good is None or now_s - self._good.at_s > self._settings.stale_freeze_s:
            return None
        return self._good.at_s

    def rises(self, reading: MeterReading) -> bool:
        """Whether some phase carries clearly more than in the last good reading."""
        if self._good is None:
            return False
        least_ma = self._settings.urgent_rise_ma
        before = self._good.currents
        return any(reading.currents[phase] - before[phase] >= least_ma for phase in (0, 1, 2))

    def take(self, reading: MeterReading | None, now_s: float) -> bool:
        """Note the last reading; true when it is new and counts."""
        settings = self._settings
        good = reading is not None and reading.quality is Quality.GOOD
        new = (
            reading is not None and good and (self._good is None or reading.at_s > self._good.at_s)
        )
        self._doubtful = reading is not None and not good
        age_s = now_s - (self._good.at_s if self._good is not None else self._started_s)
        patience_s = settings.start_grace_s if self._good is None else settings.stale_static_s
        if age_s > settings.stale_freeze_s or self._doubtful:
            self._streak = 0
        distrusted = reading is not None and reading.quality is Quality.DISTRUSTED
        if (distrusted or age_s > patience_s) and not self._lost:
            self._lost = True
            self._plan = None
            self._history.clear()
        if not new:
            return False
        self._previous_s = self._good.at_s if self._good is not None else None
        self._good = reading
        self._streak += 1
        if self._lost and self._streak >= settings.recovery_readings:
            self._lost = False
        return not self._lost

    def update(self, sums: Sums, bounds: Bounds, now_s: float) -> None:
        """Estimate anew from the last reading, which is new and good, under the limits in force."""
        reading = self._good
        assert reading is not None
        if self._placement is MeterPlacement.SUPPLY:
            estimate, upper = self._estimate_supply(reading, sums, bounds)
        elif self._placement is MeterPlacement.BUILDING:
            estimate = [float(self._floored(current)) for current in reading.currents]
            upper = estimate
        else:
            estimate = self._estimate_charging(reading, sums, bounds)
            upper = estimate
        self._upper = _whole(upper)
        self._history.append((reading.at_s, _whole(estimate)))
        while self._history[0][0] < now_s - self._settings.background_fall_s:
            self._history.popleft()
        plan = self._history[0][1]
        for _, past in self._history:
            plan = _most(plan, past)
        self._plan = plan

    def background(self, sums: Sums, now_s: float) -> Background:
        """The background now."""
        age_s = None if self._good is None else max(0.0, now_s - self._good.at_s)
        static = static_background(self._model, self._node)
        if self._lost:
            return Background(static, static, BalanceSource.STATIC, age_s=age_s)
        if self._plan is None:
            # Not one reading since the start: what is in force stays, nothing is added.
            full = _usable(self._model, self._node)
            at = 3 * self._node
            kept = _whole([max(0, full[p] - sums.ceiling[at + p]) for p in (0, 1, 2)])
            return Background(kept, full, BalanceSource.FROZEN, frozen=True, age_s=age_s)
        frozen = self._doubtful or (age_s or 0.0) > self._settings.stale_freeze_s
        source = BalanceSource.FROZEN if frozen else _SOURCES[self._placement]
        return Background(self._plan, self._upper, source, frozen, age_s)

    # ------------------------------------------------------------- the three placements

    def _estimate_supply(
        self, reading: MeterReading, sums: Sums, bounds: Bounds
    ) -> tuple[list[float], list[float]]:
        """The new candidate, from the planned value of before, and the upper end."""
        at = 3 * self._node
        settings = self._settings
        upper: list[float] = []
        estimate: list[float] = []
        contradicted: set[int] = set()
        elapsed_s = 0.0 if self._previous_s is None else reading.at_s - self._previous_s
        share = 1.0 - exp(-elapsed_s / settings.background_drift_s)
        for phase, meter in enumerate(reading.currents):
            slot = at + phase
            most = sums.tight[slot] if meter > bounds.usable[slot] else sums.held[slot]
            unexplained = meter - sums.low[slot]
            if unexplained < -settings.contradiction_ma:
                contradicted.add(phase)
            high = self._floored(unexplained)
            low = min(high, self._floored(meter - most))
            # From the planned value, not from the last candidate: a car that stops by itself makes
            # the upper end dip until its next sample, and the dip must leave no trace.
            previous = low if self._plan is None else self._plan[phase]
            likely_low = self._floored(meter - sums.likely[slot])
            target = min(max(previous, likely_low), high)
            value = previous + (target - previous) * share
            value = min(max(value, low), high)
            if self._unexplained(phase, meter - bounds.limit[slot], reading.at_s, slot, sums):
                value = high
            estimate.append(value)
            upper.append(high)
        self.contradicted = frozenset(contradicted)
        return estimate, upper

    def _estimate_charging(self, reading: MeterReading, sums: Sums, bounds: Bounds) -> list[float]:
        """The building is what was configured, plus what no ceiling of a station explains."""
        at = 3 * self._node
        worst = unmetered_background(self._model, self._node)
        estimate = []
        for phase, meter in enumerate(reading.currents):
            slot = at + phase
            over = meter + worst[phase] > bounds.usable[slot]
            most = sums.tight[slot] if over else sums.held[slot]
            estimate.append(float(worst[phase] + max(0, meter - most)))
        return estimate

    def _unexplained(self, phase: int, over_ma: int, at_s: float, slot: int, sums: Sums) -> bool:
        """Whether an overload lasts that no decrease under way will cure."""
        if over_ma <= 0:
            self._over_since[phase] = None
            return False
        since_s = self._over_since[phase]
        if since_s is None:
            since_s = self._over_since[phase] = at_s
        patient = at_s - since_s < self._settings.overload_patience_s
        return not patient and sums.falling[slot] < over_ma

    def _floored(self, current_ma: int) -> int:
        return current_ma if self._settings.count_export else max(0, current_ma)


_SOURCES = {
    MeterPlacement.SUPPLY: BalanceSource.MEASURED,
    MeterPlacement.BUILDING: BalanceSource.BUILDING,
    MeterPlacement.CHARGING: BalanceSource.CHARGING,
}


def _least(a: Triple, b: Triple) -> Triple:
    return (min(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2]))


def _most(a: Triple, b: Triple) -> Triple:
    return (max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2]))


def _triple(currents: PhaseCurrents) -> Triple:
    return (currents.l1, currents.l2, currents.l3)


def _usable(model: SiteModel, node: int) -> Triple:
    at = 3 * node
    return (model.usable[at], model.usable[at + 1], model.usable[at + 2])


def _whole(values: list[float] | list[int]) -> Triple:
    """Whole milliamperes, rounded up: a background is never taken for less than it is."""
    return (-int(-values[0] // 1), -int(-values[1] // 1), -int(-values[2] // 1))
