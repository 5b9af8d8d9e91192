"""Scenario files (``scenarios/*.yaml``): a site, its building, its cars, and what goes wrong.

Currents are amperes, one number for all phases or three for L1, L2 and L3. Times are seconds after
the start. Everything that follows from a scenario is worked out in ``simulators.plan``.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from simulators.events import Event
from simulators.limit_windows import LimitWindow
from simulators.part import Amperes, Part

SCENARIOS = Path(__file__).with_name("scenarios")

# --------------------------------------------------------------------------- building


class Constant(Part, tag_field="kind", tag="constant", frozen=True, kw_only=True):
    """A load that never changes."""

    amperes: Amperes


class Step(Part, tag_field="kind", tag="step", frozen=True, kw_only=True):
    """A load switched on at ``at_s`` for ``for_s`` (for ever when absent), again every ``every_s``."""

    amperes: Amperes
    at_s: float
    for_s: float | None = None
    every_s: float | None = None


class Curve(Part, tag_field="kind", tag="curve", frozen=True, kw_only=True):
    """The BDEW G25 curve of the day, with this mean current at the year's greatest quarter hour."""

    peak_amperes: float
    shares: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Wave(Part, tag_field="kind", tag="wave", frozen=True, kw_only=True):
    """A slow swing between nothing and ``amperes``."""

    amperes: Amperes
    period_s: float


class Noise(Part, tag_field="kind", tag="noise", frozen=True, kw_only=True):
    """Small loads that come and go around 0."""

    deviation_amperes: float
    memory_s: float = 60.0


BuildingLoad = Constant | Step | Curve | Wave | Noise

# --------------------------------------------------------------------------- site


class CircuitPart(Part, frozen=True, kw_only=True):
    """A circuit and what the building draws on it."""

    id: str
    name: str
    limit_a: Amperes
    parent: str | None = None
    margin_a: float = 0.0
    max_power_kw: float | None = None
    max_unbalance_a: float | None = None
    worst_background_a: Amperes | None = None
    building: tuple[BuildingLoad, ...] = ()


class MeterPart(Part, frozen=True, kw_only=True):
    """A meter: its model, the circuit it sits on, and what it sees there.

    Several share one gateway; ``unit_id`` 0 is the meter's number in the list, from 1.
    """

    model: str = "IME Nemo D4-Le"
    circuit: str = "supply"
    placement: Literal["supply", "charging", "building"] = "supply"
    unit_id: int = 0


class StationGroup(Part, frozen=True, kw_only=True):
    """Stations that hang on one circuit; shares of a mix need not sum to 1.

    ``place`` may use ``{n}``, the number within the group. ``layouts`` are ``single`` (one Type 2
    outlet), ``double`` (two, sharing the station's ``max_a``) and ``socket`` (one Type 2 outlet and
    a domestic socket without pilot).
    """

    prefix: str
    count: int
    circuit: str
    place: str
    max_a: float = 32.0
    fallback_a: float = 0.0
    personas: dict[str, float]
    phases: dict[int, float] = msgspec.field(default_factory=lambda: {3: 1.0})
    rotations: dict[str, float] = msgspec.field(default_factory=lambda: {"RST": 1.0})
    layouts: dict[str, float] = msgspec.field(default_factory=lambda: {"single": 1.0})
    free_charging: bool = False


# --------------------------------------------------------------------------- cars


class Latecomers(Part, frozen=True, kw_only=True):
    """More cars for big batteries: how many (share of the outlets), from when, within how long."""

    share: float
    at_s: float
    over_s: float = 60.0


class Occupied(Part, tag_field="kind", tag="occupied", frozen=True, kw_only=True):
    """A share of the outlets is taken from the start by cars that want these many kWh."""

    share: float
    energy_kwh: tuple[float, float] = (40.0, 60.0)
    over_s: float = 0.0
    latecomers: Latecomers | None = None


class Day(Part, tag_field="kind", tag="day", frozen=True, kw_only=True):
    """A day of real sessions at a kind of place, so many per outlet; may start with some inside."""

    place: Literal["private", "public", "workplace"]
    visits_per_outlet: float
    occupied_share: float = 0.0


class CarHabits(Part, frozen=True, kw_only=True):
    """How cars follow the pilot, each within these bounds.

    ``lag_s`` is the time before a car follows a lower pilot, ``ramp_down_s`` and ``ramp_up_s`` the
    seconds from full current to none and back: by default up to 5 s for a usual step down, the
    most that IEC 61851-1 allows. ``sleepy_share`` is the share of cars that do not resume after a
    few pauses, ``two_phase_share`` that of three-phase cars that use two phases only.
    """

    lag_s: tuple[float, float] = (1.0, 4.0)
    ramp_down_s: tuple[float, float] = (1.0, 4.0)
    ramp_up_s: tuple[float, float] = (5.0, 20.0)
    sleepy_share: float = 0.0
    two_phase_share: float = 0.0


# --------------------------------------------------------------------------- the whole


class Scenario(Part, frozen=True, kw_only=True):
    """A scenario file. ``start`` is the site's local time at second 0.

    ``meter`` is for a site with one meter, ``meters`` for several. ``network_delay_s`` bounds the
    time that each OCPP message takes in a rehearsal and live, ``network_loss`` is the share of
    them that never arrive. ``rules`` are handed to the manager as they are; ``limit_windows`` say
    what is true, to the oracle alone. A car that could charge and gets nothing for longer than
    ``starved_after_s`` counts as starved.
    """

    name: str
    title: str
    description: str
    site_name: str
    start: datetime
    duration_s: float
    timezone: str = "Europe/Paris"
    circuits: tuple[CircuitPart, ...]
    meter: MeterPart | None = None
    meters: tuple[MeterPart, ...] = ()
    stations: tuple[StationGroup, ...]
    cars: Occupied | Day
    habits: CarHabits = CarHabits()
    events: tuple[Event, ...] = ()
    network_delay_s: tuple[float, float] = (0.02, 0.4)
    network_loss: float = 0.0
    rules: dict[str, Any] = msgspec.field(default_factory=dict)
    limit_windows: tuple[LimitWindow, ...] = ()
    starved_after_s: float = 2700.0

    def __post_init__(self) -> None:
        if self.meter is not None and self.meters:
            raise ValueError("a scenario has either meter or meters")

    @property
    def all_meters(self) -> tuple[MeterPart, ...]:
        """Every meter, each with a unit of its own; one on the supply when none is named."""
        listed = self.meters or (self.meter or MeterPart(),)
        return tuple(
            msgspec.structs.replace(meter, unit_id=meter.unit_id or number)
            for number, meter in enumerate(listed, start=1)
        )

    @property
    def station_count(self) -> int:
        """Stations in all groups."""
        return sum(group.count for group in self.stations)


def scenario_names() -> list[str]:
    """Names of the scenarios that come with the simulators."""
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def load_scenario(name: str) -> Scenario:
    """The scenario of that name; ``ValueError`` when there is none or its file is not right."""
    path = SCENARIOS / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"no scenario {name!r}; there are {', '.join(scenario_names())}")
    return parse_scenario(name, path.read_text("utf-8"))


def parse_scenario(name: str, text: str) -> Scenario:
    """A scenario from the text of its file; ``ValueError`` says what is wrong and where."""
    content: Any = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise ValueError(f"scenario {name!r} is not a mapping")
    try:
        return msgspec.convert({"name": name, **content}, Scenario)
    except msgspec.ValidationError as error:
        raise ValueError(f"scenario {name!r}: {error}") from error
