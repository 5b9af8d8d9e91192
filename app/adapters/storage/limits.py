"""The limits in force. Plain SQL: up to every connector is written in one control cycle."""

from __future__ import annotations

from collections.abc import Sequence

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import optional_instant, optional_us
from app.domain.station import ConnectorKey
from app.services.ports import StoredLimit

_SAVE = """
    INSERT INTO connector_limit (station_id, connector_id, limit_ma, lease_until_us)
    VALUES (?, ?, ?, ?)
    ON CONFLICT (station_id, connector_id) DO UPDATE SET
        limit_ma = excluded.limit_ma, lease_until_us = excluded.lease_until_us"""

_LOAD = """
    SELECT station_id, connector_id, limit_ma, lease_until_us FROM connector_limit
    ORDER BY station_id, connector_id"""


class SqliteLimitRepository:
    """Implements ``LimitRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, limits: Sequence[StoredLimit]) -> None:
        """Inserts or replaces, all or none."""
        rows = [(*each.key, each.limit_ma, optional_us(each.lease_until_utc)) for each in limits]
        if not rows:
            return

        def write(database: Database) -> None:
            database.raw.executemany(_SAVE, rows)

        await self._engine.write(write)

    async def load(self) -> Sequence[StoredLimit]:
        """All known limits, by station and connector."""

        def read(database: Database) -> list[StoredLimit]:
            return [
                StoredLimit(ConnectorKey(station, connector), limit_ma, optional_instant(until_us))
                for station, connector, limit_ma, until_us in database.raw.execute(_LOAD)
            ]

        return await self._engine.read(read)
