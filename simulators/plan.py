"""A scenario worked out: every station with its wiring, every badge, every visit.

The wiring depends on the scenario alone, so that a site keeps its stations from run to run; the
seed decides who comes, when, and how the building flickers.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from simulators.limit_windows import LimitWindow
from simulators.meter.models import find_model
from simulators.part import three
from simulators.scaling import scaled_circuit, scaled_rules, scaled_window
from simulators.scenario import (
    BuildingLoad,
    CircuitPart,
    Constant,
    Curve,
    MeterPart,
    Noise,
    Occupied,
    Scenario,
    StationGroup,
    Step,
    Wave,
)
from simulators.site import workload
from simulators.site.building import (
    Building,
    ConstantLoad,
    CurveLoad,
    Load,
    NoiseLoad,
    StepLoad,
    WaveLoad,
)
from simulators.site.electrical import CircuitSpec
from simulators.site.workload import OutletSpec, Visit

K = TypeVar("K", bound=Hashable)

MIN_CHARGE_A = 6
SOCKET_A = 16.0
"""Rating of a domestic socket's own circuit."""

_FIRST_NAMES = (
    "Claire", "Karim", "Léa", "Thomas", "Inès", "Julien", "Aïcha", "Paul", "Camille", "Hugo",
    "Nadia", "Marc", "Sophie", "Yanis", "Élodie", "Bruno", "Manon", "Olivier", "Fatou", "Rémi",
)  # fmt: skip
_LAST_NAMES = (
    "Martin", "Benali", "Dubois", "Lefèvre", "Moreau", "Garcia", "Petit", "Roux", "Nguyen",
    "Fontaine", "Girard", "Bonnet", "Lambert", "Mercier", "Faure", "Diallo", "Chevalier",
)  # fmt: skip


class ConnectorPlan(msgspec.Struct, frozen=True):
    """An outlet as wired; the n-th letter of ``rotation`` is the site phase (R = L1) of the n-th
    conductor."""

    id: int
    phases: int
    rotation: str
    max_a: float
    controllable: bool

    @property
    def site_phases(self) -> tuple[int, int, int]:
        """Site phase (0 to 2) of the three conductors, wired or not."""
        a, b, c = ("RST".index(letter) for letter in self.rotation)
        return (a, b, c)


class StationPlan(msgspec.Struct, frozen=True):
    """A station on the wall."""

    id: str
    place: str
    circuit: str
    persona: str
    max_a: float
    fallback_a: float
    free_charging: bool
    connectors: tuple[ConnectorPlan, ...]


class OutletPlan(msgspec.Struct, frozen=True):
    """Where a car can be plugged in: the station's number in the plan and the connector."""

    station: int
    connector: ConnectorPlan


class BadgePlan(msgspec.Struct, frozen=True):
    """A driver's badge."""

    id_tag: str
    holder: str


class SitePlan(msgspec.Struct, frozen=True):
    """All that a run needs; ``scale`` is how the currents shrank with the number of stations."""

    scenario: Scenario
    seed: int
    scale: float
    circuits: tuple[CircuitPart, ...]
    meters: tuple[MeterPart, ...]
    stations: tuple[StationPlan, ...]
    outlets: tuple[OutletPlan, ...]
    badges: tuple[BadgePlan, ...]
    visits: tuple[Visit, ...]
    turned_away: int
    limit_windows: tuple[LimitWindow, ...] = ()
    rules: dict[str, Any] = {}

    @property
    def start_utc(self) -> datetime:
        """The instant of second 0."""
        zone = ZoneInfo(self.scenario.timezone)
        return self.scenario.start.replace(tzinfo=zone).astimezone(UTC)

    def below(self, circuit_id: str) -> frozenset[str]:
        """The circuit and all that hang on it."""
        found = {circuit_id}
        for _ in self.circuits:
            found |= {circuit.id for circuit in self.circuits if circuit.parent in found}
        return frozenset(found)

    def circuit_specs(self) -> list[CircuitSpec]:
        """The circuits as the electrical site takes them."""
        return [
            CircuitSpec(circuit.id, circuit.parent, three(circuit.limit_a), circuit.max_power_kw)
            for circuit in self.circuits
        ]

    def buildings(self) -> dict[str, Building]:
        """A new building for each circuit that has one, by circuit; every call starts afresh."""
        return {
            circuit.id: Building(
                [
                    self._load(part, random.Random(f"{self.seed} {circuit.id} {number}"))
                    for number, part in enumerate(circuit.building)
                ]
            )
            for circuit in self.circuits
            if circuit.building
        }

    def _load(self, part: BuildingLoad, rng: random.Random) -> Load:
        match part:
            case Constant():
                return ConstantLoad(three(part.amperes))
            case Step():
                return StepLoad(
                    three(part.amperes),
                    at_s=part.at_s,
                    for_s=float("inf") if part.for_s is None else part.for_s,
                    every_s=float("inf") if part.every_s is None else part.every_s,
                )
            case Curve():
                return CurveLoad(
                    peak_a=part.peak_amperes, start=self.scenario.start, shares=part.shares
                )
            case Wave():
                return WaveLoad(three(part.amperes), period_s=part.period_s)
            case Noise():
                return NoiseLoad(rng, deviation_a=part.deviation_amperes, memory_s=part.memory_s)

    def unmanaged_cars_a(self, step_s: float) -> list[tuple[float, float, float]]:
        """What the cars would draw with no manager, per step and phase (A)."""
        outlets = [(_spec(outlet), outlet.connector.site_phases) for outlet in self.outlets]
        return workload.unmanaged_a(
            self.visits, outlets, duration_s=self.scenario.duration_s, step_s=step_s
        )

    def unmanaged_peak_a(self) -> tuple[float, float, float]:
        """The greatest current per phase at the supply if nobody managed the cars."""
        step_s = 60.0
        buildings = list(self.buildings().values())
        peak = [0.0, 0.0, 0.0]
        for number, cars in enumerate(self.unmanaged_cars_a(step_s)):
            loads = [building.amperes(number * step_s) for building in buildings]
            for phase in (0, 1, 2):
                total = cars[phase] + sum(load[phase] for load in loads)
                peak[phase] = max(peak[phase], total)
        return (peak[0], peak[1], peak[2])

    def provisioning(self, meter_host: str, meter_port: int) -> dict[str, Any]:
        """The site as the manager imports it (``bornier-site/1``, currents in amperes)."""
        document: dict[str, Any] = {
            "schema": "bornier-site/1",
            "name": self.scenario.site_name,
            "timezone": self.scenario.timezone,
            "circuits": [
                {
                    "id": circuit.id,
                    "name": circuit.name,
                    "parent": circuit.parent,
                    "limit_a": list(three(circuit.limit_a)),
                    "margin_a": circuit.margin_a,
                    "max_power_kw": circuit.max_power_kw,
                    "max_unbalance_a": circuit.max_unbalance_a,
                    "worst_background_a": None
                    if circuit.worst_background_a is None
                    else list(three(circuit.worst_background_a)),
                }
                for circuit in self.circuits
            ],
            "meters": [
                {
                    "id": f"{meter.circuit}-meter",
                    "model": meter.model,
                    "host": meter_host,
                    "port": meter_port,
                    "unit_id": meter.unit_id,
                    "circuit": meter.circuit,
                    "placement": meter.placement,
                }
                for meter in self.meters
            ],
            "stations": [
                {
                    "id": station.id,
                    "name": station.id,
                    "place": station.place,
                    "circuit": station.circuit,
                    "max_a": station.max_a,
                    "fallback_a": station.fallback_a,
                    "connectors": [
                        {
                            "id": connector.id,
                            "phases": connector.phases,
                            "rotation": connector.rotation,
                            "max_a": connector.max_a,
                            "min_a": MIN_CHARGE_A,
                            "controllable": connector.controllable,
                        }
                        for connector in station.connectors
                    ],
                    "free_charging": station.free_charging,
                    "weight": 1.0,
                }
                for station in self.stations
            ],
            "badges": [
                {"id_tag": badge.id_tag, "holder": badge.holder, "active": True}
                for badge in self.badges
            ],
        }
        if self.rules:
            document["rules"] = self.rules
        return document


def make_plan(
    scenario: Scenario,
    *,
    seed: int = 1,
    stations: int | None = None,
    meter_model: str | None = None,
) -> SitePlan:
    """Work out a scenario; with another number of ``stations`` the whole site shrinks or grows.

    ``meter_model`` is a reference with or without its brand, for every meter. Raises ``ValueError``
    when it is not known, something is said of an unknown circuit, or no station is left.
    """
    asked = scenario.station_count if stations is None else stations
    if asked < 1:
        raise ValueError("a site needs at least one station")
    scale = asked / scenario.station_count
    _check_circuits(scenario)
    wiring = random.Random(f"wiring of {scenario.name}")
    planned: list[StationPlan] = []
    for group, count in zip(
        scenario.stations,
        _apportion([group.count for group in scenario.stations], asked),
        strict=True,
    ):
        planned.extend(_stations(group, count, wiring))
    outlets = tuple(
        OutletPlan(number, connector)
        for number, station in enumerate(planned)
        for connector in station.connectors
    )
    visits, turned_away = _visits(scenario, outlets, random.Random(f"visits {seed}"))
    return SitePlan(
        scenario=scenario,
        seed=seed,
        scale=scale,
        circuits=tuple(scaled_circuit(circuit, scale) for circuit in scenario.circuits),
        meters=tuple(
            msgspec.structs.replace(meter, model=_reference(meter_model or meter.model))
            for meter in scenario.all_meters
        ),
        stations=tuple(planned),
        outlets=outlets,
        badges=tuple(_badges(max(len(visits), len(outlets)) + 5)),
        visits=tuple(visits),
        turned_away=turned_away,
        limit_windows=tuple(scaled_window(window, scale) for window in scenario.limit_windows),
        rules=scaled_rules(scenario.rules, scale),
    )


def _check_circuits(scenario: Scenario) -> None:
    known = {circuit.id for circuit in scenario.circuits}
    metered = [meter.circuit for meter in scenario.all_meters]
    named = [group.circuit for group in scenario.stations]
    named += metered
    named += [window.circuit for window in scenario.limit_windows]
    named += [
        getattr(event, "circuit", None) or scenario.circuits[0].id for event in scenario.events
    ]
    for circuit_id in named:
        if circuit_id not in known:
            raise ValueError(f"there is no circuit {circuit_id!r}")
    if len(set(metered)) != len(metered):
        raise ValueError("a circuit has two meters")


def _reference(name: str) -> str:
    try:
        return find_model(name).name
    except KeyError:
        raise ValueError(f"no meter {name!r}") from None


def _visits(
    scenario: Scenario, outlets: tuple[OutletPlan, ...], rng: random.Random
) -> tuple[list[Visit], int]:
    cars = scenario.cars
    specs = [_spec(outlet) for outlet in outlets]
    if isinstance(cars, Occupied):
        visits = workload.occupy(
            rng, specs, cars.share, energy_kwh=cars.energy_kwh, over_s=cars.over_s
        )
        if cars.latecomers is not None:
            visits += _latecomers(visits, specs, cars, rng)
        return visits, 0
    start = scenario.start
    wishes = workload.draw_day(
        rng,
        cars.place,
        round(cars.visits_per_outlet * len(outlets)),
        start_of_day_s=start.hour * 3600 + start.minute * 60 + start.second,
    )
    here = [wish for wish in wishes if wish.arrival_s < scenario.duration_s]
    return workload.park(rng, here, specs)


def _latecomers(
    visits: list[Visit], specs: list[OutletSpec], cars: Occupied, rng: random.Random
) -> list[Visit]:
    late = cars.latecomers
    assert late is not None
    taken = {visit.outlet for visit in visits}
    free = [number for number in range(len(specs)) if number not in taken]
    share = min(1.0, late.share * len(specs) / max(1, len(free)))
    return [
        msgspec.structs.replace(
            visit,
            outlet=free[visit.outlet],
            arrival_s=late.at_s + visit.arrival_s,
            driver=len(visits) + visit.driver,
        )
        for visit in workload.occupy(
            rng,
            [specs[number] for number in free],
            share,
            energy_kwh=cars.energy_kwh,
            over_s=late.over_s,
        )
    ]


def _spec(outlet: OutletPlan) -> OutletSpec:
    return OutletSpec(outlet.connector.phases, outlet.connector.max_a)


def _stations(group: StationGroup, count: int, wiring: random.Random) -> Iterable[StationPlan]:
    personas = _spread(group.personas, count, wiring)
    phases = _spread(group.phases, count, wiring)
    rotations = _spread(group.rotations, count, wiring)
    layouts = _spread(group.layouts, count, wiring)
    for number in range(count):
        main = ConnectorPlan(1, phases[number], rotations[number], group.max_a, True)
        connectors: tuple[ConnectorPlan, ...] = (main,)
        if layouts[number] == "double":
            connectors = (main, msgspec.structs.replace(main, id=2))
        elif layouts[number] == "socket":
            connectors = (main, ConnectorPlan(2, 1, rotations[number], SOCKET_A, False))
        elif layouts[number] != "single":
            raise ValueError(f"unknown layout {layouts[number]!r}")
        yield StationPlan(
            id=f"{group.prefix}-{number + 1:03d}",
            place=group.place.format(n=number + 1),
            circuit=group.circuit,
            persona=personas[number],
            max_a=group.max_a,
            fallback_a=group.fallback_a,
            free_charging=group.free_charging,
            connectors=connectors,
        )


def _spread(shares: Mapping[K, float], count: int, rng: random.Random) -> list[K]:
    """``count`` kinds by their shares, as near as whole numbers allow, in a random order."""
    kinds = list(shares)
    counts = _apportion([shares[kind] for kind in kinds], count)
    spread = [kind for kind, times in zip(kinds, counts, strict=True) for _ in range(times)]
    rng.shuffle(spread)
    return spread


def _apportion(weights: Iterable[float], total: int) -> list[int]:
    """Whole numbers in proportion to ``weights`` that sum to ``total`` (largest remainders)."""
    listed = list(weights)
    quotas = [weight * total / sum(listed) for weight in listed]
    counts = [int(quota) for quota in quotas]
    remainders = sorted(
        range(len(listed)), key=lambda number: (counts[number] - quotas[number], number)
    )
    for number in remainders[: total - sum(counts)]:
        counts[number] += 1
    return counts


def _badges(count: int) -> Iterable[BadgePlan]:
    rng = random.Random("badges")
    for number in range(count):
        first = _FIRST_NAMES[number % len(_FIRST_NAMES)]
        last = _LAST_NAMES[(number + number // len(_FIRST_NAMES)) % len(_LAST_NAMES)]
        yield BadgePlan(id_tag=f"04{rng.randrange(16**6):06X}", holder=f"{first} {last}")
