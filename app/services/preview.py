"""What a change of the installation would do, before it is saved: circuits, sessions, safety.

The candidate is compiled as it would be, the stateless allocator shares its room among the cars
that charge now, and the fail-safe check says whether it would be refused. Nothing running is
touched. What the preview cannot know (hysteresis, ramps, a limit not yet obeyed) is left out on
both sides, so that before and after can be compared.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.domain.circuit import CircuitTree
from app.domain.errors import UnsafeConfigurationError
from app.domain.station import ConnectorKey
from app.domain.units import NOMINAL_VOLTAGE_V, PHASES, PhaseCurrents
from app.energy.background import unmetered_background
from app.energy.plan import CircuitBalance, Plan
from app.energy.settings import EnergySettings
from app.energy.site_model import ConnectorNode, SiteModel
from app.energy.site_state import SiteState
from app.services.configuration import ConfigurationService, check
from app.services.dry_run import LIVE, granted
from app.services.ports import SiteConfiguration
from app.services.refusal import Refusal, explained, without_news_ma


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


class CircuitPreview(msgspec.Struct, frozen=True):
    """A circuit before and after; ``None`` on the side where it is not there."""

    circuit_id: str
    name: str
    before: CircuitFigures | None
    after: CircuitFigures | None


class SessionPreview(msgspec.Struct, frozen=True):
    """What a running session would be granted (mA), before and after."""

    key: ConnectorKey
    name: str
    before_ma: int
    after_ma: int


class Preview(msgspec.Struct, frozen=True):
    """The whole comparison; ``refusal`` when the change would be refused."""

    circuits: tuple[CircuitPreview, ...]
    more_circuits: int
    sessions: tuple[SessionPreview, ...]
    refusal: Refusal | None


SHOWN_MOST = 10
"""Circuits shown, those that were edited first."""


class PreviewService:
    """Compares a candidate with the configuration in force."""

    def __init__(self, configuration: ConfigurationService, settings: EnergySettings) -> None:
        self._configuration = configuration
        self._settings = settings
        self._seen: tuple[SiteState, Plan] | None = None

    def observe(self, state: SiteState, plan: Plan) -> None:
        """Keeps the newest cycle: who charges, and what flows."""
        if plan.balances:
            self._seen = (state, plan)

    def preview(self, candidate: SiteConfiguration, edited: Sequence[str]) -> Preview:
        """What ``candidate`` would change; ``edited`` names circuits that are shown, and first.

        Raises ``InvalidInputError`` for a candidate that is none, whatever its worst case.
        """
        refusal = None
        try:
            after = check(candidate)
        except UnsafeConfigurationError:
            after = _compiled(candidate)
            refusal = explained(candidate, after)
        current = self._configuration.current
        before = _compiled(current)
        shown, more = self._circuits(before, after, edited)
        return Preview(shown, more, self._sessions(candidate, before, after), refusal)

    def _circuits(
        self, before: SiteModel, after: SiteModel, edited: Sequence[str]
    ) -> tuple[tuple[CircuitPreview, ...], int]:
        balances = {} if self._seen is None else _by_circuit(self._seen[1])
        old, new = circuit_figures(before, balances), circuit_figures(after, balances)
        names = {
            circuit.circuit_id: circuit.name for circuit in (*before.circuits, *after.circuits)
        }
        listed = [*edited, *new, *old]
        touched = [
            circuit_id
            for circuit_id in dict.fromkeys(listed)
            if circuit_id in names
            and (circuit_id in edited or old.get(circuit_id) != new.get(circuit_id))
        ]
        shown = tuple(
            CircuitPreview(circuit_id, names[circuit_id], old.get(circuit_id), new.get(circuit_id))
            for circuit_id in touched[:SHOWN_MOST]
        )
        return shown, len(touched) - len(shown)

    def _sessions(
        self, candidate: SiteConfiguration, before: SiteModel, after: SiteModel
    ) -> tuple[SessionPreview, ...]:
        if self._seen is None:
            return ()
        state, plan = self._seen
        old = granted(before, state, plan, self._settings)
        new = granted(after, state, plan, self._settings)
        names = {station.station_id: station for station in candidate.stations}
        found = []
        for key, after_ma in new.items():
            if key not in old:
                continue
            station = names[key.station_id]
            several = len(station.connectors) > 1
            name = f"{station.name} · {key.connector_id}" if several else station.name
            found.append(SessionPreview(key, name, old[key], after_ma))
        return tuple(found)


def _compiled(configuration: SiteConfiguration) -> SiteModel:
    """The model of a configuration whose worst case may not fit."""
    return SiteModel.compile(
        CircuitTree(configuration.circuits),
        configuration.stations,
        {meter.circuit_id: meter.placement for meter in configuration.meters},
    )


def _by_circuit(plan: Plan) -> dict[str, CircuitBalance]:
    return {balance.circuit_id: balance for balance in plan.balances}


# ------------------------------------------------------------------------------- circuits


def circuit_figures(
    model: SiteModel, balances: Mapping[str, CircuitBalance]
) -> dict[str, CircuitFigures]:
    """The figures of every circuit of ``model``, with the newest cycle's ``balances``."""
    fallbacks = model.sum_up(
        [one.triple(range(len(one.conductors)), without_news_ma(one)) for one in model.connectors]
    )
    rooms = [_room(model, node, balances) for node in range(len(model.circuits))]
    found = {}
    for node, circuit in enumerate(model.circuits):
        left, basis, left_now = rooms[node]
        below = [one for one in model.connectors if node in one.path]
        found[circuit.circuit_id] = CircuitFigures(
            limit=circuit.limit,
            margin_ma=circuit.margin_ma,
            background=circuit.worst_background,
            fallbacks=PhaseCurrents.of(fallbacks[3 * node : 3 * node + 3]),
            left=left,
            basis=basis,
            left_now=left_now,
            cars=_cars(model, node, below, [room for room, _, _ in rooms]),
            connectors=len(below),
            max_power_w=circuit.max_power_w,
            max_unbalance_ma=circuit.max_unbalance_ma,
        )
    return found


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
