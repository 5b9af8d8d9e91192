"""Currents as they truly flow: every car and the building, summed up the tree each second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from simulators.site.building import Building
from simulators.site.oracle import OVERLOAD_RATIO, Oracle

VOLTAGE_V = 230.0


class CircuitSpec(msgspec.Struct, frozen=True):
    """A branch of the board: its parent (``None`` for the supply) and its limits (A per phase)."""

    id: str
    parent: str | None
    limit_a: tuple[float, float, float]
    max_power_kw: float | None = None


class Outlet(Protocol):
    """A connector as the circuit sees it."""

    @property
    def current_a(self) -> tuple[float, float, float]:
        """Amperes drawn now on the site's phases L1, L2 and L3."""
        ...


class PowerWatch:
    """How long the power through circuit ``number`` stays above 105 % of what it may be."""

    def __init__(self, number: int, max_power_kw: float) -> None:
        self.number = number
        self.sum_a = max_power_kw * 1000 / VOLTAGE_V
        """The three phases together may draw this much."""
        self._since_s = 0.0
        self.longest_s = 0.0

    def observe(self, currents_a: Sequence[float], dt_s: float) -> None:
        """Take a step's currents."""
        over = sum(currents_a) > self.sum_a * OVERLOAD_RATIO
        self._since_s = self._since_s + dt_s if over else 0.0
        self.longest_s = max(self.longest_s, self._since_s)


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
        self.limit_a = [circuit.limit_a for circuit in self.circuits]
        """The limits in force now; a breaker keeps its rating whatever they are."""
        self.oracle = Oracle([(circuit.id, circuit.limit_a) for circuit in self.circuits])
        self.power = {
            number: PowerWatch(number, circuit.max_power_kw)
            for number, circuit in enumerate(self.circuits)
            if circuit.max_power_kw is not None
        }
        self.now_s = 0.0

    def lower_limits(self, lowered: Mapping[str, tuple[float, float, float]]) -> None:
        """From now on these circuits must carry no more than that; all others what they can."""
        self.limit_a = []
        for circuit in self.circuits:
            a, b, c = lowered.get(circuit.id, circuit.limit_a)
            x, y, z = circuit.limit_a
            self.limit_a.append((min(a, x), min(b, y), min(c, z)))
        self.oracle.judge_by(self.limit_a)

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
        for watch in self.power.values():
            watch.observe(total[watch.number], dt_s)

    def _fill(self) -> None:
        for number, limits in enumerate(self.limit_a):
            row = self.total_a[number]
            fullest = [row[0] / limits[0], row[1] / limits[1], row[2] / limits[2]]
            if number in self.power:
                share = sum(row) / self.power[number].sum_a
                fullest = [max(phase, share) for phase in fullest]
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
