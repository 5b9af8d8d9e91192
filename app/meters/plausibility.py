"""Whether decoded quantities can be true; a reading that cannot is never used for control.

The bounds are wide: a supply in overload must still be believed.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import msgspec

from app.domain.meter import Quality
from app.meters.decode import CURRENTS, LINE_VOLTAGES, POWER, VOLTAGES
from app.meters.scale import Ratios

LOW_V = 20.0
HIGH_V = 600.0
"""Phase voltages a low-voltage supply can show, faults included."""

_SECONDARY_A = 5.0
"""Rated secondary current of the transformers these meters take."""
_OVERLOAD = 10.0
"""A current above this many times the rating is a decoding error, not an overload."""
_UNRATED_A = 20_000.0
_POWER_RATIO = 1.5
_POWER_SLACK_W = 1_000.0


class Doubt(enum.StrEnum):
    """Message keys of what is wrong with a reading, as found in ``MeterReading.reason``."""

    CURRENT_MISSING = "meter-doubt-current-missing"
    NOT_A_NUMBER = "meter-doubt-not-a-number"
    VOLTAGE = "meter-doubt-voltage"
    CURRENT = "meter-doubt-current"
    POWER = "meter-doubt-power"
    RATIO_CHANGED = "meter-doubt-ratio-changed"
    WORD_FORMAT = "meter-doubt-word-format"


class Verdict(msgspec.Struct, frozen=True):
    """The judgement on one reading; ``trust_power`` false when its scale is a guess gone wrong."""

    quality: Quality
    reason: str = ""
    trust_power: bool = True


GOOD = Verdict(Quality.GOOD)


def plausible_voltage(volts: float) -> bool:
    """Whether a phase of a low-voltage supply can show ``volts``."""
    return LOW_V <= volts <= HIGH_V


def judge(
    quantities: Mapping[str, float],
    *,
    phases: int = 3,
    ratios: Ratios,
    max_current_a: float | None = None,
    expected_kta: int | None = None,
    power_scale_confirmed: bool = True,
) -> Verdict:
    """Judges the quantities of one reading.

    ``max_current_a`` is the rating of a direct meter; with transformers it follows from KTA.
    ``expected_kta`` is the ratio found when the meter was taken into service.
    """
    currents = [quantities[name] for name in CURRENTS[:phases] if name in quantities]
    if len(currents) < phases:
        return _doubt(Doubt.CURRENT_MISSING)
    if not all(math.isfinite(value) for value in quantities.values()):
        return _doubt(Doubt.NOT_A_NUMBER)
    if expected_kta is not None and ratios.kta is not None and ratios.kta != expected_kta:
        return _doubt(Doubt.RATIO_CHANGED)
    if not _voltages_plausible(quantities, phases):
        return _doubt(Doubt.VOLTAGE)
    if any(abs(value) > _current_bound_a(ratios, max_current_a) for value in currents):
        return _doubt(Doubt.CURRENT)
    if _power_too_high(quantities, phases):
        if power_scale_confirmed:
            return _doubt(Doubt.POWER)
        return Verdict(Quality.GOOD, trust_power=False)
    return GOOD


def _doubt(reason: Doubt) -> Verdict:
    return Verdict(Quality.IMPLAUSIBLE, reason.value)


def _voltages_plausible(quantities: Mapping[str, float], phases: int) -> bool:
    volts = [quantities[name] for name in VOLTAGES[:phases] if name in quantities]
    if all(plausible_voltage(value) for value in volts):
        return True
    # A meter wired without neutral shows no phase voltage; its line voltages then decide.
    lines = [quantities[name] for name in LINE_VOLTAGES if name in quantities]
    return bool(lines) and not any(volts) and all(plausible_voltage(value) for value in lines)


def _current_bound_a(ratios: Ratios, max_current_a: float | None) -> float:
    if max_current_a is not None:
        return _OVERLOAD * max_current_a
    if ratios.kta is not None and ratios.kta > 1:
        return _OVERLOAD * _SECONDARY_A * ratios.kta
    return _UNRATED_A


def _power_too_high(quantities: Mapping[str, float], phases: int) -> bool:
    power = quantities.get(POWER)
    volts = [quantities.get(name, 0.0) for name in VOLTAGES[:phases]]
    if power is None or not all(volts):
        return False
    apparent = sum(
        volt * abs(quantities[name]) for volt, name in zip(volts, CURRENTS[:phases], strict=True)
    )
    return abs(power) > _POWER_RATIO * apparent + _POWER_SLACK_W
