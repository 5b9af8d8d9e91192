"""The site compiled to integers: nodes with limits, connectors with phases and paths.

A *slot* is something that a limit can bound; every constraint of load management is "what is drawn
through a slot stays below its limit". One phase of one node is slot ``3 * node + phase``; with N
nodes, the total of a node's phases is slot ``3 * N + node`` (limits of power), and what a phase
carries more than the others is slot ``4 * N + 3 * node + phase``. Circuits come first, parents
before children; after them one node for each station whose connectors share less than their sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from app.domain.circuit import Circuit, CircuitTree
from app.domain.errors import InvalidInputError
from app.domain.meter import MeterPlacement
from app.domain.station import ChargingStation, Connector, ConnectorKey

Triple = tuple[int, int, int]
"""Three integers (mA), one per site phase; plain tuples because they are made by the thousand."""

NOTHING: Triple = (0, 0, 0)


class ConnectorNode(msgspec.Struct, frozen=True):
    """A connector as the planner needs it.

    ``index`` numbers it; ``conductors`` are the site phases of its wired conductors, in conductor
    order; ``path`` the node indices from the nearest to the root; ``rating_ma`` what connector and
    station allow; ``metered`` whether a supply meter sees it.
    """

    index: int
    key: ConnectorKey
    circuit_id: str
    conductors: tuple[int, ...]
    path: tuple[int, ...]
    rating_ma: int
    min_ma: int
    step_ma: int
    fallback_ma: int
    controllable: bool
    metered: bool

    def triple(self, conductors: Iterable[int], current_ma: int) -> Triple:
        """``current_ma`` on the site phases of ``conductors`` (indices into the wired ones)."""
        values = [0, 0, 0]
        for conductor in conductors:
            values[self.conductors[conductor]] = current_ma
        return (values[0], values[1], values[2])


class SiteModel:
    """The compiled site; made anew when the configuration changes, never modified."""

    def __init__(
        self,
        tree: CircuitTree,
        stations: Iterable[ChargingStation],
        meters: Mapping[str, MeterPlacement],
    ) -> None:
        """Compile; raises ``InvalidInputError`` on an unknown circuit or a repeated station."""
        self.circuits: tuple[Circuit, ...] = tree.circuits
        self.circuit_index = {circuit.circuit_id: n for n, circuit in enumerate(tree)}
        for circuit_id in meters:
            if circuit_id not in tree:
                raise InvalidInputError("meter-unknown-circuit", circuit=circuit_id)
        self.placements = dict(meters)
        self.limit: list[int] = []
        self.usable: list[int] = []
        self.parent: list[int | None] = []
        for circuit in tree:
            self.limit.extend(circuit.limit)
            self.usable.extend(circuit.usable)
            parent_id = circuit.parent_id
            self.parent.append(None if parent_id is None else self.circuit_index[parent_id])
        self.node_names: list[str] = [circuit.circuit_id for circuit in tree]
        self.connectors: tuple[ConnectorNode, ...] = tuple(self._compile(tree, stations))
        self.index = {node.key: node.index for node in self.connectors}
        self.leaf = tuple(node.path[0] for node in self.connectors)
        self.node_count = len(self.node_names)
        self._unbalanced = frozenset(
            node for node, circuit in enumerate(tree) if circuit.max_unbalance_ma is not None
        )

    @classmethod
    def compile(
        cls,
        tree: CircuitTree,
        stations: Iterable[ChargingStation],
        meters: Mapping[str, MeterPlacement],
    ) -> SiteModel:
        """The model of ``tree`` with ``stations``, and ``meters`` by the circuit they measure."""
        return cls(tree, stations, meters)

    def is_station(self, node: int) -> bool:
        """Whether a node is a station shared by its connectors, not a circuit."""
        return node >= len(self.circuits)

    def metered_above(self, node: int) -> bool:
        """Whether a circuit above ``node`` (itself excluded) has a supply meter."""
        above = self.parent[node]
        while above is not None:
            if self.placements.get(self.node_names[above]) is MeterPlacement.SUPPLY:
                return True
            above = self.parent[above]
        return False

    def slots(self, index: int, phases: Triple) -> tuple[int, ...]:
        """The slots that connector ``index`` loads when the phases with a true entry carry."""
        return _slots(self.connectors[index].path, phases)

    def power_slot(self, node: int) -> int:
        """The slot of the node's total power."""
        return 3 * self.node_count + node

    def power_slots(self, index: int, bounded: frozenset[int]) -> tuple[int, ...]:
        """The slots of total power that connector ``index`` loads, of the nodes in ``bounded``."""
        if not bounded:
            return ()
        path = self.connectors[index].path
        return tuple(self.power_slot(node) for node in path if node in bounded)

    def unbalance_slot(self, node: int, phase: int) -> int:
        """The slot of what ``phase`` carries more than the node's other phases."""
        return 4 * self.node_count + 3 * node + phase

    def unbalance_slots(self, index: int, phases: Triple) -> tuple[int, ...]:
        """The slots of unbalance that connector ``index`` loads; three equal currents load none."""
        if not self._unbalanced or all(phases):
            return ()
        return tuple(
            self.unbalance_slot(node, phase)
            for node in self.connectors[index].path
            if node in self._unbalanced
            for phase in (0, 1, 2)
            if phases[phase]
        )

    def with_power(self, per_slot: Sequence[int]) -> list[int]:
        """``per_slot`` of the phases, followed by each node's sum of its three."""
        sums = [sum(per_slot[3 * node : 3 * node + 3]) for node in range(self.node_count)]
        return [*per_slot, *sums]

    def sum_up(self, per_connector: Sequence[Triple]) -> list[int]:
        """Per slot, the sum of ``per_connector`` (site phases, mA) of all connectors below."""
        sums = [0] * (3 * self.node_count)
        for leaf, (l1, l2, l3) in zip(self.leaf, per_connector, strict=True):
            at = 3 * leaf
            sums[at] += l1
            sums[at + 1] += l2
            sums[at + 2] += l3
        # Children come after their parents, so one pass backwards carries everything to the root.
        for node in range(self.node_count - 1, 0, -1):
            parent = self.parent[node]
            assert parent is not None
            for phase in (0, 1, 2):
                sums[3 * parent + phase] += sums[3 * node + phase]
        return sums

    def _compile(
        self, tree: CircuitTree, stations: Iterable[ChargingStation]
    ) -> Iterable[ConnectorNode]:
        seen: set[str] = set()
        count = 0
        for station in stations:
            if station.station_id in seen:
                raise InvalidInputError("station-duplicate", station=station.station_id)
            seen.add(station.station_id)
            if station.circuit_id not in tree:
                raise InvalidInputError("station-unknown-circuit", station=station.station_id)
            path = self._circuit_path(station.circuit_id)
            if sum(connector.max_ma for connector in station.connectors) > station.max_ma and (
                len(station.connectors) > 1
            ):
                path = (len(self.node_names), *path)
                self.node_names.append(station.station_id)
                self.parent.append(path[1])
                self.limit.extend([station.max_ma] * 3)
                self.usable.extend([station.max_ma] * 3)
            for connector in station.connectors:
                yield self._connector(count, station, connector, path)
                count += 1

    def _connector(
        self, index: int, station: ChargingStation, connector: Connector, path: tuple[int, ...]
    ) -> ConnectorNode:
        return ConnectorNode(
            index=index,
            key=ConnectorKey(station.station_id, connector.connector_id),
            circuit_id=station.circuit_id,
            conductors=connector.site_phases,
            path=path,
            rating_ma=min(connector.max_ma, station.max_ma),
            min_ma=connector.min_ma,
            step_ma=connector.step_ma,
            fallback_ma=station.fallback_ma,
            controllable=connector.controllable,
            metered=any(
                self.placements.get(self.node_names[node]) is MeterPlacement.SUPPLY
                for node in path
                if node < len(self.circuits)
            ),
        )

    def _circuit_path(self, circuit_id: str) -> tuple[int, ...]:
        node: int | None = self.circuit_index[circuit_id]
        path: list[int] = []
        while node is not None:
            path.append(node)
            node = self.parent[node]
        return tuple(path)


@lru_cache(maxsize=8192)
def _slots(path: tuple[int, ...], phases: Triple) -> tuple[int, ...]:
    return tuple(3 * node + phase for node in path for phase in (0, 1, 2) if phases[phase])
