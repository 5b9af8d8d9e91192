"""What stations must prove, their certificates and reports. Plain SQL over the records' JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.domain.station_security import (
    SecurityDefaults,
    SecurityEvent,
    StationCertificate,
    StationSecurity,
)

_SAVE = """
    INSERT INTO station_security (station_id, record) VALUES (?, ?)
    ON CONFLICT (station_id) DO UPDATE SET record = excluded.record"""

_SAVE_DEFAULTS = """
    INSERT INTO security_defaults (id, record) VALUES (1, ?)
    ON CONFLICT (id) DO UPDATE SET record = excluded.record"""

_SAVE_CERTIFICATE = """
    INSERT INTO station_certificate (fingerprint, station_id, issued_us, record)
    VALUES (?, ?, ?, ?)
    ON CONFLICT (fingerprint) DO UPDATE SET record = excluded.record"""

_ADD_EVENT = """
    INSERT INTO security_event (station_id, at_us, received_us, type, tech_info, seen)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""

_KEEP_NEWEST = """
    DELETE FROM security_event WHERE station_id = ?1 AND id <= (
        SELECT id FROM security_event WHERE station_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"""

_EVENTS = """
    SELECT station_id, at_us, received_us, type, tech_info, seen FROM security_event
    WHERE ?1 IS NULL OR station_id = ?1 ORDER BY id DESC LIMIT ?2"""

_UNSEEN = """
    SELECT station_id, at_us, received_us, type, tech_info, seen FROM security_event
    WHERE seen = 0 ORDER BY received_us DESC"""


class SqliteSecurityRepository:
    """Implements ``SecurityRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, security: StationSecurity) -> None:
        """Inserts or replaces."""
        await self._execute(_SAVE, security.station_id, _json(security))

    async def remove(self, station_id: str) -> None:
        """Forgets what was required; certificates and events stay."""
        await self._execute("DELETE FROM station_security WHERE station_id = ?", station_id)

    async def load(self) -> Sequence[StationSecurity]:
        """By station."""
        rows = await self._all("SELECT record FROM station_security ORDER BY station_id")
        return [msgspec.json.decode(record, type=StationSecurity) for (record,) in rows]

    async def save_defaults(self, defaults: SecurityDefaults) -> None:
        """Replaces the site's choices."""
        await self._execute(_SAVE_DEFAULTS, _json(defaults))

    async def defaults(self) -> SecurityDefaults:
        """The site's choices."""
        rows = await self._all("SELECT record FROM security_defaults")
        return (
            msgspec.json.decode(rows[0][0], type=SecurityDefaults) if rows else SecurityDefaults()
        )

    async def save_certificate(self, certificate: StationCertificate) -> None:
        """Inserts or replaces, by fingerprint."""
        await self._execute(
            _SAVE_CERTIFICATE,
            certificate.fingerprint,
            certificate.station_id,
            to_us(certificate.issued_utc),
            _json(certificate),
        )

    async def certificates(self) -> Sequence[StationCertificate]:
        """All, newest first."""
        rows = await self._all("SELECT record FROM station_certificate ORDER BY issued_us DESC")
        return [msgspec.json.decode(record, type=StationCertificate) for (record,) in rows]

    async def add_event(self, event: SecurityEvent, most: int) -> bool:
        """Adds an event unless it is there; of its station the newest ``most`` stay."""
        row = (
            event.station_id,
            to_us(event.at_utc),
            to_us(event.received_utc),
            event.type,
            event.tech_info,
            event.seen,
        )

        def write(database: Database) -> bool:
            added = database.raw.execute(_ADD_EVENT, row).rowcount == 1
            if added:
                database.raw.execute(_KEEP_NEWEST, (event.station_id, most))
            return added

        return await self._engine.write(write)

    async def events(
        self, station_id: str | None = None, limit: int = 100
    ) -> Sequence[SecurityEvent]:
        """Newest first."""
        return [_event(row) for row in await self._all(_EVENTS, station_id, limit)]

    async def unseen(self) -> Sequence[SecurityEvent]:
        """Events that nobody has looked at, newest first."""
        return [_event(row) for row in await self._all(_UNSEEN)]

    async def see_events(self, station_id: str) -> None:
        """Somebody has looked at all events of the station."""
        await self._execute(
            "UPDATE security_event SET seen = 1 WHERE seen = 0 AND station_id = ?", station_id
        )

    async def _execute(self, query: str, *row: object) -> None:
        def write(database: Database) -> None:
            database.raw.execute(query, row)

        await self._engine.write(write)

    async def _all(self, query: str, *row: object) -> list[tuple[Any, ...]]:
        def read(database: Database) -> list[tuple[Any, ...]]:
            return database.raw.execute(query, row).fetchall()

        return await self._engine.read(read)


def _json(record: msgspec.Struct) -> str:
    return msgspec.json.encode(record).decode()


def _event(row: tuple[Any, ...]) -> SecurityEvent:
    station_id, at_us, received_us, kind, tech_info, seen = row
    return SecurityEvent(
        station_id, from_us(at_us), from_us(received_us), kind, tech_info, bool(seen)
    )
