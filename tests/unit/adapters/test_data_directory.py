from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters import restore_in_place
from app.adapters.data_directory import DATABASE_FILE, LocalData, exchange
from app.adapters.directory_lock import MAINTENANCE_LOCK, MANAGER_LOCK, lock
from app.adapters.storage import SqliteStore, open_store
from app.adapters.storage.copies import applied_steps, check_integrity, known_steps
from app.domain.errors import BornierError, StorageError
from app.domain.station import ConnectorKey
from app.services.backups import BackupError, DataDirectory
from app.services.ports import NewTransaction, StoredLimit, User, WebSession
from tests.support.clock import HandClock
from tests.support.tmpfs import needs_root, small_disk

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST = 50_340_001
"""Number of the first transaction of a database that was made on that day."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def store(data: Path) -> SqliteStore:
    """A used directory: a database with a transaction, a certificate, settings."""
    opened = open_store(data / DATABASE_FILE)
    await opened.transactions.start(NewTransaction("A-001", 1, "04a1", NOON, NOON, 200))
    await opened.limits.save([StoredLimit(ConnectorKey("A-001", 1), 6_000, None)])
    await opened.access.save_user(User("admin", "hash", False))
    await opened.access.save_session(WebSession("t", "admin", "c", NOON, NOON))
    (data / "ui.crt").write_text("certificate")
    (data / "ui.key").write_text("key")
    return opened


@pytest.fixture
async def used(store: SqliteStore) -> None:
    await store.close()


def local(data: Path) -> DataDirectory:
    return LocalData(data, HandClock(NOON))


def transactions(path: Path) -> list[int]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT transaction_id FROM charge_transaction")]


def damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)


def leftovers(data: Path) -> list[Path]:
    return list(data.glob(".copying-*"))


# ---------------------------------------------------------------- copying


async def test_a_copy_holds_what_must_survive(store: SqliteStore, data: Path) -> None:
    (data / "further").mkdir()
    (data / "further" / "ca.pem").write_text("ca")
    for name in (
        "openssl.cnf",
        "ui.crt.new",
        ".hidden",
        "old.bornier-backup",
        "a b",
        "frames.sqlite3",
    ):
        (data / name).write_text("left out")
    (data / "backups").mkdir()
    (data / "backups" / "x.txt").write_text("left out")
    (data / ".copying-left").mkdir()
    (data / "link").symlink_to("/etc/passwd")
    with local(data).snapshot() as snapshot:
        assert [part.name for part in snapshot.parts] == [
            DATABASE_FILE,
            "further/ca.pem",
            "ui.crt",
            "ui.key",
        ]
        assert snapshot.schema == tuple(sorted(known_steps()))
        for part in snapshot.parts:
            assert (snapshot.folder / part.name).stat().st_size == part.size
        copy = snapshot.folder / DATABASE_FILE
        assert transactions(copy) == transactions(data / DATABASE_FILE)
        with contextlib.closing(sqlite3.connect(copy)) as database:
            assert database.execute("SELECT count(*) FROM account").fetchone() == (1,)
            assert database.execute("SELECT count(*) FROM web_session").fetchone() == (0,)
            assert database.execute("SELECT count(*) FROM connector_limit").fetchone() == (0,)
            assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert snapshot.folder.stat().st_mode & 0o777 == 0o700
    assert not leftovers(data)
    await store.close()


async def test_what_is_only_in_the_log_of_a_dead_manager_is_copied(
    store: SqliteStore, data: Path, tmp_path: Path
) -> None:
    dead = tmp_path / "dead"
    shutil.copytree(data, dead)  # while it is open: as a power cut leaves it
    await store.close()
    assert (dead / f"{DATABASE_FILE}-wal").stat().st_size > 0
    with local(dead).snapshot() as snapshot:
        assert transactions(snapshot.folder / DATABASE_FILE) == [FIRST]


async def test_what_an_update_keeps_is_no_part_of_the_data(used: None, data: Path) -> None:
    for ending in (".before-0002_x", ".of-later-version-20261122T120000Z", ".set-aside.json"):
        (data / f"{DATABASE_FILE}{ending}").write_text("kept for an update")
    (data / "backup").mkdir()
    (data / "backup" / "settings.json").write_text("[]")
    with local(data).snapshot() as snapshot:
        names = {part.name for part in snapshot.parts}
    assert names == {DATABASE_FILE, "ui.crt", "ui.key", "backup/settings.json"}


async def test_one_maintenance_command_at_a_time(used: None, data: Path) -> None:
    with lock(data, MAINTENANCE_LOCK), pytest.raises(BackupError) as refused:
        with local(data).snapshot():
            pass
    assert refused.value.key == "data-maintained"


def test_nothing_to_copy(tmp_path: Path) -> None:
    with pytest.raises(BackupError) as refused, local(tmp_path / "absent").snapshot():
        pass
    assert refused.value.key == "data-missing"
    assert not (tmp_path / "absent").exists()


async def test_a_damaged_database_is_not_backed_up(used: None, data: Path) -> None:
    damage(data / DATABASE_FILE)
    with pytest.raises(StorageError) as refused, local(data).snapshot():
        pass
    assert refused.value.key == "storage-damaged"
    assert not leftovers(data)


async def test_rows_that_refer_to_nothing_are_damage(used: None, data: Path) -> None:
    with contextlib.closing(sqlite3.connect(data / DATABASE_FILE)) as database:
        database.execute(
            "INSERT INTO connector VALUES ('gone', 1, 3, 'RST', 32000, 6000, 1000, 1, 0)"
        )
        database.commit()
    with pytest.raises(StorageError) as refused:
        check_integrity(data / DATABASE_FILE)
    assert refused.value.params == {"cause": "connector"}


def test_a_file_without_a_schema(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(StorageError):
        applied_steps(tmp_path / "x")


@needs_root
@pytest.mark.parametrize("room_kib", [512, 620])
async def test_a_full_disk_keeps_the_data_and_no_copy(
    used: None, data: Path, tmp_path: Path, room_kib: int
) -> None:
    with small_disk(tmp_path / "small", room_kib) as disk:
        shutil.copytree(data, disk / "data")
        filling = (disk / "data" / "big.json").open("wb", buffering=0)
        with filling, contextlib.suppress(OSError):
            while filling.write(b"x" * 1024):
                if shutil.disk_usage(disk).free < 1024 * (room_kib - 512):
                    break
        before = sorted(path.name for path in (disk / "data").iterdir())
        with pytest.raises(BackupError) as refused, local(disk / "data").snapshot():
            pass
        assert refused.value.key == "backup-disk-full"
        after = {path.name for path in (disk / "data").iterdir()}
        assert after - set(before) <= {MAINTENANCE_LOCK, f"{DATABASE_FILE}-shm"} | {
            f"{DATABASE_FILE}-wal"
        }


# ---------------------------------------------------------------- restoring


@pytest.fixture
async def backup(used: None, data: Path, tmp_path: Path) -> Path:
    """A folder with the parts of a backup."""
    folder = tmp_path / "parts"
    with local(data).snapshot() as snapshot:
        shutil.copytree(snapshot.folder, folder)
    return folder


def restored(data: Path, backup: Path, made_utc: datetime = NOON) -> Path | None:
    with local(data).staging() as staging:
        shutil.copytree(backup, staging.folder, dirs_exist_ok=True)
        return staging.commit(made_utc)


def visible(folder: Path) -> dict[str, bytes]:
    """Content of every file that a person sees, SQLite's companions apart."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and not path.name.endswith(("-wal", "-shm"))
    }


async def next_number(data: Path) -> int:
    store = open_store(data / DATABASE_FILE)
    new, _ = await store.transactions.start(NewTransaction("A-9", 1, "04a1", NOON, NOON, 1))
    await store.close()
    return new.transaction_id


@pytest.mark.parametrize(
    ("age", "ahead"),
    [
        (timedelta(hours=1), 20_001),
        (timedelta(days=3, hours=1), 80_001),
        (timedelta(days=-300), 20_001),
    ],
)
async def test_numbers_given_out_since_the_backup_are_not_given_again(
    backup: Path, tmp_path: Path, age: timedelta, ahead: int
) -> None:
    fresh = tmp_path / "fresh"
    restored(fresh, backup, NOON - age)
    assert await next_number(fresh) == FIRST + ahead


async def test_the_former_database_knows_what_it_gave_out(backup: Path, data: Path) -> None:
    for _ in range(3):  # each restore counts ahead of what the former one may have given out
        former = await next_number(data)
        restored(data, backup)
        assert await next_number(data) > former


async def test_the_backup_of_a_database_without_transactions(
    backup: Path, data: Path, tmp_path: Path
) -> None:
    fresh = tmp_path / "first-day"
    await open_store(fresh / DATABASE_FILE).close()
    early = tmp_path / "early"
    with local(fresh).snapshot() as snapshot:
        shutil.copytree(snapshot.folder, early)
    restored(tmp_path / "other", early)
    assert await next_number(tmp_path / "other") == FIRST
    restored(data, early)
    assert await next_number(data) == FIRST + 1


def test_a_database_that_cannot_be_numbered(backup: Path, tmp_path: Path) -> None:
    (backup / DATABASE_FILE).write_bytes(b"no database " * 500)
    with pytest.raises(StorageError) as refusal:
        restored(tmp_path / "fresh", backup)
    assert refusal.value.key == "storage-damaged"
    assert not (tmp_path / "fresh").exists()


def test_into_a_fresh_place(backup: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "some" / "where"
    assert restored(fresh, backup) is None
    assert sorted(visible(fresh)) == sorted(visible(backup))
    assert [path.name for path in fresh.parent.iterdir()] == ["where"]


def test_into_an_empty_directory(backup: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "prepared"
    fresh.mkdir(mode=0o750)
    assert restored(fresh, backup) is None
    assert sorted(visible(fresh)) == sorted(visible(backup))
    assert fresh.stat().st_mode & 0o777 == 0o750
    assert not list(tmp_path.glob("*before*"))


async def test_the_former_data_are_kept_and_backups_stay_in_place(
    backup: Path, data: Path, tmp_path: Path
) -> None:
    store = open_store(data / DATABASE_FILE)
    await store.transactions.start(NewTransaction("A-002", 1, "04a1", NOON, NOON, 7))
    await store.close()
    (data / "backups").mkdir()
    (data / "backups" / "one").write_text("backup")
    leftover = tmp_path / ".data.restoring-dead"
    leftover.mkdir()
    former = visible(data)
    kept = restored(data, backup)
    assert kept == tmp_path / "data.before-restore-20261122T120000Z"
    assert sorted(visible(data)) == sorted([*visible(backup), "backups/one"])
    assert transactions(data / DATABASE_FILE) == [FIRST]
    assert visible(kept) == {name: c for name, c in former.items() if name != "backups/one"}
    assert transactions(kept / DATABASE_FILE) == [FIRST, FIRST + 1]
    assert not leftover.exists()
    again = restored(data, backup)
    assert again == tmp_path / "data.before-restore-20261122T120000Z-2"


def test_a_link_to_the_data_stays_one(backup: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data)
    kept = restored(tmp_path / "link", backup)
    assert kept is not None
    assert kept.name.startswith("data.before-restore-")
    assert (tmp_path / "link").is_symlink()


def test_without_a_commit_nothing_has_changed(backup: Path, data: Path, tmp_path: Path) -> None:
    before, around = visible(data), sorted(tmp_path.iterdir())
    with local(data).staging() as staging:
        (staging.folder / "ui.crt").write_text("half")
    assert visible(data) == before
    assert sorted(tmp_path.iterdir()) == around


@contextlib.contextmanager
def refused(key: str, data: Path) -> Iterator[None]:
    """The block raises ``key`` and leaves the data and what is around them alone."""
    before, around = visible(data), sorted(data.parent.iterdir())
    with pytest.raises(BornierError) as refusal:
        yield
    assert refusal.value.key == key
    assert visible(data) == before
    assert sorted(data.parent.iterdir()) == around


def test_not_while_a_manager_runs(backup: Path, data: Path) -> None:
    with lock(data, MANAGER_LOCK), refused("data-in-use", data):
        restored(data, backup)


def test_not_while_another_command_works(backup: Path, data: Path) -> None:
    with lock(data, MAINTENANCE_LOCK), refused("data-maintained", data):
        restored(data, backup)


async def test_not_while_anyone_has_the_database_open(backup: Path, data: Path) -> None:
    store = open_store(data / DATABASE_FILE)
    with refused("data-in-use", data):
        restored(data, backup)
    await store.close()


def test_damaged_data_can_be_replaced(backup: Path, data: Path) -> None:
    (data / DATABASE_FILE).write_bytes(b"no database at all " * 1000)
    assert restored(data, backup) is not None
    assert sorted(visible(data)) == sorted(visible(backup))


def test_absent_data_can_be_replaced(backup: Path, data: Path) -> None:
    (data / DATABASE_FILE).unlink()
    kept = restored(data, backup)
    assert kept is not None
    assert sorted(visible(kept)) == ["ui.crt", "ui.key"]


def test_a_damaged_copy_takes_nobodys_place(backup: Path, data: Path) -> None:
    damage(backup / DATABASE_FILE)
    with refused("storage-damaged", data):
        restored(data, backup)


def test_a_place_that_cannot_be_written(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError) as refusal:
        restored(tmp_path / "file" / "data", backup)
    assert refusal.value.key == "backup-not-written"


@needs_root
def test_into_a_mount_point(backup: Path, data: Path, tmp_path: Path) -> None:
    """As on the box, whose data are mounted: nothing beside the directory is touched."""
    with small_disk(tmp_path / "mounted", 8192) as disk:
        os.chown(disk, 12345, 12346)
        assert restored(disk, backup) is None
        first = visible(disk)
        assert first.keys() == visible(backup).keys()
        (disk / "backups").mkdir()
        (disk / "openssl.cnf").write_text("made at each start")
        (disk / "ui.crt").write_text("former")
        aside = restored(disk, backup)
        assert aside is not None
        assert aside.parent == disk
        assert (aside / "ui.crt").read_text() == "former"
        assert (disk / "ui.crt").read_bytes() == first["ui.crt"]
        assert (disk / "backups").is_dir()
        assert (disk / "openssl.cnf").exists()
        for path in disk.rglob("*"):
            if path.name not in {"backups", "openssl.cnf", "ui.crt"}:
                assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346), path
        again = restored(disk, backup)
        assert list(disk.glob(".before-restore-*")) == [again]
        assert transactions(disk / DATABASE_FILE) == transactions(data / DATABASE_FILE)
        with LocalData(disk, HandClock(NOON)).snapshot() as snapshot:
            assert "ui.crt" in {part.name for part in snapshot.parts}
            assert all("before" not in part.name for part in snapshot.parts)
        assert list(tmp_path.glob("*before*")) == []
        assert list(disk.glob(".restor*")) == []


class PowerCut(BaseException):
    """Raised in the place of a step on the disk."""


def test_a_power_cut_at_any_step_inside_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next goes on with what had begun."""
    rename = Path.rename
    for cut in range(100):
        directory = tmp_path / f"{cut}"
        ready = directory / ".restoring-x"
        ready.mkdir(parents=True)
        (ready / "further").mkdir()
        for name in ("ui.crt", "further/new", "database"):
            (ready / name).write_text("restored")
        for name in ("ui.crt", "database", "database-wal"):
            (directory / name).write_text("former")
        left = cut

        def step(path: Path, target: Path) -> Path:
            nonlocal left
            if left == 0:
                raise PowerCut
            left -= 1
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", step)
        ended = False
        try:
            restore_in_place.begin(ready, directory, "utc")
            ended = True
        except PowerCut:
            pass
        monkeypatch.setattr(Path, "rename", rename)
        underway = restore_in_place.is_underway(directory)
        restore_in_place.finish(directory)
        if cut == 0:
            assert not underway
            assert (directory / "database").read_text() == "former"
            continue
        assert underway is not ended
        found = {path.name: path.read_text() for path in directory.glob("[!.]*") if path.is_file()}
        assert found == {"ui.crt": "restored", "database": "restored"}
        assert (directory / "further/new").read_text() == "restored"
        aside = directory / ".before-restore-utc"
        assert {path.name for path in aside.iterdir()} == {"ui.crt", "database", "database-wal"}
        assert not restore_in_place.is_underway(directory)
        if ended:
            assert cut > 6
            return
    raise AssertionError("it never ended")


async def test_a_half_restored_directory_is_not_backed_up(used: None, data: Path) -> None:
    (data / ".restored-1-x").mkdir()
    with pytest.raises(BackupError, match="data-half-restored"), local(data).snapshot():
        pass


@needs_root
def test_root_restores_for_the_account_of_the_manager(backup: Path, data: Path) -> None:
    os.chown(data, 12345, 12346)
    restored(data, backup)
    for path in (data, *data.rglob("*")):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346), path


def test_an_exchange_that_is_impossible(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "here", tmp_path / "absent")
