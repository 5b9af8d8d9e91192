"""The arithmetic of a refusal, and the largest set of stations that would be accepted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest

from app.domain.circuit import Circuit, CircuitTree
from app.domain.station import ChargingStation
from app.domain.units import Rotation
from app.energy.failsafe import worst_case
from app.energy.site_model import SiteModel
from app.services.ports import SiteConfiguration
from app.services.refusal import Refusal, Term, explained
from tests.support.energy_site import circuit, station


def refusal(circuits: Sequence[Circuit], stations: Sequence[ChargingStation]) -> Refusal:
    configuration = SiteConfiguration("Test", "Europe/Paris", tuple(circuits), (), tuple(stations))
    model = SiteModel.compile(CircuitTree(circuits), stations, {})
    return explained(configuration, model)


def fits(circuits: Sequence[Circuit], stations: Sequence[ChargingStation]) -> bool:
    return not worst_case(SiteModel.compile(CircuitTree(circuits), stations, {}))


def test_equal_phases_share_one_line() -> None:
    found = refusal(
        [circuit(limit=100, worst=40)], [station(f"S{n}", fallback=6) for n in range(12)]
    )
    (line,) = found.lines
    assert line.name == "supply"
    assert line.phases == (0, 1, 2)
    assert line.terms == (Term(12, 6_000),)
    assert (line.fallbacks_ma, line.background_ma, line.limit_ma) == (72_000, 40_000, 100_000)
    assert line.over_ma == 12_000
    assert line.room_ma == 28_000
    assert line.declared_on == ""
    assert len(found.stations) == 12
    assert len(found.subset) == 10


def test_phases_that_differ_have_lines_of_their_own() -> None:
    found = refusal(
        [circuit(limit=(20, 100, 20), worst=10)],
        [station("three", fallback=12), station("one", phases=1, fallback=6)],
    )
    assert [(line.phases, line.fallbacks_ma) for line in found.lines] == [
        ((0,), 18_000),
        ((2,), 12_000),
    ]
    assert found.lines[0].terms == (Term(1, 6_000), Term(1, 12_000))
    assert found.lines[1].terms == (Term(1, 12_000),)


def test_loads_declared_above_are_named() -> None:
    found = refusal(
        [circuit(limit=200, worst=90), circuit("p1", 95, parent="supply")],
        [station("S0", "p1", fallback=6)],
    )
    (line,) = found.lines
    assert (line.node, line.declared_on) == ("p1", "supply")


def test_loads_that_nobody_knows_leave_no_subset() -> None:
    found = refusal([circuit(limit=200)], [station("S0", fallback=6)])
    (line,) = found.lines
    assert (line.background_ma, line.over_ma, line.declared_on) == (None, None, "")
    assert line.room_ma == 194_000
    assert found.subset == ()


def test_a_shared_station_is_a_node_of_its_own() -> None:
    found = refusal(
        [circuit(limit=200, worst=0)],
        [station("S0", fallback=16, outlets=3, station_max=32), station("S1", fallback=6)],
    )
    (line,) = found.lines
    assert line.is_station
    assert line.terms == (Term(3, 16_000),)
    assert line.declared_on == ""
    assert found.stations == ("S0",)
    assert found.subset == ("S0",)


def test_a_socket_without_pilot_counts_with_its_rating() -> None:
    found = refusal(
        [circuit(limit=40, worst=0)],
        [
            station("plug", fallback=6, rating=16, controllable=False),
            station("S0", fallback=16),
            station("S1", fallback=16),
        ],
    )
    assert found.lines[0].terms == (Term(3, 16_000),)
    assert found.subset == ("plug", "S0", "S1")


def test_stations_outside_keep_what_they_have() -> None:
    found = refusal(
        [
            circuit(limit=100, worst=20),
            circuit("p1", 20, parent="supply", worst=10),
            circuit("p2", 20, parent="supply", worst=10),
        ],
        [
            station("A", "p1", fallback=6),
            station("B", "p1", fallback=6),
            station("C", "p2", fallback=6),
        ],
    )
    assert found.stations == ("A", "B")
    assert found.subset == ("A",)


MIXED = [
    station("three", "p1"),
    station("one", "p1", phases=1),
    station("two", "p1", phases=1, rotation=Rotation.STR),
    station("last", "p1", phases=1, rotation=Rotation.TRS),
    station("other", "p2"),
    station("single", "p2", phases=1),
    station("direct", "supply"),
]


@pytest.mark.parametrize("feeder", [6, 8, 12, 13])
@pytest.mark.parametrize("supply", [6, 12, 18, 24])
def test_no_larger_set_would_be_accepted(feeder: int, supply: int) -> None:
    circuits = [
        circuit(limit=supply + 5, worst=5),
        circuit("p1", feeder, parent="supply", worst=0),
        circuit("p2", 6, parent="supply", worst=0),
    ]

    def configured(chosen: Sequence[str]) -> list[ChargingStation]:
        return [
            ChargingStation(
                one.station_id,
                one.name,
                one.circuit_id,
                one.connectors,
                fallback_ma=6_000 if one.station_id in chosen else 0,
            )
            for one in MIXED
        ]

    names = [one.station_id for one in MIXED]
    stations = configured(names)
    assert not fits(circuits, stations)
    found = refusal(circuits, stations)
    best = max(
        count
        for count in range(len(names) + 1)
        if any(fits(circuits, configured(chosen)) for chosen in combinations(found.stations, count))
    )
    outside = [name for name in names if name not in found.stations]
    assert fits(circuits, configured([*found.subset, *outside]))
    assert len(found.subset) == best
