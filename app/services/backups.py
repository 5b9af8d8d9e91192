"""Backups: what one holds, when one is accepted, how many are kept.

Files, encryption and the swap of directories are behind two ports, implemented by
``app.adapters.backup_archive`` and ``app.adapters.data_directory``. Everything here blocks: a web
page calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from app.config import VERSION
from app.domain.errors import BornierError
from app.services.ports import Clock

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


class BackupVault(Protocol):
    """Backup files. Every method raises ``BackupError``."""

    def write(self, path: Path, passphrase: str, manifest: Manifest, folder: Path) -> None:
        """Makes the file of the parts in ``folder``: complete, durable and checked, or not at
        all.
        """
        ...

    def inspect(self, path: Path, passphrase: str) -> Manifest:
        """The manifest, after a check of the file's beginning and end only."""
        ...

    def verify(self, path: Path, passphrase: str) -> Manifest:
        """The manifest, after a check of every byte."""
        ...

    def extract(
        self, path: Path, passphrase: str, accept: Callable[[Manifest], None], folder: Path
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
        if len(passphrase) < PASSPHRASE_LEAST:
            raise BackupError("backup-passphrase-short", least=PASSPHRASE_LEAST)
        now = self._clock.utc_now()
        path = target
        if target.suffix != SUFFIX or target.is_dir():
            path = target / f"{PRODUCT}-{self._host.name}-{now:%Y%m%dT%H%M%SZ}{SUFFIX}"
        with self._data.snapshot() as snapshot:
            manifest = Manifest(PRODUCT, VERSION, snapshot.schema, now, self._host, snapshot.parts)
            self._vault.write(path, passphrase, manifest, snapshot.folder)
        removed: tuple[Path, ...] = ()
        left: tuple[Path, ...] = ()
        if keep is not None:
            removed, left = self._prune(path, passphrase, keep)
        return Created(path, manifest, removed, left)

    def verify(self, path: Path, passphrase: str) -> Manifest:
        """Reads the whole file; raises ``BackupError`` unless every byte is as it was written."""
        manifest = self._vault.verify(path, passphrase)
        _check_product(manifest)
        return manifest

    def inspect(self, path: Path, passphrase: str) -> Manifest:
        """Reads the manifest only."""
        return self._vault.inspect(path, passphrase)

    def list(self, folder: Path) -> Sequence[Path]:
        """Files that carry the name of a backup, oldest name first."""
        return self._vault.list(folder)

    def restore(self, path: Path, passphrase: str) -> Restored:
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

    def _prune(
        self, newest: Path, passphrase: str, keep: int
    ) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        ours: list[tuple[datetime, Path]] = []
        left: list[Path] = []
        for path in self._vault.list(newest.parent):
            if path == newest:
                continue
            try:
                manifest = self._vault.inspect(path, passphrase)
            except BackupError:
                left.append(path)
                continue
            if manifest.product == PRODUCT and manifest.host.id == self._host.id:
                ours.append((manifest.created_utc, path))
        ours.sort(reverse=True)
        removed = [path for _, path in ours[max(0, keep - 1) :]]
        for path in removed:
            self._vault.remove(path)
        return tuple(removed), tuple(left)


def _check_product(manifest: Manifest) -> None:
    if manifest.product != PRODUCT:
        raise BackupError("backup-foreign")
