"""Editing the installation: what is put into force, and what is refused with its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.circuit import Circuit
from app.domain.errors import InvalidInputError, NotFoundError, UnsafeConfigurationError
from app.domain.meter import MeterConfig, MeterPlacement
from app.domain.station import ChargingStation, Connector
from app.domain.units import PhaseCurrents
from app.services.configuration import check
from tests.support.scripted import MemoryManager
from tests.unit.services.test_intake import SITE


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


def feeder(**changes: Any) -> Circuit:
    fields: dict[str, Any] = {
        "circuit_id": "b1",
        "name": "Parking",
        "parent_id": "supply",
        "limit": PhaseCurrents.uniform(32_000),
        "worst_background": PhaseCurrents(),
    }
    return Circuit(**{**fields, **changes})


def station(**changes: Any) -> ChargingStation:
    fields: dict[str, Any] = {
        "station_id": "B-1",
        "name": "B-1",
        "circuit_id": "supply",
        "connectors": (Connector(1),),
    }
    return ChargingStation(**{**fields, **changes})


async def test_circuits_are_added_moved_and_removed(site: MemoryManager) -> None:
    circuits = site.manager.services.circuits
    await circuits.save_circuit(feeder(), "admin", new=True)
    await circuits.save_circuit(feeder(name="Parking -1"), "admin", new=False)
    assert circuits.tree()["b1"].name == "Parking -1"
    stations = site.manager.services.stations
    await stations.add(station(circuit_id="b1"), "admin")
    with pytest.raises(InvalidInputError) as refused:
        await circuits.remove_circuit("b1", "admin")
    assert refused.value.params["first"] == "B-1"
    await stations.edit(station(circuit_id="supply", name="Nord"), "admin")
    await circuits.remove_circuit("b1", "admin")
    assert "b1" not in circuits.tree()
    await site.cycle(readings=(0, 0, 0))
    latest = site.manager.live.latest
    assert latest is not None
    assert [circuit.circuit_id for circuit in latest.circuits] == ["supply"]


async def test_circuits_change_places_with_their_neighbours(site: MemoryManager) -> None:
    circuits = site.manager.services.circuits
    for name in ("b1", "b2", "b3"):
        await circuits.save_circuit(feeder(circuit_id=name, name=name), "admin", new=True)
    below = feeder(circuit_id="b11", name="b11", parent_id="b1")
    await circuits.save_circuit(below, "admin", new=True)

    def order() -> list[str]:
        return [circuit.circuit_id for circuit in circuits.configuration().circuits]

    await circuits.move_circuit("b1", False, "admin")
    assert order() == ["supply", "b2", "b1", "b11", "b3"]
    await circuits.move_circuit("b3", True, "admin")
    assert order() == ["supply", "b2", "b3", "b1", "b11"]
    await circuits.move_circuit("b2", True, "admin")
    await circuits.move_circuit("b1", False, "admin")
    assert order() == ["supply", "b2", "b3", "b1", "b11"]
    with pytest.raises(InvalidInputError, match="circuit-root-stays"):
        await circuits.move_circuit("supply", True, "admin")
    with pytest.raises(NotFoundError):
        await circuits.move_circuit("zz", True, "admin")


async def test_a_circuit_is_attached_with_all_that_hangs_on_it(
    site: MemoryManager, tmp_path: Path
) -> None:
    circuits = site.manager.services.circuits
    for name, parent in (("b1", "supply"), ("b11", "b1"), ("b2", "supply")):
        made = feeder(circuit_id=name, name=name, parent_id=parent)
        await circuits.save_circuit(made, "admin", new=True)
    await circuits.attach_circuit("b1", "b2", "admin")
    tree = circuits.tree()
    assert [circuit.circuit_id for circuit in tree.path("b11")] == ["b11", "b1", "b2", "supply"]
    with pytest.raises(InvalidInputError, match="circuit-cycle"):
        await circuits.attach_circuit("b2", "b11", "admin")
    with pytest.raises(InvalidInputError, match="circuit-unknown-parent"):
        await circuits.attach_circuit("b2", "zz", "admin")
    with pytest.raises(InvalidInputError, match="circuit-root-stays"):
        await circuits.attach_circuit("supply", "b1", "admin")
    await site.manager.stop()
    again = MemoryManager(tmp_path)
    await again.start()
    kept = [circuit.circuit_id for circuit in again.manager.services.circuits.tree()]
    assert kept == ["supply", "b2", "b1", "b11"]
    await again.stop()


async def test_the_change_is_there_after_a_restart(site: MemoryManager, tmp_path: Path) -> None:
    await site.manager.services.circuits.save_circuit(feeder(), "admin", new=True)
    await site.manager.services.circuits.rename_site(" Les Tilleuls ", "Europe/Paris", "admin")
    await site.manager.stop()
    again = MemoryManager(tmp_path)
    await again.start()
    assert again.manager.configuration.current.name == "Les Tilleuls"
    assert "b1" in again.manager.services.circuits.tree()
    await again.stop()


async def test_fallbacks_that_do_not_fit_are_refused_with_the_arithmetic(
    site: MemoryManager,
) -> None:
    before = site.manager.configuration.current
    greedy = station(fallback_ma=32_000)
    with pytest.raises(UnsafeConfigurationError) as refused:
        await site.manager.services.stations.add(greedy, "admin")
    assert refused.value.params["fallbacks_ma"] == 32_000
    assert refused.value.params["background_ma"] == 30_000
    assert refused.value.params["limit_ma"] == 50_000
    assert site.manager.configuration.current == before


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"station_id": ""}, "station-identity-invalid"),
        ({"station_id": "a b"}, "station-identity-invalid"),
        ({"name": " "}, "station-name-missing"),
        ({"circuit_id": "zz"}, "station-unknown-circuit"),
        ({"connectors": ()}, "station-connector-count"),
        ({"connectors": (Connector(1), Connector(1))}, "connector-duplicate"),
        ({"connectors": (Connector(1, line_to_line=True),)}, "connector-between-lines"),
        ({"connectors": (Connector(0),)}, "connector-invalid"),
        ({"connectors": (Connector(1, max_ma=5_000),)}, "connector-current-range"),
        ({"connectors": (Connector(1, step_ma=7_000),)}, "connector-invalid"),
        ({"max_ma": 5_000}, "station-current-range"),
        ({"fallback_ma": 3_000}, "station-fallback-range"),
        ({"weight": 1}, "station-weight-range"),
        ({"station_id": "A-1"}, "station-exists"),
    ],
)
async def test_absurd_stations_are_refused(
    site: MemoryManager, changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await site.manager.services.stations.add(station(**changes), "admin")
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": ""}, "circuit-name-missing"),
        ({"limit": PhaseCurrents.uniform(9_000_000)}, "circuit-limit-absurd"),
        ({"limit": PhaseCurrents()}, "circuit-limit-positive"),
        ({"parent_id": "zz"}, "circuit-unknown-parent"),
        ({"parent_id": None}, "circuit-one-root"),
        ({"circuit_id": "supply"}, "circuit-duplicate"),
    ],
)
async def test_absurd_circuits_are_refused(
    site: MemoryManager, changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        await site.manager.services.circuits.save_circuit(feeder(**changes), "admin", new=True)
    assert refused.value.key == key


METER = MeterConfig("m2", "IME Nemo 96HD+", "10.0.0.5", "b1", placement=MeterPlacement.CHARGING)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"model": "Nobody 1"}, "meter-unknown-model"),
        ({"circuit_id": "zz"}, "meter-unknown-circuit"),
        ({"circuit_id": "supply"}, "meter-one-per-circuit"),
        ({"host": " "}, "meter-address-missing"),
        ({"port": 0}, "meter-port-range"),
        ({"unit_id": 300}, "meter-unit-range"),
        ({"poll_period_s": 60.0}, "meter-period-range"),
    ],
)
async def test_absurd_meters_are_refused(
    site: MemoryManager, changes: dict[str, Any], key: str
) -> None:
    circuits = site.manager.services.circuits
    await circuits.save_circuit(feeder(), "admin", new=True)
    with pytest.raises(InvalidInputError) as refused:
        await circuits.save_meter(msgspec.structs.replace(METER, **changes), "admin")
    assert refused.value.key == key


async def test_meters_start_restart_and_stop_with_the_configuration(site: MemoryManager) -> None:
    circuits = site.manager.services.circuits
    first = site.meters["m"]
    await circuits.save_circuit(feeder(), "admin", new=True)
    await circuits.save_meter(METER, "admin")
    assert site.meters["m"] is first
    second = site.meters["m2"]
    running = [second.running]
    await circuits.save_meter(msgspec.structs.replace(METER, port=503), "admin")
    running += [second.running, site.meters["m2"].running]
    await circuits.remove_meter("m2", "admin")
    running.append(site.meters["m2"].running)
    assert running == [True, False, True, False]
    with pytest.raises(NotFoundError):
        await circuits.remove_meter("m2", "admin")
    assert (await circuits.test_meter(METER)).ok
    assert len(circuits.meter_models()) == 30


async def test_the_root_stays_and_unknown_things_are_said_to_be_unknown(
    site: MemoryManager,
) -> None:
    services = site.manager.services
    with pytest.raises(InvalidInputError, match="circuit-root-stays"):
        await services.circuits.remove_circuit("supply", "admin")
    with pytest.raises(NotFoundError):
        await services.circuits.remove_circuit("zz", "admin")
    with pytest.raises(NotFoundError):
        await services.circuits.save_circuit(feeder(), "admin", new=False)
    with pytest.raises(NotFoundError):
        await services.stations.edit(station(), "admin")


async def test_there_is_a_limit_to_what_one_box_runs(site: MemoryManager) -> None:
    current = site.manager.configuration.current
    many = tuple(station(station_id=f"M-{number}") for number in range(101))
    with pytest.raises(InvalidInputError, match="too-many-stations"):
        check(msgspec.structs.replace(current, stations=many))
    wide = tuple(
        station(station_id=f"M-{number}", connectors=tuple(Connector(n) for n in (1, 2, 3)))
        for number in range(70)
    )
    with pytest.raises(InvalidInputError, match="too-many-connectors"):
        check(msgspec.structs.replace(current, stations=wide))


async def test_health_is_ready_while_the_cycle_runs(site: MemoryManager) -> None:
    await site.cycle(readings=(0, 0, 0))
    report = site.manager.health.report()
    assert report.ready
    assert {check.name for check in report.checks} == {
        "control-cycle",
        "storage",
        "data",
        "meters",
        "profile-writes",
        "stations",
    }
    site.clock.advance(10)
    assert not site.manager.health.report().ready


async def test_an_empty_box_starts_with_a_supply_that_counts_as_full(tmp_path: Path) -> None:
    empty = MemoryManager(tmp_path)
    await empty.start()
    await empty.cycle()
    latest = empty.manager.live.latest
    assert latest is not None
    assert latest.connectors == ()
    assert latest.supply.circuit_id == "supply"
    await empty.stop()


async def test_a_fault_in_planning_never_raises_a_limit(
    site: MemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_state: object) -> object:
        raise RuntimeError("planned to fail")

    monkeypatch.setattr(site.manager.planner, "plan", broken)
    await site.cycle(3, readings=(0, 0, 0))
    assert site.manager.control.failures >= 3
    latest = site.manager.live.latest
    assert latest is not None
    assert latest.cycle >= 3
    assert latest.supply.limit.l1 == 50_000
