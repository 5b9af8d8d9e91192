"""Backups in a folder of an SFTP server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import asyncssh

from app.adapters.backup_places import SftpAddress, draft_name
from app.adapters.sftp_link import OPERATION_S, SftpLink
from app.services.backups import SUFFIX, BackupError, Source
from app.services.deliveries import Listed

_PIECE = 1024 * 1024
_BUFFER = 256 * 1024
_ABSENT = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


@contextlib.contextmanager
def sftp_place(
    address: SftpAddress, own_key: asyncssh.SSHKey, host_key: asyncssh.SSHKey
) -> Iterator[SftpPlace]:
    """Connects. Raises ``BackupError`` as every method of the place does."""
    with SftpLink(address, own_key, host_key) as link:
        yield SftpPlace(link)


class SftpPlace:
    """Implements ``Place``."""

    def __init__(self, link: SftpLink) -> None:
        self._link = link

    def list(self) -> Sequence[Listed]:
        """See ``Place``."""

        async def listed() -> list[Listed]:
            async with asyncio.timeout(OPERATION_S):
                try:
                    entries = [
                        entry
                        async for entry in self._link.client.scandir(self._link.address.folder)
                    ]
                except _ABSENT:
                    return []
            found = ((str(entry.filename), entry.attrs.size or 0) for entry in entries)
            return [
                Listed(name, size)
                for name, size in sorted(found)
                if name.endswith(SUFFIX) and not name.startswith(".")
            ]

        return self._link.run(listed())

    def source(self, name: str) -> Path | Source:
        """See ``Place``."""
        return _Remote(self._link, self._path(name))

    def deliver(self, file: Path, name: str, mark: str) -> None:
        """See ``Place``."""
        self._link.run(self._deliver(file, name, mark))

    def remove(self, name: str) -> None:
        """See ``Place``."""

        async def remove() -> None:
            async with asyncio.timeout(OPERATION_S):
                await self._link.client.remove(self._path(name))

        self._link.run(remove())

    # ------------------------------------------------------------ writing

    async def _deliver(self, file: Path, name: str, mark: str) -> None:
        draft, target = self._path(draft_name(name, mark)), self._path(name)
        async with asyncio.timeout(OPERATION_S):
            if not await self._link.client.isdir(self._link.address.folder):
                await self._link.client.makedirs(self._link.address.folder)
            if await self._link.client.exists(target):
                raise BackupError("backup-exists", path=self._shown(name))
            await self._tidy(mark)
        size = file.stat().st_size  # noqa: ASYNC240 - a local file, on a loop of its own
        try:
            written = await self._upload(file, draft)
            if await self._digest(draft) != written:
                raise BackupError("backup-not-as-written", target=self._shown(""))
            async with asyncio.timeout(OPERATION_S):
                await self._link.client.rename(draft, target)
        except BaseException as error:
            failed = isinstance(error, (asyncssh.SFTPFailure, BackupError))
            full = failed and await self._is_full(size)
            with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
                async with asyncio.timeout(OPERATION_S):
                    await self._link.client.remove(draft)
            if full:
                raise BackupError("backup-disk-full", path=self._shown("")) from error
            raise

    async def _tidy(self, mark: str) -> None:
        """Deletes what a broken connection has left of earlier attempts of this machine."""
        ending = draft_name("", mark)[1:]
        async for entry in self._link.client.scandir(self._link.address.folder):
            name = str(entry.filename)
            if name.startswith(".") and name.endswith(ending):
                await self._link.client.remove(self._path(name))

    async def _upload(self, file: Path, draft: str) -> bytes:
        wanted = hashlib.sha256()
        with file.open("rb") as source:
            async with self._link.opened(draft, "wb") as remote:
                while piece := source.read(_PIECE):
                    wanted.update(piece)
                    async with asyncio.timeout(OPERATION_S):
                        await remote.write(piece)
                async with asyncio.timeout(OPERATION_S):
                    with contextlib.suppress(asyncssh.SFTPOpUnsupported):
                        await remote.fsync()
        return wanted.digest()

    async def _digest(self, path: str) -> bytes:
        found = hashlib.sha256()
        async with self._link.opened(path, "rb") as remote:
            while True:
                async with asyncio.timeout(OPERATION_S):
                    piece = await remote.read(_PIECE)
                if not piece:
                    return found.digest()
                found.update(as_bytes(piece))

    async def _is_full(self, size: int) -> bool:
        """Most servers tell a full disk only as a failure."""
        try:
            async with asyncio.timeout(OPERATION_S):
                room = await self._link.client.statvfs(self._link.address.folder)
        except (asyncssh.Error, OSError, TimeoutError):
            return False
        return (room.bavail or 0) * (room.frsize or 0) < size

    def _path(self, name: str) -> str:
        return f"{self._link.address.folder}/{name}"

    def _shown(self, name: str) -> str:
        return f"{self._link.address.host}:{self._path(name)}".rstrip("/")


class _Remote:
    """Implements ``Source``: any part of the file, read when it is asked for."""

    def __init__(self, link: SftpLink, path: str) -> None:
        self._link = link
        self._path = path

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """See ``Source``."""
        file, size = self._link.run(self._look())
        try:
            raw = _Raw(self._link, file, size)
            yield cast("BinaryIO", io.BufferedReader(raw, _BUFFER))
        finally:
            with contextlib.suppress(BackupError):
                self._link.run(file.close())

    async def _look(self) -> tuple[asyncssh.SFTPClientFile, int]:
        async with asyncio.timeout(OPERATION_S):
            try:
                file = await self._link.client.open(self._path, "rb")
            except _ABSENT:
                raise BackupError("backup-not-found", path=self._path) from None
            return file, (await file.stat()).size or 0


class _Raw(io.RawIOBase):
    """A remote file under Python's own buffer."""

    def __init__(self, link: SftpLink, file: asyncssh.SFTPClientFile, size: int) -> None:
        self._link = link
        self._file = file
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is; nothing else."""
        return True

    def seekable(self) -> bool:
        """To any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As any file does."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """The next bytes, at most as many as ``buffer`` holds."""
        piece = self._link.run(self._read(len(buffer)))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    async def _read(self, size: int) -> bytes:
        async with asyncio.timeout(OPERATION_S):
            return as_bytes(await self._file.read(size, self._at))


def as_bytes(piece: str | bytes) -> bytes:
    """What a file that was opened in binary gives."""
    assert isinstance(piece, bytes)
    return piece
