"""What the exchange of files with stations needs from outside; ``app/adapters`` implements it.

As in ``ports``: a writer returns only when its record is on disk, and raises ``StorageError`` when
it is not. Nothing here blocks the event loop.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from app.domain.errors import StorageError


class Record(NamedTuple):
    """One JSON record under its kind and subject."""

    kind: str
    subject: str
    record: str


class RecordRepository(Protocol):
    """Records of the files area, few enough to be held in memory as well."""

    async def save(self, records: Sequence[Record]) -> None:
        """Inserts or replaces, all or none."""
        ...

    async def remove(self, kind: str, subjects: Sequence[str]) -> None:
        """Forgets them, all or none."""
        ...

    async def load(self, kind: str) -> Sequence[Record]:
        """Every record of the kind, by subject."""
        ...


class Area(enum.StrEnum):
    """Which files a vault keeps apart."""

    FIRMWARE = "firmware"
    DIAGNOSTICS = "diagnostics"


class Received(NamedTuple):
    """A file that is on disk; ``sha256`` in hexadecimal."""

    size: int
    sha256: str


class Receiving(Protocol):
    """A file that is coming in. Whoever opens it ends it, in one of the three ways."""

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        ...

    async def write(self, data: bytes) -> None:
        """Takes more; ``StorageError`` (``files-too-large``, ``files-no-room``, ``storage-full``)
        when that cannot be.
        """
        ...

    async def keep(self) -> Received:
        """Makes the file durable under its name."""
        ...

    async def keep_part(self) -> Received:
        """Makes what has come durable, as a part."""
        ...

    async def drop(self) -> None:
        """Deletes what has come; nothing when the file is kept already."""
        ...


class Reading(Protocol):
    """A file that is open."""

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        ...

    async def read(self, offset: int, most: int) -> bytes:
        """Bytes from there on; empty behind the end."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...


class FileVault(Protocol):
    """Where files lie; their names there are identifiers of ours, never anybody's choice."""

    async def receive(self, area: Area, file_id: str, most: int, /) -> Receiving:
        """Begins a file of at most ``most`` bytes; ``StorageError`` when there is no room."""
        ...

    async def read(self, area: Area, file_id: str, /) -> Reading:
        """Opens a file or a part; ``NotFoundError`` (``file-gone``) when it is not there."""
        ...

    async def remove(self, area: Area, file_ids: Collection[str], /) -> None:
        """Deletes files and parts; those that are not there do not matter."""
        ...

    async def tidy(self, area: Area, known: Collection[str], /) -> int:
        """Deletes what no record knows (left behind by a crash); returns how many."""
        ...

    @property
    def used(self) -> int:
        """Bytes of all files, those coming in included."""
        ...


class FtpGate(Protocol):
    """The FTP port, which is open only while an order needs it."""

    async def open(self) -> None:
        """Listens; nothing when it does already. Raises ``OSError``."""
        ...

    async def close(self) -> None:
        """Ends every connection and the port."""
        ...


class Addresses(Protocol):
    """By which address of ours a station can reach us."""

    async def towards(self, peer: str) -> str:
        """Our address on the way to ``peer``, as it stands in a URL."""
        ...


class _NoVault:
    """A manager without a disk of its own for files: everything is refused."""

    used = 0

    async def receive(self, _area: Area, _file_id: str, _most: int) -> Receiving:
        raise StorageError("files-unavailable")

    async def read(self, _area: Area, _file_id: str) -> Reading:
        raise StorageError("files-unavailable")

    async def remove(self, _area: Area, _file_ids: Collection[str]) -> None:
        """Nothing is there."""

    async def tidy(self, _area: Area, _known: Collection[str]) -> int:
        return 0


class _SameAddress:
    async def towards(self, peer: str) -> str:
        return peer


@dataclass(frozen=True, slots=True)
class FileAdapters:
    """What the exchange of files is given from outside; without, there is none."""

    vault: FileVault = field(default_factory=_NoVault)
    addresses: Addresses = field(default_factory=_SameAddress)
