"""Events of a scenario, played on a little site of four stations on two circuits."""

from __future__ import annotations

import pytest

from simulators.happenings import every_nth
from simulators.station.config import Faults
from tests.unit.simulators.driver_bench import Playing, play, site


def offline(playing: Playing) -> list[str]:
    return [s.station_id for s in playing.fleet.stations if not s.network.up]


def test_a_meter_lies_for_a_while_about_what_flows() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(59)
        honest = playing.metered_a()
        await playing.driver.play(11)
        assert playing.metered_a() == pytest.approx([2 * a for a in honest], rel=0.01)
        await playing.driver.play(60)
        assert playing.metered_a() == pytest.approx(honest, rel=0.01)

    played = play(
        site(events="[{kind: meter-lies, lie: ratio, ratio: 2, at_s: 60, for_s: 50}]"), check
    )
    assert played.told == ["the meter lies (ratio)", "the meter is honest again"]


def test_only_the_meter_that_an_event_names_is_concerned() -> None:
    more = "meters: [{circuit: supply}, {circuit: level, placement: charging}]"
    plan = site(events="[{kind: meter-dead, at_s: 60, circuit: level}]", more=more)

    async def check(playing: Playing) -> None:
        await playing.driver.play(100)
        faults = {circuit: meter.bank.fault.value for circuit, meter in playing.meters.items()}
        assert faults == {"supply": "none", "level": "silent"}

    play(plan, check)


def test_two_meters_each_show_what_their_place_sees() -> None:
    more = "meters: [{circuit: supply}, {circuit: level, placement: charging}]"

    async def check(playing: Playing) -> None:
        await playing.driver.play(60)
        site_ = playing.driver.site
        for circuit, placement in (("supply", "supply"), ("level", "charging")):
            words = playing.meters[circuit].bank.read(3, 0x1006, 6)
            shown = [(words[i] * 65536 + words[i + 1]) / 1000 for i in (0, 2, 4)]
            assert shown == pytest.approx(site_.metered_a(circuit, placement), abs=0.001)

    play(site(more=more), check)


def test_a_whole_circuit_loses_the_network_cars_or_none() -> None:
    events = "[{kind: stations-offline, circuit: level, idle: true, share: 1, at_s: 60, for_s: 50}]"
    plan = site(cars="{kind: occupied, share: 0.5}", events=events)

    async def check(playing: Playing) -> None:
        await playing.driver.play(80)
        assert len(offline(playing)) == 4
        await playing.driver.play(60)
        assert offline(playing) == []

    play(plan, check)


def test_without_idle_only_stations_that_charge_lose_the_network() -> None:
    plan = site(
        cars="{kind: occupied, share: 0.5}",
        events="[{kind: stations-offline, circuit: supply, share: 1, at_s: 60}]",
    )

    async def check(playing: Playing) -> None:
        await playing.driver.play(80)
        charging = [o.station.station_id for o in playing.fleet.outlets if max(o.current_a) > 0]
        assert offline(playing) == charging
        assert len(charging) == 2

    play(plan, check)


def test_stations_reboot_and_their_drivers_come_back() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(70)
        assert not any(station.powered for station in playing.fleet.stations)
        await playing.driver.play(60)
        assert playing.fleet.charging_count == 0
        await playing.driver.play(90)
        assert playing.fleet.charging_count == 4
        assert playing.fleet.transaction_count == 8

    played = play(site(events="[{kind: stations-reboot, at_s: 60, for_s: 10}]"), check)
    assert played.told == ["4 stations reboot, 0 of them again and again"]


def test_some_stations_reboot_again_and_again_until_it_is_over() -> None:
    event = (
        "[{kind: stations-reboot, at_s: 60, for_s: 200, share: 0.5, loop_share: 0.5,"
        " loop_every_s: 50}]"
    )

    async def check(playing: Playing) -> None:
        await playing.driver.play(270)
        boots = sorted(station.counters.boots for station in playing.fleet.stations)
        assert boots[:3] == [1, 1, 2]
        assert boots[3] >= 4
        await playing.driver.play(300)
        assert (
            sorted(station.counters.boots for station in playing.fleet.stations)[3] <= boots[3] + 1
        )

    play(site(events=event), check)


def test_faults_go_to_different_stations_and_leave_them_again() -> None:
    events = (
        "[{kind: stations-fault, at_s: 60, share: 0.5, for_s: 60, faults: {clamps_at_a: 7}},"
        " {kind: stations-fault, at_s: 61, share: 0.5, for_s: 60, faults: {clock_skew_s: 60}}]"
    )

    async def check(playing: Playing) -> None:
        before = playing.fleet.stations[0].faults
        assert before == Faults(delay_s=(0.02, 0.4))
        await playing.driver.play(70)
        changed = [(s.faults.clamps_at_a, s.faults.clock_skew_s) for s in playing.fleet.stations]
        assert sorted(changed, key=str) == [(7.0, 0.0), (7.0, 0.0), (None, 60.0), (None, 60.0)]
        assert all(s.faults.delay_s == (0.02, 0.4) for s in playing.fleet.stations)
        await playing.driver.play(60)
        assert all(station.faults == before for station in playing.fleet.stations)

    played = play(site(events=events), check)
    assert played.told == ["2 stations: clamps_at_a", "2 stations: clock_skew_s"]


def test_the_managers_clock_is_set() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(70)

    played = play(site(events="[{kind: clock-step, at_s: 60, by_s: -3600}]"), check)
    assert played.manager.events == ["clock -3600 s"]


def test_orders_and_faults_of_the_manager() -> None:
    async def check(playing: Playing) -> None:
        await playing.driver.play(100)

    events = (
        "[{kind: outside-limit, circuit: supply, limit_a: 20, at_s: 60, for_s: 30},"
        " {kind: planner-fails, at_s: 70, for_s: 20}]"
    )
    played = play(site(events=events), check)
    assert played.manager.events == ["supply 20 A for 30 s", "planner broken", "planner mended"]


def test_a_limit_of_the_hour_is_what_an_overload_is_judged_by() -> None:
    window = """
limit_windows:
  - {kind: weekly, circuit: supply, limit_a: 30, from: "08:02", to: "08:04"}
"""

    async def check(playing: Playing) -> None:
        await playing.driver.play(300)
        oracle = playing.driver.site.oracle
        oracle.finish(playing.driver.now_s)
        assert not oracle.trips
        spans = {(o.start_s, o.start_s + o.duration_s) for o in oracle.overloads}
        assert spans == {(120.0, 240.0)}
        assert oracle.overloads[0].peak_ratio > 1.3

    played = play(site(more=window), check)
    assert played.told == [
        "08:02 on the clock, limits lowered: supply 30 A",
        "08:04 on the clock, limits lowered: none",
    ]


@pytest.mark.parametrize(("count", "chosen"), [(0, ""), (1, "a"), (2, "ac"), (4, "abcd")])
def test_the_chosen_are_spread_evenly(count: int, chosen: str) -> None:
    assert list(every_nth(list("abcd"), count)) == list(chosen)
