"""Whether rules of sharing are sound: each refusal names the rule and the input that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.domain.circuit import CircuitTree
from app.domain.errors import InvalidInputError
from app.domain.meter import MeterPlacement
from app.domain.rules import (
    DAY_MINUTES,
    WEEK_DAYS,
    Bound,
    PriorityWindow,
    SiteRules,
    SolarMode,
    WeekWindow,
)
from app.domain.station import PRIORITIES

MOST_RULES = 200
"""Of each kind; every one is looked at in every cycle."""

MOST_MA = 6_300_000
MOST_W = 10_000_000


def check_rules(
    rules: SiteRules,
    tree: CircuitTree,
    stations: Iterable[str],
    placements: Mapping[str, MeterPlacement],
) -> None:
    """Raises ``InvalidInputError``; ``place`` says which rule, as the site document names it."""
    known = frozenset(stations)
    for name, listed in (
        ("schedules", rules.schedules),
        ("priorities", rules.priorities),
        ("tariff", rules.tariff),
        ("without_news", rules.without_news),
    ):
        if len(listed) > MOST_RULES:
            raise InvalidInputError("too-many-rules", most=MOST_RULES, place=name)
    for number, scheduled in enumerate(rules.schedules):
        place = f"schedules[{number}]"
        _check_circuit(scheduled.circuit_id, tree, place)
        _check_window(scheduled.window, place)
        check_bound(scheduled.bound, place, needed=True)
    for number, slot in enumerate(rules.priorities):
        _check_slot(slot, tree, known, f"priorities[{number}]")
    for number, tariff in enumerate(rules.tariff):
        place = f"tariff[{number}]"
        if tariff.circuit_id is not None:
            _check_circuit(tariff.circuit_id, tree, place)
        _check_window(tariff.window, place)
    for number, standing in enumerate(rules.without_news):
        place = f"without_news[{number}]"
        _check_circuit(standing.circuit_id, tree, place)
        check_bound(standing.bound, place, needed=True)
    if len({each.circuit_id for each in rules.without_news}) < len(rules.without_news):
        raise InvalidInputError("rule-one-per-circuit", field="circuit_id", place="without_news")
    if rules.solar.mode is not SolarMode.OFF:
        circuit_id = rules.solar.circuit_id or tree.root.circuit_id
        _check_circuit(circuit_id, tree, "solar")
        placement = placements.get(circuit_id)
        if placement is None or placement is MeterPlacement.CHARGING:
            raise InvalidInputError(
                "solar-meter-missing", field="circuit_id", circuit=tree[circuit_id].name
            )


def check_bound(bound: Bound, place: str, *, needed: bool = False) -> None:
    """Raises ``InvalidInputError`` for a current or power out of range, or none at all."""
    if needed and not bound.binds:
        raise InvalidInputError("rule-limit-missing", field="limit", place=place)
    if bound.limit is not None and not all(0 <= current <= MOST_MA for current in bound.limit):
        raise InvalidInputError("rule-limit-range", field="limit", place=place, most_ma=MOST_MA)
    if bound.power_w is not None and not 0 <= bound.power_w <= MOST_W:
        raise InvalidInputError("rule-power-range", field="power", place=place, most=MOST_W // 1000)


def _check_slot(
    slot: PriorityWindow, tree: CircuitTree, stations: frozenset[str], place: str
) -> None:
    _check_window(slot.window, place)
    if slot.priority not in PRIORITIES:
        raise InvalidInputError("priority-range", field="priority", place=place)
    if not (slot.stations or slot.circuits or slot.badges):
        raise InvalidInputError("rule-names-nobody", field="badges", place=place)
    for circuit_id in slot.circuits:
        _check_circuit(circuit_id, tree, place)
    for station_id in slot.stations:
        if station_id not in stations:
            raise InvalidInputError(
                "rule-unknown-station", field="stations", station=station_id, place=place
            )


def _check_circuit(circuit_id: str, tree: CircuitTree, place: str) -> None:
    if circuit_id not in tree:
        raise InvalidInputError(
            "rule-unknown-circuit", field="circuit_id", circuit=circuit_id, place=place
        )


def _check_window(window: WeekWindow, place: str) -> None:
    if not _are_days(window.days):
        raise InvalidInputError("rule-days-missing", field="days", place=place)
    if not (0 <= window.start_minute < DAY_MINUTES and 0 <= window.end_minute <= DAY_MINUTES):
        raise InvalidInputError("rule-times-invalid", field="from", place=place)


def _are_days(days: Sequence[int]) -> bool:
    return bool(days) and len(set(days)) == len(days) and all(day in WEEK_DAYS for day in days)
