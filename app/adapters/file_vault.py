"""Files of stations on the disk: in threads, bounded, and whole or told to be a part.

Below ``<data>/files``, a folder per area; a file's name is its identifier, never what a station or a
browser called it. What is coming in carries ``.part``.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from app.adapters.durable import sync_folder
from app.domain.errors import NotFoundError, StorageError
from app.services.file_ports import Area, Received

PART: Final = ".part"
ROOM_STEP: Final = 1 << 20
"""The free room is looked at once per so many bytes."""

_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class VaultLimits(msgspec.Struct, frozen=True):
    """What files may take: ``most`` in all; ``floor`` stays free for the manager itself."""

    most: int = 4_000_000_000
    floor: int = 256 << 20


class DiskVault:
    """Implements ``FileVault`` on a folder, which is made when the first file comes."""

    def __init__(self, folder: Path, limits: VaultLimits | None = None) -> None:
        self._folder = folder
        self.limits = limits or VaultLimits()
        self.used = _measured(folder)
        """Bytes of all files, those coming in included."""

    async def receive(self, area: Area, file_id: str, most: int) -> DiskReceiving:
        """See ``FileVault``."""
        path = self._path(area, file_id)
        await asyncio.to_thread(self._make_folder, path.parent)
        self.check_room(0)
        try:
            file = await asyncio.to_thread(_create, path.with_name(path.name + PART))
        except OSError as error:
            raise _trouble(error) from error
        return DiskReceiving(self, path, file, most)

    async def read(self, area: Area, file_id: str) -> DiskReading:
        """See ``FileVault``."""
        path = self._path(area, file_id)
        try:
            file = await asyncio.to_thread(_open_either, path)
        except OSError as error:
            raise NotFoundError("file-gone") from error
        return DiskReading(file, os.fstat(file.fileno()).st_size)

    async def remove(self, area: Area, file_ids: Collection[str]) -> None:
        """See ``FileVault``."""
        paths = [self._path(area, file_id) for file_id in file_ids]
        self.used -= await asyncio.to_thread(_delete, paths)

    async def tidy(self, area: Area, known: Collection[str]) -> int:
        """See ``FileVault``."""
        folder = self._folder / area.value
        count, size = await asyncio.to_thread(_delete_unknown, folder, frozenset(known))
        self.used -= size
        return count

    def check_room(self, more: int) -> None:
        """Raises ``StorageError`` unless ``more`` bytes find room beside what must stay free."""
        if self.used + more > self.limits.most:
            raise StorageError("files-no-room", most_mb=self.limits.most // 1_000_000)
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize - more < self.limits.floor:
            raise StorageError("files-disk-full")

    def _make_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _trouble(error) from error

    def _path(self, area: Area, file_id: str) -> Path:
        if not _ID.fullmatch(file_id):
            raise NotFoundError("file-gone")
        return self._folder / area.value / file_id


class DiskReceiving:
    """Implements ``Receiving``."""

    def __init__(self, vault: DiskVault, path: Path, file: BinaryIO, most: int) -> None:
        self._vault = vault
        self._path = path
        self._file = file
        self._most = most
        self._digest = hashlib.sha256()
        self._looked_at = 0
        self._open = True
        self.size = 0

    async def write(self, data: bytes) -> None:
        """See ``Receiving``."""
        if self.size + len(data) > self._most:
            raise StorageError("files-too-large", most_mb=self._most // 1_000_000)
        if self.size - self._looked_at >= ROOM_STEP or not self.size:
            self._vault.check_room(len(data))
            self._looked_at = self.size
        try:
            await asyncio.to_thread(self._append, data)
        except OSError as error:
            raise _trouble(error) from error
        self.size += len(data)
        self._vault.used += len(data)

    async def keep(self) -> Received:
        """See ``Receiving``."""
        return await self._settle(self._path)

    async def keep_part(self) -> Received:
        """See ``Receiving``."""
        return await self._settle(self._part)

    async def drop(self) -> None:
        """See ``Receiving``."""
        if not self._open:
            return
        self._open = False
        self._vault.used -= self.size
        await asyncio.to_thread(self._delete)

    @property
    def _part(self) -> Path:
        return self._path.with_name(self._path.name + PART)

    async def _settle(self, path: Path) -> Received:
        try:
            await asyncio.to_thread(self._sync, path)
        except OSError as error:
            await self.drop()
            raise _trouble(error) from error
        self._open = False
        return Received(self.size, self._digest.hexdigest())

    def _append(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part
            rest = rest[self._file.write(rest) :]
        self._digest.update(data)

    def _sync(self, path: Path) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(path)
        sync_folder(path.parent)

    def _delete(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


class DiskReading:
    """Implements ``Reading``."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    async def read(self, offset: int, most: int) -> bytes:
        """See ``Reading``."""
        return await asyncio.to_thread(os.pread, self._file.fileno(), most, offset)

    async def close(self) -> None:
        """See ``Reading``."""
        self._file.close()


def _create(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _open_either(path: Path) -> BinaryIO:
    """The whole file, or the part of one."""
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return path.with_name(path.name + PART).open("rb", buffering=0)


def _delete(paths: Collection[Path]) -> int:
    """The bytes that were freed."""
    freed = 0
    for path in paths:
        for each in (path, path.with_name(path.name + PART)):
            try:
                size = each.stat().st_size
                each.unlink()
            except FileNotFoundError:
                continue
            freed += size
    return freed


def _delete_unknown(folder: Path, known: frozenset[str]) -> tuple[int, int]:
    if not folder.is_dir():
        return 0, 0
    unknown = [path for path in folder.iterdir() if path.name.removesuffix(PART) not in known]
    size = sum(path.stat().st_size for path in unknown)
    for path in unknown:
        path.unlink()
    return len(unknown), size


def _measured(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _trouble(error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageError("files-disk-full", cause=str(error))
    return StorageError("storage-failed", cause=str(error))
