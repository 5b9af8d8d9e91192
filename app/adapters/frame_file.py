"""The file of recorded frames: a SQLite database of its own, a ring whose oldest frames go first.

Beside the manager's database, not in it: it is never part of a backup, it may be deleted at any
time, and its trouble is nobody else's. Texts are compressed one by one against a vocabulary of
OCPP, so that a frame costs about a fifth of its length and can still be read alone.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

SCHEMA: Final = 1
"""Of the tables and of ``_VOCABULARY``; a file of another number is made anew."""

SLOT_US: Final = 300 * 1_000_000
"""Frames are found by time through slots of five minutes, whatever the clock has done."""

PRUNED_SHARE: Final = 50
"""One part in so many goes at once when the file is full."""

_LOOKED_BACK: Final = 20_000
"""Frames in which the number of the last connection is looked for at a start."""

_KEPT_WAL_BYTES: Final = 4 * 1024 * 1024
_BUSY_TIMEOUT_S: Final = 5.0

_TABLES: Final = """
CREATE TABLE frame (
    id INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    station TEXT NOT NULL,
    connection INTEGER NOT NULL,
    from_station INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    action TEXT NOT NULL,
    message_id TEXT NOT NULL,
    size INTEGER NOT NULL,
    notes TEXT NOT NULL,
    body BLOB NOT NULL,
    call_id INTEGER,
    answer_id INTEGER,
    answer_us INTEGER
);
CREATE INDEX frame_station ON frame (station) WHERE call_id IS NULL;
CREATE INDEX frame_action ON frame (action) WHERE call_id IS NULL;
CREATE TABLE slot (slot INTEGER PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL);
"""

_VOCABULARY: Final = (
    b'{"chargePointVendor":"","chargePointModel":"","chargePointSerialNumber":"","firmwareVersion":'
    b'"status":"Rejected"}]"ConcurrentTx""csChargingProfiles":{"chargingProfileId":1,"stackLevel":'
    b'"chargingProfilePurpose":"TxProfile","chargingProfileKind":"Relative","chargingSchedule":{'
    b'"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":16.0}]}}}]'
    b'"SetChargingProfile",{"configurationKey":[{"key":"","readonly":false,"value":"GetConfiguration'
    b'ChangeConfiguration"TriggerMessage",{"requestedMessage":"RemoteStartTransactionRemoteStop'
    b'BootNotification",{"interval":300,"currentTime":"2026-FirmwareStatusNotification",{'
    b'"Authorize",{"idTag":""idTagInfo":{"status":"Accepted"},"StartTransaction",{"connectorId":1,'
    b'"meterStart":0,"StopTransaction",{"meterStop":,"reason":"EVDisconnected","transactionData":['
    b'"StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Preparing""Charging"'
    b'"SuspendedEVSE""SuspendedEV""Finishing""Available","timestamp":"2026-'
    b'"Heartbeat",{}]"DataTransfer",{"vendorId":""messageId":""data":"{"status":"Accepted"}]'
    b'[3,"[2,""MeterValues",{"connectorId":1,"transactionId":,"meterValue":[{"timestamp":"2026-'
    b'T00:00:00.000Z","sampledValue":[{"value":"","context":"Sample.Periodic","format":"Raw",'
    b'"location":"Outlet","measurand":"Energy.Active.Import.Register","unit":"Wh"},'
    b'"measurand":"Power.Active.Import","unit":"W"},"measurand":"Voltage","unit":"V","phase":"L1-N"'
    b'},{"value":"0.0","context":"Sample.Periodic","measurand":"Current.Import","unit":"A","phase":'
    b'"L1"},{"value":"0.0","phase":"L2"},{"value":"0.0","phase":"L3"},"unit":"Celsius"}]}]}]'
)
_LEVEL: Final = 6
_WINDOW: Final = -13
_MEMORY: Final = 6


class FrameRow(NamedTuple):
    """A frame as it is stored; times in microseconds of UTC."""

    id: int
    at_us: int
    station: str
    connection: int
    from_station: bool
    kind: int
    action: str
    message_id: str
    size: int
    notes: str
    body: bytes
    call_id: int | None
    answer_id: int | None
    answer_us: int | None


_INSERT: Final = f"INSERT INTO frame ({', '.join(FrameRow._fields)}) VALUES ({', '.join('?' * len(FrameRow._fields))})"  # noqa: S608


def packed(text: bytes) -> bytes:
    """``text``, compressed."""
    packer = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _VOCABULARY
    )
    return packer.compress(text) + packer.flush()


def unpacked(body: bytes) -> str:
    """The text that was ``packed``."""
    return zlib.decompressobj(_WINDOW, _VOCABULARY).decompress(body).decode("utf-8", "replace")


def _holds(body: bytes | None, needle: str) -> bool:
    return body is not None and needle in unpacked(body).lower()


class FrameFile:
    """The writer's side, for one thread. Every method may raise ``sqlite3.Error``."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file; one that cannot be used is thrown away first.

        Raises ``sqlite3.Error`` or ``OSError`` when that does not help either.
        """
        self._path = path
        try:
            self._database = self._opened()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # the disk's trouble, not the file's
                raise
            self.discard(path)
            self._database = self._opened()
        self.last_id = id_bounds(self._database)[1] or 0
        (number,) = self._database.execute(
            "SELECT max(connection) FROM frame WHERE id > ?", (self.last_id - _LOOKED_BACK,)
        ).fetchone()
        self.last_connection: int = number or 0

    @staticmethod
    def discard(path: Path) -> None:
        """Deletes the file and SQLite's beside it. Raises ``OSError``."""
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives -wal and -shm the rights of the main file.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        database = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            (schema,) = database.execute("PRAGMA user_version").fetchone()
            if schema not in (0, SCHEMA):
                raise sqlite3.DatabaseError(f"schema {schema}")
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.execute("PRAGMA journal_mode = WAL")
            # A power cut may take the last second; it never harms the file.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"PRAGMA journal_size_limit = {_KEPT_WAL_BYTES}")
            database.execute("PRAGMA cache_size = -2048")
            if schema == 0:
                database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
            database.execute("SELECT max(id) FROM frame").fetchone()
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def write(
        self,
        rows: Sequence[FrameRow],
        answers: Iterable[tuple[int, int, int]],
        most_bytes: int,
        oldest_us: int,
    ) -> None:
        """Adds ``rows`` and tells earlier CALLs of their answers (answer, microseconds, CALL).

        What is older than ``oldest_us``, and what takes more room than ``most_bytes``, goes. All
        of it in one transaction.
        """
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            self._make_room(most_bytes, oldest_us)
            database.executemany(_INSERT, rows)
            database.executemany(
                "UPDATE frame SET answer_id = ?, answer_us = ? WHERE id = ?", answers
            )
            slots: dict[int, tuple[int, int]] = {}
            for row in rows:
                slot = row.at_us // SLOT_US
                slots[slot] = (slots.get(slot, (row.id, row.id))[0], row.id)
            database.executemany(
                "INSERT INTO slot (slot, first_id, last_id) VALUES (?, ?, ?) ON CONFLICT (slot)"
                " DO UPDATE SET last_id = excluded.last_id",
                [(slot, *span) for slot, span in slots.items()],
            )
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # SQLite ends it by itself when the disk is full
                database.execute("ROLLBACK")
            raise
        if rows:
            self.last_id = rows[-1].id
        if sum(used_bytes(database)) > most_bytes + most_bytes // 10:  # the bound was lowered
            # A script runs the pragma to its end, where ``execute`` frees one page of the file.
            database.executescript("PRAGMA incremental_vacuum")

    def _make_room(self, most_bytes: int, oldest_us: int) -> None:
        database = self._database
        first, last = id_bounds(database)
        if first is None or last is None:
            return
        # The oldest that is young enough: a clock that was set back does not take its elders along.
        (kept,) = database.execute(
            "SELECT min(first_id) FROM slot WHERE slot >= ?", (oldest_us // SLOT_US,)
        ).fetchone()
        cut = last + 1 if kept is None else kept
        used, _free = used_bytes(database)
        if used > most_bytes:
            excess = (used - most_bytes) / used
            part = max((last - first + 1) // PRUNED_SHARE, int((last - first + 1) * excess), 1)
            cut = max(cut, first + part)
        if cut > first:
            database.execute("DELETE FROM frame WHERE id < ?", (cut,))
            database.execute("DELETE FROM slot WHERE last_id < ?", (cut,))


def id_bounds(database: sqlite3.Connection) -> tuple[int | None, int | None]:
    """First and last number there are; asked for together, SQLite would look at all of them."""
    first, last = database.execute(
        "SELECT (SELECT min(id) FROM frame), (SELECT max(id) FROM frame)"
    ).fetchone()
    return first, last


def used_bytes(database: sqlite3.Connection) -> tuple[int, int]:
    """Bytes of the file that hold something, and that are free within it."""
    sizes = [
        int(database.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    ]
    return (sizes[1] - sizes[2]) * sizes[0], sizes[2] * sizes[0]


def open_for_search(path: Path) -> sqlite3.Connection:
    """A read-only connection whose SQL knows ``holds(body, text)``. Raises ``sqlite3.Error``."""
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    database.create_function("holds", 2, _holds, deterministic=True)
    return database


def row_of(values: Sequence[Any]) -> FrameRow:
    """A row whose columns stand in the order of ``FrameRow``."""
    return FrameRow(*values)
