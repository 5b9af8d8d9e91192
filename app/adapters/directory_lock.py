"""One manager per data directory: a lock that ends with its process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

MANAGER_LOCK = ".manager.lock"
"""Held while a manager runs, and while a restore takes the data away from under it."""

MAINTENANCE_LOCK = ".maintenance.lock"
"""Held by one maintenance command at a time; a manager may run meanwhile."""


@contextlib.contextmanager
def lock(directory: Path, name: str) -> Iterator[bool]:
    """Holds the lock inside the block; yields whether it was free. ``directory`` exists."""
    path = directory / name
    descriptor = _opened(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            # A restore may have put another directory here since the file was opened.
            yield _still_there(path, descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """The lock's file: of the directory's owner, also when root is the first to need it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    owner = path.parent.stat()
    if os.fstat(descriptor).st_uid != owner.st_uid and os.geteuid() == 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _still_there(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
