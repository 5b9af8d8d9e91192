"""Plays a scenario on the product's own services and OCPP engine, on a virtual clock.

    python -m simulators.rehearsal basement-100 [--seed 2] [--hours 1]

The stations talk to the manager over in-memory links that carry the same text as the sockets
would; the meter is the simulated register bank, read and decoded by the manager's own poller. The
electrical oracle judges what truly flowed. The report goes to ``build/rehearsal/<scenario>.json``,
the picture of a day beside it as SVG.

This module and no other may import both the simulators and the manager.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from app.adapters.meter_catalogue import load_catalogue, meter_models
from app.adapters.meter_poller import MeterPoller, MeterReadError
from app.adapters.modbus_meter import REQUEST_TIMEOUT_S
from app.adapters.ocpp_server import OcppSettings
from app.adapters.passwords import Argon2Hasher
from app.adapters.station_connection import StationConnection
from app.adapters.storage.store import SqliteStore, open_store
from app.config import Settings
from app.domain.meter import MeterConfig
from app.domain.outside_limit import OutsideOrder
from app.domain.rules import Bound
from app.domain.units import PhaseCurrents
from app.meters.catalogue import Catalogue
from app.meters.status import Trouble
from app.services.circuits import MeterTest
from app.services.manager import Adapters, Manager
from app.services.meters import OnReading, RunningMeter
from simulators import virtual_time
from simulators.driver import Driver
from simulators.fleet import Fleet
from simulators.meter.bank import NoAnswerError, RefusedError
from simulators.picture import draw_day, unmanaged_day
from simulators.plan import SitePlan, make_plan
from simulators.report import Recorded, build_report
from simulators.scenario import load_scenario, scenario_names
from simulators.site_meter import SiteMeter, site_meters
from simulators.station.link import Link, LinkFactory, MemoryLink, memory_link

BUILD = Path("build/rehearsal")

CONNECT_WITHIN_S = 20.0
"""The stations connect one after another within this time."""

CLEARING_S = 120.0
"""Time after the end for the last cars to leave and the last messages to be delivered."""


class VirtualClock:
    """The manager's clock: the loop's virtual seconds, and a wall clock that follows them."""

    def __init__(self, start_utc: datetime) -> None:
        self._loop = asyncio.get_running_loop()
        self._start_s = self._loop.time()
        self._start_utc = start_utc

    def monotonic_s(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def utc_now(self) -> datetime:
        """The scenario's time, in UTC."""
        return self._start_utc + timedelta(seconds=self._loop.time() - self._start_s)

    def step(self, by_s: float) -> None:
        """The wall clock is set that much ahead; the virtual seconds go on."""
        self._start_utc += timedelta(seconds=by_s)


class MemoryTransport:
    """The manager's end of a memory link, as a ``TextTransport``."""

    answers_pings = True

    def __init__(self, link: MemoryLink) -> None:
        self._link = link

    def ping(self, wanted: bool) -> None:
        """There is nobody in between who could lose the other end."""

    async def receive(self) -> str | None:
        """The next message."""
        return await self._link.receive()

    async def send(self, text: str) -> None:
        """Sends a message; ``ConnectionError`` once closed."""
        if self._link.closed:
            raise ConnectionError("closed")
        self._link.post(text)

    def send_at_once(self, text: str) -> bool:
        """Nothing is sent so: the order of everything is that of the scenarios."""
        del text
        return False

    def hand_to(self, take: Callable[[str | bytes], bool]) -> None:
        """Every message waits its turn."""

    async def close(self, code: int, reason: str) -> None:
        """Closes both ends."""
        del code, reason
        await self._link.close()


class MemorySource:
    """The simulated meter's registers, as the manager's poller reads them."""

    def __init__(self, meter: SiteMeter) -> None:
        self._bank = meter.bank

    async def read(self, function_code: int, address: int, count: int) -> Sequence[int]:
        """Words of the bank, its exception, or the time-out of a silent meter."""
        try:
            return self._bank.read(function_code, address, count)
        except RefusedError as refusal:
            raise MeterReadError(Trouble.REFUSED, refusal.code) from refusal
        except NoAnswerError as silence:
            await asyncio.sleep(REQUEST_TIMEOUT_S)
            raise MeterReadError(Trouble.TIMEOUT) from silence


class ManagerUnderTest:
    """A manager on one database, with its stations' connections; it can die and come back."""

    def __init__(
        self, plan: SitePlan, folder: Path, meters: Mapping[str, SiteMeter], clock: VirtualClock
    ) -> None:
        self._plan = plan
        self._settings = Settings(data_dir=folder)
        self._sources = {circuit: MemorySource(meter) for circuit, meter in meters.items()}
        self._clock = clock
        self._catalogue: Catalogue = load_catalogue()
        self._hasher = Argon2Hasher()
        self._provision = json.dumps(plan.provisioning("127.0.0.1", 5020)).encode()
        self._manager: Manager | None = None
        self._store: SqliteStore | None = None
        self._generation = 0
        self._connections: dict[str, StationConnection] = {}
        self._ends: dict[asyncio.Task[None], tuple[MemoryLink, MemoryLink]] = {}
        self._revival: asyncio.Task[None] | None = None
        self._orders: list[asyncio.Task[OutsideOrder]] = []
        self.reaches: Callable[[str], bool] = lambda _: True
        """Whether frames pass between it and a station, by the station's identity."""

    async def start(self) -> None:
        """Starts it on its database, provisioned when that is empty."""
        self._store = open_store(self._settings.database, inline=True)
        manager = Manager(self._settings, self._adapters(self._store))
        await manager.start(self._provision)
        self._manager = manager

    async def stop(self) -> None:
        """Ends it in good order."""
        for connection in list(self._connections.values()):
            await connection.close("the rehearsal is over")
        if self._ends:
            await asyncio.wait(list(self._ends))
        if self._manager is not None:
            await self._manager.stop()
            self._manager = None
        self._hasher.close()

    def kill(self) -> None:
        """As ``kill -9``: nothing is cleaned up; the kernel closes its sockets."""
        manager, store = self._manager, self._store
        if manager is None or store is None:
            return
        self._manager = self._store = None
        # The file first: whatever the dying tasks still try, nothing more reaches it.
        store.abandon()
        manager.abandon()
        for task, (station_end, central_end) in list(self._ends.items()):
            central_end.abandon()
            station_end.hang_up()
            task.cancel()
        self._connections.clear()

    def revive(self) -> None:
        """Starts it again on the same database."""
        self._revival = asyncio.get_running_loop().create_task(self.start())

    def step_clock(self, by_s: float) -> None:
        """The clock of its machine is set that much ahead."""
        self._clock.step(by_s)

    def order_limit(self, circuit: str, limit_a: float, for_s: float) -> None:
        """The network operator's order, as a program with a token would give it."""
        if self._manager is not None:
            order = self._manager.external.order(
                circuit,
                Bound(limit=PhaseCurrents.uniform(round(limit_a * 1000))),
                timedelta(seconds=for_s),
                source="network-operator",
                by="network-operator",
            )
            self._orders.append(asyncio.get_running_loop().create_task(order))

    def break_planner(self) -> None:
        """Its planning fails from now on, as a fault in it would make it."""

        def fail(_state: object) -> None:
            raise RuntimeError("a fault put in on purpose")

        if self._manager is not None:
            vars(self._manager.planner)["plan"] = fail

    def mend_planner(self) -> None:
        """Its planning works again."""
        if self._manager is not None:
            vars(self._manager.planner).pop("plan", None)

    def flagged(self) -> Collection[tuple[str, int]] | None:
        """The outlets that it says disobey; ``None`` while it does not run."""
        if self._manager is None:
            return None
        return {
            (live.key.station_id, live.key.connector_id)
            for live in self._manager.registry.connectors()
            if not live.obeys
        }

    async def recorded(self) -> Recorded:
        """What its database holds, read after its end."""
        store = open_store(self._settings.database, inline=True)
        try:
            count = await store.transactions.count()
            listed = await store.transactions.recent(limit=count)
        finally:
            await store.close()
        return Recorded(
            transactions=count,
            energy_wh={
                transaction.transaction_id: transaction.energy_wh
                for transaction in listed
                if transaction.energy_wh is not None
            },
        )

    def link_to(self, station_id: str) -> LinkFactory:
        """How a station connects to it."""

        async def connect() -> Link:
            manager = self._manager
            if manager is None:
                raise ConnectionRefusedError("nobody listens")
            station_end, central_end = memory_link()
            self._accept(manager, station_id, station_end, central_end)
            return station_end

        return connect

    def _accept(
        self, manager: Manager, station_id: str, station_end: MemoryLink, central_end: MemoryLink
    ) -> None:
        self._generation += 1
        connection = StationConnection(
            station_id,
            MemoryTransport(central_end),
            manager.handler,
            self._clock,
            generation=self._generation,
            address="memory",
        )
        older = self._connections.get(station_id)
        self._connections[station_id] = connection
        task = asyncio.get_running_loop().create_task(self._serve(connection, older))
        self._ends[task] = (station_end, central_end)
        task.add_done_callback(self._ends.pop)

    async def _serve(self, connection: StationConnection, older: StationConnection | None) -> None:
        """The newest connection wins, as at the stations' port."""
        pings = asyncio.get_running_loop().create_task(self._ping(connection))
        try:
            if older is not None:
                await older.close("replaced by a newer connection")
                await older.ended.wait()
            await connection.run()
        finally:
            pings.cancel()
            if self._connections.get(connection.station_id) is connection:
                del self._connections[connection.station_id]

    async def _ping(self, connection: StationConnection) -> None:
        """Ends a connection over which nothing passes any more, as pings do at the stations' port."""
        port = OcppSettings()
        assert port.ping_interval_s is not None
        assert port.ping_timeout_s is not None
        while True:
            await asyncio.sleep(port.ping_interval_s)
            if self.reaches(connection.station_id):
                continue
            await asyncio.sleep(port.ping_timeout_s)
            if not self.reaches(connection.station_id):
                await connection.close("no answer to a ping")
                return

    def _adapters(self, store: SqliteStore) -> Adapters:
        clock, catalogue = self._clock, self._catalogue
        rng = random.Random(f"{self._plan.seed} manager {self._generation}")

        def meter(config: MeterConfig, on_reading: OnReading) -> RunningMeter:
            source = self._sources[config.circuit_id]
            return MeterPoller(config, catalogue, source, clock, on_reading)

        async def test(_config: MeterConfig) -> MeterTest:
            return MeterTest(ok=False, error_key=Trouble.UNREACHABLE)

        return Adapters(
            clock=clock,
            store=store,
            hasher=self._hasher,
            meter_factory=meter,
            meter_models=meter_models(catalogue),
            meter_tester=test,
            random=rng.random,
        )


class Progress:
    """One line that says where the rehearsal is; a new line every tenth where there is no terminal."""

    def __init__(self, driver: Driver, duration_s: float) -> None:
        self._driver = driver
        self._duration_s = duration_s
        self._live = sys.stderr.isatty()
        self._told_at = time.monotonic()
        self._tenth = 0

    def show(self) -> None:
        """Shows the line when it is time."""
        driver = self._driver
        share = min(1.0, driver.now_s / self._duration_s)
        if self._live:
            if time.monotonic() - self._told_at < 0.5:
                return
            self._told_at = time.monotonic()
            sys.stderr.write(f"\r{self._line(share)}")
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            sys.stderr.write(f"{self._line(share)}\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """Something happened in the scenario."""
        start = "\r" if self._live else ""
        sys.stderr.write(f"{start}{_clock(self._driver.now_s)}  {text:<70}\n")

    def _line(self, share: float) -> str:
        driver = self._driver
        oracle = driver.site.oracle
        used = driver.capacity.ratio
        return (
            f"{share:4.0%}  {_clock(driver.now_s)}  charging {driver.fleet.charging_count:3d}"
            f"  overloads {len(oracle.overloads)}  trips {len(oracle.trips)}"
            f"  capacity used {'-' if used is None else format(used, '.1%')}  "
        )


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}"


async def rehearse(plan: SitePlan, folder: Path, duration_s: float) -> tuple[Driver, Recorded]:
    """Plays ``duration_s`` of a plan, then lets everybody leave; the database is in ``folder``."""
    clock = VirtualClock(plan.start_utc)
    meters = site_meters(plan)
    manager = ManagerUnderTest(plan, folder, meters, clock)
    fleet = Fleet(plan, manager.link_to, VirtualClock(plan.start_utc).utc_now)
    driver = Driver(plan, fleet, meters=meters, manager=manager)
    driver.obedience.flagged = manager.flagged
    stations = {station.station_id: station for station in fleet.stations}
    manager.reaches = lambda station_id: stations[station_id].network.up
    progress = Progress(driver, duration_s)
    driver.tell = progress.note
    await manager.start()
    fleet.start(CONNECT_WITHIN_S)
    await driver.play(duration_s, progress.show)
    driver.everybody_leaves()
    await driver.play(CLEARING_S)
    await fleet.stop()
    await manager.stop()
    driver.site.oracle.finish(driver.now_s)
    return driver, await manager.recorded()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns 0 when the rehearsal ended, whatever it proved."""
    parser = argparse.ArgumentParser(prog="python -m simulators.rehearsal", description=__doc__)
    parser.add_argument("scenario", choices=scenario_names())
    parser.add_argument("--seed", type=int, default=1, help="another seed, other cars")
    parser.add_argument("--stations", type=int, help="another number of stations")
    parser.add_argument("--meter", help="another meter, by its reference")
    parser.add_argument("--hours", type=float, help="play only the first hours")
    parser.add_argument("--verbose", action="store_true", help="show the manager's log")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.ERROR)
    scenario = load_scenario(options.scenario)
    if options.hours is not None:
        scenario = msgspec.structs.replace(
            scenario, duration_s=min(scenario.duration_s, options.hours * 3600)
        )
    try:
        plan = make_plan(
            scenario, seed=options.seed, stations=options.stations, meter_model=options.meter
        )
    except ValueError as error:
        parser.error(str(error))
    BUILD.mkdir(parents=True, exist_ok=True)
    began, began_cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory(prefix=f"{scenario.name}-", dir=BUILD) as folder:
        driver, recorded = virtual_time.run(rehearse(plan, Path(folder), scenario.duration_s))
    report = build_report(
        driver,
        simulated_s=scenario.duration_s,
        recorded=recorded,
        real_s=time.monotonic() - began,
        cpu_s=time.process_time() - began_cpu,
    )
    written = BUILD / f"{scenario.name}.json"
    written.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    picture = BUILD / f"{scenario.name}.svg"
    picture.write_text(draw_day(plan, driver.moments, unmanaged_day(plan), report), "utf-8")
    _summary(report, written, picture)
    return 0


def _summary(report: dict[str, Any], written: Path, picture: Path) -> None:
    shown = {key: value for key, value in report.items() if not isinstance(value, list | dict)}
    width = max(map(len, shown))
    print()
    for key, value in shown.items():
        print(f"  {key:<{width}}  {value}")
    print(f"\n  {written}\n  {picture}")


if __name__ == "__main__":
    raise SystemExit(main())
