"""Power from the energy register, for stations whose power is not told, or too coarse to count phases.

A current without phases loads one, two or three of them; only the power tells how many. Some
firmware reports whole kilowatts or none at all, but a register in watt-hours: its slope over a
while of steady current is as good.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.transaction import Sample

SHORTEST = timedelta(seconds=30)
"""Least span: a station may read its register up to some seconds before it sends."""

LEAST_ENERGY_WH = 20
"""Least gain: the register counts whole watt-hours, so the power is then good to one in ten."""

STEADY_MA = 1_000
"""Currents that differ by this much at most, of which truncation alone may be the cause."""


class MeanPower:
    """Follows one transaction's samples."""

    def __init__(self) -> None:
        self._since: tuple[datetime, int] | None = None
        self._range_ma = (0, 0)

    def restart(self) -> None:
        """Another transaction begins."""
        self._since = None

    def add(self, sample: Sample) -> int | None:
        """Mean power (W) since the current is what it is, once that is long enough ago."""
        current_ma, energy_wh = sample.current_unphased_ma, sample.energy_wh
        if current_ma is None or energy_wh is None:
            self._since = None
            return None
        low_ma, high_ma = min(self._range_ma[0], current_ma), max(self._range_ma[1], current_ma)
        # A register or a clock that goes back starts anew as well.
        if (
            self._since is None
            or high_ma - low_ma > STEADY_MA
            or sample.at_utc < self._since[0]
            or energy_wh < self._since[1]
        ):
            self._since = (sample.at_utc, energy_wh)
            self._range_ma = (current_ma, current_ma)
            return None
        self._range_ma = (low_ma, high_ma)
        span, gain_wh = sample.at_utc - self._since[0], energy_wh - self._since[1]
        if span < SHORTEST or gain_wh < LEAST_ENERGY_WH:
            return None
        return round(gain_wh * 3600 / span.total_seconds())
