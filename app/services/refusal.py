"""The arithmetic of a refused configuration, line by line, and what would be accepted instead."""

from __future__ import annotations

from collections import Counter

import msgspec

from app.domain.station import ChargingStation
from app.domain.units import MIN_CHARGE_MA
from app.energy.background import worst_background
from app.energy.failsafe import Excess, worst_case
from app.energy.site_model import NOTHING, ConnectorNode, SiteModel
from app.services.ports import SiteConfiguration


class Term(msgspec.Struct, frozen=True):
    """``count`` connectors that draw ``current_ma`` each without news."""

    count: int
    current_ma: int


class RefusalLine(msgspec.Struct, frozen=True):
    """One circuit (or shared station) that would carry too much, on phases with equal figures.

    ``background_ma`` is ``None`` when nobody knows it; ``declared_on`` names the circuit above
    that it was taken from, when the circuit itself declares none.
    """

    node: str
    name: str
    is_station: bool
    phases: tuple[int, ...]
    terms: tuple[Term, ...]
    fallbacks_ma: int
    background_ma: int | None
    declared_on: str
    limit_ma: int
    over_ma: int | None

    @property
    def room_ma(self) -> int:
        """The most that the other loads may draw for it to fit; negative: not even 0 does."""
        return self.limit_ma - self.fallbacks_ma


class Refusal(msgspec.Struct, frozen=True):
    """Why a configuration is refused.

    ``stations`` names those below the circuits in question that draw something without news, and
    ``subset`` the most of them that could have 6 A while the others have 0.
    """

    lines: tuple[RefusalLine, ...]
    stations: tuple[str, ...]
    subset: tuple[str, ...]


def without_news_ma(node: ConnectorNode) -> int:
    """What a connector draws without news; a socket without pilot is off or draws its rating."""
    if node.fallback_ma and not node.controllable:
        return node.rating_ma
    return node.fallback_ma


def explained(configuration: SiteConfiguration, model: SiteModel) -> Refusal:
    """The arithmetic of ``model``, compiled from ``configuration``, whose worst case does not fit."""
    excesses = worst_case(model)
    names = {station.station_id: station.name for station in configuration.stations}
    names |= {circuit.circuit_id: circuit.name for circuit in configuration.circuits}
    in_question = _below(configuration, model, excesses)
    subset = _largest_subset(model, in_question)
    return Refusal(
        lines=_lines(model, excesses, names),
        stations=tuple(station.name for station in in_question),
        subset=tuple(station.name for station in in_question if station.station_id in subset),
    )


def _lines(
    model: SiteModel, excesses: tuple[Excess, ...], names: dict[str, str]
) -> tuple[RefusalLine, ...]:
    lines: list[RefusalLine] = []
    for excess in excesses:
        line = RefusalLine(
            node=excess.node,
            name=names.get(excess.node, excess.node),
            is_station=excess.is_station,
            phases=(excess.phase,),
            terms=_terms(model, excess),
            fallbacks_ma=excess.fallbacks_ma,
            background_ma=excess.background_ma,
            declared_on=_declared_on(model, excess, names),
            limit_ma=excess.limit_ma,
            over_ma=excess.over_ma,
        )
        if lines and msgspec.structs.replace(lines[-1], phases=line.phases) == line:
            line = msgspec.structs.replace(line, phases=(*lines.pop().phases, excess.phase))
        lines.append(line)
    return tuple(lines)


def _terms(model: SiteModel, excess: Excess) -> tuple[Term, ...]:
    """The currents without news below a node on a phase, equal ones counted together."""
    node = model.node_names.index(excess.node)
    counts: Counter[int] = Counter()
    for one in model.connectors:
        if node not in one.path or excess.phase not in one.conductors or not one.fallback_ma:
            continue
        counts[without_news_ma(one)] += 1
    return tuple(Term(count, current_ma) for current_ma, count in sorted(counts.items()))


def _declared_on(model: SiteModel, excess: Excess, names: dict[str, str]) -> str:
    """The circuit above whose declared loads were counted; empty for the circuit's own."""
    if excess.is_station or excess.background_ma is None:
        return ""
    at: int | None = model.circuit_index[excess.node]
    while at is not None:
        worst = model.circuits[at].worst_background
        if worst is not None and worst[excess.phase] == excess.background_ma:
            circuit_id = model.node_names[at]
            return "" if circuit_id == excess.node else names[circuit_id]
        at = model.parent[at]
    return ""


def _below(
    configuration: SiteConfiguration, model: SiteModel, excesses: tuple[Excess, ...]
) -> list[ChargingStation]:
    """Stations with a current without news below any node that is too full."""
    full = {model.node_names.index(excess.node) for excess in excesses}
    wanted = {
        one.key.station_id
        for one in model.connectors
        if one.fallback_ma and not full.isdisjoint(one.path)
    }
    return [station for station in configuration.stations if station.station_id in wanted]


def _largest_subset(model: SiteModel, stations: list[ChargingStation]) -> set[str]:
    """The most of ``stations`` that can have 6 A each without news, the others 0.

    Those that load the fewest phases come first: with a tree of limits nothing better can be
    chosen, as each takes no more room than the one that it displaces.
    """
    rooms = _rooms(model, {station.station_id for station in stations})
    chosen: set[str] = set()
    loads: dict[str, dict[int, int]] = {station.station_id: {} for station in stations}
    for one in model.connectors:
        load = loads.get(one.key.station_id)
        if load is None:
            continue
        current_ma = MIN_CHARGE_MA if one.controllable else one.rating_ma
        for slot in model.slots(one.index, one.triple(range(len(one.conductors)), 1)):
            load[slot] = load.get(slot, 0) + current_ma
    for station_id, load in sorted(loads.items(), key=lambda item: sum(item[1].values())):
        if all(rooms[slot] >= current_ma for slot, current_ma in load.items()):
            chosen.add(station_id)
            for slot, current_ma in load.items():
                rooms[slot] -= current_ma
    return chosen


def _rooms(model: SiteModel, without: set[str]) -> list[int]:
    """Per slot, what is left beside the worst other loads and the stations not in question."""
    fallbacks = model.sum_up(
        [
            NOTHING
            if one.key.station_id in without
            else one.triple(range(len(one.conductors)), without_news_ma(one))
            for one in model.connectors
        ]
    )
    rooms = []
    for slot, limit_ma in enumerate(model.limit):
        background = worst_background(model, slot // 3)
        beside_ma = limit_ma if background is None else background[slot % 3]
        rooms.append(limit_ma - beside_ma - fallbacks[slot])
    return rooms
