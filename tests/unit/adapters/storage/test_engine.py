from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.adapters.storage import SqliteStore, engine, open_store
from app.adapters.storage.database import Database
from app.domain.errors import StorageError
from app.domain.station import ConnectorKey
from app.domain.transaction import Sample
from app.services.ports import AuditRecord
from app.services.store_port import Store

T = TypeVar("T")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def note(text: str) -> AuditRecord:
    return AuditRecord(NOON, "anna", "noted", text)


async def notes(store: SqliteStore) -> list[str]:
    return sorted(record.subject for record in await store.audit.recent(10_000))


class HeldWriter:
    """Keeps the writer busy, so that what follows gathers in one group."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._started = threading.Event()
        self._go_on = threading.Event()

    async def __aenter__(self) -> HeldWriter:
        loop = asyncio.get_running_loop()
        self._held = loop.create_task(self._store._engine.write(self._hold))
        await asyncio.to_thread(self._started.wait)
        return self

    def _hold(self, _: Database) -> None:
        self._started.set()
        self._go_on.wait()

    async def __aexit__(self, *_: object) -> None:
        self._go_on.set()
        await self._held


async def gather_in_one_group(store: SqliteStore, *work: Coroutine[Any, Any, Any]) -> list[Any]:
    async with HeldWriter(store):
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(each) for each in work]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


def fails(statement: str) -> Any:
    return lambda database: database.raw.execute(statement)


async def test_the_store_is_the_port(store: SqliteStore) -> None:
    port: Store = store
    assert port.transactions is store.transactions


async def test_only_a_rehearsal_goes_without_the_fsync(store: SqliteStore) -> None:
    inline = isinstance(store._engine, engine.InlineEngine)
    assert store._engine._database.pragma("synchronous") == (1 if inline else 2)


async def test_a_poison_item_fails_alone(threaded: SqliteStore) -> None:
    write = threaded._engine.write

    def half_done(database: Database) -> None:
        database.raw.execute("DELETE FROM audit")
        raise LookupError("poison")

    await threaded.audit.append(note("before"))
    outcome = await gather_in_one_group(
        threaded,
        threaded.audit.append(note("first")),
        write(half_done),
        write(fails("INSERT INTO nowhere VALUES (1)")),
        write(fails("INSERT INTO web_session VALUES ('t', 'nobody', 'c', 1, 1)")),
        threaded.audit.append(note("last")),
    )
    assert outcome[0] is outcome[4] is None
    assert isinstance(outcome[1], LookupError)
    assert [error.key for error in outcome[2:4]] == ["storage-failed", "storage-rejected"]
    assert await notes(threaded) == ["before", "first", "last"]


async def test_a_lost_transaction_fails_the_whole_group_and_not_the_next(
    threaded: SqliteStore,
) -> None:
    outcome = await gather_in_one_group(
        threaded,
        threaded.audit.append(note("first")),
        threaded._engine.write(
            fails("INSERT OR ROLLBACK INTO site (id, name, timezone) VALUES (2, '', '')")
        ),
        threaded.audit.append(note("last")),
    )
    assert [error.key for error in outcome] == ["storage-rejected"] * 3
    assert await notes(threaded) == []
    await threaded.audit.append(note("next"))
    assert await notes(threaded) == ["next"]


async def test_work_that_ends_the_transaction_itself_does_not_kill_the_writer(
    threaded: SqliteStore,
) -> None:
    with pytest.raises(StorageError):
        await threaded._engine.write(fails("COMMIT"))
    await threaded.audit.append(note("next"))
    assert await notes(threaded) == ["next"]


async def test_an_inline_failure_leaves_nothing_behind(path: Path) -> None:
    store = open_store(path, inline=True)

    def half_done(database: Database) -> None:
        database.raw.execute("INSERT INTO site (id, name, timezone) VALUES (1, '', '')")
        raise LookupError("poison")

    with pytest.raises(LookupError):
        await store._engine.write(half_done)
    with pytest.raises(StorageError) as refused:
        await store._engine.write(fails("INSERT INTO site (id, name, timezone) VALUES (2, '', '')"))
    assert refused.value.key == "storage-rejected"
    assert await store.site.load() is None
    await store.close()


async def test_reads_report_trouble_as_ours(store: SqliteStore) -> None:
    with pytest.raises(StorageError) as refused:
        await store._engine.read(fails("SELECT * FROM nowhere"))
    assert refused.value.key == "storage-failed"
    assert "nowhere" in str(refused.value.params["cause"])


async def test_readers_cannot_write(threaded: SqliteStore) -> None:
    with pytest.raises(StorageError) as refused:
        await threaded._engine.read(fails("DELETE FROM audit"))
    assert refused.value.key == "storage-readonly"


async def test_every_read_sees_what_was_acknowledged_before(store: SqliteStore) -> None:
    for n in range(200):
        await store.audit.append(note(str(n)))
        assert (await store.audit.recent(1))[0].subject == str(n)


async def test_a_thousand_at_once_share_a_few_commits(
    threaded: SqliteStore,
) -> None:
    commits: list[str] = []
    raw = threaded._engine._database.raw
    raw.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*[threaded.audit.append(note(str(n))) for n in range(1000)])
    raw.set_trace_callback(None)
    assert len(await notes(threaded)) == 1000
    assert 1000 / engine.GROUP_MOST <= len(commits) < 100


async def test_an_awaiter_that_was_cancelled_disturbs_nobody(threaded: SqliteStore) -> None:
    async with HeldWriter(threaded):
        loop = asyncio.get_running_loop()
        leaving = loop.create_task(threaded.audit.append(note("leaving")))
        staying = loop.create_task(threaded.audit.append(note("staying")))
        await asyncio.sleep(0)
        leaving.cancel()
    await staying
    assert leaving.cancelled()
    assert await notes(threaded) == ["leaving", "staying"]


async def test_a_queue_that_only_grows_is_refused(
    threaded: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "WAITING_MOST", 3)
    outcome = await gather_in_one_group(
        threaded, *[threaded.audit.append(note(str(n))) for n in range(8)]
    )
    assert [error and error.key for error in outcome] == [None] * 3 + ["storage-busy"] * 5
    assert await notes(threaded) == ["0", "1", "2"]


async def test_closing_finishes_what_was_accepted(path: Path) -> None:
    store = open_store(path)
    loop = asyncio.get_running_loop()
    writes = [loop.create_task(store.audit.append(note(str(n)))) for n in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*writes)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    store = open_store(path)
    assert len(await notes(store)) == 50
    await store.close()


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("abandoned", [False, True])
async def test_a_closed_store_says_so(path: Path, inline: bool, abandoned: bool) -> None:
    store = open_store(path, inline=inline)
    if abandoned:
        store.abandon()
        store.abandon()
    await store.close()
    await store.close()
    for work in (store.audit.append(note("late")), store.audit.recent(), store.flush()):
        with pytest.raises(StorageError) as refused:
            await work
        assert refused.value.key == "storage-closed"


@pytest.mark.parametrize("inline", [False, True])
async def test_an_abandoned_store_keeps_what_was_acknowledged_and_no_more(
    path: Path, inline: bool
) -> None:
    store = open_store(path, inline=inline)
    await store.audit.append(note("acknowledged"))
    store.samples.add(ConnectorKey("A", 1), None, Sample(NOON, 0.0), None)
    store.abandon()
    store = open_store(path)
    assert await notes(store) == ["acknowledged"]
    assert await store.samples.trace(ConnectorKey("A", 1), NOON) == []
    await store.close()


async def test_abandoning_tells_those_who_wait(path: Path) -> None:
    store = open_store(path)
    started = threading.Event()

    def until_abandoned(_: Database) -> None:
        started.set()
        while not store._engine._abandoned:  # type: ignore[union-attr]
            pass

    loop = asyncio.get_running_loop()
    held = loop.create_task(store._engine.write(until_abandoned))
    await asyncio.to_thread(started.wait)
    waiting = loop.create_task(store.audit.append(note("waiting")))
    await asyncio.sleep(0)
    store.abandon()
    with pytest.raises(StorageError) as refused:
        await waiting
    assert refused.value.key == "storage-closed"
    await held


def test_a_loop_that_ended_does_not_kill_the_writer(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(path)
    go_on = threading.Event()

    async def leave() -> asyncio.Task[bool]:
        loop = asyncio.get_running_loop()
        task = loop.create_task(store._engine.write(lambda _: go_on.wait()))
        await asyncio.sleep(0)
        return task

    assert asyncio.run(leave()).cancelled()
    go_on.set()
    asyncio.run(store.audit.append(note("next")))
    assert asyncio.run(notes(store)) == ["next"]
    asyncio.run(store.close())
    assert "left before their answer" in caplog.text


async def test_the_log_is_moved_into_the_file_in_quiet_moments(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHECKPOINT_PERIOD_S", 0.0)
    store = open_store(path)
    size = file_size(path)
    await store._engine.write(
        lambda database: database.raw.execute(
            "INSERT INTO site (id, name, timezone) VALUES (1, hex(zeroblob(100000)), '')"
        )
    )
    async with asyncio.timeout(60):
        while file_size(path) == size:  # noqa: ASYNC110  nothing announces a checkpoint
            await asyncio.sleep(0.05)
    await store.close()


async def test_a_checkpoint_that_fails_is_only_logged(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(path)
    # Nobody may checkpoint inside a transaction.
    storage_engine = store._engine
    assert isinstance(storage_engine, engine.ThreadedEngine)
    await storage_engine.write(lambda _: storage_engine._checkpoint("PASSIVE"))
    assert "checkpoint failed" in caplog.text
    await store.audit.append(note("next"))
    await store.close()


def test_inline_methods_never_suspend(path: Path) -> None:
    """A rehearsal runs them on virtual time: one that waited would let the others overtake it."""
    store = open_store(path, inline=True)
    at_once(store.audit.append(note("now")))
    assert [record.subject for record in at_once(store.audit.recent())] == ["now"]
    at_once(store.flush())
    at_once(store.samples.prune(NOON))
    at_once(store.close())


def file_size(path: Path) -> int:
    return path.stat().st_size


def at_once(work: Coroutine[Any, Any, T]) -> T:
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("it suspended")
