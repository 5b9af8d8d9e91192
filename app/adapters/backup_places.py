"""Folders as places of backups, the USB stick among them, and how places are written.

A place is written as a path, ``usb`` or ``sftp://user@host[:port]/folder`` (``/~/folder`` from the
account's home). A backup in it has its name behind a slash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import msgspec

from app.adapters.backup_archive import disk_error
from app.adapters.durable import sync_folder
from app.services.backups import SUFFIX, BackupError, Source
from app.services.deliveries import Listed

STICK = Path("/media/bornier")
"""Where the box mounts a stick whose file system has the label BORNIER."""

STICK_NAME = "usb"
SFTP_SCHEME = "sftp://"
SFTP_PORT = 22
_PIECE = 1024 * 1024
_USER = r"[A-Za-z0-9._][A-Za-z0-9._@+-]*\Z"


class SftpAddress(msgspec.Struct, frozen=True):
    """A folder of a server."""

    user: str
    host: str
    port: int
    folder: str
    """Absolute, or relative to the account's home."""

    @property
    def server(self) -> str:
        """Host and port, as the pinned keys name them."""
        return f"{self.host}:{self.port}"


def sftp_address(text: str) -> SftpAddress:
    """Reads ``sftp://…``; raises ``BackupError``."""
    try:
        parts = urlsplit(text)
        user, host, port = unquote(parts.username or ""), parts.hostname, parts.port or SFTP_PORT
    except ValueError:
        raise BackupError("backup-address", target=text) from None
    folder = unquote(parts.path)
    sound = host and re.match(_USER, user) and len(folder) > 1 and not parts.query + parts.fragment
    if not host or not sound or any(ord(letter) < 32 for letter in folder):
        raise BackupError("backup-address", target=text)
    if parts.password is not None:
        raise BackupError("backup-address-password")
    folder = folder.removeprefix("/~/") if folder.startswith("/~/") else folder
    return SftpAddress(user, host, port, folder.rstrip("/") or ".")


def divided(text: str) -> tuple[str, str | None]:
    """A place and the name of a backup in it; no name where only a place is written."""
    if text != STICK_NAME and not text.startswith((SFTP_SCHEME, f"{STICK_NAME}/")):
        path = Path(text)
        return (text, None) if path.is_dir() else (str(path.parent), path.name)
    place, _, name = text.rpartition("/")
    return (place, name) if name.endswith(SUFFIX) else (text.rstrip("/"), None)


class Folder:
    """Implements ``Place`` on a directory of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def list(self) -> Sequence[Listed]:
        """See ``Place``."""
        try:
            found = [path for path in self._path.glob(f"[!.]*{SUFFIX}") if path.is_file()]
            return sorted((Listed(path.name, path.stat().st_size) for path in found), key=_name)
        except OSError as error:
            raise BackupError("backup-unreadable", path=self._path, cause=str(error)) from error

    def source(self, name: str) -> Path | Source:
        """See ``Place``."""
        return self._path / name

    def deliver(self, file: Path, name: str, mark: str) -> None:
        """See ``Place``."""
        target, draft = self._path / name, self._path / draft_name(name, mark)
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if target.exists():
                raise BackupError("backup-exists", path=target)
            for left in self._path.glob(draft_name("*", mark)):
                left.unlink()
            try:
                written = _copy(file, draft)
                if digest(draft) != written:
                    raise BackupError("backup-not-as-written", target=self._path)
                draft.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    draft.unlink(missing_ok=True)
                raise
            sync_folder(self._path)
        except OSError as error:
            raise disk_error(error, self._path) from error

    def remove(self, name: str) -> None:
        """See ``Place``."""
        try:
            (self._path / name).unlink(missing_ok=True)
            sync_folder(self._path)
        except OSError as error:
            raise disk_error(error, self._path) from error


@contextlib.contextmanager
def folder(path: Path) -> Iterator[Folder]:
    """A directory as a place."""
    yield Folder(path)


@contextlib.contextmanager
def stick(mount: Path = STICK) -> Iterator[Folder]:
    """The USB stick; raises ``BackupError("backup-stick-absent")``."""
    if not os.path.ismount(mount):
        raise BackupError("backup-stick-absent")
    yield Folder(mount)


def draft_name(name: str, mark: str) -> str:
    """Name of what is not complete yet: hidden, and ours to tidy away after a power cut."""
    return f".{name}.{mark}.partial"


def digest(path: Path) -> bytes:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _copy(source: Path, target: Path) -> bytes:
    """Copies, durably; the SHA-256 of what was to be written."""
    wanted = hashlib.sha256()
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with source.open("rb") as origin, os.fdopen(descriptor, "wb") as copy:
        while piece := origin.read(_PIECE):
            wanted.update(piece)
            copy.write(piece)
        copy.flush()
        _settle(copy)
    return wanted.digest()


def _settle(file: BinaryIO) -> None:
    os.fsync(file.fileno())
    # What is read back shall come from the medium.
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _name(listed: Listed) -> str:
    return listed.name
