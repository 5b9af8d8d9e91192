"""Who executes what on which connection.

``ThreadedEngine`` (production): one writer thread owns the only connection that writes and
commits whole groups at once, so that a thousand durable writes a second cost a few fsyncs; reads
run in a small pool on connections of their own. ``InlineEngine`` (rehearsal): everything at once
in the caller, without threads and without suspending.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from app.adapters.storage.database import DATABASE_ERRORS, Database, open_for_reading, storage_error
from app.domain.errors import StorageError

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Database], T]

GROUP_MOST = 256
"""Writes in one commit, at most."""

WAITING_MOST = 10_000
"""Writes that may wait; beyond, the disk is so slow that refusing is the honest answer."""

READERS = 2
CHECKPOINT_PERIOD_S = 15.0


class Engine(Protocol):
    """Executes work on the database for the repositories."""

    async def write(self, work: Work[T]) -> T:
        """Runs ``work`` in a transaction; durable when it returns.

        Raises ``StorageError`` when nothing was written. Cancelling the caller does not undo the
        write.
        """
        ...

    async def read(self, work: Work[T]) -> T:
        """Runs ``work`` on a connection that sees everything acknowledged before."""
        ...


class Background(Protocol):
    """Rows that wait for the next batch."""

    def write_batch(self, database: Database) -> None:
        """Writes what waits, in a transaction of its own; never loses it by failing."""
        ...


def in_transaction(database: Database, work: Work[T]) -> T:
    """Runs ``work`` between BEGIN IMMEDIATE and COMMIT; rolls back when anything raises."""
    database.raw.execute("BEGIN IMMEDIATE")
    try:
        result = work(database)
        database.raw.execute("COMMIT")
    except BaseException:
        roll_back(database)
        raise
    return result


def roll_back(database: Database) -> None:
    """Rolls back, unless SQLite has already done it by itself (disk full, I/O error)."""
    if database.raw.in_transaction:
        database.raw.execute("ROLLBACK")


class InlineEngine:
    """Executes and commits in the caller. Its async methods never suspend."""

    def __init__(self, database: Database, background: Background) -> None:
        self._database = database
        self._background = background
        self._closed = False

    async def write(self, work: Work[T]) -> T:
        """See ``Engine``."""
        self._check_open()
        try:
            return in_transaction(self._database, work)
        except DATABASE_ERRORS as error:
            raise storage_error(error) from error

    async def read(self, work: Work[T]) -> T:
        """See ``Engine``."""
        self._check_open()
        try:
            return work(self._database)
        except DATABASE_ERRORS as error:
            raise storage_error(error) from error

    def write_background(self) -> None:
        """Writes the rows that wait."""
        self._check_open()
        try:
            self._background.write_batch(self._database)
        except DATABASE_ERRORS as error:
            raise storage_error(error) from error

    async def flush(self) -> None:
        """Writes the rows that wait."""
        self.write_background()

    async def close(self) -> None:
        """Writes what waits and closes the file."""
        if not self._closed:
            self.write_background()
            self.abandon()

    def abandon(self) -> None:
        """Closes the file as a crash would: nothing more is written."""
        self._closed = True
        self._database.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("storage-closed")


class _Job(Generic[T]):
    """One write and the future of the caller who waits for it."""

    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Work[T] | None, loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        """``None`` asks for the waiting rows to be written."""
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.result: T | None = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Hands the outcome over; runs on the caller's loop."""
        if self.future.done():  # the caller was cancelled meanwhile
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


class ThreadedEngine:
    """One writer thread with group commit, and a pool of readers."""

    def __init__(
        self,
        database: Database,
        path: Path,
        background: Background,
        *,
        background_period_s: float = 1.0,
    ) -> None:
        self._database = database
        self._background = background
        self._background_period_s = background_period_s
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._closed = False
        self._abandoned = False
        self._readers: queue.SimpleQueue[Database] = queue.SimpleQueue()
        for _ in range(READERS):
            self._readers.put(open_for_reading(path))
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="storage-read")
        self._thread = threading.Thread(target=self._run, name="storage-write", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ callers' side

    async def write(self, work: Work[T]) -> T:
        """See ``Engine``."""
        return await self._enqueue(_Job(work, asyncio.get_running_loop()))

    async def flush(self) -> None:
        """Returns when the rows that waited are on disk."""
        job: _Job[None] = _Job(None, asyncio.get_running_loop())
        await self._enqueue(job)

    async def _enqueue(self, job: _Job[T]) -> T:
        if self._closed:
            raise StorageError("storage-closed")
        if self._queue.qsize() >= WAITING_MOST:
            raise StorageError("storage-busy", waiting=WAITING_MOST)
        self._queue.put(job)
        return await job.future

    async def read(self, work: Work[T]) -> T:
        """See ``Engine``."""
        if self._closed:
            raise StorageError("storage-closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    def _read(self, work: Work[T]) -> T:
        database = self._readers.get()
        try:
            return work(database)
        except DATABASE_ERRORS as error:
            raise storage_error(error) from error
        finally:
            self._readers.put(database)

    async def close(self) -> None:
        """Lets every accepted write and read finish, writes what waits and closes the file."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await asyncio.to_thread(self._release)

    def abandon(self) -> None:
        """Ends as a crash would: what is not committed is lost, and its callers are told."""
        if not self._closed:
            self._closed = True
            self._abandoned = True
            self._queue.put(None)
            self._release()

    def _release(self) -> None:
        self._thread.join()
        late, _ = self._collect(0.0)
        self._answer(late, StorageError("storage-closed"))
        self._pool.shutdown()
        while not self._readers.empty():
            self._readers.get().close()
        self._database.close()

    # ------------------------------------------------------------ writer thread

    def _run(self) -> None:
        next_batch = time.monotonic() + self._background_period_s
        next_checkpoint = time.monotonic() + CHECKPOINT_PERIOD_S
        while True:
            jobs, ended = self._collect(max(0.0, next_batch - time.monotonic()))
            if self._abandoned:
                self._answer(jobs, StorageError("storage-closed"))
                return
            self._write_group(jobs)
            if ended:
                break
            if time.monotonic() >= next_batch:
                self._write_background()
                next_batch = time.monotonic() + self._background_period_s
            if time.monotonic() >= next_checkpoint and self._queue.empty():
                self._checkpoint("PASSIVE")
                next_checkpoint = time.monotonic() + CHECKPOINT_PERIOD_S
        self._write_background()
        self._checkpoint("TRUNCATE")

    def _collect(self, timeout_s: float) -> tuple[list[_Job[Any]], bool]:
        """The writes that wait (up to a group), and whether the end was asked for."""
        jobs: list[_Job[Any]] = []
        try:
            job = self._queue.get(timeout=timeout_s)
            while job is not None:
                jobs.append(job)
                if len(jobs) >= GROUP_MOST:
                    return jobs, False
                job = self._queue.get_nowait()
        except queue.Empty:
            return jobs, False
        return jobs, True

    def _write_group(self, jobs: list[_Job[Any]]) -> None:
        writes = [job for job in jobs if job.work is not None]
        if writes:
            try:
                in_transaction(self._database, lambda database: _run_each(database, writes))
            except Exception as error:  # noqa: BLE001  the writer must outlive any trouble
                # The commit failed, or SQLite gave the whole transaction up: nobody's is written.
                self._answer(writes, storage_error(error))
            else:
                self._answer(writes, None)
        flushes = [job for job in jobs if job.work is None]
        if flushes:
            self._answer(flushes, self._write_background())

    def _write_background(self) -> StorageError | None:
        try:
            self._background.write_batch(self._database)
        except Exception as error:  # noqa: BLE001  the writer must outlive any trouble
            log.warning("samples were not written: %s", error)
            return storage_error(error)
        return None

    def _checkpoint(self, mode: str) -> None:
        """Moves the log into the file in a quiet moment, rather than inside someone's commit."""
        try:
            self._database.raw.execute(f"PRAGMA wal_checkpoint({mode})")
        except DATABASE_ERRORS as error:
            log.warning("checkpoint failed: %s", error)

    @staticmethod
    def _answer(jobs: list[_Job[Any]], failure: StorageError | None) -> None:
        """Wakes every loop once for all of its callers."""
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
        for job in jobs:
            if failure is not None:
                job.error = StorageError(failure.key, **failure.params)
            by_loop.setdefault(job.loop, []).append(job)
        for loop, resolved in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve_all, resolved)
            except RuntimeError:
                log.warning("%d writers left before their answer", len(resolved))


def _resolve_all(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.resolve()


def _run_each(database: Database, jobs: list[_Job[Any]]) -> None:
    """Runs each write in a savepoint, so that a bad one fails alone.

    Raises when SQLite ended the transaction by itself: then no write of the group stands.
    """
    for job in jobs:
        assert job.work is not None
        database.raw.execute("SAVEPOINT item")
        try:
            job.result = job.work(database)
        except Exception as error:
            if not database.raw.in_transaction:
                raise
            database.raw.execute("ROLLBACK TO item")
            job.error = storage_error(error) if isinstance(error, DATABASE_ERRORS) else error
        database.raw.execute("RELEASE item")
