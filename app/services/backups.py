"""Backups: what one holds, when one is accepted, how many are kept.

Files, encryption and the swap of directories are behind two ports, implemented by
``app.adapters.backup_archive`` and ``app.adapters.data_directory``. Everything here blocks: a web
page calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Protocol, TypeVar

import msgspec

from app.config import VERSION
from app.domain.errors import BornierError
from app.services.ports import Clock

T = TypeVar("T")

PRODUCT = "bornier"
SUFFIX = ".bornier-backup"

PASSPHRASE_LEAST = 12
"""Characters. The file may be carried away on a stick and attacked at leisure."""

PART_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\Z"
"""Relative, no hidden file, no step upwards: a backup cannot write outside the directory."""

Size = Annotated[int, msgspec.Meta(ge=0)]


class BackupError(BornierError):
    """A backup could not be made, read or restored; nothing was changed."""


class Part(msgspec.Struct, frozen=True):
    """One file of the data directory."""

    name: Annotated[str, msgspec.Meta(pattern=PART_NAME)]
    size: Size
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Host(msgspec.Struct, frozen=True):
    """The machine: its name to read, and an identifier that tells two of one name apart."""

    name: str
    id: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself, before its parts."""

    product: str
    version: str
    schema: tuple[str, ...]
    """Steps that the schema of the database has taken, in order."""
    created_utc: datetime
    host: Host
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)


class Snapshot(msgspec.Struct, frozen=True):
    """A frozen copy of the data: ``parts`` lie below ``folder`` under their names."""

    folder: Path
    schema: tuple[str, ...]
    parts: tuple[Part, ...]


class Source(Protocol):
    """A backup that lies elsewhere than in a directory of this machine."""

    def opened(self) -> AbstractContextManager[BinaryIO]:
        """The file, to be read from any place in it. Raises ``BackupError``."""
        ...


class BackupVault(Protocol):
    """Backup files. Every method raises ``BackupError``."""

    def write(self, path: Path, passphrase: str, manifest: Manifest, folder: Path) -> None:
        """Makes the file of the parts in ``folder``: complete, durable and checked, or not at
        all.
        """
        ...

    def inspect(self, path: Path | Source, passphrase: str) -> Manifest:
        """The manifest, after a check of the file's beginning and end only."""
        ...

    def verify(self, path: Path | Source, passphrase: str) -> Manifest:
        """The manifest, after a check of every byte."""
        ...

    def extract(
        self,
        path: Path | Source,
        passphrase: str,
        accept: Callable[[Manifest], None],
        folder: Path,
    ) -> Manifest:
        """Checks every byte and writes the parts below ``folder``; ``accept`` may refuse before."""
        ...

    def list(self, folder: Path) -> Sequence[Path]:
        """Files that carry the name of a backup, oldest name first."""
        ...

    def remove(self, path: Path) -> None:
        """Deletes the file."""
        ...


class Staging(Protocol):
    """A directory being prepared beside the data directory."""

    @property
    def folder(self) -> Path:
        """Where the parts go."""
        ...

    def commit(self, made_utc: datetime) -> Path | None:
        """Puts it in the place of the data; where the former data are kept, if there were any.

        ``made_utc`` is when the backup was made.
        """
        ...


class DataDirectory(Protocol):
    """The directory that the manager works on."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A consistent copy, also while a manager runs; gone when left."""
        ...

    def staging(self) -> AbstractContextManager[Staging]:
        """A place to restore into; without a ``commit`` it is gone when left.

        Raises ``BackupError("data-in-use")`` while a manager runs on the directory.
        """
        ...

    def known_schema(self) -> frozenset[str]:
        """Steps of the schema that this version knows."""
        ...


class Packed(msgspec.Struct, frozen=True):
    """A finished backup on its way; its name is the one to keep it under."""

    path: Path
    manifest: Manifest


class Created(msgspec.Struct, frozen=True):
    """The outcome of a backup."""

    path: Path
    manifest: Manifest
    removed: tuple[Path, ...] = ()
    """Older backups of this machine that were deleted."""
    left: tuple[Path, ...] = ()
    """Files named like backups that this passphrase does not open: never deleted."""


class Restored(msgspec.Struct, frozen=True):
    """The outcome of a restore."""

    manifest: Manifest
    kept: Path | None
    """The former data."""


class BackupService:
    """Makes, checks and restores backups of one data directory."""

    def __init__(self, data: DataDirectory, vault: BackupVault, host: Host, clock: Clock) -> None:
        self._data = data
        self._vault = vault
        self._host = host
        self._clock = clock

    def create(self, target: Path, passphrase: str, keep: int | None = None) -> Created:
        """Writes a backup to ``target`` (a directory, or the file to make) and reads it back.

        With ``keep``, older backups of this machine in the same directory are deleted until that
        many remain, the new one included. Raises ``BackupError`` and ``StorageError``.
        """
        check_passphrase(passphrase)
        now = self._clock.utc_now()
        path = target
        if target.suffix != SUFFIX or target.is_dir():
            path = target / self._name(now)
        with self._data.snapshot() as snapshot:
            manifest = self._manifest(snapshot, now)
            self._vault.write(path, passphrase, manifest, snapshot.folder)
        removed: tuple[Path, ...] = ()
        left: tuple[Path, ...] = ()
        if keep is not None:
            others = [(other, other) for other in self._vault.list(path.parent) if other != path]
            removed, left = self.beyond(others, passphrase, keep)
            for other in removed:
                self._vault.remove(other)
        return Created(path, manifest, removed, left)

    @contextmanager
    def packed(self, passphrase: str) -> Iterator[Packed]:
        """A backup in a place of its own, gone when left. Needs room for it beside the data.

        No other maintenance command works meanwhile. Raises ``BackupError`` and ``StorageError``.
        """
        check_passphrase(passphrase)
        now = self._clock.utc_now()
        with self._data.snapshot() as snapshot:
            manifest = self._manifest(snapshot, now)
            path = snapshot.folder / self._name(now)
            self._vault.write(path, passphrase, manifest, snapshot.folder)
            yield Packed(path, manifest)

    @property
    def mark(self) -> str:
        """Tells this machine's unfinished files from those of others."""
        return self._host.id[:12]

    def beyond(
        self, others: Iterable[tuple[T, Path | Source]], passphrase: str, keep: int
    ) -> tuple[tuple[T, ...], tuple[T, ...]]:
        """Which of this machine's other backups to delete so that ``keep`` remain with the newest.

        The second half are those that this passphrase does not open: nobody knows whose they are.
        """
        ours: list[tuple[datetime, int, T]] = []
        left: list[T] = []
        for number, (name, source) in enumerate(others):
            try:
                manifest = self._vault.inspect(source, passphrase)
            except BackupError:
                left.append(name)
                continue
            if manifest.product == PRODUCT and manifest.host.id == self._host.id:
                ours.append((manifest.created_utc, number, name))
        ours.sort(key=lambda each: each[:2], reverse=True)
        return tuple(name for _, _, name in ours[max(0, keep - 1) :]), tuple(left)

    def verify(self, path: Path | Source, passphrase: str) -> Manifest:
        """Reads the whole file; raises ``BackupError`` unless every byte is as it was written."""
        manifest = self._vault.verify(path, passphrase)
        _check_product(manifest)
        return manifest

    def inspect(self, path: Path | Source, passphrase: str) -> Manifest:
        """Reads the manifest only."""
        return self._vault.inspect(path, passphrase)

    def list(self, folder: Path) -> Sequence[Path]:
        """Files that carry the name of a backup, oldest name first."""
        return self._vault.list(folder)

    def restore(self, path: Path | Source, passphrase: str) -> Restored:
        """Puts the backup in the place of the data; an older schema is migrated at the next start.

        Raises ``BackupError``, with nothing changed, when the file is damaged, foreign, of a later
        schema or the passphrase is wrong, and while a manager runs.
        """
        with self._data.staging() as staging:
            manifest = self._vault.extract(path, passphrase, self._accept, staging.folder)
            return Restored(manifest, staging.commit(manifest.created_utc))

    def _accept(self, manifest: Manifest) -> None:
        _check_product(manifest)
        if not self._data.known_schema().issuperset(manifest.schema):
            raise BackupError("backup-newer", version=manifest.version)

    def _name(self, now_utc: datetime) -> str:
        # A box is called after the product already.
        host = self._host.name.removeprefix(f"{PRODUCT}-")
        return f"{PRODUCT}-{host}-{now_utc:%Y%m%dT%H%M%SZ}{SUFFIX}"

    def _manifest(self, snapshot: Snapshot, now_utc: datetime) -> Manifest:
        return Manifest(PRODUCT, VERSION, snapshot.schema, now_utc, self._host, snapshot.parts)


def check_passphrase(passphrase: str) -> None:
    """Raises ``BackupError`` for one that could be found by trying."""
    if len(passphrase) < PASSPHRASE_LEAST:
        raise BackupError("backup-passphrase-short", least=PASSPHRASE_LEAST)


def _check_product(manifest: Manifest) -> None:
    if manifest.product != PRODUCT:
        raise BackupError("backup-foreign")
