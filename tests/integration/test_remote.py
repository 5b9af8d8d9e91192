"""From the page to the car: a person starts, stops and restarts a station, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.link import websocket_link
from simulators.station.persona import load_persona
from simulators.station.station import SimStation
from tests.support.garage import garage
from tests.support.running import RunningManager, untrusting

OWN = "correct horse battery staple"

SITE = garage(["R-1"])


class Person:
    """A browser without scripts."""

    def __init__(self, manager: RunningManager) -> None:
        self._http = httpx.AsyncClient(
            base_url=manager.web_url, verify=untrusting(), follow_redirects=True, timeout=30
        )

    async def send(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Opens ``page`` for its token and posts a form of it."""
        shown = await self._http.get(page)
        found = re.search(r'name="csrf" value="([^"]*)"', shown.text)
        token = {} if found is None else {"csrf": found[1]}
        answer = await self._http.post(action, data={**token, **fields})
        assert answer.status_code == 200, answer.text
        return answer

    async def close(self) -> None:
        """Closes the browser."""
        await self._http.aclose()


@contextlib.asynccontextmanager
async def living(station: SimStation) -> AsyncIterator[None]:
    """Connects the station and lets its car's physics advance."""

    async def advance() -> None:
        while True:
            await asyncio.sleep(0.2)
            station.step(0.2)

    station.start()
    physics = asyncio.get_running_loop().create_task(advance())
    try:
        yield
    finally:
        physics.cancel()
        await station.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the station's truth must show."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the peer is polled
            await asyncio.sleep(0.1)


async def test_start_stop_and_reset_from_the_page(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path, SITE)
    await asyncio.to_thread(manager.start)
    person = Person(manager)
    station = SimStation(
        StationConfig(station_id="R-1", connectors=(ConnectorConfig(connector_id=1),)),
        load_persona("control-generic"),
        lambda: websocket_link(f"{manager.ocpp_url}/R-1"),
        lambda: datetime.now(UTC),
        random.Random(1),
    )
    try:
        await person.send("/sign-in", "/sign-in", name="admin", password=manager.secret())
        await person.send("/password", "/password", current=manager.secret(), new=OWN, again=OWN)
        async with living(station):
            await until(lambda: station.connected)
            station.plug(1, Car(phases=3, max_a=16, battery_kwh=50, soc0=0.2))
            outlet = station.connector(1)

            await person.send("/stations/R-1", "/stations/R-1/start", connector="1", id_tag="AAAA")
            await until(lambda: max(outlet.current_a) >= 6)
            assert station.records[-1].id_tag == "AAAA"

            await person.send("/stations/R-1", "/stations/R-1/stop", connector="1")
            await until(lambda: station.records[-1].acknowledged_stop)
            assert station.records[-1].stop_reason == "Remote"

            boots = station.counters.boots
            await person.send("/stations/R-1", "/stations/R-1/reset", kind="soft")
            await until(lambda: station.counters.boots > boots and station.connected)
            station.unplug(1)

            station.plug(1, Car(phases=3, max_a=16, battery_kwh=50, soc0=0.2), "NOBODY")
            await asyncio.sleep(4)
            assert max(outlet.current_a) == 0
            badges = await person.send("/badges", "/badges/add", id_tag="NOBODY", active="on")
            assert "NOBODY" in badges.text
            station.swipe("NOBODY", 1)
            await until(lambda: max(outlet.current_a) >= 6)
    finally:
        await person.close()
        await asyncio.to_thread(manager.stop)
