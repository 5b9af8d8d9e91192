"""The compiled site."""

from __future__ import annotations

import pytest

from app.domain.circuit import CircuitTree
from app.domain.errors import InvalidInputError
from app.domain.meter import MeterPlacement
from app.domain.station import ChargingStation, Connector
from app.domain.units import Rotation
from app.energy.site_model import SiteModel
from tests.support.energy_site import circuit, key, model_of, station

TREE = [
    circuit(limit=100, margin=4),
    circuit("f", 60, parent="supply"),
    circuit("g", 30, parent="f"),
]


def test_paths_phases_and_ratings() -> None:
    model = model_of(TREE, [station("A", "g", rotation=Rotation.TRS, rating=20)])
    node = model.connectors[0]
    assert [model.node_names[n] for n in node.path] == ["g", "f", "supply"]
    assert node.conductors == (2, 0, 1)
    assert node.rating_ma == 20_000
    assert node.triple((0,), 7) == (0, 0, 7)
    assert node.triple((0, 1, 2), 7) == (7, 7, 7)
    assert model.usable[:3] == [96_000] * 3
    assert model.limit[:3] == [100_000] * 3
    assert model.slots(0, (1, 0, 1)) == (6, 8, 3, 5, 0, 2)


def test_a_station_is_a_node_only_where_it_can_bind() -> None:
    model = model_of(
        TREE,
        [
            station("single", station_max=16),
            station("roomy", outlets=2, station_max=64),
            station("shared", outlets=2, station_max=32),
        ],
    )
    assert model.node_names == ["supply", "f", "g", "shared"]
    assert [model.is_station(n) for n in range(4)] == [False, False, False, True]
    ratings = {str(node.key): node.rating_ma for node in model.connectors}
    assert ratings == {
        "single/1": 16_000,
        "roomy/1": 32_000,
        "roomy/2": 32_000,
        "shared/1": 32_000,
        "shared/2": 32_000,
    }
    assert model.usable[9:] == [32_000] * 3
    assert model.index[key("shared", 2)] == 4


def test_sums_reach_the_root() -> None:
    model = model_of(
        TREE, [station("A", "g"), station("B", "f"), station("C", outlets=2, station_max=32)]
    )
    sums = model.sum_up([(1, 2, 3), (10, 0, 0), (0, 100, 0), (0, 0, 1_000)])
    assert sums[0:3] == [11, 102, 1_003]
    assert sums[3:6] == [11, 2, 3]
    assert sums[6:9] == [1, 2, 3]
    assert sums[9:12] == [0, 100, 1_000]


@pytest.mark.parametrize(
    ("meters", "metered"),
    [
        ({}, False),
        ({"supply": MeterPlacement.SUPPLY}, True),
        ({"g": MeterPlacement.SUPPLY}, True),
        ({"supply": MeterPlacement.BUILDING}, False),
    ],
)
def test_whether_a_supply_meter_sees_a_connector(
    meters: dict[str, MeterPlacement], metered: bool
) -> None:
    model = model_of(TREE, [station("A", "g", outlets=2, station_max=32)], meters)
    assert model.connectors[0].metered is metered


def test_whether_a_supply_meter_sits_above() -> None:
    model = model_of(TREE, [], {"supply": MeterPlacement.SUPPLY, "g": MeterPlacement.SUPPLY})
    assert [model.metered_above(n) for n in range(3)] == [False, True, True]
    model = model_of(TREE, [], {"f": MeterPlacement.CHARGING})
    assert not model.metered_above(2)


def test_contradictions_are_refused() -> None:
    tree = CircuitTree(TREE)
    with pytest.raises(InvalidInputError, match="station-duplicate"):
        SiteModel.compile(tree, [station("A"), station("A")], {})
    with pytest.raises(InvalidInputError, match="station-unknown-circuit"):
        SiteModel.compile(tree, [station("A", "nowhere")], {})
    with pytest.raises(InvalidInputError, match="meter-unknown-circuit"):
        SiteModel.compile(tree, [], {"nowhere": MeterPlacement.SUPPLY})


def test_an_outlet_between_two_lines_stands_on_two_phases() -> None:
    outlet = Connector(1, phases=1, rotation=Rotation.STR, line_to_line=True)
    model = model_of(TREE, [ChargingStation("A", "A", "supply", (outlet,))])
    node = model.connectors[0]
    assert node.conductors == (1, 2)
    assert node.triple((0, 1), 7) == (0, 7, 7)


def test_slots_beyond_the_phases() -> None:
    tree = [circuit(limit=100, unbalance=20), circuit("f", 60, parent="supply", kw=10)]
    model = model_of(tree, [station("A", "f"), station("B", "f", phases=1)])
    assert model.power_slot(1) == 7
    assert model.power_slots(0, frozenset()) == ()
    assert model.power_slots(0, frozenset({1})) == (7,)
    assert model.unbalance_slot(1, 2) == 13
    assert model.unbalance_slots(0, (1, 1, 1)) == ()
    assert model.unbalance_slots(0, (1, 0, 1)) == (8, 10)
    assert model.with_power([1, 2, 3, 4, 5, 6]) == [1, 2, 3, 4, 5, 6, 6, 15]
