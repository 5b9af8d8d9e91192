"""Opening the file: connections, and what SQLite's errors mean to us."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from peewee import PeeweeException, SqliteDatabase

from app.domain.errors import StorageError

MIGRATIONS = Path(__file__).parent / "migrations"

DATABASE_ERRORS = (sqlite3.Error, PeeweeException)
"""What a statement may raise, depending on whether peewee or the raw connection ran it."""

_BUSY_TIMEOUT_S = 5
_KEPT_WAL_BYTES = 16 * 1024 * 1024
_CACHE_KIB = 8 * 1024

_KEYS = {
    sqlite3.SQLITE_FULL: "storage-full",
    sqlite3.SQLITE_IOERR_SHMSIZE: "storage-full",
    sqlite3.SQLITE_READONLY: "storage-readonly",
    sqlite3.SQLITE_CORRUPT: "storage-damaged",
    sqlite3.SQLITE_NOTADB: "storage-damaged",
    sqlite3.SQLITE_IOERR: "storage-failed",
    sqlite3.SQLITE_CONSTRAINT: "storage-rejected",
}
_PRIMARY = 0xFF
"""Bits of the primary result code; the others say more."""


class Database(SqliteDatabase):
    """One connection, for one thread at a time: peewee's queries and plain SQL alike."""

    @property
    def raw(self) -> sqlite3.Connection:
        """SQLite's own connection, in autocommit mode: transactions are begun by hand."""
        connection: sqlite3.Connection = self.connection()  # type: ignore[no-untyped-call]
        return connection


def storage_error(error: BaseException) -> StorageError:
    """The domain's error for one of SQLite or peewee; ``params['cause']`` quotes the original."""
    # peewee wraps the exception that carries SQLite's extended result code.
    code = int(getattr(getattr(error, "orig", error), "sqlite_errorcode", 0))
    key = _KEYS.get(code) or _KEYS.get(code & _PRIMARY, "storage-failed")
    return StorageError(key, cause=str(error))


def open_for_writing(path: Path, *, synchronous: str) -> Database:
    """The only connection that writes. ``synchronous`` is FULL for a disk that must not lose."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives -wal and -shm the rights of the main file, which holds password hashes.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    database = Database(
        str(path),
        pragmas=(
            ("journal_mode", "wal"),
            ("synchronous", synchronous),
            ("foreign_keys", 1),
            ("journal_size_limit", _KEPT_WAL_BYTES),
            ("cache_size", -_CACHE_KIB),
            ("temp_store", "memory"),
        ),
        timeout=_BUSY_TIMEOUT_S,
        thread_safe=False,
        autoconnect=False,
        check_same_thread=False,
    )
    database.connect()
    return database


def open_for_reading(path: Path) -> Database:
    """A read-only connection; several may be open while the writer writes."""
    database = Database(
        path.absolute().as_uri() + "?mode=ro",
        pragmas=(("query_only", 1), ("cache_size", -_CACHE_KIB), ("temp_store", "memory")),
        timeout=_BUSY_TIMEOUT_S,
        thread_safe=False,
        autoconnect=False,
        uri=True,
        check_same_thread=False,
    )
    database.connect()
    return database
