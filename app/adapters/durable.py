"""Files that survive a power cut: whole under their name, or not there."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Makes the names in the directory durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Makes the contents of a file durable that something else has written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(
    path: Path, content: bytes, mode: int = 0o600, owner: os.stat_result | None = None
) -> None:
    """Replaces a file in a folder that is there: after a power cut it is the old or the new one.

    With ``owner``, root makes it for the account that owns another file. Raises ``OSError``.
    """
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if owner is not None:
        give(draft, owner)
    draft.replace(path)
    sync_folder(path.parent)


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file that only the account may read that the folder above its own belongs to.

    So root may write for the manager. Makes the file's folder when it is absent; the one above is
    there. Raises ``OSError``.
    """
    owner = path.parent.parent.stat()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    give(path.parent, owner)
    write_whole(path, content, owner=owner)


def give(path: Path, owner: os.stat_result) -> None:
    """Lets root make a file for the account that owns another one."""
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)
