"""Repaired messages and the quirks of stations. Plain SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.services.journal_ports import RepairCount, RepairedFrame

FRAMES_KEPT = 20
"""Newest frames of each repair of each station."""

_COUNT = """
    INSERT INTO repair_count (station_id, name, messages, first_us, last_us)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (station_id, name) DO UPDATE SET
        messages = messages + excluded.messages, last_us = max(last_us, excluded.last_us)"""

_KEEP = "INSERT INTO repaired_frame (station_id, name, at_us, frame) VALUES (?, ?, ?, ?)"

_DROP = """
    DELETE FROM repaired_frame WHERE station_id = ?1 AND name = ?2 AND id <= (
        SELECT id FROM repaired_frame WHERE station_id = ?1 AND name = ?2
        ORDER BY id DESC LIMIT 1 OFFSET ?3)"""

_COUNTS = """
    SELECT name, messages, first_us, last_us FROM repair_count WHERE station_id = ?
    ORDER BY messages DESC, name"""

_FRAMES = """
    SELECT station_id, name, at_us, frame FROM repaired_frame
    WHERE station_id = ? AND name = ? ORDER BY id DESC"""

_SAVE_QUIRK = """
    INSERT INTO quirk (scope, subject, record) VALUES (?, ?, ?)
    ON CONFLICT (scope, subject) DO UPDATE SET record = excluded.record"""


class SqliteRepairRepository:
    """Implements ``RepairRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def record(
        self, counts: Mapping[tuple[str, str], RepairCount], frames: Sequence[RepairedFrame]
    ) -> None:
        """Adds to the counts, and keeps the newest frames of each repair of each station."""
        counted = [
            (station_id, name, one.messages, to_us(one.first_utc), to_us(one.last_utc))
            for (station_id, name), one in counts.items()
        ]
        kept = [(one.station_id, one.name, to_us(one.at_utc), one.frame) for one in frames]
        kinds = {(one.station_id, one.name, FRAMES_KEPT) for one in frames}

        def write(database: Database) -> None:
            database.raw.executemany(_COUNT, counted)
            database.raw.executemany(_KEEP, kept)
            database.raw.executemany(_DROP, kinds)

        await self._engine.write(write)

    async def counts(self, station_id: str) -> Sequence[RepairCount]:
        """Most frequent first."""

        def read(database: Database) -> list[RepairCount]:
            rows = database.raw.execute(_COUNTS, (station_id,))
            return [RepairCount(row[0], row[1], from_us(row[2]), from_us(row[3])) for row in rows]

        return await self._engine.read(read)

    async def totals(self) -> Mapping[str, int]:
        """Repairs by station."""
        query = "SELECT station_id, sum(messages) FROM repair_count GROUP BY station_id"
        return await self._engine.read(lambda database: dict(database.raw.execute(query)))

    async def frames(self, station_id: str, name: str) -> Sequence[RepairedFrame]:
        """Newest first."""

        def read(database: Database) -> list[RepairedFrame]:
            rows = database.raw.execute(_FRAMES, (station_id, name))
            return [RepairedFrame(row[0], row[1], from_us(row[2]), row[3]) for row in rows]

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older frames; returns how many. What was counted stays counted."""
        parameters = (to_us(before_utc),)

        def write(database: Database) -> int:
            query = "DELETE FROM repaired_frame WHERE at_us < ?"
            return int(database.raw.execute(query, parameters).rowcount)

        return await self._engine.write(write)


class SqliteQuirkRepository:
    """Implements ``QuirkRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def load(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """All there is, by scope and subject."""

        def read(database: Database) -> dict[tuple[str, str], Mapping[str, Any]]:
            rows = database.raw.execute("SELECT scope, subject, record FROM quirk")
            return {
                (scope, subject): msgspec.json.decode(record, type=dict[str, Any])
                for scope, subject, record in rows
            }

        return await self._engine.read(read)

    async def save(self, scope: str, subject: str, quirks: Mapping[str, Any]) -> None:
        """Inserts or replaces; empty ones are removed."""
        record = msgspec.json.encode(quirks).decode()

        def write(database: Database) -> None:
            if quirks:
                database.raw.execute(_SAVE_QUIRK, (scope, subject, record))
            else:
                database.raw.execute(
                    "DELETE FROM quirk WHERE scope = ? AND subject = ?", (scope, subject)
                )

        await self._engine.write(write)
