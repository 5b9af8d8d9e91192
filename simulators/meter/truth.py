"""What really flows past a meter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

Three = tuple[float, float, float]


class MeterTruth(msgspec.Struct, frozen=True):
    """An instant: phase voltages (V), phase currents (A, positive for import), counters (Wh).

    ``in_phase`` is how much of each phase's current goes along with its voltage, sign included:
    -0.5 where the transformer sits on another phase, 120 degrees away.
    """

    currents_a: Three = (0.0, 0.0, 0.0)
    voltages_v: Three = (230.0, 230.0, 230.0)
    power_factor: float = 1.0
    frequency_hz: float = 50.0
    import_wh: float = 0.0
    export_wh: float = 0.0
    running_s: float = 0.0
    in_phase: Three = (1.0, 1.0, 1.0)

    @property
    def powers_w(self) -> Three:
        """Active power per phase, signed."""
        a, b, c = (
            volts * amperes * along * self.power_factor
            for volts, amperes, along in zip(
                self.voltages_v, self.currents_a, self.in_phase, strict=True
            )
        )
        return (a, b, c)

    @property
    def neutral_a(self) -> float:
        """Magnitude of the neutral current, phases 120 degrees apart."""
        a, b, c = self.currents_a
        return math.sqrt(max(0.0, a * a + b * b + c * c - a * b - b * c - c * a))


Feed = Callable[[], MeterTruth]
"""Asked at every read of the meter."""


class RunningTruth:
    """A truth that changes, with counters that integrate the power between two changes."""

    def __init__(
        self,
        *,
        voltages_v: Three = (230.0, 230.0, 230.0),
        power_factor: float = 1.0,
        start_s: float = 0.0,
        import_wh: float = 0.0,
    ) -> None:
        self._now_s = start_s
        self._truth = MeterTruth(
            voltages_v=voltages_v, power_factor=power_factor, import_wh=import_wh
        )

    def __call__(self) -> MeterTruth:
        """The present truth: this object is a feed."""
        return self._truth

    def update(
        self,
        currents_a: Sequence[float],
        now_s: float,
        voltages_v: Three | None = None,
        in_phase: Three = (1.0, 1.0, 1.0),
    ) -> None:
        """Sets the currents from ``now_s`` (monotonic seconds) on; the counters move up to it."""
        before = self._truth
        dt_s = max(0.0, now_s - self._now_s)
        self._now_s = max(now_s, self._now_s)
        moved_wh = sum(before.powers_w) * dt_s / 3600
        l1, l2, l3 = currents_a
        self._truth = msgspec.structs.replace(
            before,
            currents_a=(l1, l2, l3),
            in_phase=in_phase,
            voltages_v=before.voltages_v if voltages_v is None else voltages_v,
            import_wh=before.import_wh + max(0.0, moved_wh),
            export_wh=before.export_wh + max(0.0, -moved_wh),
            running_s=before.running_s + dt_s,
        )
