"""100 stations over TLS, each with its key, that lose their power in the middle of a charge, and all return at once.

Each one has a transaction under way. When it is back it introduces itself, tells the end of that
transaction, as it could not before, begins the next one and measures. Time runs from the first
connection to the last answer; then the manager's own journal is asked whether it has them all.
"""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import ssl
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from loadtests.bench import messages
from loadtests.bench.load import Client, meter_values
from loadtests.bench.product import ID_TAG, Serving, serving, site, station_ids

STATIONS = 100
STORMS = 5
SAMPLES = 3
"""MeterValues that a station sends as soon as it charges again."""

CALM_S = 6.0
"""Between two storms: what the manager sets up after one is no part of the next."""


def _key(name: str) -> str:
    return f"key of {name}"


def _secured_site() -> dict[str, Any]:
    """A site whose stations are at security profile 2 from the start."""
    document = site(STATIONS)
    for station in document["stations"]:
        station |= {"key": _key(station["id"]), "security_profile": 2}
    return document


class Station:
    """One station, through all the storms."""

    def __init__(self, url: str, name: str, tls: ssl.SSLContext) -> None:
        self.transaction_id = 0
        self.stopped: set[int] = set()
        self._url = url + name
        shown = base64.b64encode(f"{name}:{_key(name)}".encode()).decode()
        self._headers = {"Authorization": f"Basic {shown}"}
        self._tls = tls
        self._connection: ClientConnection | None = None

    async def live(self, group: asyncio.TaskGroup) -> None:
        """From power to a car that charges; before it, the end of the charge that was cut."""
        self._connection = await connect(
            self._url,
            ssl=self._tls,
            subprotocols=[Subprotocol("ocpp1.6")],
            additional_headers=self._headers,
            compression=None,
            proxy=None,
            open_timeout=60,
        )
        client = Client(self._connection, echoed=False)
        group.create_task(client.read())
        await client.introduce()
        cut = self.transaction_id
        if cut:
            await client.exchange(
                lambda _, uid: messages.stop_transaction(uid, cut, ID_TAG, SAMPLES)
            )
            self.stopped.add(cut)
        self.transaction_id = await client.start(1, ID_TAG)
        client.template = messages.meter_values_template(self.transaction_id)
        for _ in range(SAMPLES):
            await client.exchange(meter_values)

    def cut(self) -> None:
        """The power is gone: nothing is said, the socket just ends."""
        assert self._connection is not None
        self._connection.transport.abort()


def _recorded(served: Serving) -> tuple[set[int], set[int]]:
    """Numbers of the transactions in the journal: those that run, and those that have ended."""
    file = next(served.data.glob("*.sqlite3"))
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT transaction_id, stopped_us FROM charge_transaction")
        ended = {number: stopped is not None for number, stopped in rows}
    finally:
        database.close()
    return (
        {number for number, over in ended.items() if not over},
        {number for number, over in ended.items() if over},
    )


async def measure(logs: Path) -> Mapping[str, float]:
    """The slowest of some storms; raises when the journal lacks a transaction."""
    async with AsyncExitStack() as stack:
        served = stack.enter_context(serving(_secured_site(), logs / "manager-storm.log", tls=True))
        tls = ssl.create_default_context(cafile=served.data / "stations.crt")
        tls.check_hostname = False  # by address: the name is what the site chooses
        url = f"wss://127.0.0.1:{served.tls_port}/ocpp/"
        stations = [Station(url, name, tls) for name in station_ids(STATIONS)]
        group = await stack.enter_async_context(asyncio.TaskGroup())
        taken_s: list[float] = []
        for _ in range(STORMS + 1):
            start_s = time.monotonic()
            async with asyncio.TaskGroup() as storm:
                for station in stations:
                    storm.create_task(station.live(group))
            taken_s.append(time.monotonic() - start_s)
            running, ended = _recorded(served)
            if running != {station.transaction_id for station in stations}:
                raise RuntimeError("the journal lacks transactions that run, or holds others")
            if ended != set[int]().union(*(station.stopped for station in stations)):
                raise RuntimeError("the journal lacks ends of transactions, or holds others")
            await asyncio.sleep(CALM_S)
            for station in stations:
                station.cut()
        print(
            f"  storms took {', '.join(f'{each:.2f}' for each in taken_s)} s (the first: arrival)"
        )
        return {"storm_100_tls_s": max(taken_s[1:])}
