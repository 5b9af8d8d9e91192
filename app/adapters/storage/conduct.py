"""What stations can do and how they behave. Plain SQL over the records' JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.domain.capability import Capability, Disobedience, HeldFallback, ModelKey
from app.domain.station import ConnectorKey

_US_PER_DAY = 86_400_000_000

_SAVE_MODEL = """
    INSERT INTO station_model (vendor, model, firmware, record) VALUES (?, ?, ?, ?)
    ON CONFLICT (vendor, model, firmware) DO UPDATE SET record = excluded.record"""

_SAVE_FALLBACK = """
    INSERT INTO held_fallback (station_id, record) VALUES (?, ?)
    ON CONFLICT (station_id) DO UPDATE SET record = excluded.record"""

_RECORD = """
    INSERT INTO disobedience (at_us, station_id, connector_id, limit_ma, measured_ma, duration_s)
    VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (at_us, station_id, connector_id) DO UPDATE SET
        measured_ma = excluded.measured_ma, duration_s = excluded.duration_s"""

_RECENT = """
    SELECT at_us, station_id, connector_id, limit_ma, measured_ma, duration_s FROM disobedience
    WHERE ?1 IS NULL OR station_id = ?1 ORDER BY at_us DESC LIMIT ?2"""

_ADD_WRITES = """
    INSERT INTO profile_writes (station_id, day, writes) VALUES (?, ?, ?)
    ON CONFLICT (station_id, day) DO UPDATE SET writes = writes + excluded.writes"""

_BLOCK = """
    INSERT INTO blocked_connector (station_id, connector_id, since_us) VALUES (?, ?, ?)
    ON CONFLICT (station_id, connector_id) DO NOTHING"""


class SqliteCapabilityRepository:
    """Implements ``CapabilityRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, key: ModelKey, capability: Capability) -> None:
        """Inserts or replaces."""
        row = (*key, msgspec.json.encode(capability).decode())
        await self._engine.write(lambda database: _execute(database, _SAVE_MODEL, row))

    async def load(self) -> Mapping[ModelKey, Capability]:
        """Every kind known."""

        def read(database: Database) -> dict[ModelKey, Capability]:
            rows = database.raw.execute("SELECT vendor, model, firmware, record FROM station_model")
            return {
                ModelKey(*key): msgspec.json.decode(record, type=Capability)
                for *key, record in rows
            }

        return await self._engine.read(read)

    async def save_fallback(self, held: HeldFallback) -> None:
        """Inserts or replaces, by station."""
        row = (held.station_id, msgspec.json.encode(held).decode())
        await self._engine.write(lambda database: _execute(database, _SAVE_FALLBACK, row))

    async def forget_fallback(self, station_id: str) -> None:
        """Nobody knows any more what the station holds."""
        query = "DELETE FROM held_fallback WHERE station_id = ?"
        await self._engine.write(lambda database: _execute(database, query, (station_id,)))

    async def fallbacks(self) -> Sequence[HeldFallback]:
        """By station."""

        def read(database: Database) -> list[HeldFallback]:
            rows = database.raw.execute("SELECT record FROM held_fallback ORDER BY station_id")
            return [msgspec.json.decode(record, type=HeldFallback) for (record,) in rows]

        return await self._engine.read(read)


class SqliteConductRepository:
    """Implements ``ConductRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def record(self, disobedience: Disobedience) -> None:
        """Inserts, or completes the one of the same connector and instant."""
        row = (
            to_us(disobedience.at_utc),
            *disobedience.key,
            disobedience.limit_ma,
            disobedience.measured_ma,
            disobedience.duration_s,
        )
        await self._engine.write(lambda database: _execute(database, _RECORD, row))

    async def recent(
        self, limit: int = 100, station_id: str | None = None
    ) -> Sequence[Disobedience]:
        """Newest first."""

        def read(database: Database) -> list[Disobedience]:
            rows = database.raw.execute(_RECENT, (station_id, limit))
            return [
                Disobedience(
                    ConnectorKey(station, connector),
                    from_us(at_us),
                    limit_ma,
                    measured_ma,
                    duration_s,
                )
                for at_us, station, connector, limit_ma, measured_ma, duration_s in rows
            ]

        return await self._engine.read(read)

    async def add_writes(self, day: int, writes: Mapping[str, int]) -> None:
        """Adds to the writes of that day, by station."""
        rows = [(station_id, day, count) for station_id, count in writes.items()]

        def write(database: Database) -> None:
            database.raw.executemany(_ADD_WRITES, rows)

        await self._engine.write(write)

    async def writes(self, since_day: int) -> Mapping[str, Mapping[int, int]]:
        """Profile writes by station and day, from ``since_day`` on."""

        def read(database: Database) -> dict[str, dict[int, int]]:
            found: dict[str, dict[int, int]] = {}
            rows = database.raw.execute(
                "SELECT station_id, day, writes FROM profile_writes WHERE day >= ?", (since_day,)
            )
            for station_id, day, count in rows:
                found.setdefault(station_id, {})[day] = count
            return found

        return await self._engine.read(read)

    async def block(self, key: ConnectorKey, since_utc: datetime) -> None:
        """The manager has taken the connector out of service."""
        row = (*key, to_us(since_utc))
        await self._engine.write(lambda database: _execute(database, _BLOCK, row))

    async def unblock(self, key: ConnectorKey) -> None:
        """The connector is in service again."""
        query = "DELETE FROM blocked_connector WHERE station_id = ? AND connector_id = ?"
        await self._engine.write(lambda database: _execute(database, query, key))

    async def blocked(self) -> Mapping[ConnectorKey, datetime]:
        """Connectors out of service by the manager, and since when."""

        def read(database: Database) -> dict[ConnectorKey, datetime]:
            rows = database.raw.execute(
                "SELECT station_id, connector_id, since_us FROM blocked_connector"
            )
            return {ConnectorKey(station, n): from_us(since_us) for station, n, since_us in rows}

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older conduct and counts; returns how much."""
        before_us = to_us(before_utc)

        def write(database: Database) -> int:
            old = database.raw.execute("DELETE FROM disobedience WHERE at_us < ?", (before_us,))
            day = before_us // _US_PER_DAY
            counts = database.raw.execute("DELETE FROM profile_writes WHERE day < ?", (day,))
            return old.rowcount + counts.rowcount

        return await self._engine.write(write)


def _execute(database: Database, query: str, row: tuple[object, ...]) -> None:
    database.raw.execute(query, row)
