"""The last minutes of one meter, and how much its circuit moves by itself.

The building's own movement is the noise in which a step of a station must be recognised. It is
measured where it matters: as the change over about the length of a step. Stations move the meter
too, so the estimate is rather too high than too low, which only makes conclusions slower.
"""

from __future__ import annotations

from collections import deque
from math import exp, sqrt

from app.domain.meter import MeterReading

KEPT_S = 240.0
LAG_S = 12.0
"""Length of the steps for which the noise is measured."""
WINDOW_S = 4.0
"""How much of the meter is averaged before and after a step."""

_FIRST_NOISE_A = 2.0
_LEAST_NOISE_A = 0.15
_MOST_NOISE_A = 30.0
_ABOVE = 0.32
"""Share of changes beyond one standard deviation."""
_RATE = 0.06

Three = tuple[float, float, float]


class MeterTrace:
    """Readings of one meter in amperes, newest last."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, Three]] = deque()
        self.noise_a = [_FIRST_NOISE_A] * 3

    @property
    def last_s(self) -> float:
        """Instant of the newest reading."""
        return self._readings[-1][0] if self._readings else float("-inf")

    def take(self, reading: MeterReading) -> None:
        """A new reading; one that is not newer is ignored."""
        if reading.at_s <= self.last_s:
            return
        l1, l2, l3 = reading.currents
        self._readings.append((reading.at_s, (l1 / 1000, l2 / 1000, l3 / 1000)))
        while self._readings[0][0] < reading.at_s - KEPT_S:
            self._readings.popleft()
        self._measure_noise(reading.at_s)

    def mean(self, from_s: float, to_s: float) -> Three | None:
        """The mean between two instants; ``None`` without a reading there."""
        sums, count = [0.0, 0.0, 0.0], 0
        for at_s, currents in reversed(self._readings):
            if at_s < from_s:
                break
            if at_s <= to_s:
                count += 1
                for phase in (0, 1, 2):
                    sums[phase] += currents[phase]
        if count == 0:
            return None
        return (sums[0] / count, sums[1] / count, sums[2] / count)

    def spread_a(self, length_s: float) -> Three:
        """Standard deviation of the circuit's own change over ``length_s``, per phase."""
        # It wanders: over a longer time it gets further.
        factor = sqrt(max(1.0, length_s / LAG_S))
        a, b, c = self.noise_a
        return (a * factor, b * factor, c * factor)

    def _measure_noise(self, now_s: float) -> None:
        now = self.mean(now_s - WINDOW_S, now_s)
        then = self.mean(now_s - WINDOW_S - LAG_S, now_s - LAG_S)
        if now is None or then is None:
            return
        for phase in (0, 1, 2):
            beyond = abs(now[phase] - then[phase]) > self.noise_a[phase]
            noise_a = self.noise_a[phase] * exp(_RATE * ((1.0 if beyond else 0.0) - _ABOVE))
            self.noise_a[phase] = min(max(noise_a, _LEAST_NOISE_A), _MOST_NOISE_A)
