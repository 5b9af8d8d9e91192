"""A whole manager against simulated stations of any kind, on virtual time and memory links.

The manager is the product's own; the stations are the simulators'; the meter shows what flows. A
test says what the stations are like, lets time pass, and looks at both sides.
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec

import msgspec

from app.adapters.station_connection import StationConnection
from app.adapters.storage.store import SqliteStore, open_store
from app.config import Settings
from app.domain.meter import MeterConfig
from app.domain.station import ConnectorKey
from app.services.circuits import MeterTest
from app.services.manager import Adapters, Manager
from app.services.meters import OnReading, RunningMeter
from simulators import virtual_time
from simulators.rehearsal import MemoryTransport
from simulators.station.config import ConnectorConfig, Faults, StationConfig
from simulators.station.ev import Car
from simulators.station.link import Link, MemoryLink, memory_link
from simulators.station.persona import Persona, load_persona
from simulators.station.station import SimStation
from tests.support.garage import garage
from tests.support.scripted import SetMeter

P = ParamSpec("P")
Instead = dict[str, Any] | str | None
"""A payload, the code of a CALLERROR, or no answer at all."""
START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an asynchronous test on virtual time."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        virtual_time.run(test(*args, **kwargs))

    return wrapper


def persona(name: str = "control-generic", **changes: Any) -> Persona:
    """A persona with other habits; of a make of its own, so that nothing is known of it."""
    return msgspec.structs.replace(load_persona(name), **{"model": f"{changes}"[:40], **changes})


class LabClock:
    """Virtual seconds, and a wall clock that can be set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.set_by_s = 0.0

    def monotonic_s(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    def utc_now(self) -> datetime:
        """The manager's idea of the time."""
        return self.true_utc() + timedelta(seconds=self.set_by_s)

    def true_utc(self) -> datetime:
        """The time as it is."""
        return START + timedelta(seconds=self._loop.time())


class _NoHasher:
    async def hash(self, password: str) -> str:
        return password

    async def verify(self, encoded: str, password: str) -> bool:
        return encoded == password


class Lab:
    """One circuit, its meter, and stations of one outlet; make it within a running loop."""

    def __init__(
        self,
        folder: Path,
        personas: dict[str, Persona],
        *,
        limit_a: int = 100,
        fallback_a: int = 0,
        meter: bool = True,
        faults: dict[str, Faults] | None = None,
    ) -> None:
        self.clock = LabClock()
        self.folder = folder
        self.building_a = 0.0
        self._meter_config = meter
        self._meter: SetMeter | None = None
        self.site = garage(personas, limit_a=limit_a, background_a=10, free=True)
        for station in self.site["stations"]:
            station["fallback_a"] = fallback_a
        if meter:
            self.site["meters"] = [
                {"id": "m", "model": "IME Nemo D4-Le", "host": "127.0.0.1", "circuit": "supply"}
            ]
        self._away: set[str] = set()
        self._alive = False
        self._generation = 0
        self._connections: dict[str, StationConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ends: dict[str, tuple[MemoryLink, MemoryLink]] = {}
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        """Calls that stations received: (station, action, payload)."""
        self.instead: dict[tuple[str, str], Instead | Callable[[dict[str, Any]], Instead]] = {}
        """What a station answers to an action instead of what it would."""
        self.stations = {
            name: SimStation(
                StationConfig(
                    station_id=name,
                    connectors=(ConnectorConfig(connector_id=1),),
                    free_mode=True,
                    faults=(faults or {}).get(name, Faults()),
                ),
                each,
                functools.partial(self._connect, name),
                self.clock.true_utc,
                random.Random(name),
            )
            for name, each in personas.items()
        }
        self.store: SqliteStore
        self.manager: Manager

    async def start(self) -> None:
        """The manager, then every station."""
        await self.start_manager()
        for station in self.stations.values():
            station.start()
        await self.run(10)

    async def start_manager(self) -> None:
        """A manager on the folder's database."""
        self.store = open_store(self.folder / "bornier.sqlite3", inline=True)
        self.manager = Manager(
            Settings(data_dir=self.folder),
            Adapters(
                clock=self.clock,
                store=self.store,
                hasher=_NoHasher(),
                meter_factory=self._make_meter,
                meter_models=(),
                meter_tester=self._test_meter,
                random=lambda: 0.5,
            ),
        )
        await self.manager.start(json.dumps(self.site).encode())
        self._alive = True

    async def stop(self) -> None:
        """Ends everything."""
        for station in self.stations.values():
            await station.stop()
        for connection in list(self._connections.values()):
            await connection.close("the test is over")
        await asyncio.gather(*self._tasks)
        await self.manager.stop()

    def kill_manager(self) -> None:
        """As ``kill -9``."""
        self._alive = False
        self.store.abandon()
        self.manager.abandon()
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        for station_end, central_end in self._ends.values():
            central_end.abandon()
            station_end.hang_up()
        self._ends.clear()
        self._connections.clear()

    async def run(self, seconds: int) -> None:
        """Lets time pass; the cars draw what they may, and the meter shows it."""
        for _ in range(seconds):
            for station in self.stations.values():
                station.step(1.0)
            if self._meter is not None:
                totals = [self.building_a] * 3
                for station in self.stations.values():
                    for phase, current in enumerate(station.connectors[0].current_a):
                        totals[phase] += current
                self._meter.show(*totals)
            await asyncio.sleep(1.0)

    async def until(self, condition: Callable[[], bool], most_s: int = 600) -> int:
        """Seconds until the condition holds; fails when it does not in time."""
        for passed in range(most_s):
            if condition():
                return passed
            await self.run(1)
        raise AssertionError("it never came to that")

    def cut(self, name: str) -> None:
        """The station loses the manager until ``mend``; both sides notice."""
        self._away.add(name)
        self.stations[name].drop_socket()

    def mend(self, name: str) -> None:
        """The station may connect again."""
        self._away.discard(name)

    def plug(self, name: str, **car: Any) -> None:
        """A car comes and charges for free."""
        values = {"max_a": 32.0, "battery_kwh": 500.0, "ramp_down_s": 1.0, **car}
        self.stations[name].plug(1, Car(**values))

    def draw_a(self, name: str) -> float:
        """What its car draws now, on the fullest phase."""
        return max(self.stations[name].connectors[0].current_a)

    def obeys(self, name: str) -> bool:
        """What the manager believes."""
        live = self.manager.registry.connector(ConnectorKey(name, 1))
        assert live is not None
        return live.obeys

    def calls(self, name: str, action: str) -> list[dict[str, Any]]:
        """Payloads that the station received, oldest first."""
        return [payload for who, what, payload in self.heard if (who, what) == (name, action)]

    def alarms(self) -> set[str]:
        """Keys of the alarms that are up."""
        latest = self.manager.live.latest
        return set() if latest is None else {alarm.key for alarm in latest.alarms}

    # ------------------------------------------------------------- inside

    async def _connect(self, name: str) -> Link:
        if name in self._away or not self._alive:
            raise ConnectionRefusedError("nobody answers")
        station_end, central_end = memory_link()
        self._ends[name] = (station_end, central_end)
        self._generation += 1
        transport = _Tap(central_end, name, self.heard, self.instead)
        connection = StationConnection(
            name,
            transport,
            self.manager.handler,
            self.clock,
            generation=self._generation,
            address="memory",
        )
        older, self._connections[name] = self._connections.get(name), connection
        task = asyncio.get_running_loop().create_task(_serve(connection, older))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return station_end

    def _make_meter(self, config: MeterConfig, on_reading: OnReading) -> RunningMeter:
        self._meter = SetMeter(config, self.clock, on_reading)
        return self._meter

    async def _test_meter(self, _config: Any) -> MeterTest:
        return MeterTest(ok=True)


class _Tap(MemoryTransport):
    """Notes what the manager says."""

    def __init__(
        self,
        link: MemoryLink,
        name: str,
        heard: list[tuple[str, str, dict[str, Any]]],
        instead: dict[tuple[str, str], Instead | Callable[[dict[str, Any]], Instead]],
    ) -> None:
        super().__init__(link)
        self._end = link
        self._name = name
        self._heard = heard
        self._instead = instead

    async def send(self, text: str) -> None:
        frame = json.loads(text)
        if frame[0] == 2:
            self._heard.append((self._name, frame[2], frame[3]))
            if (self._name, frame[2]) in self._instead:
                known = self._instead[self._name, frame[2]]
                answer = known(frame[3]) if callable(known) else known
                if isinstance(answer, str):
                    self._end.deliver(json.dumps([4, frame[1], answer, "", {}]))
                elif answer is not None:
                    self._end.deliver(json.dumps([3, frame[1], answer]))
                return
        await super().send(text)


async def _serve(connection: StationConnection, older: StationConnection | None) -> None:
    if older is not None:
        await older.close("replaced")
        await older.ended.wait()
    await connection.run()
