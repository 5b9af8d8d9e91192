"""The electrical tree: circuits with a limit per phase, from the supply to the last feeder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from app.domain.errors import InvalidInputError
from app.domain.units import ZERO, PhaseCurrents


class Circuit(msgspec.Struct, frozen=True):
    """A branch of the distribution board with a limit per phase.

    ``limit`` is what the breaker or the contract allows (mA per phase); ``margin_ma`` is kept free
    below it; ``worst_background`` is the most that loads other than the managed stations may draw
    on it (mA per phase), used when no live measurement can be trusted; ``None`` means unknown, and
    then a circuit without a trusted meter counts as full. ``max_power_w`` bounds the power of the
    three phases together (a contract in kW or kVA, a generator); ``max_unbalance_ma`` is the most by
    which one phase may exceed another because of charging (asymmetry rules of network operators).
    """

    circuit_id: str
    name: str
    parent_id: str | None
    limit: PhaseCurrents
    margin_ma: int = 0
    worst_background: PhaseCurrents | None = None
    max_power_w: int | None = None
    max_unbalance_ma: int | None = None

    @property
    def usable(self) -> PhaseCurrents:
        """The limit less the margin, never below 0 (mA per phase)."""
        return (self.limit - PhaseCurrents.uniform(self.margin_ma)).floored()


class CircuitTree:
    """Circuits checked to form one tree, in an order where parents precede children.

    Raises ``InvalidInputError`` when there is no root or more than one, when an identifier
    repeats, a parent is unknown, a cycle exists, or a limit is not positive.
    """

    def __init__(self, circuits: Iterable[Circuit]) -> None:
        listed = list(circuits)
        self._by_id: dict[str, Circuit] = {}
        for circuit in listed:
            if circuit.circuit_id in self._by_id:
                raise InvalidInputError("circuit-duplicate", circuit=circuit.circuit_id)
            _check_values(circuit)
            self._by_id[circuit.circuit_id] = circuit
        roots = [circuit for circuit in listed if circuit.parent_id is None]
        if len(roots) != 1:
            raise InvalidInputError("circuit-one-root", count=len(roots))
        self.root = roots[0]
        children: dict[str, list[Circuit]] = {}
        for circuit in listed:
            if circuit.parent_id is None:
                continue
            if circuit.parent_id not in self._by_id:
                raise InvalidInputError(
                    "circuit-unknown-parent", circuit=circuit.circuit_id, parent=circuit.parent_id
                )
            children.setdefault(circuit.parent_id, []).append(circuit)
        self._children: Mapping[str, tuple[Circuit, ...]] = {
            parent: tuple(members) for parent, members in children.items()
        }
        ordered: list[Circuit] = []
        pending = [self.root]
        while pending:
            circuit = pending.pop()
            ordered.append(circuit)
            pending.extend(reversed(self._children.get(circuit.circuit_id, ())))
        if len(ordered) != len(listed):
            raise InvalidInputError("circuit-cycle")
        self.circuits: tuple[Circuit, ...] = tuple(ordered)

    def __iter__(self) -> Iterator[Circuit]:
        return iter(self.circuits)

    def __len__(self) -> int:
        return len(self.circuits)

    def __contains__(self, circuit_id: object) -> bool:
        return circuit_id in self._by_id

    def __getitem__(self, circuit_id: str) -> Circuit:
        return self._by_id[circuit_id]

    def children(self, circuit_id: str) -> tuple[Circuit, ...]:
        """The circuits fed directly by ``circuit_id``."""
        return self._children.get(circuit_id, ())

    def path(self, circuit_id: str) -> tuple[Circuit, ...]:
        """From the circuit itself up to the root."""
        path = [self._by_id[circuit_id]]
        while (parent := path[-1].parent_id) is not None:
            path.append(self._by_id[parent])
        return tuple(path)

    def depth(self, circuit_id: str) -> int:
        """0 for the root, 1 for its children, and so on."""
        return len(self.path(circuit_id)) - 1


def _check_values(circuit: Circuit) -> None:
    if min(circuit.limit) <= 0:
        raise InvalidInputError("circuit-limit-positive", field="limit", circuit=circuit.name)
    if not 0 <= circuit.margin_ma < min(circuit.limit):
        raise InvalidInputError("circuit-margin-range", field="margin", circuit=circuit.name)
    background = circuit.worst_background
    if background is not None and not ZERO.fits(background):
        raise InvalidInputError(
            "circuit-background-range", field="background", circuit=circuit.name
        )
    if circuit.max_power_w is not None and circuit.max_power_w <= 0:
        raise InvalidInputError("circuit-power-positive", field="power", circuit=circuit.name)
    if circuit.max_unbalance_ma is not None and circuit.max_unbalance_ma <= 0:
        raise InvalidInputError(
            "circuit-unbalance-positive", field="unbalance", circuit=circuit.name
        )
