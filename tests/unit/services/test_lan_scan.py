"""Searches of the network: one at a time, not too often, ended by hand or by their time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from app.adapters.storage.store import SqliteStore, open_store
from app.domain.errors import InvalidInputError
from app.services import lan_scan
from app.services.adoption_ports import LanDevice, LanNetwork, NoNeighbours, NoScanner, Report
from app.services.audit import AuditTrail
from app.services.lan_scan import BETWEEN_S, LanScan, ScanPhase
from app.services.tasks import TaskSupervisor
from tests.support.clock import HandClock
from tests.support.scripted import settle

DEVICE = LanDevice("192.168.1.40", "00:04:74:00:00:01", "Legrand", likely=True)


class Network:
    """A network that the test lets be found bit by bit; implements ``LanScanner``."""

    def __init__(self) -> None:
        self.known = [LanNetwork("lan1", "192.168.1.5", "192.168.1.0/24", 254)]
        self.go_on = asyncio.Event()
        self.trouble: OSError | None = None
        self.cancelled = 0

    def networks(self) -> Sequence[LanNetwork]:
        return self.known

    async def scan(self, report: Report) -> Sequence[LanDevice]:
        report(1, 4)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.trouble is not None:
            raise self.trouble
        report(4, 4)
        return [DEVICE]


class Bench:
    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.clock = HandClock()
        self.tasks = TaskSupervisor()
        self.network = Network()
        self.scan = LanScan(
            self.network,
            lambda: frozenset({"192.168.1.40"}),
            AuditTrail(store.audit, self.clock),
            self.tasks,
            self.clock,
        )

    async def actions(self) -> list[str]:
        return [record.action for record in await self.store.audit.recent()]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(open_store(tmp_path / "db", inline=True))
    yield made
    await made.tasks.stop()
    await made.store.close()


async def test_a_search_tells_its_progress_and_its_finds(bench: Bench) -> None:
    scan = bench.scan
    assert (scan.state.phase, scan.state.share) == (ScanPhase.NEVER, 0.0)
    assert scan.networks() == bench.network.known
    await scan.start("admin")
    await settle()
    assert scan.state.running
    assert scan.state.share == 0.25
    bench.network.go_on.set()
    await settle()
    assert scan.state.phase is ScanPhase.DONE
    assert scan.state.devices == (DEVICE,)
    assert scan.state.ended_utc == bench.clock.utc_now()
    assert scan.talks(DEVICE)
    assert not scan.talks(LanDevice("192.168.1.41"))
    (record,) = await bench.store.audit.recent()
    assert (record.actor, record.action, record.subject) == (
        "admin",
        "network-scanned",
        "192.168.1.0/24",
    )


async def test_one_at_a_time_and_not_too_often(bench: Bench) -> None:
    await bench.scan.start("admin")
    with pytest.raises(InvalidInputError) as refused:
        await bench.scan.start("bob")
    assert refused.value.key == "scan-running"
    bench.network.go_on.set()
    await settle()
    bench.clock.advance(BETWEEN_S - 1)
    with pytest.raises(InvalidInputError) as refused:
        await bench.scan.start("bob")
    assert (refused.value.key, refused.value.params) == ("scan-too-soon", {"wait_s": 1})
    bench.clock.advance(1)
    await bench.scan.start("bob")
    await settle()
    assert bench.scan.state.phase is ScanPhase.DONE


async def test_a_search_is_ended_by_hand(bench: Bench) -> None:
    await bench.scan.cancel("admin")
    await bench.scan.start("admin")
    await settle()
    await bench.scan.cancel("admin")
    await settle()
    assert bench.scan.state.phase is ScanPhase.CANCELLED
    assert bench.network.cancelled == 1
    assert await bench.actions() == ["scan-cancelled", "network-scanned"]


async def test_a_search_without_end_is_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lan_scan, "MOST_S", 0.0)
    await bench.scan.start("admin")
    await settle()
    assert bench.scan.state.phase is ScanPhase.OVERDUE
    assert bench.network.cancelled == 1


async def test_a_search_that_fails_can_be_repeated(bench: Bench) -> None:
    bench.network.trouble = OSError("no such device")
    bench.network.go_on.set()
    await bench.scan.start("admin")
    await settle()
    assert bench.scan.state.phase == "failed"
    assert bench.tasks.failures == 0
    bench.network.trouble = None
    bench.clock.advance(BETWEEN_S)
    await bench.scan.start("admin")
    await settle()
    assert bench.scan.state.phase is ScanPhase.DONE


async def test_without_a_network_there_is_nothing_to_search(bench: Bench) -> None:
    bench.network.known = []
    with pytest.raises(InvalidInputError) as refused:
        await bench.scan.start("admin")
    assert refused.value.key == "scan-no-network"
    nothing = NoScanner()
    assert nothing.networks() == ()
    assert await nothing.scan(lambda done, total: None) == ()
    assert await NoNeighbours().mac_of("192.168.1.40") == ""
