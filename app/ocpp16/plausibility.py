"""Whether a station calls its energy or its power by the wrong unit, told from what it measures.

A register that rises by 1 in seven minutes at 9 kW counts kWh, whatever it says. Two windows that
agree are a verdict; what does not look like a factor of 1000 is none.
"""

from __future__ import annotations

from typing import Final

import msgspec

from app.domain.transaction import Sample
from app.ocpp16.samples import Scales

WINDOW_WH: Final = 3_000.0
"""Energy that must have flowed before a register in whole kWh shows by how much it rises."""

WINDOWS: Final = 2
GAP_S: Final = 900.0
"""A longer silence tells nothing of what flowed meanwhile."""

THOUSAND: Final = 1_000.0
_NEAR: Final = 2.0
"""A ratio within this factor of 1, 1000 or 1/1000 is that."""

_LEAST_W, _MOST_W = 500.0, 100_000.0
"""Power of a charging car."""

NOMINAL_V: Final = 230.0


class UnitWatch:
    """Follows one connector; ``add`` says what it found, once it is sure."""

    def __init__(self) -> None:
        self._last: Sample | None = None
        self._window = _Window()
        self._verdicts: list[Scales] = []

    def restart(self) -> None:
        """A new transaction: the register may begin anew."""
        self._last = None
        self._window = _Window()

    def add(self, sample: Sample, phases: int) -> Scales | None:
        """Takes the next live sample, as read with the scales in force.

        Factors still missing once two windows agree (both 1 when all is right), else ``None``.
        """
        last, self._last = self._last, sample
        if sample.energy_wh is None or sample.power_w is None:
            self._last = last if sample.energy_wh is None else sample
            return None
        if last is None or last.energy_wh is None or last.power_w is None:
            return None
        apart_s = (sample.at_utc - last.at_utc).total_seconds()
        rise_wh = sample.energy_wh - last.energy_wh
        if not 0 < apart_s <= GAP_S or rise_wh < 0:
            self._window = _Window()
            return None
        hours = apart_s / 3600
        window = self._window
        window.rise_wh += rise_wh
        window.power_wh += (sample.power_w + last.power_w) / 2 * hours
        window.current_wh += _from_current(sample, phases) * hours
        window.hours += hours
        if (
            window.rise_wh < WINDOW_WH
            and window.power_wh < WINDOW_WH
            and window.current_wh < WINDOW_WH
        ) or max(window.current_wh, *_in_reach(window)) < WINDOW_WH:
            return None
        self._window = _Window()
        return self._settle(_judged(window))

    def _settle(self, found: Scales | None) -> Scales | None:
        if found is None or (self._verdicts and self._verdicts[-1] != found):
            self._verdicts.clear()
        if found is None:
            return None
        self._verdicts.append(found)
        return found if len(self._verdicts) >= WINDOWS else None


class _Window(msgspec.Struct):
    """Energy by the register, by the power and by the current, as if each were in its unit."""

    rise_wh: float = 0.0
    power_wh: float = 0.0
    current_wh: float = 0.0
    hours: float = 0.0


def _from_current(sample: Sample, phases: int) -> float:
    """Watts by the current at nominal voltage; 0 when there is none."""
    l1, l2, l3 = sample.current_ma
    if l1 is not None or l2 is not None or l3 is not None:
        return ((l1 or 0) + (l2 or 0) + (l3 or 0)) / 1000 * NOMINAL_V
    return (sample.current_unphased_ma or 0) / 1000 * NOMINAL_V * phases


def _in_reach(window: _Window) -> tuple[float, float]:
    """The energies that a charging car can have taken in this time; 0 for the others."""
    most, least = _MOST_W * window.hours, _LEAST_W * window.hours
    return (
        window.power_wh if least <= window.power_wh <= most else 0.0,
        window.rise_wh if least <= window.rise_wh <= most else 0.0,
    )


def _judged(window: _Window) -> Scales | None:
    """Against the current where there is one; else against whichever of the two is possible."""
    by_power, by_register = _in_reach(window)
    truth = window.current_wh or by_power or by_register
    energy, power = _factor(truth, window.rise_wh), _factor(truth, window.power_wh)
    return None if energy is None or power is None else Scales(energy, power)


def _factor(truth: float, said: float) -> float | None:
    """What makes ``truth`` of ``said``: 1, 1000 or a thousandth; ``None`` for anything else."""
    if said <= 0:
        return None
    for factor in (1.0, THOUSAND, 1 / THOUSAND):
        if 1 / _NEAR <= truth / (said * factor) <= _NEAR:
            return factor
    return None
