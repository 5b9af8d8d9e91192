"""All repositories over one database file."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from app.adapters.storage.bulk_jobs import SqliteJobRepository
from app.adapters.storage.conduct import SqliteCapabilityRepository, SqliteConductRepository
from app.adapters.storage.copies import known_steps
from app.adapters.storage.database import (
    DATABASE_ERRORS,
    MIGRATIONS,
    open_for_writing,
    storage_error,
)
from app.adapters.storage.engine import InlineEngine, ThreadedEngine
from app.adapters.storage.evidence import SqliteEvidenceRepository
from app.adapters.storage.history import SqliteLimitHistoryRepository
from app.adapters.storage.later_version import go_back, go_on, last_set_aside
from app.adapters.storage.learnt import SqliteLearntRepository
from app.adapters.storage.limits import SqliteLimitRepository
from app.adapters.storage.migration import migrate
from app.adapters.storage.orders import SqliteOrderRepository
from app.adapters.storage.outside_limits import SqliteOutsideLimitRepository
from app.adapters.storage.parked import SqliteParkedStopRepository
from app.adapters.storage.people import (
    SqliteAccessRepository,
    SqliteAuditRepository,
    SqliteBadgeRepository,
)
from app.adapters.storage.plans import SqlitePlanRepository
from app.adapters.storage.records import SqliteRecordRepository
from app.adapters.storage.repairs import SqliteQuirkRepository, SqliteRepairRepository
from app.adapters.storage.samples import SampleBuffer, SqliteSampleRepository
from app.adapters.storage.site import SqlitePendingRepository, SqliteSiteRepository
from app.adapters.storage.station_records import SqliteStationRecordRepository
from app.adapters.storage.station_security import SqliteSecurityRepository
from app.adapters.storage.transactions import SqliteTransactionRepository
from app.domain.errors import StorageError
from app.services.ports import SetAside

INLINE_BATCH = 500
"""Samples per batch where no thread writes them by the second."""


class SqliteStore:
    """Implements ``Store``; made by ``open_store``."""

    def __init__(
        self,
        engine: ThreadedEngine | InlineEngine,
        buffer: SampleBuffer,
        set_aside: SetAside | None = None,
    ) -> None:
        self._engine = engine
        self._buffer = buffer
        self.set_aside = set_aside
        self.transactions = SqliteTransactionRepository(engine)
        self.samples = SqliteSampleRepository(engine, buffer, self._batch_when_inline)
        self.limits = SqliteLimitRepository(engine)
        self.history = SqliteLimitHistoryRepository(engine)
        self.evidence = SqliteEvidenceRepository(engine)
        self.site = SqliteSiteRepository(engine)
        self.outside_limits = SqliteOutsideLimitRepository(engine)
        self.pending = SqlitePendingRepository(engine)
        self.plans = SqlitePlanRepository(engine)
        self.badges = SqliteBadgeRepository(engine)
        self.access = SqliteAccessRepository(engine)
        self.audit = SqliteAuditRepository(engine)
        self.capabilities = SqliteCapabilityRepository(engine)
        self.conduct = SqliteConductRepository(engine)
        self.learnt = SqliteLearntRepository(engine)
        self.security = SqliteSecurityRepository(engine)
        self.parked = SqliteParkedStopRepository(engine)
        self.repairs = SqliteRepairRepository(engine)
        self.quirks = SqliteQuirkRepository(engine)
        self.orders = SqliteOrderRepository(engine)
        self.station_records = SqliteStationRecordRepository(engine)
        self.jobs = SqliteJobRepository(engine)
        self.files = SqliteRecordRepository(engine)

    @property
    def dropped_samples(self) -> int:
        """Samples given up because the disk could not follow, since the start."""
        return self._buffer.dropped

    @property
    def trouble_key(self) -> str | None:
        """Message key of the disk's present trouble; ``None`` when the last batch was written."""
        return self._buffer.trouble_key

    async def flush(self) -> None:
        """Returns when every sample added before is on disk."""
        await self._engine.flush()

    async def close(self) -> None:
        """Writes what is queued and closes the file; further calls raise ``StorageError``."""
        await self._engine.close()

    def abandon(self) -> None:
        """Closes the file as a crash would: what is not committed is lost. For tests of crashes."""
        self._engine.abandon()

    def _batch_when_inline(self) -> None:
        if not isinstance(self._engine, InlineEngine) or len(self._buffer) % INLINE_BATCH:
            return
        with contextlib.suppress(StorageError):  # they wait for the next; ``trouble_key`` tells
            self._engine.write_background()


def open_store(
    path: Path,
    *,
    inline: bool = False,
    migrations: Path = MIGRATIONS,
    waiting_samples: int = 20_000,
    back_at_utc: datetime | None = None,
) -> SqliteStore:
    """Opens the database, creating it or bringing it up to date first; call before the loop runs.

    ``inline`` makes a store without threads, whose async methods never suspend, for a rehearsal on
    virtual time; it survives a crash of the process but not a power cut (synchronous NORMAL).
    ``back_at_utc``, the present time, lets a manager start on the kept copy where a later version
    has changed the database: for nobody but the manager, who alone knows that no other one runs.
    Raises ``StorageError``: ``storage-newer``, ``storage-damaged``, ``storage-readonly``,
    ``storage-full``, ``storage-no-room``, ``storage-failed``.
    """
    buffer = SampleBuffer(waiting_samples)
    try:
        go_on(path)
        if back_at_utc is not None:
            go_back(path, known_steps(migrations), back_at_utc)
        database = open_for_writing(path, synchronous="normal" if inline else "full")
        try:
            migrate(database, migrations)
            if inline:
                return SqliteStore(InlineEngine(database, buffer), buffer)
            engine = ThreadedEngine(database, path, buffer)
            return SqliteStore(engine, buffer, last_set_aside(path))
        except BaseException:
            database.close()
            raise
    except DATABASE_ERRORS as error:
        raise storage_error(error) from error
    except OSError as error:
        raise StorageError("storage-readonly", cause=str(error)) from error
