"""A tiny scripted central system over memory links, and a station wired to it."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, Self

from simulators import virtual_time
from simulators.station.config import StationConfig
from simulators.station.files import Files, TransferError, UploadMethod
from simulators.station.link import Link, MemoryLink, memory_link
from simulators.station.persona import Persona, load_persona
from simulators.station.station import SimStation
from simulators.station.vault import Vault

EPOCH = datetime(2026, 6, 1, 8, 0, 0, tzinfo=UTC)

Payload = dict[str, Any]
P = ParamSpec("P")


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test on the virtual clock: simulated hours take no time."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        virtual_time.run(test(*args, **kwargs))

    return wrapper


class Central:
    """Answers every call the way a friendly central system does; ``answers`` overrides by action.

    A callable gets the payload; a payload is sent as it is; a string is a CALLERROR code; ``None``
    is silence.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, Payload]] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.links: list[MemoryLink] = []
        self.results: dict[str, Any] = {}
        self.answers: dict[str, Payload | str | Callable[[Payload], Any] | None] = {}
        self.refuses_connections = False
        self._next_transaction = 100
        self._next_id = 0
        self._tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self._start_s = loop.time()

    def utc_now(self) -> datetime:
        elapsed_s = asyncio.get_running_loop().time() - self._start_s
        return EPOCH + timedelta(seconds=elapsed_s)

    async def connect(self) -> Link:
        if self.refuses_connections:
            raise ConnectionRefusedError("central system is down")
        station, central = memory_link()
        self.links.append(central)
        task = asyncio.get_running_loop().create_task(self._serve(central))
        self._tasks.add(task)
        return station

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, link: MemoryLink) -> None:
        while (text := await link.receive()) is not None:
            frame = json.loads(text)
            if frame[0] != 2:
                self.results[frame[1]] = frame
                continue
            self.texts.append(text)
            self.ids.append(frame[1])
            self.calls.append((frame[2], frame[3]))
            answer = self._answer(frame[2], frame[3])
            if isinstance(answer, str):
                link.post(json.dumps([4, frame[1], answer, "", {}]))
            elif answer is not None:
                link.post(json.dumps([3, frame[1], answer]))

    def _answer(self, action: str, payload: Payload) -> Any:
        if action in self.answers:
            answer = self.answers[action]
            return answer(payload) if callable(answer) else answer
        now = self.utc_now().isoformat()
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now, "interval": 300}
            case "Heartbeat":
                return {"currentTime": now}
            case "Authorize":
                return {"idTagInfo": {"status": "Accepted"}}
            case "StartTransaction":
                self._next_transaction += 1
                return {
                    "transactionId": self._next_transaction,
                    "idTagInfo": {"status": "Accepted"},
                }
            case _:
                return {}

    async def call(self, action: str, payload: Payload, *, within_s: float = 0.1) -> Any:
        """Call the station on its newest link; the CALLRESULT payload, or the CALLERROR code."""
        self._next_id += 1
        message_id = f"c{self._next_id}"
        self.links[-1].post(json.dumps([2, message_id, action, payload]))
        await asyncio.sleep(within_s)
        frame = self.results.pop(message_id)
        return frame[2]

    def named(self, action: str) -> list[Payload]:
        """Payloads of the calls received with that action, in order."""
        return [payload for name, payload in self.calls if name == action]

    def statuses(self, connector_id: int = 1) -> list[str]:
        return [
            payload["status"]
            for payload in self.named("StatusNotification")
            if payload["connectorId"] == connector_id
        ]


class MemoryFiles:
    """A file server in memory; each transfer takes ``takes_s``."""

    def __init__(self, *, takes_s: float = 1.0) -> None:
        self.takes_s = takes_s
        self.content: dict[str, bytes] = {}
        self.uploaded: list[tuple[str, bytes, UploadMethod]] = []

    async def get(self, url: str) -> bytes:
        await asyncio.sleep(self.takes_s)
        if url not in self.content:
            raise TransferError("not there")
        return self.content[url]

    async def put(self, url: str, name: str, content: bytes, method: UploadMethod) -> None:
        await asyncio.sleep(self.takes_s)
        if not url.startswith("http://box/"):
            raise TransferError(f"nobody takes {name}")
        self.uploaded.append((url, content, method))


class Bench:
    """A central system and one station on the running (virtual) loop, stepped once a second."""

    def __init__(
        self,
        persona: Persona | str = "control-generic",
        config: StationConfig | None = None,
        seed: int = 1,
        *,
        vault: Vault | None = None,
        files: Files | None = None,
    ) -> None:
        self.central = Central()
        self.station = SimStation(
            config or StationConfig(station_id="A-001"),
            load_persona(persona) if isinstance(persona, str) else persona,
            self.central.connect,
            self.central.utc_now,
            random.Random(seed),
            vault=vault,
            files=files,
        )
        self.station.start()

    def online(self) -> bool:
        """Whether the station believes to be connected and registered."""
        return self.station.connected

    @property
    def amps(self) -> tuple[float, float, float]:
        """Drawn by the first outlet, on the site's phases."""
        return self.station.connectors[0].current_a

    async def run(self, seconds: int) -> None:
        """Let that many seconds pass."""
        for _ in range(seconds):
            await asyncio.sleep(1.0)
            self.station.step(1.0)

    async def __aenter__(self) -> Self:
        await self.run(2)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.station.stop()
        await self.central.close()


def set_limit(
    limit: float,
    *,
    connector_id: int = 1,
    purpose: str = "TxProfile",
    transaction_id: int | None = 101,
    profile_id: int = 1,
    stack_level: int = 0,
    unit: str = "A",
    kind: str = "Absolute",
    **extra: Any,
) -> Payload:
    """A SetChargingProfile with one period from the epoch on; ``duration`` goes in the schedule."""
    schedule: Payload = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    if kind != "Relative":
        schedule["startSchedule"] = EPOCH.isoformat()
    for name in ("duration", "startSchedule", "chargingSchedulePeriod"):
        if name in extra:
            schedule[name] = extra.pop(name)
    profile: Payload = {
        "chargingProfileId": profile_id,
        "stackLevel": stack_level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **extra,
    }
    if transaction_id is not None and purpose == "TxProfile":
        profile["transactionId"] = transaction_id
    return {"connectorId": connector_id, "csChargingProfiles": profile}
