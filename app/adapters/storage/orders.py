"""Outages and reservations: orders to stations that outlive a restart. JSON beside its keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.domain.remote import Outage, OutageStage, Reservation, ReservationState

_ADD_OUTAGE: Final = "INSERT INTO outage (station_id, over, record) VALUES (?, ?, ?)"
_SET_OUTAGE: Final = "UPDATE outage SET station_id = ?, over = ?, record = ? WHERE outage_id = ?"
_ADD_RESERVATION: Final = "INSERT INTO reservation (station_id, active, record) VALUES (?, ?, ?)"
_SET_RESERVATION: Final = (
    "UPDATE reservation SET station_id = ?, active = ?, record = ? WHERE reservation_id = ?"
)


class SqliteOrderRepository:
    """Implements ``OrderRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save_outage(self, outage: Outage) -> Outage:
        """Inserts (``outage_id`` 0) or replaces; with its number."""
        over = outage.stage is OutageStage.OVER
        row = (outage.station_id, over, msgspec.json.encode(outage).decode())

        def write(database: Database) -> int:
            return _put(database, _ADD_OUTAGE, _SET_OUTAGE, row, outage.outage_id)

        number = await self._engine.write(write)
        return msgspec.structs.replace(outage, outage_id=number)

    async def outages(self) -> Sequence[Outage]:
        """Those that are not over, oldest first."""
        query = "SELECT outage_id, record FROM outage WHERE over = 0 ORDER BY outage_id"

        def read(database: Database) -> list[Outage]:
            return [
                msgspec.structs.replace(msgspec.json.decode(record, type=Outage), outage_id=number)
                for number, record in database.raw.execute(query)
            ]

        return await self._engine.read(read)

    async def save_reservation(self, reservation: Reservation) -> Reservation:
        """Inserts (``reservation_id`` 0) or replaces; with its number."""
        active = reservation.state is ReservationState.ACTIVE
        row = (reservation.station_id, active, msgspec.json.encode(reservation).decode())

        def write(database: Database) -> int:
            number = reservation.reservation_id
            return _put(database, _ADD_RESERVATION, _SET_RESERVATION, row, number)

        number = await self._engine.write(write)
        return msgspec.structs.replace(reservation, reservation_id=number)

    async def reservations(self) -> Sequence[Reservation]:
        """The active ones, oldest first."""
        query = (
            "SELECT reservation_id, record FROM reservation WHERE active = 1"
            " ORDER BY reservation_id"
        )

        def read(database: Database) -> list[Reservation]:
            return [
                msgspec.structs.replace(
                    msgspec.json.decode(record, type=Reservation), reservation_id=number
                )
                for number, record in database.raw.execute(query)
            ]

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes what was over before then; returns how much."""

        def write(database: Database) -> int:
            outages = database.raw.execute("SELECT outage_id, record FROM outage WHERE over = 1")
            old = [
                ("DELETE FROM outage WHERE outage_id = ?", number)
                for number, record in outages
                if _ended(msgspec.json.decode(record, type=Outage)) < before_utc
            ]
            kept = database.raw.execute(
                "SELECT reservation_id, record FROM reservation WHERE active = 0"
            )
            old += [
                ("DELETE FROM reservation WHERE reservation_id = ?", number)
                for number, record in kept
                if msgspec.json.decode(record, type=Reservation).expires_utc < before_utc
            ]
            for query, number in old:
                database.raw.execute(query, (number,))
            return len(old)

        return await self._engine.write(write)


def _ended(outage: Outage) -> datetime:
    return outage.from_utc if outage.until_utc is None else outage.until_utc


def _put(database: Database, insert: str, update: str, row: tuple[object, ...], number: int) -> int:
    if number:
        database.raw.execute(update, (*row, number))
        return number
    return int(database.raw.execute(insert, row).lastrowid or 0)
