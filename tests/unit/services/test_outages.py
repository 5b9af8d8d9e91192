"""Orders "out of service" of stations with two outlets, frame by frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.domain.errors import InvalidInputError, StorageError
from app.domain.station import ConnectorKey
from app.services import outages as module
from tests.support.garage import garage
from tests.support.scripted import MemoryManager, ScriptedStation, settle

WHOLE = ConnectorKey("A", 0)
ONE, TWO = ConnectorKey("A", 1), ConnectorKey("A", 2)
HOUR = timedelta(hours=1)


def two_outlets() -> dict[str, Any]:
    site = garage(["A"])
    site["stations"][0]["connectors"] = [{"id": 1}, {"id": 2}]
    return site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    running = MemoryManager(tmp_path, two_outlets())
    await running.start()
    yield running
    await running.stop()


async def booted(site: MemoryManager) -> ScriptedStation:
    station = site.connect("A")
    await station.boot()
    for number in (1, 2):
        await station.call(
            "StatusNotification", connectorId=number, errorCode="NoError", status="Unavailable"
        )
    return station


def told(station: ScriptedStation) -> list[tuple[int, str]]:
    return [(one["connectorId"], one["type"]) for one in station.sent("ChangeAvailability")]


async def test_one_outlet_comes_back_and_the_other_stays_out(site: MemoryManager) -> None:
    station, outages = await booted(site), site.manager.remote.outages
    until = site.clock.utc_now() + HOUR
    await outages.take_out(WHOLE, until, "admin")
    await outages.plan(ONE, site.clock.utc_now() + 2 * HOUR, None, "admin")
    await outages.bring_back(ONE, "admin")
    assert not outages.holds_out(ONE)
    assert outages.holds_out(TWO)
    # What is planned for later stays planned.
    left = [(one.connector_id, one.until_utc) for one in outages.of("A")]
    assert left == [(2, until), (1, None)]
    assert told(station) == [(0, "Inoperative"), (1, "Operative")]


async def test_the_end_of_one_order_leaves_what_another_one_holds(site: MemoryManager) -> None:
    station, outages = await booted(site), site.manager.remote.outages
    now = site.clock.utc_now()
    await outages.take_out(WHOLE, now + HOUR, "admin")
    await outages.take_out(TWO, None, "admin")
    site.clock.advance(3_700.0)
    await site.cycle(4)
    assert told(station)[2:] == [(1, "Operative")]
    assert [one.connector_id for one in outages.of("A")] == [2]
    assert outages.holds_out(TWO)


async def test_an_order_that_cannot_be_recorded_is_tried_again(
    site: MemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    station, outages = await booted(site), site.manager.remote.outages
    await outages.plan(ONE, site.clock.utc_now() + timedelta(seconds=1), None, "admin")
    whole = site.store.orders.save_outage

    async def full(_outage: Any) -> Any:
        raise StorageError("storage-full")

    monkeypatch.setattr(site.store.orders, "save_outage", full)
    await site.cycle(5)
    assert told(station) == [(1, "Inoperative")]
    monkeypatch.setattr(site.store.orders, "save_outage", whole)
    await site.cycle(120)
    await settle()
    assert outages.of("A")[0].answer == "Accepted"


async def test_the_number_of_orders_is_bounded(
    site: MemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages = site.manager.remote.outages
    monkeypatch.setattr(module, "MOST_OUTAGES", 2)
    later = site.clock.utc_now() + HOUR
    for _ in range(2):
        await outages.plan(ONE, later, None, "admin")
    with pytest.raises(InvalidInputError, match="outages-too-many"):
        await outages.plan(ONE, later, None, "admin")
