"""How fast a site of 200 connectors gives way when the building takes more.

The manager is a process of its own, over real sockets; the meter and the 100 stations live in
this one, so that one monotonic clock times both ends. Cars follow at once: what is measured is the
manager, from the first answer of the meter that shows too much, to the answer of the last station
of those that were told to take less.

Each event is one more step of the building's load, at the beginning of a poll of the meter. It waits
until cars have followed all that they were told: what the meter shows while some are still expected to
fall or to rise may be theirs, and is held against the building only after some seconds.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.bench import messages
from loadtests.bench.load import Client, connected
from loadtests.bench.product import ID_TAG, free_port, manager, site, station_ids
from simulators.meter.bank import RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import find_model
from simulators.meter.server import MeterServer
from simulators.meter.truth import MeterTruth

STATIONS, OUTLETS = 100, (1, 2)
RATING_A = 31
BUILDING_A, STEP_A = 50.0, 100.0  # a step takes one ampere from every other connector
SUPPLY_A = STATIONS * len(OUTLETS) * RATING_A + BUILDING_A
TRANSFORMERS = 3_000  # KTA: 15 kA
METER = "IME Nemo D4-Le"
EVENTS = 30
SAMPLE_PERIOD_S, REPORT_TICK_S = 10.0, 0.25
FOLLOWED_S = 2.6  # a sample may be taken for two seconds old, so one this late proves a change
CALM_LOWERED_S, CALM_RAISED_S = 5.6, 9.5  # after these a change explains no reading any more
BELOW_LIMIT_A = 0.004
SETTLED_SHARE = 0.993  # of the supply in use before the first event
SETTLE_S = 180.0
QUIET_S = 1.2  # a batch is over when nobody was lowered for so long: longer than a cycle
EVENT_S = 20.0
POLL_GAP_S = 0.15


def _drawn(limit_a: float) -> float:
    """A car takes a little less than its limit; nothing, when it may not charge."""
    return max(0.0, limit_a - BELOW_LIMIT_A)


class Site:
    """Limits in force, the building, and when the meter showed and the stations answered what."""

    def __init__(self) -> None:
        self.limits_a: dict[tuple[int, int], float] = {}
        self.building_a = BUILDING_A
        self.stepping = False
        self.shown_s: float | None = None
        self.lowered_s: list[float] = []
        self.changed_s: dict[tuple[int, int], float] = {}
        self.last_lowered_s = 0.0
        self.last_raised_s = 0.0
        self._read_s = 0.0

    @property
    def current_a(self) -> float:
        """What flows on each phase."""
        return self.building_a + sum(map(_drawn, self.limits_a.values()))

    def step(self) -> None:
        """The building takes more from the next poll on."""
        self.shown_s = None
        self.lowered_s = []
        self.stepping = True

    @property
    def is_calm(self) -> bool:
        """Whether all that was told has long been followed."""
        now_s = time.monotonic()
        return (
            now_s > self.last_lowered_s + CALM_LOWERED_S
            and now_s > self.last_raised_s + CALM_RAISED_S
        )

    @property
    def gave_way(self) -> bool:
        """Whether the site is within its limit again, and nobody was lowered for a while."""
        if self.shown_s is None or self.current_a > SUPPLY_A:
            return False
        return time.monotonic() > max([self.shown_s, *self.lowered_s]) + QUIET_S

    @property
    def reaction_ms(self) -> float:
        """From the sample that showed too much to the last answer of a station."""
        assert self.shown_s is not None
        return (max(self.lowered_s) - self.shown_s) * 1000

    def truth(self) -> MeterTruth:
        """What the meter is read as; a waiting step happens as a poll begins."""
        now_s = time.monotonic()
        if self.stepping and now_s - self._read_s > POLL_GAP_S:
            self.stepping = False
            self.building_a += STEP_A
            self.shown_s = now_s
        self._read_s = now_s
        current_a = self.current_a
        return MeterTruth(currents_a=(current_a, current_a, current_a))

    def told(self, station: int, action: str, asked: dict[str, Any]) -> None:
        """A station has answered a call of the manager."""
        if action != "SetChargingProfile":
            return
        profile = asked["csChargingProfiles"]
        if profile["chargingProfilePurpose"] != "TxProfile":
            return
        schedule = profile["chargingSchedule"]
        assert schedule["chargingRateUnit"] == "A"
        limit_a = float(schedule["chargingSchedulePeriod"][0]["limit"])
        connector = (station, asked["connectorId"])
        now_s, before_a = time.monotonic(), self.limits_a.get(connector, 0.0)
        if limit_a < before_a:
            self.lowered_s.append(now_s)
            self.last_lowered_s = now_s
        if limit_a > before_a:
            self.last_raised_s = now_s
        if limit_a != before_a:
            self.changed_s[connector] = now_s
        self.limits_a[connector] = limit_a


def _document(meter_port: int) -> dict[str, Any]:
    """The bench's site with two connectors a station and a meter at its supply."""
    document = site(STATIONS)
    document["circuits"][0] |= {
        "limit_a": [SUPPLY_A] * 3,
        "worst_background_a": [BUILDING_A + EVENTS * STEP_A] * 3,
    }
    document["meters"] = [
        {
            "id": "supply-meter",
            "model": METER,
            "host": "127.0.0.1",
            "port": meter_port,
            "unit_id": 1,
            "circuit": "supply",
            "placement": "supply",
        }
    ]
    for station in document["stations"]:
        (outlet,) = station["connectors"]
        station["max_a"] = RATING_A * len(OUTLETS)
        station["connectors"] = [outlet | {"id": n, "max_a": RATING_A} for n in OUTLETS]
    return document


def _sample(
    connector_id: int, transaction_id: int, drawn_a: float, _: Client, unique_id: str
) -> str:
    return messages.currents(unique_id, connector_id, transaction_id, drawn_a)


async def _report(client: Client, number: int, transactions: Mapping[int, int], here: Site) -> None:
    """Samples of a station's connectors, for ever: periodic ones, and one after each change."""
    start_s = time.monotonic() - SAMPLE_PERIOD_S * number / STATIONS
    sampled_s = dict.fromkeys(transactions, start_s)
    while True:
        for connector_id, transaction_id in transactions.items():
            now_s = time.monotonic()
            followed_s = here.changed_s.get((number, connector_id), 0.0) + FOLLOWED_S
            last_s = sampled_s[connector_id]
            if last_s < followed_s <= now_s or now_s >= last_s + SAMPLE_PERIOD_S:
                sampled_s[connector_id] = now_s
                drawn_a = _drawn(here.limits_a.get((number, connector_id), 0.0))
                await client.exchange(partial(_sample, connector_id, transaction_id, drawn_a))
        await asyncio.sleep(REPORT_TICK_S)


async def _settled(here: Site) -> None:
    """Return once the supply is as good as fully used, and all is calm."""
    deadline_s = time.monotonic() + SETTLE_S
    while here.current_a < SETTLED_SHARE * SUPPLY_A or not here.is_calm:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"only {here.current_a:.0f} A of {SUPPLY_A:.0f} A were given out")
        await asyncio.sleep(0.5)


async def _event(here: Site) -> tuple[float, int]:
    """One step: the time from the sample to the last answer [ms], and how many were lowered."""
    here.step()
    deadline_s = time.monotonic() + EVENT_S
    while not here.gave_way:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{here.current_a:.0f} A on {SUPPLY_A:.0f} A, and no end to it")
        await asyncio.sleep(0.02)
    return here.reaction_ms, len(here.lowered_s)


async def measure(logs: Path) -> Mapping[str, float]:
    """The slowest percent of reactions [ms], by the key of the report."""
    here, spread = Site(), random.Random(3)
    bank = RegisterBank(find_model(METER), here.truth, wiring=Wiring(kta=TRANSFORMERS))
    meter = MeterServer({1: bank}, port=free_port())
    await meter.start()
    with manager(_document(meter.port), logs / "manager-reaction.log") as (port, _):
        urls = [f"ws://127.0.0.1:{port}/ocpp/{name}" for name in station_ids(STATIONS)]
        async with connected(urls, ID_TAG) as clients, asyncio.TaskGroup() as reports:
            tasks = []
            for number, client in enumerate(clients):
                client.on_call = partial(here.told, number)
                transactions = {1: client.transaction_id, 2: await client.start(2, ID_TAG)}
                report = _report(client, number, transactions, here)
                tasks.append(reports.create_task(report))
            times_ms, counts = [], []
            for _ in range(EVENTS):
                await asyncio.sleep(spread.uniform(0.0, 0.5))
                await _settled(here)
                time_ms, count = await _event(here)
                times_ms.append(time_ms)
                counts.append(count)
            for task in tasks:
                task.cancel()
    await meter.stop()
    times_ms.sort()
    print(
        f"  {EVENTS} events, {statistics.mean(counts):.0f} limits lowered in each;"
        f" median {statistics.median(times_ms):.0f} ms, longest {times_ms[-1]:.0f} ms"
    )
    return {"reaction_ms_p99_200": times_ms[int(len(times_ms) * 0.99)]}
