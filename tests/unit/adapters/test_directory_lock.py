from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters import directory_lock
from app.adapters.directory_lock import MAINTENANCE_LOCK, MANAGER_LOCK, lock
from tests.support.tmpfs import needs_root

HOLDER = """
import sys
from pathlib import Path
from app.adapters.directory_lock import lock
with lock(Path(sys.argv[1]), sys.argv[2]) as free:
    print(free, flush=True)
    sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    with lock(tmp_path, MANAGER_LOCK) as first:
        assert first
        with lock(tmp_path, MANAGER_LOCK) as second:
            assert not second
        with lock(tmp_path, MAINTENANCE_LOCK) as other:
            assert other
    with lock(tmp_path, MANAGER_LOCK) as again:
        assert again


def test_it_ends_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), MANAGER_LOCK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with lock(tmp_path, MANAGER_LOCK) as free:
            assert not free
        holder.kill()
        holder.wait()
        with lock(tmp_path, MANAGER_LOCK) as free:
            assert free


@pytest.mark.parametrize("replaced", [False, True])
def test_a_directory_that_was_replaced_meanwhile_is_not_locked(
    tmp_path: Path, replaced: bool
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    descriptor = directory_lock._opened(data / MANAGER_LOCK)
    assert directory_lock._still_there(data / MANAGER_LOCK, descriptor)
    data.rename(tmp_path / "aside")
    if replaced:
        data.mkdir()
        (data / MANAGER_LOCK).write_bytes(b"")
    assert not directory_lock._still_there(data / MANAGER_LOCK, descriptor)
    os.close(descriptor)


@needs_root
def test_root_leaves_the_lock_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    with lock(tmp_path, MANAGER_LOCK) as free:
        assert free
    owner = (tmp_path / MANAGER_LOCK).stat()
    assert (owner.st_uid, owner.st_gid) == (12345, 12346)
