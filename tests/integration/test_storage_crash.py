"""What was acknowledged survives the death of the process; a full or read-only disk is told."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.errors import StorageError
from app.domain.station import ConnectorKey
from app.domain.transaction import Sample
from app.services.ports import AuditRecord, NewTransaction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STATIONS = 20

# Acknowledges starts and stops on standard output, as a manager would to its stations.
WORKER = """
import asyncio, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from app.adapters.storage import open_store
from app.services.ports import NewTransaction, TransactionStop

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

async def station(store, name):
    for n in range(10**9):
        at = NOON + timedelta(seconds=n)
        started, _ = await store.transactions.start(NewTransaction(name, 1, "T", at, at, n))
        print("started", started.transaction_id, flush=True)
        stop = TransactionStop(started.transaction_id, at, at, n + 5, None)
        await store.transactions.stop(stop)
        print("stopped", started.transaction_id, flush=True)

async def main():
    store = open_store(Path(sys.argv[1]))
    async with asyncio.TaskGroup() as group:
        for n in range(int(sys.argv[2])):
            group.create_task(station(store, f"S-{n:03}"))

asyncio.run(main())
"""


def test_a_killed_process_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "bornier.sqlite3"
    for _ in range(3):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), str(STATIONS)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        acknowledged = [worker.stdout.readline().split() for _ in range(400)]
        os.kill(worker.pid, signal.SIGKILL)
        # What was printed between our last line and the end was acknowledged as well; the very
        # last line may be cut short.
        rest = worker.stdout.read()
        acknowledged += [line.split() for line in rest[: rest.rfind("\n") + 1].splitlines()]
        assert worker.wait() == -signal.SIGKILL
        worker.stdout.close()
        asyncio.run(check(path, acknowledged))


async def check(path: Path, acknowledged: list[list[str]]) -> None:
    store = open_store(path)
    recorded = {
        each.transaction_id: each for each in await store.transactions.recent(limit=1_000_000)
    }
    assert len(acknowledged) >= 400
    for event, number in acknowledged:
        assert int(number) in recorded, f"{event} {number} was lost"
        if event == "stopped":
            assert recorded[int(number)].energy_wh == 5
    checked = await store._engine.read(
        lambda database: database.raw.execute("PRAGMA integrity_check").fetchone()
    )
    assert checked == ("ok",)
    await store.close()


# ---------------------------------------------------------------- disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def start(n: int) -> NewTransaction:
    return NewTransaction("A", n, "T", NOON, NOON, 0)


async def fill(store: SqliteStore) -> tuple[int, StorageError]:
    """Writes until the disk refuses: how many were acknowledged, and the refusal."""
    for written in range(100_000):
        try:
            await store.audit.append(AuditRecord(NOON, "anna", "noted", "", "x" * 20_000))
        except StorageError as error:
            return written, error
    raise AssertionError("the disk is not full")


async def check_full_disk(store: SqliteStore) -> int:
    written, error = await fill(store)
    assert error.key == "storage-full"
    assert written > 0
    assert len(await store.audit.recent(1000)) == written
    # Samples wait for better days, and the trouble is there to be shown.
    for n in range(3000):
        at = NOON + timedelta(seconds=n)
        store.samples.add(ConnectorKey("A", 1), None, Sample(at, 0.0), None)
    with pytest.raises(StorageError):
        await store.flush()
    assert store.trouble_key == "storage-full"
    assert store.dropped_samples == 0
    return written


@pytest.mark.parametrize("inline", [False, True])
async def test_a_file_that_may_not_grow(tmp_path: Path, inline: bool) -> None:
    store = open_store(tmp_path / "bornier.sqlite3", inline=inline)

    async def limit(pages: int) -> None:
        await store._engine.write(
            lambda database: database.raw.execute(f"PRAGMA max_page_count = {pages}").fetchone()
        )

    await limit(150)
    written = await check_full_disk(store)
    outcomes = await asyncio.gather(
        *[store.transactions.start(start(n)) for n in range(2000)], return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, StorageError)]
    assert {each.key for each in refused} == {"storage-full"}
    assert await store.transactions.count() == len(outcomes) - len(refused)
    await limit(100_000)
    await store.transactions.start(start(3000))
    await store.flush()
    assert store.trouble_key is None
    assert len(await store.samples.trace(ConnectorKey("A", 1), NOON)) == 3000
    assert len(await store.audit.recent(1000)) == written
    await store.close()


async def test_a_full_disk(small_disk: Path) -> None:
    path = small_disk / "bornier.sqlite3"
    store = open_store(path)
    written = await check_full_disk(store)
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)  # noqa: ASYNC221
    await store.transactions.start(start(1))
    await store.flush()
    assert store.trouble_key is None
    await store.close()
    store = open_store(path)
    assert len(await store.audit.recent(1000)) == written
    assert await store.transactions.count() == 1
    await store.close()


async def test_no_room_for_a_new_database(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * (2 * 1024 * 1024 - 8192))
    with pytest.raises(StorageError) as refused:
        open_store(small_disk / "bornier.sqlite3")
    assert refused.value.key == "storage-full"


async def test_a_disk_that_cannot_be_written(small_disk: Path) -> None:
    path = small_disk / "bornier.sqlite3"
    store = open_store(path)
    await store.transactions.start(start(1))
    await store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)  # noqa: ASYNC221
    with pytest.raises(StorageError) as refused:
        open_store(path)
    assert refused.value.key == "storage-readonly"


@pytest.mark.parametrize("inline", [False, True])
async def test_a_connection_that_may_not_write(tmp_path: Path, inline: bool) -> None:
    store = open_store(tmp_path / "bornier.sqlite3", inline=inline)
    database = store._engine._database
    database.raw.execute("PRAGMA query_only = 1")
    with pytest.raises(StorageError) as refused:
        await store.transactions.start(start(1))
    assert refused.value.key == "storage-readonly"
    database.raw.execute("PRAGMA query_only = 0")
    await store.transactions.start(start(1))
    await store.close()
