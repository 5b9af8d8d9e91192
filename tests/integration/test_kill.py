"""``kill -9`` of the manager under load: nothing acknowledged is lost, and a restart heals."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.station.config import ConnectorConfig, StationConfig, TransactionRecord
from simulators.station.ev import Car
from simulators.station.link import websocket_link
from simulators.station.persona import load_persona
from simulators.station.station import SimStation
from tests.support.garage import garage
from tests.support.running import RunningManager

STATIONS = 6
ROUNDS = 3


def site() -> dict[str, Any]:
    return garage((f"K-{number}" for number in range(STATIONS)), limit_a=200)


def station(number: int, url: str) -> SimStation:
    identity = f"K-{number}"
    return SimStation(
        StationConfig(station_id=identity, connectors=(ConnectorConfig(connector_id=1),)),
        load_persona("control-generic"),
        lambda: websocket_link(f"{url}/{identity}"),
        lambda: datetime.now(UTC),
        random.Random(number),
    )


@contextlib.asynccontextmanager
async def driving(stations: list[SimStation]) -> AsyncIterator[None]:
    """Cars come and go every second or so, and their physics advance."""

    async def drive(post: SimStation, number: int) -> None:
        noise = random.Random(number)
        try:
            while True:
                post.plug(1, Car(phases=3, max_a=16, battery_kwh=50, soc0=0.2), "AAAA")
                await asyncio.sleep(noise.uniform(0.8, 1.6))
                post.unplug(1)
                await asyncio.sleep(noise.uniform(0.2, 0.6))
        finally:
            post.unplug(1)

    async def advance() -> None:
        while True:
            await asyncio.sleep(0.2)
            for post in stations:
                post.step(0.2)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(drive(post, n)) for n, post in enumerate(stations)]
        tasks.append(group.create_task(advance()))
        yield
        for task in tasks:
            task.cancel()


def recorded(manager: RunningManager) -> set[int]:
    """Ids of the transactions on disk."""
    with contextlib.closing(
        sqlite3.connect(f"file:{manager.database}?mode=ro", uri=True)
    ) as database:
        return {row[0] for row in database.execute("SELECT transaction_id FROM charge_transaction")}


def acknowledged(stations: list[SimStation]) -> list[tuple[str, TransactionRecord]]:
    return [
        (post.station_id, record)
        for post in stations
        for record in post.records
        if record.acknowledged_start
    ]


async def until_idle(stations: list[SimStation]) -> None:
    """Every message of a past transaction has been delivered."""
    async with asyncio.timeout(90):
        while any(post.queued for post in stations):  # noqa: ASYNC110 - the peers are polled
            await asyncio.sleep(0.2)


async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path, site())
    await asyncio.to_thread(manager.start)
    stations = [station(number, manager.ocpp_url) for number in range(STATIONS)]
    for post in stations:
        post.start()
    try:
        for round_number in range(ROUNDS):
            async with driving(stations):
                await asyncio.sleep(6 + 0.37 * round_number)
                manager.kill()
                known = acknowledged(stations)
                await asyncio.sleep(1)
            assert known, "no transaction was acknowledged before the kill"
            await asyncio.to_thread(manager.start)
            on_disk = recorded(manager)
            lost = [record for _, record in known if record.transaction_id not in on_disk]
            assert not lost
        await until_idle(stations)
        assert all(record.acknowledged_start for post in stations for record in post.records)
        ended = [r for post in stations for r in post.records if r.stop_utc is not None]
        assert all(record.acknowledged_stop for record in ended)
        assert len(recorded(manager)) == sum(len(post.records) for post in stations)
    finally:
        for post in stations:
            await post.stop()
        await asyncio.to_thread(manager.stop)
