"""Every text that passes the stations' port reaches the record, in order and with what was odd."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.adapters.frame_recorder import FrameRecorder
from app.adapters.frame_search import FrameSearch
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.ocpp16.actions.manager_calls import GetConfiguration
from app.services.frame_ports import Exchange, FrameFilter
from tests.integration.ocpp_listener import RealClock, Recorder, station


@asynccontextmanager
async def recording(folder: Path) -> AsyncIterator[tuple[OcppListener, Recorder, FrameSearch]]:
    tap = FrameRecorder(folder / "frames.sqlite3", RealClock(), most_bytes=2**24, keep_days=14)
    search = FrameSearch(tap)
    services = Recorder()
    settings = OcppSettings(host="127.0.0.1", port=0)
    listener = OcppListener(services, settings, RealClock(), tap=tap)
    await listener.start()
    try:
        async with asyncio.timeout(60):
            yield listener, services, search
    finally:
        await listener.stop()
        search.close()
        await tap.close()


async def recorded(search: FrameSearch) -> list[Exchange]:
    page = await search.find(FrameFilter(), before=None, most=100)
    return list(reversed(page.exchanges))


async def test_both_sides_of_a_conversation_are_recorded(tmp_path: Path) -> None:
    async with recording(tmp_path) as (listener, services, search), station(listener) as peer:
        await peer.send('[2,"1","Heartbeat",{}]')
        answer = await peer.recv()
        await peer.send('[2,"2","Authorize",{"idTag":17}]')
        authorized = await peer.recv()
        await peer.send("what?")
        await peer.send('[2,"3","Unheard",{}]')
        await peer.recv()
        asking = asyncio.gather(services.links["A-001"].call(GetConfiguration()))
        asked = json.loads(await peer.recv())
        await peer.send(json.dumps([3, asked[1], {}]))
        await asking
        await peer.send('[2,"2","Authorize",{"idTag":17}]')  # the same again: the same answer
        assert await peer.recv() == authorized
        heartbeat, authorize, unreadable, unheard, configuration, again = await recorded(search)
    assert heartbeat.frame.text == '[2,"1","Heartbeat",{}]'
    assert heartbeat.answer is not None
    assert heartbeat.answer.text == answer
    assert heartbeat.answer_ms is not None
    assert heartbeat.notes == ()
    assert authorize.notes == ("number-as-text",)
    assert (unreadable.frame.kind, unreadable.notes) == (0, ("rejected",))
    assert unheard.notes == ("refused",)
    assert unheard.answer is not None
    assert unheard.answer.kind == 4
    assert not configuration.frame.from_station
    assert configuration.answer is not None
    assert configuration.answer.from_station
    assert again.notes == ("repeated",)
    assert {each.frame.station_id for each in (heartbeat, again)} == {"A-001"}


async def test_each_connection_has_its_own_number(tmp_path: Path) -> None:
    async with recording(tmp_path) as (listener, _services, search):
        for identity in ("A-001", "A-002", "A-001"):
            async with station(listener, f"/ocpp/{identity}") as peer:
                await peer.send('[2,"1","Heartbeat",{}]')
                await peer.recv()
        found = await recorded(search)
    assert [(each.frame.station_id, each.frame.connection) for each in found] == [
        ("A-001", 1),
        ("A-002", 2),
        ("A-001", 3),
    ]
    assert all(each.answer is not None for each in found)
