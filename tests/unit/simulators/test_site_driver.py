"""A scenario played on a virtual clock with a central system that only gives fixed limits."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from simulators.meter.bank import Fault
from simulators.picture import draw_day, unmanaged_day
from simulators.report import Recorded, build_report
from tests.unit.simulators.driver_bench import Playing, play, site


def test_cars_that_were_there_first_charge_once_their_station_is_connected() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(60)
        assert playing.fleet.transaction_count == 4
        assert playing.fleet.charging_count == 4

    played = play(site(), check)
    assert sorted(played.central.starts) == [f"S-00{n}/1" for n in (1, 2, 3, 4)]


def test_the_limit_the_cars_and_the_building_are_what_the_meter_shows() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(60)
        charging = playing.driver.site.charging_a[0]
        assert charging[0] > 0
        assert max(charging) <= 4 * 8.0 + 1e-6
        expected = [a + b for a, b in zip(charging, (10, 11, 12), strict=True)]
        assert playing.metered_a() == pytest.approx(expected, abs=0.001)

    play(site(), check)


def test_without_limits_a_small_supply_is_overloaded_and_its_breaker_trips() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(300)
        oracle = playing.driver.site.oracle
        oracle.finish(playing.driver.now_s)
        assert any(overload.duration_s > 200 for overload in oracle.overloads)
        assert oracle.trips

    play(site(limit=32), check, limit_a=None)


def test_with_limits_that_fit_nothing_is_overloaded() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(300)
        oracle = playing.driver.site.oracle
        oracle.finish(playing.driver.now_s)
        assert (oracle.overloads, oracle.trips) == ([], [])

    play(site(limit=45), check, limit_a=8.0)


def test_cars_of_a_day_come_and_go_and_each_leaves_a_finished_transaction() -> None:
    plan = site(cars="{kind: day, place: workplace, visits_per_outlet: 20}")
    assert len(plan.visits) > 3

    async def check(playing: Playing) -> None:
        await playing.driver.play(600)
        playing.driver.everybody_leaves()
        await playing.driver.play(60)
        assert playing.fleet.queued_count == 0
        assert playing.fleet.charging_count == 0

    played = play(plan, check)
    stopped = len(played.central.stops)
    assert stopped == len(played.central.starts) == played.fleet.transaction_count > 0


def test_a_car_that_leaves_early_frees_its_outlet_for_the_next() -> None:
    plan = site()

    async def check(playing: Playing) -> None:
        await playing.driver.play(30)
        visit = plan.visits[0]
        playing.fleet.leave(visit)
        assert playing.fleet.outlets[visit.outlet].connector.car is None
        playing.fleet.leave(visit)
        playing.fleet.arrive(visit, playing.driver.now_s)
        await playing.driver.play(30)
        assert playing.fleet.charging_count == 4
        assert playing.fleet.transaction_count == 5

    play(plan, check)


def test_the_meter_dies_and_comes_back_when_the_scenario_says() -> None:
    async def check(playing: Playing) -> None:
        faults = []
        for _ in range(4):
            await playing.driver.play(50)
            faults.append(playing.meter.bank.fault)
        assert faults == [Fault.NONE, Fault.SILENT, Fault.SILENT, Fault.NONE]

    played = play(site(events="[{kind: meter-dead, at_s: 70, for_s: 100}]"), check)
    assert played.told == ["the meter dies", "the meter is back"]


def test_stations_that_lose_the_network_go_on_by_themselves_and_come_back() -> None:
    plan = site(events="[{kind: stations-offline, at_s: 60, share: 0.5, for_s: 120}]")

    async def check(playing: Playing) -> None:
        await playing.driver.play(90)
        cut_off = [station for station in playing.fleet.stations if not station.network.up]
        assert len(cut_off) == 2
        assert playing.fleet.charging_count == 4
        await playing.driver.play(400)
        assert all(station.connected for station in playing.fleet.stations)

    assert play(plan, check).told == ["2 stations lose the network"]


def test_the_manager_is_killed_and_revived_when_the_scenario_says() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(200)

    played = play(site(events="[{kind: manager-killed, at_s: 50, for_s: 100}]"), check)
    assert played.manager.events == ["killed", "revived"]


def test_two_plays_of_the_same_seed_are_the_same() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(300)

    first, second = play(site(), check), play(site(), check)
    assert first.driver.moments == second.driver.moments
    assert first.fleet.delivered_kwh == second.fleet.delivered_kwh > 0


def test_the_report_holds_every_promised_key_and_the_truth() -> None:
    plan = site()

    async def check(playing: Playing) -> None:
        await playing.driver.play(300)
        playing.driver.everybody_leaves()
        await playing.driver.play(30)
        playing.driver.site.oracle.finish(playing.driver.now_s)

    played = play(plan, check)
    records = [record for station in played.fleet.stations for record in station.records]
    stored = {number: round(record.energy_wh) for number, record in enumerate(records, start=1)}
    for number, record in enumerate(records, start=1):
        record.transaction_id = number
    recorded = Recorded(transactions=4, energy_wh=stored)
    report = build_report(played.driver, simulated_s=300.0, recorded=recorded, real_s=1.0)
    assert report.keys() >= {
        "scenario",
        "seed",
        "stations",
        "connectors",
        "simulated_s",
        "overload_events",
        "overload_s_p95",
        "longest_overload_s",
        "breakers_tripped",
        "power_overload_s",
        "capacity_used_ratio",
        "capacity_used_steady",
        "kwh_asked",
        "kwh_delivered",
        "profile_messages_per_connector_hour",
        "profile_writes_per_year_worst",
        "disobeying",
        "disobeying_found_s",
        "wrongly_flagged",
        "starved_cars",
        "longest_wait_s",
        "pauses_per_session",
        "transactions_expected",
        "transactions_recorded",
        "energy_error_ratio",
    }
    assert report["transactions_expected"] == report["transactions_recorded"] == 4
    assert report["energy_error_ratio"] == pytest.approx(0, abs=0.005)
    assert 0 < report["capacity_used_ratio"] < 0.5
    assert report["profile_messages_per_connector_hour"] == 12
    assert report["profile_writes_per_year_worst"] == 365 * 24 * 12
    assert (report["disobeying"], report["disobeying_found_s"]) == (0, None)
    assert report["power_overload_s"] is None
    assert report["kwh_asked"] > report["kwh_delivered"] > 0
    bare = build_report(played.driver, simulated_s=300.0, recorded=None, real_s=1.0)
    assert bare["transactions_recorded"] is None
    wrong = Recorded(4, dict.fromkeys(stored, 0))
    assert build_report(played.driver, simulated_s=300.0, recorded=wrong, real_s=1.0)[
        "energy_error_ratio"
    ] == pytest.approx(1.0)

    picture = draw_day(plan, played.driver.moments, unmanaged_day(plan), report)
    drawn = ET.fromstring(picture)
    texts = [text.text or "" for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert "A little site" in texts
    assert "limit 200 A" in texts
    assert "08:00" in texts
