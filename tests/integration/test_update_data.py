"""A failed update gives the box back to the version before it: with its data, whatever happened
meanwhile. Both versions are this code with a directory of migrations each; power cuts end a real
process before each of its steps on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, open_store
from app.adapters.storage.database import MIGRATIONS, open_for_writing
from app.adapters.storage.migration import migrate
from app.domain.errors import StorageError
from app.domain.station import ConnectorKey
from app.services.ports import NewTransaction, StoredLimit
from tests.integration.test_kill import site
from tests.support.running import RunningManager
from tests.support.tmpfs import needs_root, small_disk

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAME = "bornier.sqlite3"
SECOND, THIRD = "0002_colour", "0003_shape"

STEP = """
def up(migrator, database):
    database.execute_sql("ALTER TABLE station ADD COLUMN {column} TEXT")
"""


@pytest.fixture
def versions(tmp_path: Path) -> dict[int, Path]:
    """Directories of migrations: each version knows one step more than the one before."""
    made: dict[int, Path] = {}
    for version, column in ((1, None), (2, "colour"), (3, "shape")):
        made[version] = tmp_path / f"version-{version}"
        shutil.copytree(made.get(version - 1, MIGRATIONS), made[version])
        if column is not None:
            step = made[version] / f"000{version}_{column}.py"
            step.write_text(STEP.format(column=column))
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / NAME


def started(path: Path, migrations: Path, at_utc: datetime | None = None) -> SqliteStore:
    return open_store(path, migrations=migrations, back_at_utc=at_utc or datetime.now(UTC))


async def charge(store: SqliteStore, meter_wh: int) -> int:
    record, _ = await store.transactions.start(
        NewTransaction("A", 1, "T", NOON, NOON + timedelta(seconds=meter_wh), meter_wh)
    )
    return record.transaction_id


def charges(path: Path) -> set[int]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT meter_start_wh FROM charge_transaction")
        return {row[0] for row in rows}


def run_once(path: Path, migrations: Path, meter_wh: int, *, crash: bool = False) -> int:
    """A manager starts, notes one charge and ends; its number."""

    async def run() -> int:
        store = started(path, migrations)
        number = await charge(store, meter_wh)
        if crash:
            store.abandon()
        else:
            await store.close()
        return number

    return asyncio.run(run())


def beside(path: Path) -> set[str]:
    return {each.name.removeprefix(NAME) for each in path.parent.iterdir()} - {""}


def test_a_failed_update_gives_the_data_back(
    path: Path, versions: dict[int, Path], caplog: pytest.LogCaptureFixture
) -> None:
    run_once(path, versions[1], 1)
    last = run_once(path, versions[3], 2)
    assert beside(path) == {f".before-{SECOND}"}
    with caplog.at_level(logging.CRITICAL):
        number = run_once(path, versions[1], 3)
    assert "set aside" in caplog.text
    assert number > last, "a number that the later version may have given out was given again"
    assert charges(path) == {1, 3}
    (aside,) = path.parent.glob(f"{NAME}.of-later-version-*")
    assert charges(aside) == {1, 2}
    assert beside(path) == {aside.name.removeprefix(NAME), ".set-aside.json"}
    # Once more: the update is repeated, and fails again.
    run_once(path, versions[3], 4)
    assert charges(path) == {1, 3, 4}
    run_once(path, versions[1], 5)
    assert charges(path) == {1, 3, 5}
    assert len(list(path.parent.glob(f"{NAME}.of-later-version-*"))) == 1


async def test_what_was_set_aside_is_known_until_its_file_is_deleted(
    path: Path, versions: dict[int, Path]
) -> None:
    store = started(path, versions[1])
    assert store.set_aside is None
    await store.limits.save([StoredLimit(ConnectorKey("A", 1), 6_000, None)])
    await store.close()
    before = datetime.now(UTC) - timedelta(seconds=2)
    await started(path, versions[2]).close()
    store = started(path, versions[1], datetime.now(UTC) + timedelta(minutes=10))
    aside = store.set_aside
    assert aside is not None
    assert before <= aside.since_utc <= datetime.now(UTC)
    assert aside.at_utc - aside.since_utc >= timedelta(minutes=9)
    assert await store.limits.load() == []  # stations may have seen them raised since
    await store.close()
    store = started(path, versions[1])
    assert store.set_aside == aside
    await store.close()
    (path.parent / aside.file).unlink()
    store = started(path, versions[1])
    assert store.set_aside is None
    await store.close()


def test_the_log_of_a_dead_later_version_goes_along(path: Path, versions: dict[int, Path]) -> None:
    run_once(path, versions[1], 1)
    # Killed before anything of it has reached the main file.
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from tests.integration.test_update_data import charge, started\n"
        "async def run():\n"
        "    store = started(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "    await charge(store, 2)\n"
        "    os._exit(9)\n"
        "asyncio.run(run())\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, path, versions[2]], check=False)
    assert ended.returncode == 9
    assert path.with_name(f"{NAME}-wal").stat().st_size > 0
    run_once(path, versions[1], 3)
    assert charges(path) == {1, 3}
    (aside,) = (
        each for each in path.parent.glob(f"{NAME}.of-later*") if not each.name.endswith("-wal")
    )
    assert charges(aside) == {1, 2}


@needs_root
def test_what_root_keeps_belongs_to_the_manager(path: Path, versions: dict[int, Path]) -> None:
    run_once(path, versions[1], 1)
    os.chown(path, 12345, 12346)
    run_once(path, versions[2], 2)
    copy = path.with_name(f"{NAME}.before-{SECOND}")
    assert (copy.stat().st_uid, copy.stat().st_gid) == (12345, 12346)
    assert copy.stat().st_mode & 0o777 == 0o600


def test_only_a_manager_goes_back(path: Path, versions: dict[int, Path]) -> None:
    run_once(path, versions[1], 1)
    run_once(path, versions[2], 2)
    with pytest.raises(StorageError) as refused:
        open_store(path, migrations=versions[1])
    assert refused.value.key == "storage-newer"
    assert charges(path) == {1, 2}


@pytest.mark.parametrize("spoilt", ["absent", "damaged", "unknown"])
def test_without_a_good_copy_the_file_is_refused(
    path: Path, versions: dict[int, Path], spoilt: str
) -> None:
    run_once(path, versions[1], 1)
    run_once(path, versions[2], 2)
    copy = path.with_name(f"{NAME}.before-{SECOND}")
    if spoilt == "absent":
        copy.unlink()
    elif spoilt == "damaged":
        with copy.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 16384)
    else:
        with contextlib.closing(sqlite3.connect(copy)) as database, database:
            database.execute(
                "UPDATE schema_migration SET name = '0009_unheard_of'"
                " WHERE name = (SELECT max(name) FROM schema_migration)"
            )
    before = beside(path)
    with pytest.raises(StorageError) as refused:
        started(path, versions[1])
    assert refused.value.key == "storage-newer"
    assert charges(path) == {1, 2}
    assert beside(path) == before


def test_a_copy_is_kept_for_the_version_before_only(path: Path, versions: dict[int, Path]) -> None:
    for version, migrations in versions.items():
        run_once(path, migrations, version)
    assert beside(path) == {f".before-{THIRD}"}
    run_once(path, versions[2], 4)
    assert charges(path) == {1, 2, 4}


def test_a_migration_that_fails_changes_nothing(path: Path, versions: dict[int, Path]) -> None:
    run_once(path, versions[1], 1)
    (versions[2] / f"{SECOND}.py").write_text(
        STEP.format(column="colour") + '    database.execute_sql("SELECT * FROM nothing")\n'
    )
    with pytest.raises(StorageError):
        started(path, versions[2])
    run_once(path, versions[1], 2)
    assert charges(path) == {1, 2}
    assert beside(path) == {f".before-{SECOND}"}


def test_no_room_for_the_copy(path: Path, versions: dict[int, Path]) -> None:
    run_once(path, versions[1], 1)
    database = open_for_writing(path, synchronous="full")
    with pytest.raises(StorageError) as refused:
        migrate(database, versions[2], room_left=1 << 60)
    assert refused.value.key == "storage-no-room"
    database.close()
    assert beside(path) == set()
    run_once(path, versions[1], 2)
    assert charges(path) == {1, 2}


@needs_root
def test_a_disk_that_is_full(tmp_path: Path, versions: dict[int, Path]) -> None:
    with small_disk(tmp_path / "small", 4096) as folder:
        path = folder / NAME
        run_once(path, versions[1], 1)
        with pytest.raises(StorageError) as refused:
            started(path, versions[2])
        assert refused.value.key == "storage-no-room"
        run_once(path, versions[1], 2)
        assert charges(path) == {1, 2}


def test_a_manager_starts_and_says_what_it_left(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path, site())
    manager.start()
    manager.stop()
    path = manager.data / NAME
    shutil.copy(path, path.with_name(f"{NAME}.before-9999_future"))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        applied = datetime.now() - timedelta(minutes=9)  # noqa: DTZ005 - as peewee writes it
        database.execute(
            "INSERT INTO schema_migration (name, applied) VALUES ('9999_future', ?)",
            (str(applied),),
        )
    manager.start()
    report = manager.health()
    manager.stop()
    assert report is not None
    assert report["ready"]
    (check,) = (each for each in report["checks"] if each["name"] == "data")
    assert not check["ok"]
    assert ".of-later-version-" in check["detail"]
    note = json.loads(path.with_name(f"{NAME}.set-aside.json").read_text())["aside"]
    lost = datetime.fromisoformat(note["at_utc"]) - datetime.fromisoformat(note["since_utc"])
    assert lost >= timedelta(minutes=9)


# ---------------------------------------------------------------- power cuts

# Forks for each number of steps on the disk, until one process ends by itself. A step is what the
# interpreter reports of files: renaming, deleting, opening, connecting SQLite.
CUTTER = """
import json, os, shutil, sys
from pathlib import Path
from tests.integration.test_update_data import NAME, run_once

source, work, migrations, meter_wh = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
STEPS = {"os.rename", "os.remove", "open", "sqlite3.connect"}
cut = 0
while True:
    folder = work / f"{cut:03}"
    shutil.copytree(source, folder)
    child = os.fork()
    if child == 0:
        left = cut
        def hook(event, arguments):
            global left
            if event in STEPS and str(folder) in str(arguments[:2]):
                if left == 0:
                    os._exit(9)
                left -= 1
        sys.addaudithook(hook)
        try:
            run_once(folder / NAME, migrations, meter_wh)
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, 9):
        sys.exit(status)
    cut += 1
    if status == 0:
        sys.exit(0)
"""


def cut_everywhere(path: Path, migrations: Path, meter_wh: int, work: Path) -> Iterator[Path]:
    """The database after a run of a version that was cut before each of its steps."""
    work.mkdir()
    arguments = [str(path.parent), str(work), str(migrations), str(meter_wh)]
    done = subprocess.run([sys.executable, "-c", CUTTER, *arguments], check=False)
    assert done.returncode == 0
    folders = sorted(work.iterdir())
    assert len(folders) > 8
    for folder in folders:
        yield folder / NAME


def twin(path: Path) -> Path:
    folder = path.parent.with_name(f"{path.parent.name}-twin")
    shutil.copytree(path.parent, folder)
    return folder / NAME


def test_a_power_cut_at_any_step_of_an_update(
    tmp_path: Path, path: Path, versions: dict[int, Path]
) -> None:
    run_once(path, versions[1], 1)
    for cut in cut_everywhere(path, versions[3], 2, tmp_path / "cut"):
        other = twin(cut)
        # Either version starts, and the later one's copy is still of use to the one before it.
        run_once(cut, versions[1], 3)
        assert charges(cut) in ({1, 3}, {1, 2, 3})
        run_once(other, versions[3], 4)
        assert charges(other) >= {1, 4}
        assert [name for name in beside(other) if "before" in name] == [f".before-{SECOND}"]
        run_once(other, versions[1], 5)
        assert charges(other) == {1, 5}


def test_a_power_cut_at_any_step_of_the_way_back(
    tmp_path: Path, path: Path, versions: dict[int, Path]
) -> None:
    run_once(path, versions[1], 1)
    run_once(path, versions[3], 2, crash=True)
    for cut in cut_everywhere(path, versions[1], 3, tmp_path / "cut"):
        other = twin(cut)
        run_once(cut, versions[1], 4)
        assert charges(cut) in ({1, 4}, {1, 3, 4})
        (aside,) = (
            each for each in cut.parent.glob(f"{NAME}.of-later*") if not each.name.endswith("-wal")
        )
        assert charges(aside) == {1, 2}
        note = json.loads((cut.parent / f"{NAME}.set-aside.json").read_text())
        assert note["aside"]["file"] == aside.name
        # The box may also try the later version again.
        run_once(other, versions[3], 5)
        assert {1, 5} <= charges(other)
        run_once(other, versions[1], 6)
        assert 6 in charges(other)


def test_an_update_interrupted_amid_its_steps_keeps_the_first_copy(
    path: Path, versions: dict[int, Path]
) -> None:
    run_once(path, versions[1], 1)
    run_once(path, versions[2], 2)  # as if version 3 had been cut after its first step
    path.with_name(f"{NAME}.before-{SECOND}").rename(
        path.with_name(f"{NAME}.before-{SECOND}.underway")
    )
    run_once(path, versions[3], 3)
    assert beside(path) == {f".before-{SECOND}"}
    run_once(path, versions[1], 4)
    assert charges(path) == {1, 4}
