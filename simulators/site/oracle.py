"""Would the breakers have tripped? Judged from true currents, whatever the manager believed.

**Breaker.** Each phase of a circuit is protected at its limit In by a thermal-magnetic release,
modelled as a first-order thermal replica (the form of IEC 60255-149; recalled, not copied):

    dθ/dt = (r² - θ) / τ        r = I / In        trips when θ > K²

θ is the heating in units of that at In, integrated exactly over each step because the current is
constant within it. The time to trip from cold at a constant r is τ·ln(r² / (r² - K²)). With
K = 1.06 and τ = 180 s, chosen to lie on the nervous side of the conventional characteristics
(IEC 60947-2: never at 1.05 In, within one or two hours at 1.30 In; IEC 60898-1: within an hour at
1.45 In, 1 to 60 s at 2.55 In; recalled):

    1.05 In never | 1.30 In 197 s | 1.45 In 138 s | 2 In 59 s | 2.55 In 34 s | 3 In 24 s

so the oracle trips before a real breaker would. Above 5 In the magnetic release acts at once
(curve C, lower bound). A tripped breaker is counted once and starts again cold: the simulation
goes on as if somebody had reset it.

**Overload.** A phase above 105 % of its circuit's limit, as one event from the first second to
the last without a break. The limit may be lower than the breaker's rating for a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

TRIP_RATIO = 1.06
HEATING_TIME_CONSTANT_S = 180.0
MAGNETIC_RATIO = 5.0
OVERLOAD_RATIO = 1.05

_TRIP_HEAT = TRIP_RATIO**2


class Overload(msgspec.Struct, frozen=True):
    """One contiguous overload of a circuit's phase (0 to 2); times in simulated seconds."""

    circuit_id: str
    phase: int
    start_s: float
    duration_s: float
    peak_ratio: float


class Trip(msgspec.Struct, frozen=True):
    """A breaker that opened."""

    circuit_id: str
    phase: int
    at_s: float
    magnetic: bool


class Breaker:
    """The release of one phase. ``heat`` is θ above: 1.0 when settled at the rated current."""

    __slots__ = ("_decay", "_decay_of_s", "heat", "rated_a")

    def __init__(self, rated_a: float, heat: float = 0.0) -> None:
        self.rated_a = rated_a
        self.heat = heat
        self._decay_of_s = 0.0
        self._decay = 1.0

    def carry(self, current_a: float, dt_s: float) -> bool:
        """Carry a current (A, 0 or more) for ``dt_s`` seconds; whether the breaker trips."""
        if dt_s != self._decay_of_s:
            self._decay_of_s = dt_s
            self._decay = math.exp(-dt_s / HEATING_TIME_CONSTANT_S)
        ratio = current_a / self.rated_a
        square = ratio * ratio
        self.heat = square + (self.heat - square) * self._decay
        return ratio > MAGNETIC_RATIO or self.heat > _TRIP_HEAT


def seconds_to_trip(ratio: float, heat: float = 0.0) -> float:
    """Seconds until a breaker trips at a constant multiple of its rated current, or infinity."""
    if ratio > MAGNETIC_RATIO or heat > _TRIP_HEAT:
        return 0.0
    square = ratio * ratio
    if square <= _TRIP_HEAT:
        return math.inf
    return HEATING_TIME_CONSTANT_S * math.log((square - heat) / (square - _TRIP_HEAT))


class _PhaseWatch:
    """One phase of one circuit: its breaker, and the overload that runs on it."""

    __slots__ = ("breaker", "circuit_id", "limit_a", "peak_ratio", "phase", "start_s")

    def __init__(self, circuit_id: str, phase: int, limit_a: float) -> None:
        self.circuit_id = circuit_id
        self.phase = phase
        self.breaker = Breaker(limit_a)
        self.limit_a = limit_a
        self.start_s: float | None = None
        self.peak_ratio = 0.0


class Oracle:
    """Watches every phase of every circuit.

    ``circuits`` gives each circuit's identity and its three limits in amperes.
    """

    def __init__(self, circuits: Sequence[tuple[str, Sequence[float]]]) -> None:
        self._watches = [
            [_PhaseWatch(circuit_id, phase, limit_a) for phase, limit_a in enumerate(limits_a)]
            for circuit_id, limits_a in circuits
        ]
        self.overloads: list[Overload] = []
        """Those that ended; ``finish`` ends the others."""
        self.trips: list[Trip] = []

    def observe(self, currents_a: Sequence[Sequence[float]], now_s: float, dt_s: float) -> None:
        """Take the true currents (A) of the step of ``dt_s`` that ends at ``now_s``.

        ``currents_a`` has one row of three per circuit, in the order given at the start.
        """
        for watches, row in zip(self._watches, currents_a, strict=True):
            for watch, current_a in zip(watches, row, strict=True):
                if watch.breaker.carry(current_a, dt_s):
                    self._trip(watch, current_a, now_s)
                if current_a > watch.limit_a * OVERLOAD_RATIO:
                    if watch.start_s is None:
                        watch.start_s = now_s - dt_s
                        watch.peak_ratio = 0.0
                    watch.peak_ratio = max(watch.peak_ratio, current_a / watch.limit_a)
                elif watch.start_s is not None:
                    self._end(watch, now_s - dt_s)

    def judge_by(self, limits_a: Sequence[Sequence[float]]) -> None:
        """From now on an overload is one of these limits (A), a row of three per circuit."""
        for watches, row in zip(self._watches, limits_a, strict=True):
            for watch, limit_a in zip(watches, row, strict=True):
                watch.limit_a = limit_a

    def finish(self, now_s: float) -> None:
        """End the overloads that still run."""
        for watches in self._watches:
            for watch in watches:
                if watch.start_s is not None:
                    self._end(watch, now_s)

    def _trip(self, watch: _PhaseWatch, current_a: float, now_s: float) -> None:
        magnetic = current_a > MAGNETIC_RATIO * watch.breaker.rated_a
        self.trips.append(Trip(watch.circuit_id, watch.phase, now_s, magnetic))
        watch.breaker.heat = 0.0

    def _end(self, watch: _PhaseWatch, end_s: float) -> None:
        assert watch.start_s is not None
        self.overloads.append(
            Overload(
                circuit_id=watch.circuit_id,
                phase=watch.phase,
                start_s=watch.start_s,
                duration_s=end_s - watch.start_s,
                peak_ratio=watch.peak_ratio,
            )
        )
        watch.start_s = None


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least a ``share`` (0 to 1) of them do not exceed; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
