"""Settings read, templates, set-up and history of stations. JSON beside what it is looked up by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.domain.remote import EventKind, KeyTemplate, Reading, SetupRecord, StationEvent

KEPT_READINGS: Final = 5
"""Readings kept of each station: the present one, and a few to compare it with."""

_ADD_READING: Final = """
    INSERT INTO station_reading (station_id, at_us, record) VALUES (?, ?, ?)
    ON CONFLICT (station_id, at_us) DO UPDATE SET record = excluded.record"""

_DROP_READINGS: Final = """
    DELETE FROM station_reading WHERE station_id = ?1 AND at_us NOT IN (
        SELECT at_us FROM station_reading WHERE station_id = ?1 ORDER BY at_us DESC LIMIT ?2)"""

_LATEST: Final = """
    SELECT station_id, record FROM station_reading AS one WHERE at_us = (
        SELECT max(at_us) FROM station_reading WHERE station_id = one.station_id)"""

_SAVE_SETUP: Final = """
    INSERT INTO station_setup (station_id, record) VALUES (?, ?)
    ON CONFLICT (station_id) DO UPDATE SET record = excluded.record"""

_ADD_EVENT: Final = """
    INSERT INTO station_event (at_us, station_id, kind, connector_id, detail)
    VALUES (?, ?, ?, ?, ?)"""

_EVENTS: Final = """
    SELECT at_us, kind, connector_id, detail FROM station_event
    WHERE station_id = ? AND at_us >= ? ORDER BY at_us DESC, event_id DESC LIMIT ?"""


class SqliteStationRecordRepository:
    """Implements ``StationRecordRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save_reading(self, reading: Reading) -> None:
        """Adds a reading; the newest few of each station are kept."""
        record = msgspec.json.encode(reading).decode()
        row = (reading.station_id, to_us(reading.at_utc), record)

        def write(database: Database) -> None:
            database.raw.execute(_ADD_READING, row)
            database.raw.execute(_DROP_READINGS, (reading.station_id, KEPT_READINGS))

        await self._engine.write(write)

    async def readings(self, station_id: str) -> Sequence[Reading]:
        """Newest first."""
        query = "SELECT record FROM station_reading WHERE station_id = ? ORDER BY at_us DESC"

        def read(database: Database) -> list[Reading]:
            rows = database.raw.execute(query, (station_id,))
            return [msgspec.json.decode(record, type=Reading) for (record,) in rows]

        return await self._engine.read(read)

    async def latest_readings(self) -> Mapping[str, Reading]:
        """The newest of each station."""

        def read(database: Database) -> dict[str, Reading]:
            return {
                station_id: msgspec.json.decode(record, type=Reading)
                for station_id, record in database.raw.execute(_LATEST)
            }

        return await self._engine.read(read)

    async def save_template(self, template: KeyTemplate) -> KeyTemplate:
        """Inserts (``template_id`` 0) or replaces; with its number."""
        record = msgspec.json.encode(template.values).decode()

        def write(database: Database) -> int:
            if template.template_id:
                database.raw.execute(
                    "UPDATE key_template SET name = ?, record = ? WHERE template_id = ?",
                    (template.name, record, template.template_id),
                )
                return template.template_id
            added = database.raw.execute(
                "INSERT INTO key_template (name, record) VALUES (?, ?)", (template.name, record)
            )
            return int(added.lastrowid or 0)

        number = await self._engine.write(write)
        return msgspec.structs.replace(template, template_id=number)

    async def remove_template(self, template_id: int) -> None:
        """Forgets a template."""
        query = "DELETE FROM key_template WHERE template_id = ?"
        await self._engine.write(lambda database: _execute(database, query, (template_id,)))

    async def templates(self) -> Sequence[KeyTemplate]:
        """By name."""
        query = "SELECT template_id, name, record FROM key_template ORDER BY name, template_id"

        def read(database: Database) -> list[KeyTemplate]:
            return [
                KeyTemplate(number, name, msgspec.json.decode(record, type=dict[str, str]))
                for number, name, record in database.raw.execute(query)
            ]

        return await self._engine.read(read)

    async def save_setup(self, record: SetupRecord) -> None:
        """Inserts or replaces, by station."""
        row = (record.station_id, msgspec.json.encode(record).decode())
        await self._engine.write(lambda database: _execute(database, _SAVE_SETUP, row))

    async def setups(self) -> Mapping[str, SetupRecord]:
        """By station."""

        def read(database: Database) -> dict[str, SetupRecord]:
            rows = database.raw.execute("SELECT station_id, record FROM station_setup")
            return {
                station_id: msgspec.json.decode(record, type=SetupRecord)
                for station_id, record in rows
            }

        return await self._engine.read(read)

    async def add_events(self, events: Sequence[StationEvent]) -> None:
        """Appends to the history."""
        rows = [
            (to_us(one.at_utc), one.station_id, one.kind.value, one.connector_id, one.detail)
            for one in events
        ]

        def write(database: Database) -> None:
            database.raw.executemany(_ADD_EVENT, rows)

        await self._engine.write(write)

    async def events(
        self, station_id: str, since_utc: datetime, limit: int
    ) -> Sequence[StationEvent]:
        """Newest first."""

        def read(database: Database) -> list[StationEvent]:
            rows = database.raw.execute(_EVENTS, (station_id, to_us(since_utc), limit))
            return [
                StationEvent(from_us(at_us), station_id, EventKind(kind), connector_id, detail)
                for at_us, kind, connector_id, detail in rows
            ]

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older events; returns how many."""
        query = "DELETE FROM station_event WHERE at_us < ?"

        def write(database: Database) -> int:
            return database.raw.execute(query, (to_us(before_utc),)).rowcount

        return await self._engine.write(write)


def _execute(database: Database, query: str, row: tuple[object, ...]) -> None:
    database.raw.execute(query, row)
