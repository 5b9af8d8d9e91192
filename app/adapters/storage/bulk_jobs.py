"""Jobs on many stations and their outcomes, station by station."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import to_us
from app.domain.remote import BulkJob, JobState, Outcome

_ADD: Final = "INSERT INTO bulk_job (created_us, running, record) VALUES (?, ?, ?)"
_SET: Final = "UPDATE bulk_job SET running = ?, record = ? WHERE job_id = ?"
_RUNNING: Final = "SELECT job_id, record FROM bulk_job WHERE running = 1 ORDER BY job_id"
_ONE: Final = "SELECT job_id, record FROM bulk_job WHERE job_id = ?"
_RECENT: Final = "SELECT job_id, record FROM bulk_job ORDER BY job_id DESC LIMIT ?"
_OUTCOME: Final = """
    INSERT INTO bulk_outcome (job_id, position, record) VALUES (?, ?, ?)
    ON CONFLICT (job_id, position) DO UPDATE SET record = excluded.record"""


class SqliteJobRepository:
    """Implements ``JobRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def create(self, job: BulkJob) -> BulkJob:
        """Inserts with all its outcomes; with its number."""

        def write(database: Database) -> int:
            row = (to_us(job.created_utc), job.state is JobState.RUNNING, _record(job))
            number = int(database.raw.execute(_ADD, row).lastrowid or 0)
            _put(database, number, dict(enumerate(job.outcomes)))
            return number

        number = await self._engine.write(write)
        return msgspec.structs.replace(job, job_id=number)

    async def save(self, job: BulkJob) -> None:
        """Replaces the job itself, not its outcomes."""
        row = (job.state is JobState.RUNNING, _record(job), job.job_id)

        def write(database: Database) -> None:
            database.raw.execute(_SET, row)

        await self._engine.write(write)

    async def save_outcomes(self, job_id: int, outcomes: Mapping[int, Outcome]) -> None:
        """Replaces outcomes, by position."""
        await self._engine.write(lambda database: _put(database, job_id, outcomes))

    async def running(self) -> Sequence[BulkJob]:
        """Those that no end is known of."""
        return await self._select(_RUNNING, ())

    async def get(self, job_id: int) -> BulkJob | None:
        """The job with this number, if any."""
        found = await self._select(_ONE, (job_id,))
        return found[0] if found else None

    async def recent(self, limit: int) -> Sequence[BulkJob]:
        """Newest first."""
        return await self._select(_RECENT, (limit,))

    async def prune(self, before_utc: datetime) -> int:
        """Deletes jobs made before then that have ended; returns how many."""

        def write(database: Database) -> int:
            before = (to_us(before_utc),)
            database.raw.execute(
                "DELETE FROM bulk_outcome WHERE job_id IN"
                " (SELECT job_id FROM bulk_job WHERE created_us < ? AND running = 0)",
                before,
            )
            gone = database.raw.execute(
                "DELETE FROM bulk_job WHERE created_us < ? AND running = 0", before
            )
            return gone.rowcount

        return await self._engine.write(write)

    async def _select(self, query: str, values: tuple[int, ...]) -> list[BulkJob]:
        def read(database: Database) -> list[BulkJob]:
            rows = database.raw.execute(query, values)
            return [
                msgspec.structs.replace(
                    msgspec.json.decode(record, type=BulkJob),
                    job_id=number,
                    outcomes=_outcomes(database, number),
                )
                for number, record in rows.fetchall()
            ]

        return await self._engine.read(read)


def _record(job: BulkJob) -> str:
    return msgspec.json.encode(msgspec.structs.replace(job, outcomes=())).decode()


def _outcomes(database: Database, job_id: int) -> tuple[Outcome, ...]:
    rows = database.raw.execute(
        "SELECT record FROM bulk_outcome WHERE job_id = ? ORDER BY position", (job_id,)
    )
    return tuple(msgspec.json.decode(record, type=Outcome) for (record,) in rows)


def _put(database: Database, job_id: int, outcomes: Mapping[int, Outcome]) -> None:
    database.raw.executemany(
        _OUTCOME,
        [
            (job_id, position, msgspec.json.encode(outcome).decode())
            for position, outcome in outcomes.items()
        ],
    )
