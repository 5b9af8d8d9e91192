"""Records of the exchange of files and of the stations' lists, as JSON under kind and subject."""

from __future__ import annotations

from collections.abc import Sequence

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.services.file_ports import Record

_SAVE = """
    INSERT INTO file_record (kind, subject, record) VALUES (?, ?, ?)
    ON CONFLICT (kind, subject) DO UPDATE SET record = excluded.record"""

_REMOVE = "DELETE FROM file_record WHERE kind = ? AND subject = ?"

_LOAD = "SELECT kind, subject, record FROM file_record WHERE kind = ? ORDER BY subject"


class SqliteRecordRepository:
    """Implements ``RecordRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, records: Sequence[Record]) -> None:
        """Inserts or replaces, all or none."""
        rows = [tuple(record) for record in records]

        def write(database: Database) -> None:
            database.raw.executemany(_SAVE, rows)

        await self._engine.write(write)

    async def remove(self, kind: str, subjects: Sequence[str]) -> None:
        """Forgets them, all or none."""
        rows = [(kind, subject) for subject in subjects]

        def write(database: Database) -> None:
            database.raw.executemany(_REMOVE, rows)

        await self._engine.write(write)

    async def load(self, kind: str) -> Sequence[Record]:
        """Every record of the kind, by subject."""

        def read(database: Database) -> list[Record]:
            return [Record(*row) for row in database.raw.execute(_LOAD, (kind,))]

        return await self._engine.read(read)
