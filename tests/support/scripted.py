"""A manager in memory, and stations that a test plays frame by frame.

Everything is the product's own code on a real event loop, but for the socket: frames pass through
queues. ``ScriptedStation`` answers the manager's calls from a table that the test may change.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from app.adapters.meter_catalogue import load_catalogue, meter_models
from app.adapters.passwords import Argon2Hasher
from app.adapters.quirk_register import load_quirks
from app.adapters.station_authority import SiteAuthority
from app.adapters.station_connection import StationConnection
from app.adapters.station_vault import StationVault
from app.adapters.storage.store import SqliteStore, open_store
from app.config import Settings
from app.domain.meter import MeterConfig, MeterReading
from app.domain.units import PhaseCurrents
from app.services.circuits import MeterTest
from app.services.file_ports import FileAdapters
from app.services.manager import Adapters, Manager
from app.services.meters import OnReading
from app.services.ports import Clock
from app.services.security_ports import Trust
from tests.support.clock import HandClock

Answer = dict[str, Any] | str | Callable[[dict[str, Any]], dict[str, Any] | None]
"""A payload, the code of a CALLERROR, or a function of the request's payload; ``None`` stays
silent."""

DEFAULT_ANSWERS: dict[str, Answer] = {
    "GetConfiguration": {"configurationKey": [], "unknownKey": []},
    "ChangeConfiguration": {"status": "Accepted"},
    "SetChargingProfile": {"status": "Accepted"},
    "ClearChargingProfile": {"status": "Unknown"},
    "GetCompositeSchedule": {"status": "Rejected"},
    "ChangeAvailability": {"status": "Accepted"},
    "TriggerMessage": {"status": "Accepted"},
    "ExtendedTriggerMessage": {"status": "Accepted"},
    "CertificateSigned": {"status": "Accepted"},
    "InstallCertificate": {"status": "Accepted"},
    "DeleteCertificate": {"status": "Accepted"},
    "GetInstalledCertificateIds": {"status": "NotFound"},
    "RemoteStartTransaction": {"status": "Accepted"},
    "RemoteStopTransaction": {"status": "Accepted"},
    "Reset": {"status": "Accepted"},
    "GetLocalListVersion": "NotSupported",
    "SendLocalList": {"status": "Accepted"},
    "ClearCache": {"status": "Rejected"},
}


class SetMeter:
    """A meter that shows what the test sets; implements ``RunningMeter``."""

    def __init__(self, config: MeterConfig, clock: Clock, on_reading: OnReading) -> None:
        self.config = config
        self._on_reading = on_reading
        self.error_key: str | None = None
        self.last_reading: MeterReading | None = None
        self.running = False
        self._clock = clock

    async def start(self) -> None:
        """Begins to run."""
        self.running = True

    async def stop(self) -> None:
        """Ends."""
        self.running = False

    def show(self, l1_a: float, l2_a: float, l3_a: float) -> None:
        """A fresh reading of these currents."""
        currents = PhaseCurrents(round(l1_a * 1000), round(l2_a * 1000), round(l3_a * 1000))
        self.last_reading = MeterReading(self.config.meter_id, self._clock.monotonic_s(), currents)
        self._on_reading(self.last_reading)


class MemoryManager:
    """A manager whose clock the test moves and whose cycles it runs one by one."""

    def __init__(
        self,
        folder: Path,
        site: dict[str, Any] | None = None,
        files: FileAdapters | None = None,
    ) -> None:
        self.clock = HandClock()
        self.store: SqliteStore = open_store(folder / "bornier.sqlite3", inline=True)
        self.meters: dict[str, SetMeter] = {}
        self._site = site
        self._hasher = Argon2Hasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self._generations = itertools.count(1)
        self.authority = SiteAuthority(folder)
        self.manager = Manager(
            Settings(data_dir=folder),
            Adapters(
                clock=self.clock,
                store=self.store,
                hasher=self._hasher,
                meter_factory=self._meter,
                meter_models=meter_models(load_catalogue()),
                meter_tester=self._test,
                random=lambda: 0.5,
                trust=Trust(StationVault(folder), self.authority),
                quirks=load_quirks(),
                files=files or FileAdapters(),
            ),
        )

    async def start(self) -> None:
        """Starts the manager, provisioned when the database is empty."""
        document = None if self._site is None else json.dumps(self._site).encode()
        await self.manager.start(document)

    async def stop(self) -> None:
        """Stops the manager and closes the database."""
        await self.manager.stop()
        self._hasher.close()

    async def cycle(
        self, count: int = 1, *, readings: tuple[float, float, float] | None = None
    ) -> None:
        """Lets a second pass and runs the control cycle, ``count`` times, and settles messages."""
        for _ in range(count):
            self.clock.advance(1.0)
            if readings is not None:
                for meter in self.meters.values():
                    meter.show(*readings)
            self.manager.control.cycle()
            await settle()

    def connect(self, station_id: str) -> ScriptedStation:
        """A station's new connection; call within a running loop."""
        return ScriptedStation(self, station_id, next(self._generations))

    def _meter(self, config: MeterConfig, on_reading: OnReading) -> SetMeter:
        meter = self.meters[config.meter_id] = SetMeter(config, self.clock, on_reading)
        return meter

    async def _test(self, config: MeterConfig) -> MeterTest:
        return MeterTest(ok=True, values=(("current_l1", 1.0, config.meter_id),))


class ScriptedStation:
    """One connection of a station; also the transport that the manager's end reads."""

    answers_pings = True

    def __init__(self, manager: MemoryManager, station_id: str, generation: int) -> None:
        self.answers: dict[str, Answer] = dict(DEFAULT_ANSWERS)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        """Calls of the manager, as (action, payload)."""
        self.closed_because: str | None = None
        self._to_manager: asyncio.Queue[str | None] = asyncio.Queue()
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._ids = itertools.count(1)
        self.link = StationConnection(
            station_id,
            self,
            manager.manager.handler,
            manager.clock,
            generation=generation,
            address="10.0.0.9",
        )
        self._task = asyncio.get_running_loop().create_task(self.link.run())

    def ping(self, wanted: bool) -> None:
        """No pings in memory."""

    # ------------------------------------------------------------- what the test does

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """Sends a CALL and returns the payload of the CALLRESULT; fails on a CALLERROR."""
        frame = await self.exchange(action, payload)
        assert frame[0] == 3, frame
        result: dict[str, Any] = frame[2]
        return result

    async def exchange(self, action: str, payload: dict[str, Any]) -> list[Any]:
        """Sends a CALL and returns the whole frame of the answer."""
        message_id = f"s{next(self._ids)}"
        waiting = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        self._to_manager.put_nowait(json.dumps([2, message_id, action, payload]))
        return await asyncio.wait_for(waiting, 5)

    async def boot(self, **payload: Any) -> dict[str, Any]:
        """BootNotification, then waits until the manager has asked what it wants."""
        fields = {"chargePointVendor": "Legrand", "chargePointModel": "059004", **payload}
        answer = await self.call("BootNotification", **fields)
        await settle()
        return answer

    async def hang_up(self) -> None:
        """Drops the connection."""
        self._to_manager.put_nowait(None)
        await asyncio.wait_for(asyncio.shield(self._task), 5)

    def sent(self, action: str) -> list[dict[str, Any]]:
        """Payloads of the manager's calls of this action, oldest first."""
        return [payload for name, payload in self.calls if name == action]

    # ------------------------------------------------------------- TextTransport

    async def receive(self) -> str | None:
        """The next frame for the manager."""
        return await self._to_manager.get()

    async def send(self, text: str) -> None:
        """A frame of the manager."""
        frame = json.loads(text)
        if frame[0] in (3, 4):
            self._waiting.pop(frame[1]).set_result(frame)
            return
        _, message_id, action, payload = frame
        self.calls.append((action, payload))
        answer = self.answers[action]
        reply = answer(payload) if callable(answer) else answer
        if isinstance(reply, str):
            self._to_manager.put_nowait(json.dumps([4, message_id, reply, "", {}]))
        elif reply is not None:
            self._to_manager.put_nowait(json.dumps([3, message_id, reply]))

    def send_at_once(self, text: str) -> bool:
        """In memory everybody waits their turn."""
        del text
        return False

    def hand_to(self, take: Callable[[str | bytes], bool]) -> None:
        """Every message waits its turn."""

    async def close(self, code: int, reason: str) -> None:
        """The manager ends the connection."""
        del code
        self.closed_because = reason
        self._to_manager.put_nowait(None)


async def settle() -> None:
    """Lets everything that can run without time passing run."""
    for _ in range(60):
        await asyncio.sleep(0)
