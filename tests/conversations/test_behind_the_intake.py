"""The same messages with the manager behind the session: what is answered, recorded and told.

The manager is the product's own, on a database; only the socket is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.domain.errors import StationRefusedError, StationUnreachableError
from tests.conversations.book import MANAGER_CALLS, STATION_CALLS
from tests.conversations.entries import FromManager, FromStation, Malformed, malformed
from tests.support.scripted import MemoryManager, settle
from tests.unit.ocpp16.schemas import valid

SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [
        {
            "id": "supply",
            "name": "Supply",
            "limit_a": [50, 50, 50],
            "margin_a": 2,
            "worst_background_a": [0, 0, 0],
        }
    ],
    "meters": [],
    "stations": [{"id": "A-1", "circuit": "supply", "connectors": [{"id": 1}]}],
    "badges": [{"id_tag": "04A1B2C3", "holder": "Claire"}],
}

each_station_call = pytest.mark.parametrize("entry", STATION_CALLS, ids=lambda e: e.action)
each_manager_call = pytest.mark.parametrize("entry", MANAGER_CALLS, ids=lambda e: e.action)
each_caller = pytest.mark.parametrize("station_id", ["A-1", "stranger"])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, SITE)
    await running.start()
    yield running
    await running.stop()


@each_station_call
@each_caller
async def test_every_call_is_answered_whoever_makes_it(
    site: MemoryManager, entry: FromStation, station_id: str
) -> None:
    station = site.connect(station_id)
    for payload in (entry.least, entry.fullest):
        answer = await station.call(entry.action, **payload)
        assert valid(msgspec.json.encode(answer), entry.action, answer=True)
    await station.hang_up()


@each_station_call
async def test_tried_again_on_the_next_connection_it_is_answered_alike(
    site: MemoryManager, entry: FromStation
) -> None:
    answers = []
    for _ in range(3):
        station = site.connect("A-1")
        answers.append(await station.call(entry.action, **entry.fullest))
        await station.hang_up()
    assert answers[0] == answers[1] == answers[2]


@each_station_call
async def test_no_fault_in_a_call_costs_the_connection(
    site: MemoryManager, entry: FromStation
) -> None:
    # In as many connections as it takes for the errors of each to stay within their rate.
    faults: list[Malformed] = malformed(entry.action, entry.fullest)
    for first in range(0, len(faults), 15):
        station = site.connect("A-1")
        for fault in faults[first : first + 15]:
            frame = await station.exchange(entry.action, msgspec.json.decode(fault.payload))
            if frame[0] == 4:
                assert frame[2] == (fault.left or fault.code)
                assert fault.field in entry.vital or fault.field == ""
            else:
                assert valid(msgspec.json.encode(frame[2]), entry.action, answer=True)
        assert "currentTime" in await station.call("Heartbeat")
        await station.hang_up()


@each_manager_call
async def test_every_call_of_ours_brings_its_answer(
    site: MemoryManager, entry: FromManager
) -> None:
    station = site.connect("A-1")
    await station.boot()
    for answer in (*entry.done, *entry.refusals):
        station.answers[entry.action] = answer
        heard = await station.link.call(entry.request(entry.fullest))
        assert heard == entry.confirmation(answer)
    assert station.calls[-1] == (entry.action, entry.fullest)
    station.answers[entry.action] = "NotSupported"
    with pytest.raises(StationRefusedError):
        await station.link.call(entry.request(entry.fullest))
    station.answers[entry.action] = lambda _payload: {"status": ["?"], "listVersion": "?", "?": {}}
    if "status" in {**entry.done[0]} or entry.action == "GetLocalListVersion":
        with pytest.raises(StationUnreachableError):
            await station.link.call(entry.request(entry.fullest))
    await station.hang_up()


@each_manager_call
async def test_a_call_of_ours_that_a_reboot_cuts_off_fails_and_the_next_one_works(
    site: MemoryManager, entry: FromManager
) -> None:
    station = site.connect("A-1")
    await station.boot()
    station.answers[entry.action] = lambda _payload: None
    async with asyncio.TaskGroup() as group:
        call = group.create_task(failed(station.link.call(entry.request(entry.fullest))))
        await settle()
        assert station.calls[-1][0] == entry.action
        await station.hang_up()
    assert isinstance(call.result(), StationUnreachableError)
    station = site.connect("A-1")
    await station.boot()
    station.answers[entry.action] = entry.done[0]
    heard = await station.link.call(entry.request(entry.fullest))
    assert heard == entry.confirmation(entry.done[0])
    await station.hang_up()


async def failed(call: Any) -> BaseException | None:
    """The failure that the call ends in."""
    try:
        await call
    except StationUnreachableError as error:
        return error
    return None


async def test_4_8_a_start_whose_answer_was_lost_is_one_transaction(site: MemoryManager) -> None:
    start = {
        "connectorId": 1,
        "idTag": "04A1B2C3",
        "meterStart": 1000,
        "timestamp": "2026-03-02T12:00:00Z",
    }
    numbers = set()
    for _ in range(3):
        station = site.connect("A-1")
        answer = await station.call("StartTransaction", **start)
        assert answer["idTagInfo"]["status"] == "Accepted"
        numbers.add(answer["transactionId"])
        await station.hang_up()
    assert len(numbers) == 1
    assert await site.store.transactions.count() == 1


async def test_4_10_a_stop_said_three_times_is_one_stop(site: MemoryManager) -> None:
    station = site.connect("A-1")
    started = await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="04A1B2C3",
        meterStart=1000,
        timestamp="2026-03-02T12:00:00Z",
    )
    stop = {
        "transactionId": started["transactionId"],
        "meterStop": 9000,
        "timestamp": "2026-03-02T13:00:00Z",
    }
    for _ in range(2):
        await station.call("StopTransaction", **stop)
    await station.hang_up()
    station = site.connect("A-1")
    await station.call("StopTransaction", **stop)
    recorded = await site.store.transactions.get(started["transactionId"])
    assert recorded is not None
    assert recorded.meter_stop_wh == 9000
    assert await site.store.transactions.count() == 1
    await station.hang_up()


async def test_4_10_a_stop_that_nobody_knows_is_acknowledged(site: MemoryManager) -> None:
    for station_id in ("A-1", "stranger"):
        station = site.connect(station_id)
        frame = await station.exchange(
            "StopTransaction",
            {"transactionId": -1, "meterStop": 9000, "timestamp": "2026-03-02T13:00:00Z"},
        )
        assert frame[0] == 3
        await station.hang_up()
