"""Starting on a database that a later version has changed: a failed update gives way to this one.

The later version has left a copy of what was there before it (see ``migration``). Its own file is
set aside, ``bornier.sqlite3.of-later-version-<utc>``, and the copy takes its place. Steps, each
of which may be the last one before a power cut:

1. the copy is made ready: numbers go on beyond those given out since, see ``copies``
2. a note says what is about to be done: ``bornier.sqlite3.set-aside.json``
3. the later file takes its new name, then its log does; the index of the log is deleted
4. the copy takes the name of the database; files that were set aside earlier are deleted

Until 3 begins the next start does everything again; afterwards there is no database, and the note
says how to go on. The copy never meets the log of the other file.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from app.adapters.durable import sync_folder, write_whole
from app.adapters.storage.copies import (
    applied_steps,
    check_integrity,
    connect,
    forget,
    number_ahead,
)
from app.adapters.storage.database import storage_error
from app.adapters.storage.migration import kept_copies
from app.domain.errors import StorageError
from app.services.ports import SetAside

log = logging.getLogger(__name__)

_ASIDE = ".of-later-version-"
_LOGS = ("-wal", "-journal")


class _Note(msgspec.Struct, frozen=True):
    """What is about to be done, or was."""

    aside: SetAside
    copy: str


def last_set_aside(path: Path) -> SetAside | None:
    """What was set aside last, while it is still there."""
    note = _noted(path)
    if note is None or not path.with_name(note.aside.file).exists():
        return None
    return note.aside


def go_on(path: Path) -> None:
    """Ends what a power cut has interrupted. Raises ``OSError``."""
    note = _noted(path)
    if note is not None and not path.exists() and path.with_name(note.copy).exists():
        _change_places(path, note)


def go_back(path: Path, known: frozenset[str], now_utc: datetime) -> None:
    """Starts on the kept copy when a later version has changed the database at ``path``.

    Does nothing where there is no need, or no copy that this version knows and that is sound.
    Raises ``StorageError`` and ``OSError``.
    """
    if not path.exists() or not _steps(path) - known:
        return
    copy = _best_copy(path, known)
    if copy is None:
        return
    since_utc = min(_changed_utc(path, known) or now_utc, now_utc)
    number_ahead(copy, path, now_utc - since_utc)
    with contextlib.closing(connect(copy, "rw")) as database:
        try:
            forget(database)
        except sqlite3.Error as error:
            raise storage_error(error) from error
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path, "rw")) as database:
        # One file is easier to keep than two; where the disk has no room the log goes along.
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    note = _Note(SetAside(_free_name(path, now_utc), now_utc, since_utc), copy.name)
    write_whole(_note_path(path), msgspec.json.encode(note), owner=path.stat())
    _change_places(path, note)


def _change_places(path: Path, note: _Note) -> None:
    aside = path.with_name(note.aside.file)
    for ending in ("", *_LOGS):
        source = path.with_name(path.name + ending)
        if source.exists():
            source.rename(aside.with_name(aside.name + ending))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    sync_folder(path.parent)
    path.with_name(note.copy).rename(path)
    sync_folder(path.parent)
    for older in path.parent.glob(f"{path.name}{_ASIDE}*"):
        if older.name not in {aside.name, *(aside.name + ending for ending in _LOGS)}:
            older.unlink()
    log.critical(
        "a later version has changed the database: its file is set aside as %s, "
        "the state of %s is in use again",
        aside,
        note.aside.since_utc.isoformat(timespec="seconds"),
    )


def _best_copy(path: Path, known: frozenset[str]) -> Path | None:
    best: tuple[int, Path] | None = None
    for copy in kept_copies(path):
        steps = _steps(copy)
        if not steps or steps - known or (best is not None and best[0] >= len(steps)):
            continue
        try:
            check_integrity(copy)
        except StorageError as error:
            log.error("the copy %s is of no use: %s", copy, error)
            continue
        best = len(steps), copy
    return None if best is None else best[1]


def _steps(path: Path) -> frozenset[str]:
    """Steps that a file has taken; none of one that cannot be read."""
    try:
        return frozenset(applied_steps(path))
    except StorageError:
        return frozenset()


def _changed_utc(path: Path, known: frozenset[str]) -> datetime | None:
    """When the later version took its first step; it wrote the box's local time."""
    with contextlib.closing(connect(path, "ro")) as database:
        rows = database.execute("SELECT name, applied FROM schema_migration").fetchall()
    times = [str(applied) for name, applied in rows if name not in known]
    try:
        return min(datetime.fromisoformat(time).astimezone(UTC) for time in times)
    except ValueError:
        return None


def _free_name(path: Path, now_utc: datetime) -> str:
    first = name = f"{path.name}{_ASIDE}{now_utc:%Y%m%dT%H%M%SZ}"
    number = 1
    while path.with_name(name).exists():
        number += 1
        name = f"{first}-{number}"
    return name


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.set-aside.json")


def _noted(path: Path) -> _Note | None:
    try:
        return msgspec.json.decode(_note_path(path).read_bytes(), type=_Note)
    except (OSError, msgspec.DecodeError):
        return None
