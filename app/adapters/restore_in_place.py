"""A restore into a directory that cannot change places with another: the box mounts its data.

The restored files lie ready in a hidden folder of the directory. Its name says what is being done,
so that whoever comes after a power cut goes on, never back:

1. ``.restored-1-<utc>``: the former files move to ``.before-restore-<utc>``
2. ``.restored-2-<utc>``: the restored ones move out of it to where they belong

Hidden files (locks), earlier backups and what is made anew at each start stay.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from app.adapters.durable import give, sync_folder

BACKUPS = "backups"
"""Folder of the data directory for backups; a restore leaves it where it is."""

MADE_ANEW = frozenset({"openssl.cnf"})
"""Written at each start."""

_STAYING = MADE_ANEW | {BACKUPS}
_FIRST = ".restored-1-"
_SECOND = ".restored-2-"
_BEFORE = ".before-restore-"


def is_needed(directory: Path) -> bool:
    """Whether the directory has to stay what it is."""
    return directory.is_dir() and (directory.is_mount() or not os.access(directory.parent, os.W_OK))


def is_underway(directory: Path) -> bool:
    """Whether a restore was interrupted in it."""
    return any(directory.glob(".restored-[12]-*"))


def begin(ready: Path, directory: Path, stamp: str) -> Path | None:
    """Brings what lies ready to its place; where the former files are, if there were any.

    ``ready`` is complete, durable, a hidden folder of the directory. Raises ``OSError``.
    """
    for older in directory.glob(f"{_BEFORE}*"):
        shutil.rmtree(older)  # on a box nobody else tidies up
    ready.rename(directory / f"{_FIRST}{stamp}")
    sync_folder(directory)
    return finish(directory)


def finish(directory: Path) -> Path | None:
    """Goes on with a restore that has begun; does nothing without. Raises ``OSError``."""
    for first in directory.glob(f"{_FIRST}*"):
        _move_out(directory, _aside(first))
        first.rename(first.with_name(first.name.replace(_FIRST, _SECOND)))
        sync_folder(directory)
    aside = None
    for second in directory.glob(f"{_SECOND}*"):
        for entry in sorted(second.iterdir()):
            entry.rename(directory / entry.name)
        sync_folder(directory)
        second.rmdir()
        aside = _aside(second)
        if aside.is_dir() and not any(aside.iterdir()):
            aside.rmdir()  # an empty directory had been prepared
        sync_folder(directory)
    return aside if aside is not None and aside.is_dir() else None


def _aside(phase: Path) -> Path:
    return phase.with_name(_BEFORE + phase.name.removeprefix(_FIRST).removeprefix(_SECOND))


def _move_out(directory: Path, aside: Path) -> None:
    aside.mkdir(mode=0o700, exist_ok=True)
    give(aside, directory.stat())
    for entry in sorted(directory.iterdir()):
        if not entry.name.startswith(".") and entry.name not in _STAYING:
            entry.rename(aside / entry.name)
    sync_folder(aside)
    sync_folder(directory)
