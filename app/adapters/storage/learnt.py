"""What the manager has learnt by itself, each as a JSON record under its kind and subject."""

from __future__ import annotations

from collections.abc import Sequence

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.services.energy_ports import Learnt

_SAVE = """
    INSERT INTO learnt (kind, subject, record) VALUES (?, ?, ?)
    ON CONFLICT (kind, subject) DO UPDATE SET record = excluded.record"""

_LOAD = "SELECT kind, subject, record FROM learnt ORDER BY kind, subject"


class SqliteLearntRepository:
    """Implements ``LearntRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, learnt: Sequence[Learnt]) -> None:
        """Inserts or replaces, all or none."""
        rows = [(each.kind, each.subject, each.record) for each in learnt]

        def write(database: Database) -> None:
            database.raw.executemany(_SAVE, rows)

        await self._engine.write(write)

    async def remove(self, kind: str, subject: str) -> None:
        """Forgets one."""

        def write(database: Database) -> None:
            database.raw.execute(
                "DELETE FROM learnt WHERE kind = ? AND subject = ?", (kind, subject)
            )

        await self._engine.write(write)

    async def load(self) -> Sequence[Learnt]:
        """Everything, by kind and subject."""

        def read(database: Database) -> list[Learnt]:
            return [Learnt(*row) for row in database.raw.execute(_LOAD)]

        return await self._engine.read(read)
