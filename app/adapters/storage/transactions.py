"""The journal of transactions. Plain SQL: every start and stop passes here before its answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, optional_instant, to_us
from app.domain.transaction import Transaction
from app.services.ports import NewTransaction, TransactionStop

_COLUMNS = """transaction_id, station_id, connector_id, id_tag, started_us, received_us,
    meter_start_wh, stopped_us, meter_stop_wh, stop_reason, estimated_stop"""

_BY_ID = f"SELECT {_COLUMNS} FROM charge_transaction WHERE transaction_id = ?"  # noqa: S608

_SAME_START = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND connector_id = ? AND id_tag = ? AND started_us = ?
        AND meter_start_wh = ?"""  # noqa: S608

_OPEN_ON_CONNECTOR = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND connector_id = ? AND stopped_us IS NULL"""  # noqa: S608

# The plus keeps SQLite from walking all transactions in order instead of the few that are open.
_OPEN = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE stopped_us IS NULL ORDER BY +transaction_id"""  # noqa: S608

_RECENT = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    ORDER BY started_us DESC, transaction_id DESC LIMIT ? OFFSET ?"""  # noqa: S608

_RECENT_OF_STATION = f"""
    SELECT {_COLUMNS} FROM charge_transaction WHERE station_id = ?
    ORDER BY started_us DESC, transaction_id DESC LIMIT ? OFFSET ?"""  # noqa: S608

_INSERT = """
    INSERT INTO charge_transaction (transaction_id, station_id, connector_id, id_tag, started_us,
                                    received_us, meter_start_wh)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

_STOP = """
    UPDATE charge_transaction
    SET stopped_us = ?, stop_received_us = ?, meter_stop_wh = ?, stop_reason = ?,
        stop_id_tag = ?, estimated_stop = ?
    WHERE transaction_id = ?"""

_PARK = """
    INSERT OR IGNORE INTO parked_stop (station_id, transaction_id, stopped_us, received_us,
                                       meter_stop_wh, stop_reason, id_tag)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

_LAST_SAMPLE = """
    SELECT at_us, energy_wh FROM sample JOIN outlet USING (outlet_id)
    WHERE station_id = ? AND connector_id = ? AND at_us >= ? AND transaction_id = ?
        AND energy_wh IS NOT NULL
    ORDER BY at_us DESC LIMIT 1"""

_FIRST_DAY_US = to_us(datetime.fromisoformat("2020-01-01T00:00:00+00:00"))
_DAY_US = 86_400_000_000
_IDS_PER_DAY = 20_000

ORPHAN_REASON = "Other"
"""Reason of OCPP 1.6 (clause 7.36) written on a stop that the manager had to estimate."""


class SqliteTransactionRepository:
    """Implements ``TransactionRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def start(self, new: NewTransaction) -> tuple[Transaction, bool]:
        """Records a start, and closes what was still open on the connector in the same commit.

        The transaction, and whether it is new (false: the same start was recorded before).
        """
        return await self._engine.write(lambda database: _start(database, new))

    async def stop(self, stop: TransactionStop) -> Transaction | None:
        """The stopped transaction; the recorded one again for a repeat; ``None`` when unknown.

        A stop told by the station replaces one that the manager had estimated.
        """
        return await self._engine.write(lambda database: _stop(database, stop))

    async def park_stop(self, station_id: str, stop: TransactionStop) -> None:
        """Keeps a stop whose transaction is unknown (idempotent)."""
        row = (
            station_id,
            stop.transaction_id,
            to_us(stop.stopped_utc),
            to_us(stop.received_utc),
            stop.meter_stop_wh,
            stop.reason,
            stop.id_tag,
        )

        def park(database: Database) -> None:
            database.raw.execute(_PARK, row)

        await self._engine.write(park)

    async def open_transactions(self) -> Sequence[Transaction]:
        """All that have no stop, oldest number first."""
        return await self._select(_OPEN, ())

    async def recent(
        self, *, station_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> Sequence[Transaction]:
        """Newest start first."""
        if station_id is None:
            return await self._select(_RECENT, (limit, offset))
        return await self._select(_RECENT_OF_STATION, (station_id, limit, offset))

    async def count(self) -> int:
        """How many are recorded."""

        def read(database: Database) -> int:
            row = database.raw.execute("SELECT count(*) FROM charge_transaction").fetchone()
            return int(row[0])

        return await self._engine.read(read)

    async def get(self, transaction_id: int) -> Transaction | None:
        """The transaction with this number, if any."""
        return await self._engine.read(lambda database: _one(database, _BY_ID, transaction_id))

    async def _select(self, sql: str, parameters: tuple[Any, ...]) -> list[Transaction]:
        def read(database: Database) -> list[Transaction]:
            return [_transaction(row) for row in database.raw.execute(sql, parameters)]

        return await self._engine.read(read)


def _transaction(row: tuple[Any, ...]) -> Transaction:
    return Transaction(
        transaction_id=row[0],
        station_id=row[1],
        connector_id=row[2],
        id_tag=row[3],
        started_utc=from_us(row[4]),
        received_utc=from_us(row[5]),
        meter_start_wh=row[6],
        stopped_utc=optional_instant(row[7]),
        meter_stop_wh=row[8],
        stop_reason=row[9],
        estimated_stop=bool(row[10]),
    )


def _one(database: Database, sql: str, *parameters: object) -> Transaction | None:
    row = database.raw.execute(sql, parameters).fetchone()
    return None if row is None else _transaction(row)


def _recorded(database: Database, transaction_id: int) -> Transaction:
    found = _one(database, _BY_ID, transaction_id)
    assert found is not None
    return found


def _start(database: Database, new: NewTransaction) -> tuple[Transaction, bool]:
    started_us = to_us(new.started_utc)
    connector = (new.station_id, new.connector_id)
    same = _one(database, _SAME_START, *connector, new.id_tag, started_us, new.meter_start_wh)
    if same is not None:
        return same, False
    for row in database.raw.execute(_OPEN_ON_CONNECTOR, connector).fetchall():
        _close_orphan(database, _transaction(row), new)
    row = (
        _first_id(database, new.received_utc),
        *connector,
        new.id_tag,
        started_us,
        to_us(new.received_utc),
        new.meter_start_wh,
    )
    transaction_id = database.raw.execute(_INSERT, row).lastrowid
    assert transaction_id is not None
    return _recorded(database, transaction_id), True


def _first_id(database: Database, received_utc: datetime) -> int | None:
    """The number of the very first transaction; ``None`` lets SQLite count on.

    It depends on the day, ahead of all that an earlier database can have given out by then: a
    stop that a station still holds for a lost database never closes one of ours.
    """
    counted = database.raw.execute(
        "SELECT 1 FROM sqlite_sequence WHERE name = 'charge_transaction'"
    ).fetchone()
    if counted is not None:
        return None
    days = (to_us(received_utc) - _FIRST_DAY_US) // _DAY_US
    return max(0, days) * _IDS_PER_DAY + 1


def _close_orphan(database: Database, orphan: Transaction, new: NewTransaction) -> None:
    """Writes the stop that a station never told, from the orphan's last sample if it has one.

    Without a sample: at the new start, with its register when that is not behind (a register that
    counts from zero in each session says nothing of the one before).
    """
    row = database.raw.execute(
        _LAST_SAMPLE, (*orphan.key, to_us(orphan.started_utc), orphan.transaction_id)
    ).fetchone()
    if row is not None:
        stopped_us, meter_stop_wh = row
    else:
        stopped_us, meter_stop_wh = to_us(new.started_utc), new.meter_start_wh
    stop = TransactionStop(
        transaction_id=orphan.transaction_id,
        stopped_utc=max(orphan.started_utc, from_us(stopped_us)),
        received_utc=new.received_utc,
        meter_stop_wh=max(orphan.meter_start_wh, meter_stop_wh),
        reason=ORPHAN_REASON,
        estimated=True,
    )
    _write_stop(database, stop)


def _stop(database: Database, stop: TransactionStop) -> Transaction | None:
    found = _one(database, _BY_ID, stop.transaction_id)
    if found is None or (not found.is_open and (stop.estimated or not found.estimated_stop)):
        return found
    _write_stop(database, stop)
    return _recorded(database, stop.transaction_id)


def _write_stop(database: Database, stop: TransactionStop) -> None:
    row = (
        to_us(stop.stopped_utc),
        to_us(stop.received_utc),
        stop.meter_stop_wh,
        stop.reason,
        stop.id_tag,
        stop.estimated,
        stop.transaction_id,
    )
    database.raw.execute(_STOP, row)
