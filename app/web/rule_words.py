"""How rules of sharing are said and drawn: hours, bounds, classes, and a week as a strip."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from app.domain.circuit import Circuit
from app.domain.rules import (
    DAY_MINUTES,
    WEEK_DAYS,
    Bound,
    LimitScope,
    ScheduledLimit,
    SharingPolicy,
    SolarMode,
    TariffCharge,
    TariffWindow,
    WeekWindow,
)
from app.domain.units import NOMINAL_VOLTAGE_V
from app.energy.surplus import SolarState
from app.web.i18n import N_, NARROW_SPACE, Language

POLICIES: Mapping[SharingPolicy, tuple[str, str, str]] = {
    SharingPolicy.WEIGHTED: (
        N_("By weight"),
        N_(
            "Everybody gets the least current, then equal amperes, multiplied by the share of the"
            " station and of the badge."
        ),
        N_("60 A for three cars, one of them with share 2: 16 A, 16 A and 27 A."),
    ),
    SharingPolicy.EQUAL_AMPS: (
        N_("Equal amperes"),
        N_("Everybody gets the same current, whatever the shares."),
        N_("60 A for three cars: 20 A each."),
    ),
    SharingPolicy.EQUAL_POWER: (
        N_("Equal power"),
        N_(
            "Everybody gets the same power: a car on one phase gets more amperes than one on three."
        ),
        N_("A car on one phase at 24 A and one on three phases at 8 A: 5.5 kW each."),
    ),
    SharingPolicy.FIRST_COME: (
        N_("First come, first served"),
        N_("Who came first gets all it can take, then the next; the others wait for their turn."),
        N_("60 A for three cars that take 32 A: 32 A, 28 A, and the third waits."),
    ),
}
"""Name, meaning, example."""

PRIORITY_NAMES: Mapping[int, str] = {
    0: N_("first (0)"),
    1: N_("usual (1)"),
    2: N_("later (2)"),
    3: N_("last (3)"),
}

SCOPES: Mapping[LimitScope, str] = {
    LimitScope.ALL: N_("building and charging"),
    LimitScope.CHARGING: N_("charging only"),
}

CHARGES: Mapping[TariffCharge, str] = {
    TariffCharge.NONE: N_("no charging"),
    TariffCharge.MINIMUM: N_("least current"),
    TariffCharge.FULL: N_("full charging"),
}

SOLAR_MODES: Mapping[SolarMode, tuple[str, str]] = {
    SolarMode.OFF: (N_("Off"), N_("The sun plays no part.")),
    SolarMode.SURPLUS: (
        N_("Surplus only"),
        N_("Only what would be exported is given to the cars; without sun nobody charges."),
    ),
    SolarMode.SURPLUS_PLUS_MINIMUM: (
        N_("Surplus above the minimum"),
        N_("Every car keeps its least current; what is above comes from the surplus."),
    ),
}

SOLAR_STATES: Mapping[SolarState, tuple[str, str]] = {
    SolarState.STARTING: (N_("waits for the first reading"), "wait"),
    SolarState.WAITING: (N_("too little surplus"), "wait"),
    SolarState.CHARGING: (N_("charging from the sun"), "charge"),
    SolarState.LOST: (N_("meter silent: no sun is counted on"), "bad"),
}
"""Words and tone."""


def days(window: WeekWindow, language: Language) -> str:
    """``Mon–Fri``, ``Sat, Sun``, ``every day``."""
    if window.days == WEEK_DAYS:
        return language.gettext("every day")
    runs: list[list[int]] = []
    for day in window.days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(_run(run, language) for run in runs)


def _run(run: Sequence[int], language: Language) -> str:
    first, last = day_name(run[0], language), day_name(run[-1], language)
    if len(run) == 1:
        return first
    return f"{first}, {last}" if len(run) == 2 else f"{first}–{last}"


def day_name(day: int, language: Language) -> str:
    """A short name of a weekday (0: Monday)."""
    name: str = language.locale.days["stand-alone"]["abbreviated"][day]
    return name.rstrip(".")


def clock(minute: int) -> str:
    """Minutes since midnight as on a clock; the end of the day is midnight."""
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def hours(window: WeekWindow, language: Language) -> str:
    """``22:00–06:00``, ``all day``."""
    if window.start_minute % DAY_MINUTES == window.end_minute % DAY_MINUTES == 0:
        return language.gettext("all day")
    return f"{clock(window.start_minute)}–{clock(window.end_minute)}"


def bound(value: Bound, language: Language) -> str:
    """``40 A · 30 kW``; the three phases where they differ."""
    parts = []
    if value.limit is not None:
        if len(set(value.limit)) == 1:
            parts.append(language.amperes(value.limit.l1))
        else:
            parts.append("/".join(map(language.amps_short, value.limit)) + NARROW_SPACE + "A")
    if value.power_w is not None:
        parts.append(language.power(value.power_w))
    return " · ".join(parts) or language.gettext("no limit")


# ------------------------------------------------------------------ the week as a strip

WEEK_MINUTES = 7 * DAY_MINUTES
STRIP_HEIGHT = 100

Steps = list[tuple[int, int, float]]
"""From minute, to minute of the week, share of the full height (0 to 1)."""


def least(circuit: Circuit, schedules: Sequence[ScheduledLimit], scope: LimitScope) -> Steps:
    """The limit of one scope through the week, as a share of the circuit's own; 1 where none is."""
    full = min(circuit.limit)
    mine = [
        each
        for each in schedules
        if each.circuit_id == circuit.circuit_id and each.bound.scope is scope
    ]

    def share(day: int, minute: int) -> float:
        held = [_amperes(each.bound) for each in mine if each.window.covers(day, minute)]
        return min(1.0, *(ma / full for ma in held)) if held else 1.0

    return _steps([each.window for each in mine], share)


def tariff_steps(windows: Sequence[TariffWindow]) -> Steps:
    """What the tariff windows of the whole site leave through the week: 0, a half (least), or 1."""
    mine = [each for each in windows if each.circuit_id is None]

    def share(day: int, minute: int) -> float:
        held = {each.charge for each in mine if each.window.covers(day, minute)}
        if not held or TariffCharge.FULL in held:
            return 1.0
        return 0.0 if TariffCharge.NONE in held else 0.5

    return _steps([each.window for each in mine], share)


def line(steps: Steps) -> str:
    """The steps as an SVG path over ``WEEK_MINUTES`` x ``STRIP_HEIGHT``; 1 is at the top."""
    path = ""
    for start, end, share in steps:
        y = round(STRIP_HEIGHT * (1 - share))
        path += f"{'L' if path else 'M'}{start} {y}H{end}"
    return path


def area(steps: Steps) -> str:
    """The area under the steps."""
    return f"{line(steps)}V{STRIP_HEIGHT}H0z"


def _steps(windows: Sequence[WeekWindow], share: Callable[[int, int], float]) -> Steps:
    turns = {0, DAY_MINUTES}
    for window in windows:
        turns |= {window.start_minute, window.end_minute}
    ordered = sorted(turns)
    steps: Steps = []
    for day in WEEK_DAYS:
        for start, end in itertools.pairwise(ordered):
            value = share(day, start)
            first, last = day * DAY_MINUTES + start, day * DAY_MINUTES + end
            if steps and steps[-1][2] == value:
                steps[-1] = (steps[-1][0], last, value)
            else:
                steps.append((first, last, value))
    return steps


def _amperes(value: Bound) -> float:
    """A bound as one current (mA): its lowest phase, or its power over three phases."""
    found = []
    if value.limit is not None:
        found.append(float(min(value.limit)))
    if value.power_w is not None:
        found.append(value.power_w * 1000 / (3 * NOMINAL_VOLTAGE_V))
    return min(found)
