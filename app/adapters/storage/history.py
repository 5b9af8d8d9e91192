"""The granted limits of sessions. Plain SQL: a full site changes thousands of times a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.domain.evidence import LimitRecord
from app.domain.limits import LimitSource, Reason, ReasonCode

_ADD = """
    INSERT OR REPLACE INTO limit_change (transaction_id, at_us, limit_ma, code, circuit_id, phase,
                                         source)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

_OF = """
    SELECT transaction_id, at_us, limit_ma, code, circuit_id, phase, source FROM limit_change
    WHERE transaction_id = ? ORDER BY at_us"""

# Numbers of transactions grow, so whatever is below the first one that is kept is older.
_FIRST_KEPT = """
    SELECT transaction_id FROM charge_transaction WHERE received_us >= ?
    ORDER BY transaction_id LIMIT 1"""

_PRUNE = """
    DELETE FROM limit_change WHERE (transaction_id, at_us) IN (
        SELECT transaction_id, at_us FROM limit_change WHERE transaction_id < ? LIMIT ?)"""

PRUNED_AT_ONCE = 5_000
"""Rows deleted in one transaction, so that other writes pass in between."""


class SqliteLimitHistoryRepository:
    """Implements ``LimitHistoryRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add(self, records: Sequence[LimitRecord]) -> None:
        """Writes all or none."""
        rows = [
            (
                record.transaction_id,
                to_us(record.at_utc),
                record.limit_ma,
                record.reason.code,
                record.reason.circuit_id,
                record.reason.phase,
                record.reason.source,
            )
            for record in records
        ]

        def write(database: Database) -> None:
            database.raw.executemany(_ADD, rows)

        await self._engine.write(write)

    async def of(self, transaction_id: int) -> Sequence[LimitRecord]:
        """The transaction's limits, oldest first."""

        def read(database: Database) -> list[LimitRecord]:
            return [
                LimitRecord(
                    row[0],
                    from_us(row[1]),
                    row[2],
                    Reason(ReasonCode(row[3]), row[4], row[5], LimitSource(row[6])),
                )
                for row in database.raw.execute(_OF, (transaction_id,))
            ]

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes the limits of transactions received before; returns how many."""
        before_us = to_us(before_utc)

        def first_kept(database: Database) -> int | None:
            row = database.raw.execute(_FIRST_KEPT, (before_us,)).fetchone()
            return None if row is None else int(row[0])

        first = await self._engine.read(first_kept)
        if first is None:
            return 0
        deleted = 0
        while True:
            count = await self._engine.write(_Pruning(first))
            deleted += count
            if count < PRUNED_AT_ONCE:
                return deleted


class _Pruning:
    """Deletes some limits of transactions before ``first``."""

    def __init__(self, first: int) -> None:
        self._parameters = (first, PRUNED_AT_ONCE)

    def __call__(self, database: Database) -> int:
        return int(database.raw.execute(_PRUNE, self._parameters).rowcount)
