"""Before and after: figures of circuits, and what the running sessions would be granted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.circuit import Circuit
from app.domain.errors import InvalidInputError
from app.domain.station import ChargingStation, Connector
from app.domain.units import PhaseCurrents, Rotation
from app.energy.settings import EnergySettings
from app.services.circuit_figures import Basis, CircuitFigures, FigureTable
from app.services.dry_run import granted
from app.services.ports import SiteConfiguration
from app.services.preview import PreviewService
from tests.support.energy_site import Desk, amps, circuit, key, model_of, station
from tests.support.scripted import MemoryManager
from tests.unit.services.test_intake import SITE, charging


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


def changed(site: MemoryManager, circuit: Circuit) -> SiteConfiguration:
    current = site.manager.configuration.current
    circuits = {one.circuit_id: one for one in current.circuits} | {circuit.circuit_id: circuit}
    return msgspec.structs.replace(current, circuits=tuple(circuits.values()))


def supply(site: MemoryManager, **changes: Any) -> Circuit:
    return msgspec.structs.replace(site.manager.services.circuits.tree().root, **changes)


def preview_of(site: MemoryManager) -> PreviewService:
    return site.manager.services.preview


async def test_nothing_changes_when_nothing_is_changed(site: MemoryManager) -> None:
    await site.cycle(3, readings=(10, 20, 30))
    found = preview_of(site).preview(site.manager.configuration.current, ["supply"])
    (only,) = found.circuits
    assert only.before == only.after
    assert found.refusal is None
    assert found.sessions == ()
    assert found.more_circuits == 0
    figures = only.after
    assert figures is not None
    assert figures.basis is Basis.DECLARED
    assert figures.left == amps(18)
    assert figures.left_now == amps(38, 28, 18)
    assert (figures.cars, figures.connectors) == (3, 3)


async def test_before_the_first_cycle_there_is_no_now(site: MemoryManager) -> None:
    fresh = PreviewService(site.manager.configuration, EnergySettings())
    (only,) = fresh.preview(site.manager.configuration.current, ["supply"]).circuits
    assert only.after is not None
    assert only.after.left_now is None


async def test_a_lower_limit_is_told_with_what_the_cars_would_lose(site: MemoryManager) -> None:
    await charging(site)
    lower = supply(site, limit=amps(50, 30, 50), worst_background=amps(0))
    found = preview_of(site).preview(changed(site, lower), ["supply"])
    (only,) = found.circuits
    assert only.before is not None
    assert only.after is not None
    assert (only.before.limit, only.after.limit) == (amps(50), amps(50, 30, 50))
    (session,) = found.sessions
    assert session.name == "Nord"
    assert session.before_ma == 32_000
    assert session.after_ma < session.before_ma


async def test_total_power_and_unbalance_count_in_the_preview(site: MemoryManager) -> None:
    await charging(site)
    limited = supply(site, max_power_w=18_000, max_unbalance_ma=20_000)
    found = preview_of(site).preview(changed(site, limited), ["supply"])
    (session,) = found.sessions
    assert 6_000 <= session.after_ma < session.before_ma
    (only,) = found.circuits
    assert only.after is not None
    assert only.before is not None
    assert only.after.max_power_w == 18_000
    assert only.after.cars == 0  # the other loads at their most take all of 18 kW
    assert only.before.cars == 3


async def test_what_would_be_refused_is_shown_with_its_arithmetic(site: MemoryManager) -> None:
    greedy = msgspec.structs.replace(
        site.manager.configuration.current.stations[0], fallback_ma=32_000
    )
    current = site.manager.configuration.current
    candidate = msgspec.structs.replace(current, stations=(greedy, *current.stations[1:]))
    found = preview_of(site).preview(candidate, ["supply"])
    assert found.refusal is not None
    assert found.refusal.lines[0].over_ma == 12_000
    assert found.circuits[0].after is not None
    assert found.circuits[0].after.fallbacks == amps(32)
    assert site.manager.configuration.current == current


async def test_what_is_no_configuration_is_refused(site: MemoryManager) -> None:
    with pytest.raises(InvalidInputError, match="circuit-limit-positive"):
        preview_of(site).preview(changed(site, supply(site, limit=PhaseCurrents())), [])


async def test_new_circuits_have_no_before_and_edited_ones_come_first(site: MemoryManager) -> None:
    feeder = circuit("b1", 32, parent="supply")
    found = preview_of(site).preview(changed(site, feeder), ["b1", "supply", "unknown"])
    assert [one.circuit_id for one in found.circuits] == ["b1", "supply"]
    assert found.circuits[0].before is None
    assert found.circuits[0].after is not None
    assert found.circuits[0].after.basis is Basis.ABOVE


async def test_of_many_circuits_some_are_counted_only(site: MemoryManager) -> None:
    current = site.manager.configuration.current
    many = [circuit(f"b{n}", 32, parent="supply") for n in range(15)]
    candidate = msgspec.structs.replace(current, circuits=(*current.circuits, *many))
    found = preview_of(site).preview(candidate, [])
    assert len(found.circuits) == 10
    assert found.more_circuits == 5
    back = PreviewService(site.manager.configuration, EnergySettings())
    site.manager.configuration.current = candidate
    gone = back.preview(current, [])
    site.manager.configuration.current = current
    assert gone.circuits[0].after is None


# ------------------------------------------------------------------------------- figures


def figures(circuits: Sequence[Circuit], stations: Sequence[ChargingStation]) -> CircuitFigures:
    """Those of the supply, without a meter."""
    found = FigureTable(model_of(circuits, stations, {}), {}).of("supply")
    assert found is not None
    return found


def test_a_circuit_of_which_nothing_is_known_counts_as_full() -> None:
    found = figures([circuit(limit=100)], [station("S0")])
    assert found.basis is Basis.FULL
    assert found.left == amps(0)
    assert found.cars == 0


def test_cars_on_one_phase_fit_beside_each_other() -> None:
    stations = [
        station(name, phases=1, rotation=rotation)
        for name, rotation in (("a", Rotation.RST), ("b", Rotation.STR), ("c", Rotation.TRS))
    ]
    found = figures([circuit(limit=12, worst=0)], [station("three"), *stations, station("more")])
    assert (found.cars, found.connectors) == (4, 5)


def test_a_shared_station_bounds_its_own_cars() -> None:
    found = figures(
        [circuit(limit=100, worst=0)], [station("S0", outlets=3, station_max=13, rating=13)]
    )
    assert (found.cars, found.connectors) == (2, 3)


def test_a_socket_needs_its_whole_rating() -> None:
    found = figures(
        [circuit(limit=20, worst=0)], [station("plug", rating=16, controllable=False), station("S")]
    )
    assert found.cars == 1


def test_a_connector_between_two_lines_takes_room_on_both() -> None:
    between = ChargingStation("S", "S", "supply", (Connector(1, phases=1, line_to_line=True),))
    found = figures([circuit(limit=10, worst=0)], [between, station("one", phases=1)])
    assert found.cars == 1


# ------------------------------------------------------------------------------- sessions


def plugged() -> Desk:
    """Two cars on a supply of 40 A, of which the building takes 8 A."""
    desk = Desk.of(
        [circuit(limit=40, worst=20)],
        [
            station("A"),
            station("B"),
            station("idle"),
            station("plug", rating=8, controllable=False),
        ],
        building=amps(8),
    )
    desk.plug("A", "B")
    desk.run(60)
    return desk


def test_the_dry_run_of_the_same_site_is_what_the_planner_settles_on() -> None:
    desk = plugged()
    assert desk.plan is not None
    state = desk.state()
    found = granted(desk.planner.model, state, desk.plan, desk.planner.settings)
    assert found == {key(name): desk.allocation(name).limit_ma for name in ("A", "B")}


def test_cars_that_the_candidate_does_not_know_are_left_out() -> None:
    desk = plugged()
    assert desk.plan is not None
    other = model_of([circuit(limit=100, worst=20)], [station("A"), station("new")])
    found = granted(other, desk.state(), desk.plan, desk.planner.settings)
    assert found == {key("A"): 32_000}


def test_a_car_wants_no_more_than_it_was_seen_to_want() -> None:
    desk = plugged()
    for _ in range(9):
        desk.draw("A", 7)
        desk.meter(amps(30))
        desk.run(10, follow=False)
    assert desk.plan is not None
    larger = model_of([circuit(limit=200, worst=20)], [station("A"), station("B")])
    found = granted(larger, desk.state(), desk.plan, desk.planner.settings)
    assert found[key("A")] < 16_000
    assert found[key("B")] == 32_000


def test_the_phases_in_use_and_the_sessions_own_cap_count() -> None:
    desk = plugged()
    desk.change("A", cap_ma=10_000)
    desk.draw("B", 16, 0, 0)
    assert desk.plan is not None
    narrow = model_of(
        [Circuit("supply", "supply", None, amps(60, 10, 60))], [station("A"), station("B")]
    )
    found = granted(narrow, desk.state(), desk.plan, desk.planner.settings)
    assert found[key("A")] <= 10_000
    assert found[key("B")] == 32_000
