"""Unknown stations on real sockets: who is refused at the door, and what is noted of the others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.services.adoption import AdoptionDefaults
from tests.integration.ocpp_listener import PATIENCE_S, closing, station
from tests.support.scripted import MemoryManager

SITE = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [{"id": "supply", "name": "Arrivée", "limit_a": [63, 63, 63]}],
}


async def until_waiting(site: MemoryManager, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if site.manager.services.adoption.waiting() == count:
                return
            await asyncio.sleep(0.01)


async def test_a_blocked_station_is_refused_at_the_door_until_it_is_let_in(tmp_path: Path) -> None:
    site = MemoryManager(tmp_path, SITE)
    await site.start()
    adoption = site.manager.services.adoption
    listener = OcppListener(
        site.manager.handler,
        OcppSettings(host="127.0.0.1", port=0),
        site.clock,
        is_blocked=site.manager.is_blocked,
    )
    await listener.start()
    try:
        async with station(listener, "/ocpp/BAD") as bad, station(listener, "/ocpp/GOOD") as good:
            await until_waiting(site, 2)
            await adoption.block("BAD", "admin")
            await closing(bad)
            with pytest.raises(InvalidStatus) as refused:
                await station(listener, "/ocpp/BAD")
            assert refused.value.response.status_code == 403
            # The others go on, and one identity is not another.
            await good.ping()
            async with station(listener, "/ocpp/BAD-2"):
                await until_waiting(site, 2)
        assert listener.refused == 1
        await adoption.allow("BAD", "admin")
        async with station(listener, "/ocpp/BAD"):
            await until_waiting(site, 3)
        await adoption.block("BAD", "admin")
        # A person who adds it by hand has changed their mind.
        await adoption.allow("BAD", "admin")
        await adoption.adopt(["BAD"], AdoptionDefaults("supply"), "admin")
        async with station(listener, "/ocpp/BAD"):
            assert not site.manager.is_blocked("BAD")
    finally:
        await listener.stop()
        await site.stop()
