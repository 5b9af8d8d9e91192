"""A little site played on a virtual clock with a central system that only gives fixed limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from simulators import virtual_time
from simulators.driver import Driver
from simulators.fleet import Fleet
from simulators.plan import SitePlan, make_plan
from simulators.scenario import parse_scenario
from simulators.site_meter import site_meters
from tests.unit.simulators.central import FixedCentral

SITE = """
title: A little site
description: Four stations and what happens to them.
site_name: Here
start: 2026-01-20T08:00:00
duration_s: 600
circuits:
  - id: supply
    name: Supply
    limit_a: {limit}
    building: [{{kind: constant, amperes: [10, 11, 12]}}]
  - {{id: level, name: Level, parent: supply, limit_a: 200}}
stations:
  - {{prefix: S, count: 4, circuit: level, place: "P {{n}}", personas: {{control-generic: 1}}}}
cars: {cars}
habits: {{ramp_down_s: [1, 2], ramp_up_s: [2, 3]}}
events: {events}
"""
OCCUPIED = "{kind: occupied, share: 1, energy_kwh: [40, 50]}"


def site(limit: int = 200, cars: str = OCCUPIED, events: str = "[]", more: str = "") -> SitePlan:
    text = SITE.format(limit=limit, cars=cars, events=events) + more
    return make_plan(parse_scenario("little", text))


class ManagerLog:
    """Writes down what a scenario does to the manager."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def kill(self) -> None:
        self.events.append("killed")

    def revive(self) -> None:
        self.events.append("revived")

    def step_clock(self, by_s: float) -> None:
        self.events.append(f"clock {by_s:+.0f} s")

    def order_limit(self, circuit: str, limit_a: float, for_s: float) -> None:
        self.events.append(f"{circuit} {limit_a:g} A for {for_s:g} s")

    def break_planner(self) -> None:
        self.events.append("planner broken")

    def mend_planner(self) -> None:
        self.events.append("planner mended")


class Playing:
    """A driver with all that belongs to it."""

    def __init__(self, plan: SitePlan, limit_a: float | None) -> None:
        loop = asyncio.get_running_loop()
        self.central = FixedCentral(limit_a)
        self.meters = site_meters(plan)
        self.meter = self.meters[plan.meters[0].circuit]
        self.manager = ManagerLog()
        self.told: list[str] = []
        self.fleet = Fleet(
            plan,
            self.central.link_to,
            lambda: plan.start_utc + timedelta(seconds=loop.time()),
        )
        self.driver = Driver(
            plan, self.fleet, meters=self.meters, manager=self.manager, tell=self.told.append
        )
        self.fleet.start(2.0)

    def metered_a(self) -> list[float]:
        words = self.meter.bank.read(3, 0x1006, 6)
        return [(words[i] * 65536 + words[i + 1]) / 1000 for i in (0, 2, 4)]


def play(
    plan: SitePlan, check: Callable[[Playing], Awaitable[None]], limit_a: float | None = 8.0
) -> Playing:
    async def main() -> Playing:
        playing = Playing(plan, limit_a)
        await check(playing)
        await playing.fleet.stop()
        return playing

    return virtual_time.run(main())
