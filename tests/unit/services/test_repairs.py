"""The register of repairs takes without waiting, and bounds what it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.adapters.storage.store import open_store
from app.services import repairs as module
from app.services.repairs import FRAME_MOST, RepairLog
from tests.support.clock import HandClock


async def test_long_and_broken_messages_are_kept_as_far_as_they_go(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db.sqlite3", inline=True)
    log = RepairLog(store.repairs, HandClock())
    log.note("A", "x" * (2 * FRAME_MOST), ("json-loose",))
    log.note("A", b"\xff\x00[", ("json-loose",))
    log.note("A", '["\ud800"]', ("json-loose", "json-loose"))
    kept = [one.frame for one in await log.frames("A", "json-loose")]
    assert kept == ['["\\ud800"]', "\ufffd\\0[", "x" * FRAME_MOST]
    (count,) = await log.counts("A")
    assert count.messages == 3
    await store.close()


async def test_no_more_kinds_are_counted_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KINDS_MOST", 3)
    store = open_store(tmp_path / "db.sqlite3", inline=True)
    log = RepairLog(store.repairs, HandClock())
    for n in range(9):
        log.note(f"S-{n}", "[]", ("text-cut",))
    await log.flush()
    assert set(await store.repairs.totals()) == {"S-0", "S-1", "S-2"}
    await store.close()


async def test_a_disk_in_trouble_costs_repairs_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path / "db.sqlite3", inline=True)
    log = RepairLog(store.repairs, HandClock())
    log.note("A", "[]", ("text-cut",))
    await store.close()
    await log.flush()
    assert "repairs were not written" in caplog.text
    assert log.total("A") == 1
