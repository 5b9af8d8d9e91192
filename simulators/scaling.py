"""A scenario's site made smaller or bigger: every current in proportion to the stations."""

from __future__ import annotations

from typing import Any

import msgspec

from simulators.limit_windows import LimitWindow
from simulators.part import times
from simulators.scenario import (
    BuildingLoad,
    CircuitPart,
    Constant,
    Curve,
    Noise,
    Step,
    Wave,
)


def scaled_circuit(circuit: CircuitPart, factor: float) -> CircuitPart:
    """A circuit and its building, ``factor`` times as big; its margin stays."""
    if factor == 1.0:
        return circuit
    power_kw, unbalance_a = circuit.max_power_kw, circuit.max_unbalance_a
    return msgspec.structs.replace(
        circuit,
        limit_a=times(circuit.limit_a, factor),
        max_power_kw=None if power_kw is None else round(power_kw * factor, 2),
        max_unbalance_a=None if unbalance_a is None else round(unbalance_a * factor, 1),
        worst_background_a=None
        if circuit.worst_background_a is None
        else times(circuit.worst_background_a, factor),
        building=tuple(_scaled_load(load, factor) for load in circuit.building),
    )


def scaled_window(window: LimitWindow, factor: float) -> LimitWindow:
    """A window with ``factor`` times its limit."""
    return msgspec.structs.replace(window, limit_a=times(window.limit_a, factor))


def scaled_rules(rules: dict[str, Any], factor: float) -> dict[str, Any]:
    """The manager's rules as they are, but for the limits of its schedules."""
    if factor == 1.0 or "schedules" not in rules:
        return rules
    schedules = [
        {**schedule, "limit_a": list(times(tuple(schedule["limit_a"]), factor))}
        for schedule in rules["schedules"]
    ]
    return {**rules, "schedules": schedules}


def _scaled_load(load: BuildingLoad, factor: float) -> BuildingLoad:
    match load:
        case Curve():
            return msgspec.structs.replace(load, peak_amperes=load.peak_amperes * factor)
        case Noise():
            return msgspec.structs.replace(load, deviation_amperes=load.deviation_amperes * factor)
        case Constant() | Step() | Wave():
            return msgspec.structs.replace(load, amperes=times(load.amperes, factor))
