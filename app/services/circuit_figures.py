"""The figures of a circuit that matter to whoever changes it: what is left, for how many cars."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterable, Mapping

import msgspec

from app.domain.units import NOMINAL_VOLTAGE_V, PHASES, PhaseCurrents
from app.energy.background import unmetered_background
from app.energy.plan import CircuitBalance
from app.energy.site_model import ConnectorNode, SiteModel
from app.services.dry_run import LIVE
from app.services.refusal import without_news_ma


class Basis(enum.StrEnum):
    """Which load beside the cars a figure counts on."""

    DECLARED = "declared"
    """The most that the installer declared for the circuit."""
    NOW = "now"
    """What its meter tells now."""
    ABOVE = "above"
    """None of its own: the meter of a circuit above sees them."""
    FULL = "full"
    """Nobody knows: the circuit counts as full."""


class CircuitFigures(msgspec.Struct, frozen=True):
    """One circuit of one configuration; mA per site phase.

    ``fallbacks`` is what the stations below draw without news; ``left`` what remains for charging
    beside the other loads counted on by ``basis``, ``left_now`` beside those measured now;
    ``cars`` how many of the ``connectors`` below have their least current at the same time.
    """

    limit: PhaseCurrents
    margin_ma: int
    background: PhaseCurrents | None
    fallbacks: PhaseCurrents
    left: PhaseCurrents
    basis: Basis
    left_now: PhaseCurrents | None
    cars: int
    connectors: int
    max_power_w: int | None
    max_unbalance_ma: int | None


class FigureTable:
    """The figures of the circuits of ``model``, with the newest cycle's ``balances``."""

    def __init__(self, model: SiteModel, balances: Mapping[str, CircuitBalance]) -> None:
        self._model = model
        self._fallbacks = model.sum_up(
            [
                one.triple(range(len(one.conductors)), without_news_ma(one))
                for one in model.connectors
            ]
        )
        self._rooms = [_room(model, node, balances) for node in range(len(model.circuits))]

    def outline(self, circuit_id: str) -> Hashable:
        """What tells a circuit that changes from one that stays; ``None`` when it is not there.

        The cars are left out: they cost most, and change with what is edited only.
        """
        node = self._model.circuit_index.get(circuit_id)
        if node is None:
            return None
        circuit = self._model.circuits[node]
        return (circuit, self._without_news(node), self._rooms[node])

    def of(self, circuit_id: str) -> CircuitFigures | None:
        """All figures of a circuit; ``None`` when it is not there."""
        node = self._model.circuit_index.get(circuit_id)
        if node is None:
            return None
        circuit = self._model.circuits[node]
        left, basis, left_now = self._rooms[node]
        below = [one for one in self._model.connectors if node in one.path]
        rooms = [room for room, _, _ in self._rooms]
        return CircuitFigures(
            limit=circuit.limit,
            margin_ma=circuit.margin_ma,
            background=circuit.worst_background,
            fallbacks=self._without_news(node),
            left=left,
            basis=basis,
            left_now=left_now,
            cars=_cars(self._model, node, below, rooms),
            connectors=len(below),
            max_power_w=circuit.max_power_w,
            max_unbalance_ma=circuit.max_unbalance_ma,
        )

    def _without_news(self, node: int) -> PhaseCurrents:
        return PhaseCurrents.of(self._fallbacks[3 * node : 3 * node + 3])


def _room(
    model: SiteModel, node: int, balances: Mapping[str, CircuitBalance]
) -> tuple[PhaseCurrents, Basis, PhaseCurrents | None]:
    """What is left on a circuit, counted on which other loads, and beside those of now."""
    circuit = model.circuits[node]
    balance = balances.get(circuit.circuit_id)
    now = None
    if balance is not None and balance.source in LIVE and circuit.circuit_id in model.placements:
        now = (circuit.usable - balance.background).floored()
    if circuit.worst_background is not None:
        return (circuit.usable - circuit.worst_background).floored(), Basis.DECLARED, now
    if now is not None:
        return now, Basis.NOW, now
    counted = PhaseCurrents.of(unmetered_background(model, node))
    basis = Basis.ABOVE if model.metered_above(node) else Basis.FULL
    return (circuit.usable - counted).floored(), basis, None


def _cars(
    model: SiteModel, top: int, below: Iterable[ConnectorNode], rooms: list[PhaseCurrents]
) -> int:
    """How many connectors below ``top`` have their least current at once, limits above apart.

    Those on one phase come first: each takes room from that phase only, so none is lost by it.
    """
    left: dict[int, list[int]] = {}
    watts: dict[int, int] = {}
    count = 0
    for node in sorted(below, key=lambda node: (len(node.conductors), node.index)):
        least_ma = node.min_ma if node.controllable else node.rating_ma
        path = node.path[: node.path.index(top) + 1]
        phases = [phase for phase in PHASES if node.triple(range(len(node.conductors)), 1)[phase]]
        power_w = least_ma * len(phases) * NOMINAL_VOLTAGE_V // 1000
        for at in path:
            if at not in left:
                is_station = model.is_station(at)
                room = model.usable[3 * at : 3 * at + 3] if is_station else list(rooms[at])
                left[at] = room
                most_w = None if is_station else model.circuits[at].max_power_w
                if most_w is not None:
                    watts[at] = most_w - _background_w(model, at, rooms)
        fits = all(left[at][phase] >= least_ma for at in path for phase in phases)
        if not fits or any(watts[at] < power_w for at in path if at in watts):
            continue
        count += 1
        for at in path:
            for phase in phases:
                left[at][phase] -= least_ma
            if at in watts:
                watts[at] -= power_w
    return count


def _background_w(model: SiteModel, node: int, rooms: list[PhaseCurrents]) -> int:
    """Power of the other loads that a circuit's room leaves aside."""
    beside = (model.circuits[node].usable - rooms[node]).floored()
    return beside.total() * NOMINAL_VOLTAGE_V // 1000
