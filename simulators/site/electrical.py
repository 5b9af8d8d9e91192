"""Currents as they truly flow: every car and the building, summed up the tree each second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from simulators.site.building import Building
from simulators.site.oracle import Oracle


class CircuitSpec(msgspec.Struct, frozen=True):
    """A branch of the board: its parent (``None`` for the supply) and its limits (A per phase)."""

    id: str
    parent: str | None
    limit_a: tuple[float, float, float]


class Outlet(Protocol):
    """A connector as the circuit sees it."""

    @property
    def current_a(self) -> tuple[float, float, float]:
        """Amperes drawn now on the site's phases L1, L2 and L3."""
        ...


class Appetite(Protocol):
    """What a plugged-in car would still take."""

    @property
    def site_phases(self) -> tuple[int, ...]:
        """The site phases (0 to 2) that its car loads."""
        ...

    @property
    def wants_more(self) -> bool:
        """Whether the car would take 1 A more than it is offered."""
        ...


class Site:
    """The circuit tree with what hangs on it.

    ``circuits`` in any order; ``buildings`` by circuit; ``outlets`` are pairs of a circuit's
    identity and an outlet. After ``step`` the currents of every circuit are known, and the oracle
    has seen them. Raises ``ValueError`` when the circuits are not one tree.
    """

    def __init__(
        self,
        circuits: Sequence[CircuitSpec],
        buildings: Mapping[str, Building],
        outlets: Sequence[tuple[str, Outlet]],
    ) -> None:
        self.circuits = _parents_first(circuits)
        index = {circuit.id: number for number, circuit in enumerate(self.circuits)}
        self._index = index
        self._parents = [
            index[circuit.parent] if circuit.parent is not None else -1 for circuit in self.circuits
        ]
        self._outlets = [(index[circuit_id], outlet) for circuit_id, outlet in outlets]
        self._buildings = [(index[circuit_id], load) for circuit_id, load in buildings.items()]
        self.total_a = [[0.0, 0.0, 0.0] for _ in self.circuits]
        """True current per circuit (in the order of ``circuits``) and phase, cars and building."""
        self.charging_a = [[0.0, 0.0, 0.0] for _ in self.circuits]
        """The part of it that goes into cars."""
        self.fullest = [[0.0, 0.0, 0.0] for _ in self.circuits]
        """Per circuit and phase, the fullest of the circuit and all above it, against its limit."""
        self.oracle = Oracle([(circuit.id, circuit.limit_a) for circuit in self.circuits])
        self.now_s = 0.0

    def step(self, dt_s: float) -> None:
        """Move on by ``dt_s`` seconds with the currents that the outlets show now."""
        self.now_s += dt_s
        now_s = self.now_s
        charging = [[0.0, 0.0, 0.0] for _ in self.circuits]
        for number, outlet in self._outlets:
            a, b, c = outlet.current_a
            row = charging[number]
            row[0] += a
            row[1] += b
            row[2] += c
        total = [row[:] for row in charging]
        for number, building in self._buildings:
            a, b, c = building.amperes(now_s)
            row = total[number]
            row[0] += a
            row[1] += b
            row[2] += c
        parents = self._parents
        for number in range(len(parents) - 1, 0, -1):
            for rows in (charging, total):
                row, above = rows[number], rows[parents[number]]
                above[0] += row[0]
                above[1] += row[1]
                above[2] += row[2]
        self.charging_a, self.total_a = charging, total
        self._fill()
        self.oracle.observe(total, now_s, dt_s)

    def _fill(self) -> None:
        for number, circuit in enumerate(self.circuits):
            row, limits = self.total_a[number], circuit.limit_a
            fullest = [row[0] / limits[0], row[1] / limits[1], row[2] / limits[2]]
            parent = self._parents[number]
            if parent >= 0:
                above = self.fullest[parent]
                fullest = [max(fullest[phase], above[phase]) for phase in (0, 1, 2)]
            self.fullest[number] = fullest

    def number(self, circuit_id: str) -> int:
        """A circuit's place in ``circuits`` and in the rows of currents."""
        return self._index[circuit_id]

    def metered_a(self, circuit_id: str, placement: str) -> tuple[float, float, float]:
        """What a meter placed on a circuit reads (A per phase).

        ``placement`` is ``supply`` (all), ``charging`` (cars only) or ``building`` (the rest).
        """
        number = self._index[circuit_id]
        total, charging = self.total_a[number], self.charging_a[number]
        if placement == "supply":
            a, b, c = total
        elif placement == "charging":
            a, b, c = charging
        elif placement == "building":
            a, b, c = (total[phase] - charging[phase] for phase in (0, 1, 2))
        else:
            raise ValueError(f"unknown meter placement {placement!r}")
        return (a, b, c)


class CapacityUse:
    """How much of what binds the cars is used while they want more.

    Counted are the seconds in which some plugged-in car would take 1 A more. In each, for each such
    car, the fullest phase among its own phases on its circuit and all circuits above, against that
    circuit's limit (never counted above 1); the second's figure is their mean.
    """

    def __init__(self, site: Site, cars: Sequence[tuple[str, Appetite]]) -> None:
        self._site = site
        self._cars = [(site.number(circuit_id), car) for circuit_id, car in cars]
        self._sum = 0.0
        self.seconds = 0.0
        """Time counted so far."""

    def observe(self, dt_s: float) -> None:
        """Count the step that the site has just taken."""
        fullest = self._site.fullest
        used = 0.0
        wanting = 0
        for number, car in self._cars:
            if not car.wants_more:
                continue
            row = fullest[number]
            wanting += 1
            used += min(1.0, max(row[phase] for phase in car.site_phases))
        if wanting:
            self._sum += used / wanting * dt_s
            self.seconds += dt_s

    @property
    def ratio(self) -> float | None:
        """The mean over the seconds counted, ``None`` when no car ever wanted more."""
        return self._sum / self.seconds if self.seconds else None


def _parents_first(circuits: Sequence[CircuitSpec]) -> tuple[CircuitSpec, ...]:
    ordered: list[CircuitSpec] = [circuit for circuit in circuits if circuit.parent is None]
    if len(ordered) != 1:
        raise ValueError(f"a site has one supply, not {len(ordered)}")
    if len({circuit.id for circuit in circuits}) != len(circuits):
        raise ValueError("two circuits have the same name")
    for circuit in ordered:
        ordered.extend(child for child in circuits if child.parent == circuit.id)
    if len(ordered) != len(circuits):
        raise ValueError("the circuits are not one tree")
    return tuple(ordered)
