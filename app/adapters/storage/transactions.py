"""The journal of transactions. Plain SQL: every start and stop passes here before its answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, optional_instant, to_us
from app.adapters.storage.parked_rows import MATCHED, assigned, park, settle, waiting_stops
from app.domain.parked import Candidate, ParkedStop, stop_of, transaction_of
from app.domain.transaction import Transaction
from app.services.ports import NewTransaction, TransactionStop

_COLUMNS = """transaction_id, station_id, connector_id, id_tag, started_us, received_us,
    meter_start_wh, stopped_us, meter_stop_wh, stop_reason, estimated_stop"""

_BY_ID = f"SELECT {_COLUMNS} FROM charge_transaction WHERE transaction_id = ?"  # noqa: S608

_SAME_START = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND connector_id = ? AND id_tag = ? AND started_us = ?
        AND meter_start_wh = ?"""  # noqa: S608

# A start without a readable time: the one it repeats is still open.
_LIKE_OPEN = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND connector_id = ? AND stopped_us IS NULL
        AND id_tag = ? AND meter_start_wh = ?"""  # noqa: S608

_OPEN_ON_STATION = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND stopped_us IS NULL"""  # noqa: S608

_OPEN_ON_CONNECTOR = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND connector_id = ? AND stopped_us IS NULL"""  # noqa: S608

# The plus keeps SQLite from walking all transactions in order instead of the few that are open.
_OPEN = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE stopped_us IS NULL ORDER BY +transaction_id"""  # noqa: S608

_UNSURE = f"""
    SELECT {_COLUMNS} FROM charge_transaction
    WHERE station_id = ? AND (stopped_us IS NULL OR estimated_stop <> 0)
    ORDER BY started_us DESC, transaction_id DESC LIMIT ?"""  # noqa: S608

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

_RESUME = """
    UPDATE charge_transaction
    SET stopped_us = NULL, stop_received_us = NULL, meter_stop_wh = NULL, stop_reason = NULL,
        stop_id_tag = NULL, estimated_stop = 0
    WHERE transaction_id = ?"""

# OR IGNORE: a start that is the same but for its unit has been recorded before.
_RESCALE = """
    UPDATE OR IGNORE charge_transaction SET meter_start_wh = round(meter_start_wh * ?)
    WHERE station_id = ? AND stopped_us IS NULL"""

TOLD, ESTIMATED, ASSIGNED = 0, 1, 2
"""How sure a stop is, as the column ``estimated_stop`` has it."""

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


OLDEST_REPLAY: Final = timedelta(days=30)
"""A start that claims to be older comes from a clock that was reset, not from the past."""

CLOCK_AHEAD: Final = timedelta(minutes=5)


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
        await self._engine.write(lambda database: park(database, station_id, stop))

    async def take_stop(self, station_id: str, stop: TransactionStop) -> Transaction | None:
        """Stops the station's transaction of this number, or the only one that can be meant.

        The number of another station's transaction is as good as none. A repeat is answered as the
        first time. ``None`` when the stop was parked.
        """
        return await self._engine.write(lambda database: _take_stop(database, station_id, stop))

    async def resume(
        self, station_id: str, transaction_id: int, now_utc: datetime
    ) -> Transaction | None:
        """Opens a transaction whose end was only concluded; ``None`` when it has another end.

        What was open on its connector instead is closed as an orphan.
        """

        def write(database: Database) -> Transaction | None:
            found = _one(database, _BY_ID, transaction_id)
            if found is None or found.station_id != station_id or found.is_open or found.is_sure:
                return None
            for row in database.raw.execute(_OPEN_ON_CONNECTOR, found.key).fetchall():
                orphan = _transaction(row)
                _close_orphan(database, orphan, now_utc, orphan.meter_start_wh, now_utc)
            database.raw.execute(_RESUME, (transaction_id,))
            return _recorded(database, transaction_id)

        return await self._engine.write(write)

    async def rescale_open(self, station_id: str, factor: float) -> None:
        """Corrects the first register of the station's open transactions, found in another unit."""

        def write(database: Database) -> None:
            database.raw.execute(_RESCALE, (factor, station_id))

        await self._engine.write(write)

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
        estimated_stop=row[10] == ESTIMATED,
        assigned_stop=row[10] == ASSIGNED,
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
    if same is None and not new.time_known:
        same = _one(database, _LIKE_OPEN, *connector, new.id_tag, new.meter_start_wh)
    if same is not None:
        return same, False
    running = [
        _transaction(row) for row in database.raw.execute(_OPEN_ON_CONNECTOR, connector).fetchall()
    ]
    followed_by = next((each for each in running if _was_held_back(new, each)), None)
    if followed_by is None:
        for orphan in running:
            _close_orphan(database, orphan, new.started_utc, new.meter_start_wh, new.received_utc)
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
    started = _recorded(database, transaction_id)
    stop = stop_of(started, waiting_stops(database, new.station_id))
    if stop is not None:
        settle(database, stop.key, MATCHED, transaction_id)
        _write_stop(database, assigned(stop, transaction_id), ASSIGNED)
    elif followed_by is not None:
        _close_orphan(
            database,
            started,
            followed_by.started_utc,
            followed_by.meter_start_wh,
            new.received_utc,
        )
    return _recorded(database, transaction_id), True


def _was_held_back(new: NewTransaction, running: Transaction) -> bool:
    """Whether ``new`` was over before ``running`` began: a station has kept it until now.

    Not so when one of the clocks was wrong: then what is told last is what runs.
    """
    return (
        new.time_known
        and new.started_utc < running.started_utc
        and new.started_utc >= new.received_utc - OLDEST_REPLAY
        and running.started_utc <= new.received_utc + CLOCK_AHEAD
    )


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


def _close_orphan(
    database: Database,
    orphan: Transaction,
    until_utc: datetime,
    meter_wh: int,
    received_utc: datetime,
) -> None:
    """Writes the stop that a station never told, from the orphan's last sample if it has one.

    Without a sample: when the next one began, with its register when that is not behind (a register
    that counts from zero in each session says nothing of the one before).
    """
    last = last_sample(database, orphan)
    if last is not None:
        until_utc, meter_wh = last
    stop = TransactionStop(
        transaction_id=orphan.transaction_id,
        stopped_utc=max(orphan.started_utc, until_utc),
        received_utc=received_utc,
        meter_stop_wh=max(orphan.meter_start_wh, meter_wh),
        reason=ORPHAN_REASON,
        estimated=True,
    )
    _write_stop(database, stop, ESTIMATED)


def last_sample(database: Database, transaction: Transaction) -> tuple[datetime, int] | None:
    """When the register was last measured in a transaction, and its value (Wh)."""
    row = database.raw.execute(
        _LAST_SAMPLE,
        (*transaction.key, to_us(transaction.started_utc), transaction.transaction_id),
    ).fetchone()
    return None if row is None else (from_us(row[0]), row[1])


def _stop(database: Database, stop: TransactionStop) -> Transaction | None:
    found = _one(database, _BY_ID, stop.transaction_id)
    if found is None or found.is_sure or (stop.estimated and not found.is_open):
        return found
    _write_stop(database, stop, ESTIMATED if stop.estimated else TOLD)
    return _recorded(database, stop.transaction_id)


def _take_stop(database: Database, station_id: str, stop: TransactionStop) -> Transaction | None:
    named = _one(database, _BY_ID, stop.transaction_id)
    if named is not None and named.station_id == station_id:
        return _stop(database, stop)
    place = park(database, station_id, stop)
    if place.settled is not None:
        return None if place.settled_with is None else _one(database, _BY_ID, place.settled_with)
    candidates = []
    for row in database.raw.execute(_OPEN_ON_STATION, (station_id,)).fetchall():
        transaction = _transaction(row)
        last = last_sample(database, transaction) or (None, None)
        candidates.append(Candidate(transaction, *last))
    found = transaction_of(place.stop, candidates)
    if found is None:
        return None
    settle(database, place.stop.key, MATCHED, found.transaction_id)
    _write_stop(database, assigned(place.stop, found.transaction_id), ASSIGNED)
    return _recorded(database, found.transaction_id)


def attach_stop(database: Database, stop: ParkedStop, transaction_id: int) -> Transaction | None:
    """Ends a transaction of the same station as somebody has decided; ``None`` when it may not."""
    found = _one(database, _BY_ID, transaction_id)
    if found is None or found.station_id != stop.station_id or found.is_sure:
        return None
    stopped_utc = max(stop.stopped_utc, found.started_utc)
    told = msgspec.structs.replace(assigned(stop, transaction_id), stopped_utc=stopped_utc)
    _write_stop(database, told, ASSIGNED)
    return _recorded(database, transaction_id)


def unsure_transactions(database: Database, station_id: str, limit: int) -> list[Transaction]:
    """Open ones, and those whose end was only concluded, newest first."""
    rows = database.raw.execute(_UNSURE, (station_id, limit))
    return [_transaction(row) for row in rows]


def _write_stop(database: Database, stop: TransactionStop, certainty: int) -> None:
    row = (
        to_us(stop.stopped_utc),
        to_us(stop.received_utc),
        stop.meter_stop_wh,
        stop.reason,
        stop.id_tag,
        certainty,
        stop.transaction_id,
    )
    database.raw.execute(_STOP, row)
