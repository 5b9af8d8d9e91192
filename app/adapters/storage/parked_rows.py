"""The table of stops whose transaction is unknown; its work runs inside the journal's commits."""

from __future__ import annotations

from typing import Any, NamedTuple

from app.adapters.storage.database import Database
from app.adapters.storage.instants import from_us, to_us
from app.domain.parked import ParkedStop
from app.services.ports import TransactionStop

MATCHED, ATTACHED, DISMISSED = "matched", "attached", "dismissed"
"""How a parked stop is settled: by the manager, by somebody, or not at all."""

WAITING_MOST = 500
"""Stops of one station that wait; of a station that invents more, the oldest are dropped."""

_COLUMNS = """rowid, station_id, transaction_id, stopped_us, received_us, meter_stop_wh, stop_reason,
    id_tag, settled, settled_with"""

_INSERT = """
    INSERT OR IGNORE INTO parked_stop (station_id, transaction_id, stopped_us, received_us,
                                       meter_stop_wh, stop_reason, id_tag)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

_SAME = f"""
    SELECT {_COLUMNS} FROM parked_stop
    WHERE station_id = ? AND transaction_id = ? AND meter_stop_wh = ?
        AND (stopped_us = ? OR NOT ?) ORDER BY rowid LIMIT 1"""  # noqa: S608

WAITING_OF_STATION = f"""
    SELECT {_COLUMNS} FROM parked_stop
    WHERE station_id = ? AND settled IS NULL ORDER BY stopped_us"""  # noqa: S608

_WAITING = f"""
    SELECT {_COLUMNS} FROM parked_stop WHERE settled IS NULL
    ORDER BY received_us DESC, rowid DESC LIMIT ?"""  # noqa: S608

_ONE = f"SELECT {_COLUMNS} FROM parked_stop WHERE rowid = ?"  # noqa: S608

_SETTLE = """
    UPDATE parked_stop SET settled = ?, settled_with = ? WHERE rowid = ? AND settled IS NULL"""

_DROP = """
    DELETE FROM parked_stop WHERE rowid IN (
        SELECT rowid FROM parked_stop WHERE station_id = ? AND settled IS NULL
        ORDER BY rowid DESC LIMIT -1 OFFSET ?)"""


class Place(NamedTuple):
    """A stop in the table, and how it was settled, if it was."""

    stop: ParkedStop
    settled: str | None
    settled_with: int | None


def park(database: Database, station_id: str, stop: TransactionStop) -> Place:
    """The stop's place: a new one, or that of its first time."""
    same = (station_id, stop.transaction_id, stop.meter_stop_wh, to_us(stop.stopped_utc))
    row = database.raw.execute(_SAME, (*same, stop.time_known)).fetchone()
    if row is None:
        new = (
            station_id,
            stop.transaction_id,
            to_us(stop.stopped_utc),
            to_us(stop.received_utc),
            stop.meter_stop_wh,
            stop.reason,
            stop.id_tag,
        )
        database.raw.execute(_INSERT, new)
        database.raw.execute(_DROP, (station_id, WAITING_MOST))
        row = database.raw.execute(_SAME, (*same, True)).fetchone()
    return _place(row)


def settle(database: Database, key: int, how: str, transaction_id: int | None) -> bool:
    """Takes a stop off the list; false when it does not wait."""
    return bool(database.raw.execute(_SETTLE, (how, transaction_id, key)).rowcount)


def waiting_stops(database: Database, station_id: str) -> list[ParkedStop]:
    """Those of one station, the earliest first."""
    rows = database.raw.execute(WAITING_OF_STATION, (station_id,))
    return [_place(row).stop for row in rows]


def all_waiting(database: Database, limit: int) -> list[ParkedStop]:
    """Newest first."""
    return [_place(row).stop for row in database.raw.execute(_WAITING, (limit,))]


def waiting_stop(database: Database, key: int) -> ParkedStop | None:
    """The one with this number, if it still waits."""
    row = database.raw.execute(_ONE, (key,)).fetchone()
    if row is None:
        return None
    place = _place(row)
    return place.stop if place.settled is None else None


def assigned(stop: ParkedStop, transaction_id: int) -> TransactionStop:
    """The stop as one of this transaction."""
    return TransactionStop(
        transaction_id=transaction_id,
        stopped_utc=stop.stopped_utc,
        received_utc=stop.received_utc,
        meter_stop_wh=stop.meter_stop_wh,
        reason=stop.reason,
        id_tag=stop.id_tag,
    )


def _place(row: tuple[Any, ...]) -> Place:
    stop = ParkedStop(
        key=row[0],
        station_id=row[1],
        transaction_id=row[2],
        stopped_utc=from_us(row[3]),
        received_utc=from_us(row[4]),
        meter_stop_wh=row[5],
        reason=row[6],
        id_tag=row[7],
    )
    return Place(stop, row[8], row[9])
