"""Disobedience and starvation as they truly are, against a manager that flags by a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from simulators import virtual_time
from simulators.fleet import FleetOutlet
from simulators.judgement import Obedience, Waiting
from simulators.plan import ConnectorPlan, OutletPlan
from simulators.site.tables import CarModel
from simulators.site.workload import Visit
from simulators.station.config import StationConfig
from simulators.station.ev import Car
from tests.unit.simulators.station_bench import Bench, set_limit

OUTLET = ("A-001", 1)


class Watched:
    """One station, judged each second."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.now_s = 0.0
        self.flagged: set[tuple[str, int]] | None = set()
        outlet = FleetOutlet(
            bench.station,
            bench.station.connector(1),
            OutletPlan(0, ConnectorPlan(1, 3, "RST", 32.0, True)),
            "supply",
        )
        outlet.visit = Visit(0.0, 1e9, 0, CarModel("car", 1, 60.0, 3, 16), 30.0, driver=7)
        self.obedience = Obedience([outlet])
        self.obedience.flagged = lambda: self.flagged
        self.waiting = Waiting([outlet], starved_after_s=60.0)

    async def run(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.bench.run(1)
            self.now_s += 1.0
            self.obedience.observe(self.now_s)
            self.waiting.observe(self.now_s)

    async def limit(self, amperes: float) -> None:
        answer = await self.bench.central.call("SetChargingProfile", set_limit(amperes))
        assert answer == {"status": "Accepted"}


def play(check: Callable[[Watched], Awaitable[None]], **faults: object) -> Watched:
    async def main() -> Watched:
        async with Bench(config=StationConfig(station_id="A-001", free_mode=True)) as bench:
            bench.station.set_faults(**faults)
            watched = Watched(bench)
            bench.station.plug(1, Car(max_a=16, battery_kwh=60, soc0=0.1))
            await watched.run(30)
            await check(watched)
            return watched

    return virtual_time.run(main())


def test_a_station_that_follows_disobeys_nobody() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(10)
        await watched.run(120)

    obedience = play(check).obedience
    assert (obedience.disobeying, obedience.found_s) == (0, None)


def test_disobedience_lasts_from_the_end_of_the_time_to_follow_until_the_flag() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(10)
        await watched.run(40)
        watched.flagged = {OUTLET}
        await watched.run(100)

    obedience = play(check, ignores_profiles=True).obedience
    assert obedience.disobeying == 1
    assert obedience.found_s is not None
    assert 28 <= obedience.found_s <= 33
    assert obedience.wrongly_flagged == 0


def test_disobedience_that_nobody_finds_counts_to_the_end() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(10)
        await watched.run(200)

    found_s = play(check, ignores_profiles=True).obedience.found_s
    assert found_s is not None
    assert found_s > 180


def test_a_little_above_the_limit_is_no_disobedience() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(10)
        await watched.run(60)

    assert play(check, overshoot_share=0.08).obedience.disobeying == 0
    assert play(check, overshoot_share=0.25).obedience.disobeying == 1


def test_following_a_moment_late_is_no_disobedience() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(10)
        await watched.run(120)

    assert play(check, follows_late_s=12).obedience.disobeying == 0
    late = play(check, follows_late_s=40).obedience
    assert late.disobeying == 1
    assert late.found_s is not None
    assert 25 <= late.found_s <= 40


def test_nothing_can_be_found_while_the_manager_is_dead_or_the_station_offline() -> None:
    async def check(watched: Watched) -> None:
        watched.flagged = None
        await watched.limit(10)
        await watched.run(100)
        watched.flagged = set()
        await watched.run(10)
        watched.flagged = {OUTLET}
        await watched.run(5)

    found_s = play(check, ignores_profiles=True).obedience.found_s
    assert found_s is not None
    assert found_s <= 11


def test_a_flag_without_a_reason_is_counted_once() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(10)
        await watched.run(100)
        watched.flagged = {OUTLET}
        await watched.run(20)

    obedience = play(check).obedience
    assert obedience.wrongly_flagged == 1
    assert obedience.disobeying == 0


def test_a_car_that_gets_nothing_starves_after_a_while() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(0)
        await watched.run(50)
        assert watched.waiting.starved_cars == 0
        await watched.run(30)
        assert watched.waiting.starved_cars == 1
        await watched.limit(10)
        await watched.run(20)

    waiting = play(check).waiting
    assert waiting.starved_cars == 1
    assert 70 <= waiting.longest_s <= 90


def test_a_car_that_is_full_or_whose_station_is_offline_does_not_wait() -> None:
    async def check(watched: Watched) -> None:
        await watched.limit(0)
        watched.bench.station.go_offline(1e6)
        await watched.run(100)

    assert play(check).waiting.longest_s <= 10

    async def full(watched: Watched) -> None:
        watched.bench.station.unplug(1)
        watched.bench.station.plug(1, Car(soc0=1.0))
        await watched.run(100)

    assert play(full).waiting.longest_s <= 10
