"""Stations that start and stop transactions without a pause, and remember what was acknowledged.

A client of its own, on bare ``websockets``: what the box promised by a CALLRESULT is noted here the
moment it arrives, so that it can be compared with what the box still knows after its power was cut.
Whatever had no answer is said again on the next connection, as OCPP 1.6 (4.1.1) asks of a station.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

ID_TAG: Final = "LOAD"

_ANSWER_S: Final = 60.0
_RETRY_S: Final = 1.0
_CHARGE_S: Final = (0.3, 3.0)


@dataclass(frozen=True, slots=True, order=True)
class Acknowledged:
    """One transaction as the box promised to know it; ``meter_stop_wh`` once its stop is too."""

    transaction_id: int
    station_id: str
    started_us: int
    meter_start_wh: int
    stopped_us: int | None = None
    meter_stop_wh: int | None = None


@dataclass(slots=True)
class Post:
    """One station: the requests it still has to deliver, in order, and what it was promised."""

    station_id: str
    url: str
    rng: random.Random
    promised: dict[int, Acknowledged] = field(default_factory=dict)
    _meter_wh: int = 0
    _number: int = 0
    _open: dict[str, Any] | None = None
    """The StartTransaction of the transaction under way."""
    _open_id: int | None = None
    _stop: dict[str, Any] | None = None

    async def run(self, tls: ssl.SSLContext | None) -> None:
        """Connects for ever; goes on where the last connection broke."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException):
                async with websockets.connect(
                    self.url,
                    subprotocols=[Subprotocol("ocpp1.6")],
                    ssl=tls,
                    proxy=None,
                    compression=None,
                    ping_interval=None,
                    open_timeout=_ANSWER_S,
                    close_timeout=1,
                ) as link:
                    await self._boot(link)
                    while True:
                        await self._charge(link)
            await asyncio.sleep(_RETRY_S)

    async def _boot(self, link: ClientConnection) -> None:
        about = {"chargePointVendor": "Bench", "chargePointModel": "Load"}
        answer = await self._call(link, "BootNotification", about)
        if answer["status"] != "Accepted":
            raise OSError(f"the box answers {answer['status']}")

    async def _charge(self, link: ClientConnection) -> None:
        if self._open is None:
            self._open = {
                "connectorId": 1,
                "idTag": ID_TAG,
                "meterStart": self._meter_wh,
                "timestamp": _now(),
            }
        if self._open_id is None:
            confirmed = await self._call(link, "StartTransaction", self._open)
            self._open_id = int(confirmed["transactionId"])
            self.promised[self._open_id] = Acknowledged(
                self._open_id,
                self.station_id,
                micros(self._open["timestamp"]),
                self._open["meterStart"],
            )
        if self._stop is None:
            await asyncio.sleep(self.rng.uniform(*_CHARGE_S))
            self._meter_wh += self.rng.randrange(1, 5000)
            self._stop = {
                "transactionId": self._open_id,
                "meterStop": self._meter_wh,
                "timestamp": _now(),
                "reason": "EVDisconnected",
            }
        await self._call(link, "StopTransaction", self._stop)
        started = self.promised[self._open_id]
        self.promised[self._open_id] = Acknowledged(
            started.transaction_id,
            started.station_id,
            started.started_us,
            started.meter_start_wh,
            micros(self._stop["timestamp"]),
            self._stop["meterStop"],
        )
        self._open = self._open_id = self._stop = None

    async def _call(
        self, link: ClientConnection, action: str, content: dict[str, Any]
    ) -> dict[str, Any]:
        """The answer's content; calls of the box that come meanwhile are answered as unsupported."""
        self._number += 1
        number = f"{self.station_id}-{self._number}"
        await link.send(json.dumps([2, number, action, content]))
        async with asyncio.timeout(_ANSWER_S):
            while True:
                frame = json.loads(await link.recv())
                if frame[0] == 2:
                    await link.send(json.dumps([4, frame[1], "NotSupported", "", {}]))
                elif frame[1] == number:
                    if frame[0] != 3:
                        raise OSError(f"{action} was answered by {frame}")
                    answer: dict[str, Any] = frame[2]
                    return answer


class Load:
    """All the posts, in a thread of their own; a context manager."""

    def __init__(self, urls: Sequence[tuple[str, str]], seed: int) -> None:
        """``urls``: identity of each station, and where it connects."""
        self.posts = [
            Post(name, f"{url}/{name}", random.Random(f"{seed} {name}")) for name, url in urls
        ]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._started = threading.Event()

    def __enter__(self) -> Load:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stopped is not None
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def promised(self) -> list[Acknowledged]:
        """Every transaction that the box has acknowledged until now."""
        return sorted(item for post in self.posts for item in list(post.promised.values()))

    def wait_promises(self, count: int, within_s: float) -> bool:
        """Until ``count`` starts and stops were acknowledged in all; ``False`` when they never are."""
        deadline_s = time.monotonic() + within_s
        while promises(self.promised()) < count:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.1)
        return True

    async def _run(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._started.set()
        tls = ssl.create_default_context()
        # The box's certificate is its own; that it is the right one is another stage's question.
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(post.run(tls if post.url.startswith("wss:") else None))
                for post in self.posts
            ]
            await self._stopped.wait()
            for task in tasks:
                task.cancel()


def promises(acknowledged: Sequence[Acknowledged]) -> int:
    """How many CALLRESULTs that is: one for each start, one for each stop."""
    return sum(1 + (item.meter_stop_wh is not None) for item in acknowledged)


def lost(promised: Sequence[Acknowledged], rows: Sequence[dict[str, Any]]) -> list[str]:
    """What the box acknowledged and its journal (rows of ``charge_transaction``) does not hold."""
    known = {int(row["transaction_id"]): row for row in rows}
    missing = []
    for item in promised:
        row = known.get(item.transaction_id)
        start = (item.station_id, 1, ID_TAG, item.started_us, item.meter_start_wh)
        if row is None or start != tuple(
            row[name]
            for name in ("station_id", "connector_id", "id_tag", "started_us", "meter_start_wh")
        ):
            missing.append(f"start of {item}: {row}")
        elif item.meter_stop_wh is not None and (item.stopped_us, item.meter_stop_wh) != (
            row["stopped_us"],
            row["meter_stop_wh"],
        ):
            missing.append(f"stop of {item}: {row}")
    return missing


def micros(timestamp: str) -> int:
    """Microseconds since 1970 of an OCPP time."""
    moment = datetime.fromisoformat(timestamp)
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def _now() -> str:
    # Whole milliseconds, as real stations write them.
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
