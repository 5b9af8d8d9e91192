"""Bringing the schema up to date, with a copy kept for the version before.

An update of the box may fail and give way to the version before it, which cannot use a database
that the update has changed. So a copy is made before an existing database takes its first new step
S: ``bornier.sqlite3.before-S``, named ``….before-S.underway`` until the last step is taken, lest a
start after a power cut amid the steps replaced it by one that the version before does not know.
Once nothing is left to do, the last copy is the only one. ``later_version`` puts it to use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from playhouse.migrations import Runner

from app.adapters.durable import give, sync_file, sync_folder
from app.adapters.storage.copies import applied_steps
from app.adapters.storage.database import MIGRATIONS, Database
from app.domain.errors import StorageError

ROOM_LEFT_BYTES = 32 * 1024 * 1024
"""What must stay free beside the copy: the steps write, and the manager goes on afterwards."""

_UNDERWAY = ".underway"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def migrate(
    database: Database, directory: Path = MIGRATIONS, *, room_left: int = ROOM_LEFT_BYTES
) -> None:
    """Brings the schema up to date.

    Raises ``StorageError``: ``storage-newer`` for a file that a later version has already changed
    (writing to it could destroy what we do not know of), ``storage-no-room`` where the copy has no
    place. Refusing is then the safe side: the database is as it was, so the version before, which
    the box goes back to, works on it.
    """
    runner: Any = Runner(database, str(directory))  # type: ignore[no-untyped-call]
    status = runner.status()
    unknown = [step.name for step in status if step.path is None]
    if unknown:
        raise StorageError("storage-newer", step=unknown[-1])
    applied = frozenset(step.name for step in status if step.applied)
    pending = [step.name for step in status if not step.applied]
    path = Path(database.database)
    if applied and pending:
        _keep_copy(database, path, applied, pending[0], room_left)
    runner.up()
    _settle(path)


def kept_copies(path: Path) -> list[Path]:
    """Copies of the database at ``path`` that were made before a migration."""
    return [
        copy
        for copy in sorted(path.parent.glob(f"{path.name}.before-*"))
        if not copy.name.endswith(("-journal", "-wal", "-shm"))
    ]


def _keep_copy(
    database: Database, path: Path, applied: frozenset[str], step: str, room_left: int
) -> None:
    for copy in path.parent.glob(f"{path.name}.before-*{_UNDERWAY}"):
        if _steps_of(copy) < applied:
            return  # a power cut has interrupted these very steps
    # The version that an older copy was kept for is two behind now.
    for copy in path.parent.glob(f"{path.name}.before-*"):
        copy.unlink()
    pages, page_bytes = (
        database.raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    missing = pages * page_bytes + room_left - shutil.disk_usage(path.parent).free
    if missing > 0:
        raise StorageError("storage-no-room", missing_mib=-(-missing >> 20))
    copy = path.with_name(f"{path.name}.before-{step}{_UNDERWAY}")
    draft = path.with_name(f".{copy.name}.partial")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        give(draft, path.stat())
        _copy(database.raw, draft)
        sync_file(draft)
        draft.rename(copy)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        draft.unlink(missing_ok=True)
        if getattr(error, "errno", None) in _FULL:
            raise StorageError("storage-full", cause=str(error)) from error
        raise


def _copy(source: sqlite3.Connection, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # synced as a whole
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _settle(path: Path) -> None:
    for copy in path.parent.glob(f"{path.name}.before-*{_UNDERWAY}"):
        copy.rename(copy.with_name(copy.name.removesuffix(_UNDERWAY)))
        sync_folder(path.parent)


def _steps_of(copy: Path) -> frozenset[str]:
    """Steps that a copy has taken; of one that cannot be read, more than anyone knows."""
    try:
        return frozenset(applied_steps(copy))
    except StorageError:
        return frozenset({""})
