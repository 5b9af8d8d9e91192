"""The commands as a person types them, in this process; other processes: tests/integration."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.__main__ import main
from app.adapters.certificates import LocalCertificate
from app.adapters.data_directory import DATABASE_FILE
from app.adapters.storage import open_store
from app.backup_wiring import this_host
from app.services.configuration import EMPTY_SITE
from app.services.ports import User


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def used(data: Path) -> None:
    store = open_store(data / DATABASE_FILE)
    await store.site.replace(EMPTY_SITE)
    await store.access.save_user(User("claire", "hash", False, "fr"))
    await store.close()
    LocalCertificate(data, ("localhost",)).ensure(datetime.now(UTC))


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    (tmp_path / "phrase").write_text("a long passphrase\nand a second line\n")
    return str(tmp_path / "phrase")


class Typed:
    """Runs commands; ``out`` and ``err`` are what the last one wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        status = main([str(word) for word in words])
        self.out, self.err = self._capsys.readouterr()
        return status


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(capsys)


def sql(data: Path, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(data / DATABASE_FILE) as database:
        rows = database.execute(statement).fetchall()
    database.close()
    return rows


def test_from_backup_to_restore(
    used: None, data: Path, tmp_path: Path, phrase: str, typed: Typed
) -> None:
    create = ("backup", "create", "--data", data, "--passphrase-file", phrase)
    first = tmp_path / "stick" / "first.bornier-backup"
    assert typed(*create, "--to", first) == 0
    assert typed.out.startswith(f"Backup made: {first} (")
    (tmp_path / "stick" / "alien.bornier-backup").write_text("no backup")
    assert typed(*create, "--to", first.parent, "--keep", 1) == 0
    assert f"Old backup deleted: {first}\n" in typed.out
    assert "left alone: " in typed.out
    (made,) = (path for path in first.parent.iterdir() if path.name.startswith("bornier-"))
    assert typed("backup", "verify", made, "--passphrase-file", phrase) == 0
    assert typed.out.startswith(f"Sound: {made}\n")
    assert typed("backup", "list", made.parent) == 0
    assert len(typed.out.splitlines()) == 2
    assert typed("backup", "list", made.parent, "--passphrase-file", phrase) == 0
    alien, ours = typed.out.splitlines()
    assert alien.endswith("This file is not a backup of Bornier.")
    assert "Bornier 0." in ours
    for words in (("restore",), ("backup", "restore")):
        assert typed(*words, made, "--data", data, "--passphrase-file", phrase) == 0
        assert typed.out.startswith(f"Restored into {data}")
        assert "The former data are kept in" in typed.out
    assert typed("restore", made, "--data", tmp_path / "new", "--passphrase-file", phrase) == 0
    assert "kept" not in typed.out
    assert sql(tmp_path / "new", "SELECT name FROM account") == [("claire",)]


def test_backups_go_to_the_data_by_default(
    used: None, data: Path, phrase: str, typed: Typed
) -> None:
    assert typed("backup", "list", "--data", data) == 0
    assert typed.out == f"No backup in {data}/backups.\n"
    assert typed("backup", "create", "--data", data, "--passphrase-file", phrase) == 0
    assert len(list((data / "backups").iterdir())) == 1


def test_refusals_are_told(data: Path, tmp_path: Path, phrase: str, typed: Typed) -> None:
    assert typed("backup", "create", "--data", data, "--passphrase-file", phrase) == 2
    assert typed.err == f"bornier: {data} holds no data of Bornier.\n"
    assert typed("backup", "verify", phrase, "--passphrase-file", tmp_path / "absent") == 2
    assert typed.err.startswith("bornier: The file of the passphrase cannot be used:")
    (tmp_path / "empty").write_text("")
    assert typed("backup", "create", "--passphrase-file", tmp_path / "empty") == 2
    assert "at least 12" in typed.err
    assert typed("restore", phrase, "--data", data, "--passphrase-file", phrase) == 2
    assert typed.err == "bornier: This file is not a backup of Bornier.\n"
    with pytest.raises(SystemExit) as ended:
        typed("backup", "create", "--keep", "0")
    assert ended.value.code == 2


def test_an_account_gets_a_new_secret(used: None, data: Path, typed: Typed) -> None:
    assert typed("user", "reset", " Claire", "--data", data) == 0
    assert re.search(r"secret of claire: [a-z2-9]{4}(-[a-z2-9]{4}){3}\n", typed.out)
    assert sql(data, "SELECT must_change, language FROM account") == [(1, "fr")]
    assert typed("user", "reset", "admin", "--data", data) == 0
    assert len(sql(data, "SELECT * FROM account")) == 2
    assert typed("user", "reset", "clare", "--data", data) == 2
    assert typed.err == "bornier: There is no account clare.\n"
    assert typed("user", "reset", "admin", "--data", data / "x") == 2
    assert not (data / "x").exists()


def test_a_check_of_a_sound_directory(used: None, data: Path, typed: Typed) -> None:
    before = sorted(data.iterdir())
    assert typed("check", "--data", data) == 0, typed.out
    assert len(typed.out.splitlines()) == 9
    assert all(line.startswith("ok ") for line in typed.out.splitlines())
    assert {path.name for path in set(data.iterdir()) - set(before)} <= {
        ".manager.lock",
        f"{DATABASE_FILE}-wal",
        f"{DATABASE_FILE}-shm",
    }
    sql(data, "DELETE FROM circuit")
    sql(data, "DELETE FROM site")
    assert typed("check", "--data", data) == 0
    assert "site: not configured yet" in typed.out


def test_a_check_tells_what_is_wrong_and_goes_on(used: None, data: Path, typed: Typed) -> None:
    sql(data, "UPDATE circuit SET limit_l1_ma = -1")
    (data / "ui.key").write_text("no key")
    assert typed("check", "--data", data) == 1
    wrong = [line for line in typed.out.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 2
    assert len(typed.out.splitlines()) == 9
    sql(data, "DELETE FROM schema_migration")
    assert typed("check", "--data", data) == 1
    assert "site: not looked at" in typed.out
    (data / DATABASE_FILE).write_bytes(b"no database " * 1000)
    assert typed("check", "--data", data) == 1
    assert "WRONG   The database file is damaged." in typed.out
    (data / DATABASE_FILE).unlink()
    assert typed("check", "--data", data) == 2


def test_machines_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}\n")
    one, other, none = (this_host(tmp_path / name) for name in ("a", "b", "absent"))
    assert len({one.id, other.id, none.id}) == 3
    assert one.name == other.name == none.name
    assert re.fullmatch(r"[a-z0-9-]+", one.name)
