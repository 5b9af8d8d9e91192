"""Every scenario that comes with the simulators is readable, consistent and worked out right."""

from __future__ import annotations

import json

import pytest

from simulators.part import three
from simulators.plan import SitePlan, make_plan
from simulators.scenario import Scenario, load_scenario, parse_scenario, scenario_names
from simulators.station.persona import persona_names

NAMES = scenario_names()
MINIMAL = """
title: One station
description: One station alone.
site_name: Here
start: 2026-01-20T08:00:00
duration_s: 60
circuits:
  - {id: supply, name: Supply, limit_a: 32}
stations:
  - {prefix: S, count: 1, circuit: supply, place: "Place {n}", personas: {control-generic: 1}}
cars: {kind: occupied, share: 1}
"""


@pytest.fixture(params=NAMES)
def plan(request: pytest.FixtureRequest) -> SitePlan:
    return make_plan(load_scenario(request.param))


def test_the_promised_scenarios_exist() -> None:
    assert set(NAMES) >= {
        "basement-100",
        "clocks-wrong",
        "demo-100",
        "dst-night",
        "feeder-tree",
        "liars",
        "lossy-lan",
        "manager-killed",
        "meter-lies",
        "meter-lost",
        "phase-rotation",
        "power-only",
        "reboot-storm",
        "shortage-rotation",
        "small-4",
        "station-offline",
        "truncating",
        "workplace-day",
    }


def test_each_tells_a_site_manager_what_happens(plan: SitePlan) -> None:
    scenario = plan.scenario
    assert 10 <= len(scenario.title) <= 60
    assert 100 <= len(scenario.description) <= 600


def test_provisioning_is_whole_and_consistent(plan: SitePlan) -> None:
    site = json.loads(json.dumps(plan.provisioning("127.0.0.1", 5020)))
    assert site["schema"] == "bornier-site/1"
    circuits = {circuit["id"]: circuit for circuit in site["circuits"]}
    assert sum(circuit["parent"] is None for circuit in site["circuits"]) == 1
    for circuit in site["circuits"]:
        assert circuit["parent"] is None or circuit["parent"] in circuits
        assert len(circuit["limit_a"]) == 3
        assert min(circuit["limit_a"]) > circuit["margin_a"] >= 0
        assert len(circuit["worst_background_a"]) == 3
    assert site["meters"]
    for number, meter in enumerate(site["meters"], start=1):
        assert meter["circuit"] in circuits
        assert (meter["host"], meter["port"]) == ("127.0.0.1", 5020)
        assert meter["unit_id"] == number
    assert len({station["id"] for station in site["stations"]}) == plan.scenario.station_count
    for station in site["stations"]:
        assert station["circuit"] in circuits
        for connector in station["connectors"]:
            assert connector["phases"] in (1, 3)
            assert sorted(connector["rotation"]) == ["R", "S", "T"]
            assert connector["max_a"] <= station["max_a"]
    assert len({badge["id_tag"] for badge in site["badges"]}) == len(site["badges"])
    assert all(len(badge["id_tag"]) <= 20 for badge in site["badges"])


def test_fallback_currents_fit_every_circuit_under_its_worst_building(plan: SitePlan) -> None:
    parents = {circuit.id: circuit.parent for circuit in plan.circuits}
    for circuit in plan.circuits:
        worst = circuit.worst_background_a
        assert worst is not None
        need = list(three(worst))
        for station in plan.stations:
            above: str | None = station.circuit
            while above is not None and above != circuit.id:
                above = parents[above]
            if above is None:
                continue
            for connector in station.connectors:
                for phase in connector.site_phases[: connector.phases]:
                    need[phase] += station.fallback_a
        assert all(used <= limit for used, limit in zip(need, three(circuit.limit_a), strict=True))


def test_the_building_never_exceeds_its_declared_worst(plan: SitePlan) -> None:
    declared = {
        circuit.id: three(circuit.worst_background_a)
        for circuit in plan.circuits
        if circuit.worst_background_a is not None
    }
    for circuit_id, building in plan.buildings().items():
        for second in range(0, int(plan.scenario.duration_s), 5):
            drawn = building.amperes(float(second))
            assert all(a <= b for a, b in zip(drawn, declared[circuit_id], strict=True))


def test_personas_exist(plan: SitePlan) -> None:
    assert {station.persona for station in plan.stations} <= set(persona_names())


def test_every_visit_has_an_outlet_and_a_badge(plan: SitePlan) -> None:
    assert plan.visits
    for visit in plan.visits:
        assert 0 <= visit.outlet < len(plan.outlets)
        assert 0 <= visit.driver < len(plan.badges)
        assert visit.arrival_s < visit.departure_s
    drivers = [visit.driver for visit in plan.visits]
    assert len(set(drivers)) == len(drivers)


def test_events_happen_within_the_scenario(plan: SitePlan) -> None:
    for event in plan.scenario.events:
        end_s = event.at_s + (event.for_s or 0)
        assert 0 < event.at_s < end_s or event.for_s is None
        assert end_s < plan.scenario.duration_s


def test_the_workplace_supply_carries_sixty_percent_of_the_unmanaged_peak() -> None:
    plan = make_plan(load_scenario("workplace-day"))
    limit_a = three(plan.circuits[0].limit_a)[0]
    assert limit_a / max(plan.unmanaged_peak_a()) == pytest.approx(0.60, abs=0.015)


def test_two_thirds_of_the_basement_are_occupied() -> None:
    plan = make_plan(load_scenario("basement-100"))
    assert len(plan.stations) == 100
    assert len(plan.visits) / len(plan.outlets) == pytest.approx(2 / 3, abs=0.01)
    assert {outlet.connector.phases for outlet in plan.outlets} == {1, 3}
    assert {visit.car.phases for visit in plan.visits} == {1, 3}


def test_the_seed_changes_the_cars_but_not_the_wiring() -> None:
    scenario = load_scenario("basement-100")
    first, second = make_plan(scenario, seed=1), make_plan(scenario, seed=2)
    assert make_plan(scenario, seed=1) == first
    assert first.stations == second.stations
    assert first.badges == second.badges
    assert first.visits != second.visits


@pytest.mark.parametrize("count", [1, 20, 37, 200])
def test_a_site_of_another_size_keeps_its_proportions(count: int) -> None:
    scenario = load_scenario("demo-100")
    plan = make_plan(scenario, stations=count)
    assert len(plan.stations) == count
    assert three(plan.circuits[0].limit_a)[0] == pytest.approx(630 * count / 100, abs=0.1)
    whole = make_plan(scenario).buildings()["supply"].amperes(200.0)
    scaled = plan.buildings()["supply"].amperes(200.0)
    for of_the_whole, of_the_scaled in zip(whole, scaled, strict=True):
        assert of_the_scaled == pytest.approx(of_the_whole * count / 100, rel=0.01)


def test_another_meter_model_is_taken() -> None:
    plan = make_plan(load_scenario("small-4"), meter_model="BTicino F4N200")
    assert plan.provisioning("h", 1)["meters"][0]["model"] == "BTicino F4N200"


def test_a_minimal_scenario_is_enough() -> None:
    plan = make_plan(parse_scenario("minimal", MINIMAL))
    assert [station.id for station in plan.stations] == ["S-001"]
    assert plan.buildings() == {}
    assert plan.provisioning("h", 1)["circuits"][0]["worst_background_a"] is None


def with_line(old: str, new: str) -> str:
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("just text", "not a mapping"),
        (with_line("limit_a: 32", "limit_a: wide"), "limit_a"),
        (with_line("title:", "titel:"), "titel"),
        (with_line("kind: occupied", "kind: crowded"), "crowded"),
    ],
)
def test_a_wrong_file_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_scenario("wrong", text)


@pytest.mark.parametrize(
    ("text", "stations", "says"),
    [
        (with_line("circuit: supply", "circuit: cellar"), None, "cellar"),
        (with_line('place: "Place {n}"', "place: P, layouts: {triple: 1}"), None, "triple"),
        (MINIMAL, 0, "at least one"),
    ],
)
def test_a_scenario_that_cannot_be_built_says_why(
    text: str, stations: int | None, says: str
) -> None:
    scenario: Scenario = parse_scenario("wrong", text)
    with pytest.raises(ValueError, match=says):
        make_plan(scenario, stations=stations)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("meters: [{circuit: cellar}]", "cellar"),
        ("meters: [{circuit: supply}, {circuit: supply}]", "two meters"),
        ("events: [{kind: meter-dead, at_s: 1, circuit: cellar}]", "cellar"),
        (
            "limit_windows: [{kind: weekly, circuit: cellar, limit_a: 1, from: '01:00', to: '02:00'}]",
            "cellar",
        ),
    ],
)
def test_what_is_said_of_an_unknown_circuit_is_refused(more: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make_plan(parse_scenario("wrong", MINIMAL + more))


def test_a_scenario_has_a_meter_or_meters() -> None:
    with pytest.raises(ValueError, match="either meter or meters"):
        parse_scenario("wrong", MINIMAL + "meter: {}\nmeters: [{}]")


RULES = """
rules:
  policy: first-come
  schedules: [{circuit: supply, from: "22:00", to: "06:00", limit_a: [10, 20, 30]}]
limit_windows:
  - {kind: weekly, circuit: supply, limit_a: [10, 20, 30], from: "22:00", to: "06:00"}
"""


def test_rules_are_handed_over_as_they_are() -> None:
    document = make_plan(parse_scenario("ruled", MINIMAL + RULES)).provisioning("h", 1)
    schedule = {"circuit": "supply", "from": "22:00", "to": "06:00", "limit_a": [10, 20, 30]}
    assert document["rules"] == {"policy": "first-come", "schedules": [schedule]}
    assert "rules" not in make_plan(parse_scenario("bare", MINIMAL)).provisioning("h", 1)


def test_limits_of_the_hour_grow_with_the_site() -> None:
    plan = make_plan(parse_scenario("ruled", MINIMAL + RULES), stations=2)
    assert plan.rules["schedules"][0]["limit_a"] == [20, 40, 60]
    (window,) = plan.limit_windows
    assert three(window.limit_a) == (20, 40, 60)
    only_policy = parse_scenario("ruled", MINIMAL + "rules: {policy: first-come}")
    assert make_plan(only_policy, stations=2).rules == {"policy": "first-come"}


def test_limits_of_power_and_unbalance_are_handed_over_and_grow_with_the_site() -> None:
    text = with_line("limit_a: 32", "limit_a: 32, max_power_kw: 12, max_unbalance_a: 20")
    for stations, power_kw, unbalance_a in ((1, 12, 20), (2, 24, 40)):
        plan = make_plan(parse_scenario("bound", text), stations=stations)
        (circuit,) = plan.provisioning("h", 1)["circuits"]
        assert (circuit["max_power_kw"], circuit["max_unbalance_a"]) == (power_kw, unbalance_a)


def test_what_hangs_below_a_circuit() -> None:
    plan = make_plan(load_scenario("feeder-tree"))
    assert plan.below("north") == {"north", "north-a", "north-b"}
    assert len(plan.below("supply")) == len(plan.circuits)


def test_an_unknown_scenario_names_those_that_exist() -> None:
    with pytest.raises(ValueError, match="small-4"):
        load_scenario("nowhere")
