"""What the commands of backups share: places by their names, the service over its adapters."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from app.adapters.backup_archive import FileVault
from app.adapters.backup_places import (
    SFTP_SCHEME,
    STICK_NAME,
    divided,
    folder,
    sftp_address,
    stick,
)
from app.adapters.backup_settings import BackupSettings
from app.adapters.clock import SystemClock
from app.adapters.data_directory import LocalData
from app.adapters.sftp import sftp_place
from app.console import Console, size_text
from app.services.backups import BackupService, Host, Manifest, Source
from app.services.deliveries import Delivery, Order, Place, newest

_MACHINE_ID = Path("/etc/machine-id")


def is_elsewhere(target: str) -> bool:
    """Whether it is the stick or a server, not a path."""
    return target == STICK_NAME or target.startswith(SFTP_SCHEME)


def order(settings: BackupSettings, target: str, keep: int | None) -> Order:
    """How to serve a target, however it is written."""

    def opened() -> AbstractContextManager[Place]:
        if target == STICK_NAME:
            return stick()
        if not target.startswith(SFTP_SCHEME):
            return folder(Path(target))
        address = sftp_address(target)
        host_key = settings.host_key(address.server)
        return sftp_place(address, settings.own_key(), host_key)

    return Order(target, keep, opened)


@contextlib.contextmanager
def source_of(data: Path, text: str) -> Iterator[tuple[Path | Source, str]]:
    """The backup that ``text`` names, or the newest one of the place that it names."""
    place_name, name = divided(text)
    with order(BackupSettings(data), place_name, None).place() as place:
        if name is None:
            name = newest(place, place_name)
        yield place.source(name), f"{place_name}/{name}"


def service(data: Path | None) -> BackupService:
    """Backups of a data directory; of none, only to read them."""
    clock = SystemClock()
    return BackupService(LocalData(data or Path(), clock), FileVault(), this_host(), clock)


def this_host(machine_id: Path = _MACHINE_ID) -> Host:
    """This machine. The identifier does not give the machine's own away, which is private."""
    name = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower()) or "box"
    try:
        identity = machine_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        identity = name
    return Host(name, hashlib.sha256(b"bornier backup " + identity.encode()).hexdigest()[:32])


def described(manifest: Manifest) -> dict[str, object]:
    """What a backup says of itself, as texts are filled."""
    return {
        "created": f"{manifest.created_utc:%Y-%m-%d %H:%M:%S} UTC",
        "version": manifest.version,
        "host": manifest.host.name,
        "size": size_text(manifest.size),
    }


def say_delivered(console: Console, delivery: Delivery) -> None:
    """Tells of a target that was served."""
    console.say("delivered", target=delivery.target, file=delivery.file)
    say_pruned(
        console,
        [f"{delivery.target}/{name}" for name in delivery.removed],
        [f"{delivery.target}/{name}" for name in delivery.left],
    )


def say_pruned(console: Console, removed: Sequence[object], left: Sequence[object]) -> None:
    """Tells which older files were deleted, and which were not ours."""
    for path in removed:
        console.say("removed", path=path)
    for path in left:
        console.say("left", path=path)
