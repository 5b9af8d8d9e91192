"""The manager's data directory as a whole: copied while it is in use, replaced in one step.

A copy holds the database and every other file of the directory, but for what is made anew at each
start, what belongs to SQLite or to a running process, recorded frames, earlier backups, and hidden
files.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from app.adapters import restore_in_place
from app.adapters.backup_archive import disk_error
from app.adapters.directory_lock import MAINTENANCE_LOCK, MANAGER_LOCK, lock
from app.adapters.durable import sync_folder
from app.adapters.restore_in_place import BACKUPS, MADE_ANEW
from app.adapters.storage.copies import (
    applied_steps,
    check_integrity,
    connect,
    copy_database,
    known_steps,
    number_ahead,
)
from app.domain.errors import StorageError
from app.services.backups import PART_NAME, SUFFIX, BackupError, Part, Snapshot
from app.services.ports import Clock

DATABASE_FILE = "bornier.sqlite3"
FRAME_FILE = "frames.sqlite3"
"""Recorded frames: much, and of use for some days only."""


_LEFT_OUT_ENDINGS = (".new", ".partial", SUFFIX)
_COPYING = ".copying-"
_PIECE = 256 * 1024
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class LocalData:
    """Implements ``DataDirectory`` on a directory of this machine."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory.resolve()  # a link shall stay one
        self._clock = clock

    @property
    def _database(self) -> Path:
        return self._directory / DATABASE_FILE

    def known_schema(self) -> frozenset[str]:
        """See ``DataDirectory``."""
        return known_steps()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """See ``DataDirectory``. Needs room for a copy of the database beside it.

        Raises ``BackupError``: ``data-missing``, ``data-maintained``, ``backup-disk-full`` or
        ``backup-not-written``; ``StorageError`` when the database is damaged.
        """
        if restore_in_place.is_underway(self._directory):
            raise BackupError("data-half-restored", path=self._directory)
        if not self._database.is_file():
            raise BackupError("data-missing", path=self._directory)
        with contextlib.ExitStack() as stack:
            with self._disk_errors():
                stack.enter_context(self._maintenance())
                for leftover in self._directory.glob(f"{_COPYING}*"):
                    shutil.rmtree(leftover)
                copy = Path(tempfile.mkdtemp(prefix=_COPYING, dir=self._directory))
                stack.callback(shutil.rmtree, copy, ignore_errors=True)
                copy_database(self._database, copy / DATABASE_FILE)
                for path in self._further_files():
                    place = copy / path.relative_to(self._directory)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, place)
                parts = tuple(_part(path, copy) for path in _files(copy))
            yield Snapshot(copy, applied_steps(copy / DATABASE_FILE), parts)

    @contextlib.contextmanager
    def staging(self) -> Iterator[LocalStaging]:
        """See ``DataDirectory``. Beside the directory, or inside one that cannot be moved."""
        inside = restore_in_place.is_needed(self._directory)
        parent = self._directory if inside else self._directory.parent
        prefix = ".restoring-" if inside else f".{self._directory.name}.restoring-"
        with contextlib.ExitStack() as stack:
            with self._disk_errors():
                if self._directory.is_dir():
                    stack.enter_context(self._maintenance())
                    stack.enter_context(held(self._directory, MANAGER_LOCK, "data-in-use"))
                    restore_in_place.finish(self._directory)
                    for leftover in parent.glob(f"{prefix}*"):
                        shutil.rmtree(leftover)
                parent.mkdir(parents=True, exist_ok=True)
                folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            yield LocalStaging(folder, self._directory, self._clock)

    def _maintenance(self) -> contextlib.AbstractContextManager[None]:
        return held(self._directory, MAINTENANCE_LOCK, "data-maintained")

    def _further_files(self) -> Iterator[Path]:
        for path in _files(self._directory):
            name = str(path.relative_to(self._directory))
            if name in MADE_ANEW or name.startswith((DATABASE_FILE, FRAME_FILE, f"{BACKUPS}/")):
                continue  # databases, SQLite's files beside them, copies kept for an update
            if re.match(PART_NAME, name) and not name.endswith(_LEFT_OUT_ENDINGS):
                yield path

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """What the disk refuses, in our words. Leaves the body of a ``with`` block alone."""
        try:
            yield
        except StorageError as error:
            if error.key == "storage-full":
                raise BackupError("backup-disk-full", path=self._directory) from error
            raise
        except OSError as error:
            raise disk_error(error, self._directory) from error


class LocalStaging:
    """Implements ``Staging``."""

    def __init__(self, folder: Path, directory: Path, clock: Clock) -> None:
        self.folder = folder
        self._directory = directory
        self._clock = clock

    def commit(self, made_utc: datetime) -> Path | None:
        """See ``Staging``. A power cut leaves the former data in place, or the new ones.

        Raises ``StorageError`` when the restored database is damaged, ``BackupError``:
        ``data-in-use`` when another process has the database open, ``restore-not-swapped`` when
        the file system cannot exchange the two directories.
        """
        restored = self.folder / DATABASE_FILE
        number_ahead(restored, self._directory / DATABASE_FILE, self._clock.utc_now() - made_utc)
        check_integrity(restored)
        try:
            return self._commit()
        except OSError as error:
            raise BackupError(
                "restore-not-swapped", path=self._directory, cause=str(error)
            ) from error

    def _commit(self) -> Path | None:
        for folder in {path.parent for path in _files(self.folder)}:
            sync_folder(folder)
        sync_folder(self.folder)
        if not self._directory.exists():
            self.folder.rename(self._directory)
            sync_folder(self._directory.parent)
            return None
        _check_unused(self._directory / DATABASE_FILE)
        self._keep_owner()
        if self.folder.parent == self._directory:
            stamp = f"{self._clock.utc_now():%Y%m%dT%H%M%SZ}"
            return restore_in_place.begin(self.folder, self._directory, stamp)
        aside = self._aside()
        # Under its later name first: whatever happens, what this name holds is never tidied away.
        self.folder.rename(aside)
        try:
            with lock(aside, MANAGER_LOCK):
                exchange(aside, self._directory)
        except BaseException:
            aside.rename(self.folder)
            raise
        with contextlib.suppress(FileNotFoundError):
            (aside / BACKUPS).rename(self._directory / BACKUPS)
        sync_folder(self._directory.parent)
        if not any(aside.glob("[!.]*")):
            shutil.rmtree(aside)  # an empty directory had been prepared
            return None
        return aside

    def _keep_owner(self) -> None:
        """Root restores for the account that the manager runs under."""
        owner = self._directory.stat()
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, owner.st_uid, owner.st_gid)
        self.folder.chmod(owner.st_mode & 0o7777)

    def _aside(self) -> Path:
        now = self._clock.utc_now()
        first = self._directory.with_name(
            f"{self._directory.name}.before-restore-{now:%Y%m%dT%H%M%SZ}"
        )
        path, number = first, 1
        while path.exists():
            number += 1
            path = first.with_name(f"{first.name}-{number}")
        return path


def _check_unused(path: Path) -> None:
    """Refuses while another process has the database open, whether or not it takes our lock."""
    if not path.is_file():
        return
    try:
        with contextlib.closing(connect(path, "rw")) as database:
            database.execute("PRAGMA busy_timeout = 0")
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise BackupError("data-in-use", path=path.parent) from error
        # Damaged: the very reason to restore.


# ---------------------------------------------------------------- files


def exchange(one: Path, other: Path) -> None:
    """Each takes the other's name, in one step (renameat2). Raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(other))


@contextlib.contextmanager
def held(directory: Path, name: str, refusal: str) -> Iterator[None]:
    """Holds a lock of the directory inside the block; raises ``refusal`` when it is taken."""
    with lock(directory, name) as free:
        if not free:
            raise BackupError(refusal, path=directory)
        yield


def _files(folder: Path) -> list[Path]:
    """Regular files below ``folder``, in the order of their names; links are not followed."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(found)


def _part(path: Path, folder: Path) -> Part:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return Part(str(path.relative_to(folder)), path.stat().st_size, digest.hexdigest())
