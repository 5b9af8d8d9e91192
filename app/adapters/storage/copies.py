"""Whole database files beside the one in use: copied, checked, prepared to take its place."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

from app.adapters.storage.database import MIGRATIONS, storage_error
from app.domain.errors import StorageError

_BUSY_TIMEOUT_S = 30.0
_NUMBERED = "charge_transaction"
_NUMBERS_PER_DAY = 20_000
"""More charges than a full site starts in a day: one every 14 minutes on each of 200 connectors."""


def copy_database(source: Path, target: Path) -> None:
    """Copies the state of one instant, whatever is being written; checked, in a single file.

    Three things stay behind, because they are not true any more when they come back: sessions of
    browsers, which may have ended, the last limits sent, which stations may have seen raised
    since (a manager that knows no limit counts with the most), and the fallbacks they were known to
    hold, which may have been replaced. Raises ``StorageError``.
    """
    try:
        with (
            contextlib.closing(connect(source, "ro")) as origin,
            contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            copy.execute("PRAGMA synchronous = OFF")  # of no use after a power cut
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            forget(copy)
    except sqlite3.Error as error:
        raise storage_error(error) from error
    check_integrity(target)


def forget(copy: sqlite3.Connection) -> None:
    """Deletes what is not true any more when a copy comes back (see ``copy_database``)."""
    copy.execute("DELETE FROM web_session")
    copy.execute("DELETE FROM connector_limit")
    # A copy made for an earlier version may not have it.
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'held_fallback'").fetchone():
        copy.execute("DELETE FROM held_fallback")


def number_ahead(restored: Path, former: Path, age: timedelta) -> None:
    """Lets transactions be numbered on beyond all that was given out since the backup.

    Stations may still hold stops of transactions that the backup does not know: their numbers must
    not meet another's. What was given out is read in the former database where there is one; of a
    lost one it is reckoned from the ``age`` of the backup. Raises ``StorageError``.
    """
    try:
        with contextlib.closing(connect(restored, "rw")) as database:
            last = _last_number(database)
            if last is not None:
                last += _NUMBERS_PER_DAY * (max(0, age.days) + 1)
            known = [number for number in (last, _number_of(former)) if number is not None]
            if known:
                database.execute("BEGIN")
                database.execute("DELETE FROM sqlite_sequence WHERE name = ?", (_NUMBERED,))
                database.execute(
                    "INSERT INTO sqlite_sequence VALUES (?, ?)", (_NUMBERED, max(known))
                )
                database.execute("COMMIT")
    except sqlite3.Error as error:
        raise storage_error(error) from error


def _number_of(former: Path) -> int | None:
    try:
        with contextlib.closing(connect(former, "ro")) as database:
            return _last_number(database)
    except sqlite3.Error:  # absent or damaged
        return None


def _last_number(database: sqlite3.Connection) -> int | None:
    row = database.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = ?", (_NUMBERED,)
    ).fetchone()
    return None if row is None else int(row[0])


def check_integrity(path: Path) -> None:
    """Raises ``StorageError`` unless every page, index and reference of the database is sound."""
    try:
        with contextlib.closing(connect(path, "ro")) as database:
            first = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
            stray = database.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.Error as error:
        raise storage_error(error) from error
    if first != "ok" or stray is not None:
        raise StorageError("storage-damaged", cause=first if stray is None else stray[0])


def applied_steps(path: Path) -> tuple[str, ...]:
    """Steps of the schema that the database has taken, in order. Raises ``StorageError``."""
    try:
        with contextlib.closing(connect(path, "ro")) as database:
            rows = database.execute("SELECT name FROM schema_migration ORDER BY id").fetchall()
    except sqlite3.Error as error:
        raise storage_error(error) from error
    return tuple(row[0] for row in rows)


def known_steps(migrations: Path = MIGRATIONS) -> frozenset[str]:
    """Steps of the schema that this version knows."""
    return frozenset(path.stem for path in migrations.glob("[0-9]*.py"))


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Opens an existing file: ``ro`` or ``rw``, in autocommit mode."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
    )
