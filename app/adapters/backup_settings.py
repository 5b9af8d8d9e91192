"""What nightly backups need, in the folder ``backup`` of the data; root and the manager share it.

=================  ==========================================================================
``settings.json``  targets, in the order in which they were added
``passphrase``     that of every backup of the schedule
``state.json``     what became of each target
``hosts.json``     keys of SFTP servers, as their administrators confirmed them
``id_ed25519``     the box's own key for these servers, made when it is first needed
=================  ==========================================================================

All of it is in every backup: the box that takes the place of this one goes on with the same targets
without anybody's doing. Nothing is given away by that, for who opens the backup knows its passphrase
and has the data; what the key opens beyond is a folder of such backups.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import asyncssh
import msgspec

from app.adapters.durable import write_private
from app.services.backups import BackupError, check_passphrase
from app.services.deliveries import Record, Target

FOLDER = "backup"

T = TypeVar("T")


class BackupSettings:
    """Implements ``ScheduleStore``; keeps the keys as well."""

    def __init__(self, data: Path) -> None:
        self._folder = data / FOLDER

    # ------------------------------------------------------------ schedule

    def targets(self) -> tuple[Target, ...]:
        """See ``ScheduleStore``."""
        return self._read("settings.json", tuple[Target, ...], ())

    def save_targets(self, targets: Sequence[Target]) -> None:
        """Replaces the schedule."""
        self._write("settings.json", msgspec.json.encode(targets))

    def passphrase(self) -> str:
        """See ``ScheduleStore``; raises ``BackupError("backup-schedule-passphrase")`` without."""
        try:
            return (self._folder / "passphrase").read_text(encoding="utf-8")
        except FileNotFoundError:
            raise BackupError("backup-schedule-passphrase") from None
        except (OSError, ValueError) as error:
            raise self._unreadable("passphrase", error) from error

    def save_passphrase(self, passphrase: str) -> None:
        """Replaces the passphrase. Raises ``BackupError`` for a short one."""
        check_passphrase(passphrase)
        self._write("passphrase", passphrase.encode())

    def records(self) -> tuple[Record, ...]:
        """See ``ScheduleStore``."""
        try:
            return self._read("state.json", tuple[Record, ...], ())
        except BackupError:  # told as never done, and written anew
            return ()

    def save_records(self, records: Sequence[Record]) -> None:
        """See ``ScheduleStore``."""
        self._write("state.json", msgspec.json.encode(records))

    # ------------------------------------------------------------ keys

    def own_key(self) -> asyncssh.SSHKey:
        """The box's key; made when there is none."""
        path = self._folder / "id_ed25519"
        try:
            return asyncssh.read_private_key(path)
        except FileNotFoundError:
            key = asyncssh.generate_private_key(
                "ssh-ed25519", comment=f"bornier@{socket.gethostname()}"
            )
            self._write("id_ed25519", key.export_private_key())
            return key
        except (OSError, ValueError, asyncssh.KeyImportError) as error:
            raise self._unreadable("id_ed25519", error) from error

    def host_key(self, server: str) -> asyncssh.SSHKey:
        """The key pinned for ``host:port``; raises ``BackupError("sftp-host-unknown")``."""
        line = self._read("hosts.json", dict[str, str], {}).get(server)
        if line is None:
            raise BackupError("sftp-host-unknown", server=server)
        try:
            return asyncssh.import_public_key(line)
        except asyncssh.KeyImportError as error:
            raise self._unreadable("hosts.json", error) from error

    def pin(self, server: str, key: asyncssh.SSHKey) -> None:
        """Trusts this key of ``host:port`` from now on, and no other."""
        pinned = self._read("hosts.json", dict[str, str], {})
        pinned[server] = key.export_public_key().decode().strip()
        self._write("hosts.json", msgspec.json.format(msgspec.json.encode(pinned)))

    # ------------------------------------------------------------ files

    def _read(self, name: str, kind: type[T], absent: T) -> T:
        try:
            return msgspec.json.decode((self._folder / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return absent
        except (OSError, msgspec.DecodeError) as error:
            raise self._unreadable(name, error) from error

    def _write(self, name: str, content: bytes) -> None:
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._folder / name, content)
        except OSError as error:
            raise BackupError("backup-not-written", path=self._folder, cause=str(error)) from error

    def _unreadable(self, name: str, error: Exception) -> BackupError:
        return BackupError("backup-unreadable", path=self._folder / name, cause=str(error))
