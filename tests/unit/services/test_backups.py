"""The use case over its real adapters, with a cheap key derivation."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from app.adapters.backup_archive import Cost, FileVault
from app.adapters.data_directory import DATABASE_FILE, LocalData
from app.adapters.storage import open_store
from app.adapters.storage.copies import known_steps
from app.config import VERSION
from app.services.backups import SUFFIX, BackupError, BackupService, Created, Host, Manifest, Part
from tests.support.clock import HandClock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 86_400.0
PHRASE = "twelve letters"
BOX = Host("box", "1")


class Bench:
    """A data directory, its backups, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock(NOON)
        self.data = folder / "data"
        self.out = folder / "out"
        self.vault = FileVault(Cost(1, 1, 1), 4096)
        self.service = self.of(BOX)

    def of(self, host: Host) -> BackupService:
        return BackupService(LocalData(self.data, self.clock), self.vault, host, self.clock)

    def nightly(self, nights: int, keep: int | None, phrase: str = PHRASE) -> list[Created]:
        made = []
        for _ in range(nights):
            made.append(self.service.create(self.out, phrase, keep))
            self.clock.advance(DAY_S)
        return made

    def present(self) -> list[str]:
        return [path.name for path in self.service.list(self.out)]


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    await open_store(made.data / DATABASE_FILE).close()
    return made


def refusal(bench: Bench, path: Path, phrase: str = PHRASE) -> str:
    with pytest.raises(BackupError) as refused:
        bench.service.restore(path, phrase)
    return refused.value.key


def name(day: int, host: str = "box") -> str:
    return f"bornier-{host}-{NOON + timedelta(days=day):%Y%m%dT%H%M%SZ}{SUFFIX}"


def test_a_backup_says_what_it_is(bench: Bench) -> None:
    made = bench.service.create(bench.out, PHRASE)
    assert made.path == bench.out / name(0)
    manifest = bench.service.verify(made.path, PHRASE)
    assert manifest == made.manifest == bench.service.inspect(made.path, PHRASE)
    assert manifest.version == VERSION
    assert manifest.schema == tuple(sorted(known_steps()))
    assert manifest.created_utc == NOON
    assert manifest.host == BOX
    assert [part.name for part in manifest.parts] == [DATABASE_FILE]
    assert manifest.size == manifest.parts[0].size > 0


def test_it_may_be_given_a_name(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / f"mine{SUFFIX}"
    assert bench.service.create(path, PHRASE).path == path
    folder = tmp_path / f"folder{SUFFIX}"
    folder.mkdir()
    assert bench.service.create(folder, PHRASE).path == folder / name(0)


def test_a_box_called_after_the_product_is_named_once(bench: Bench) -> None:
    box = bench.of(Host("bornier-0b0e21", "1"))
    assert box.create(bench.out, PHRASE).path == bench.out / name(0, "0b0e21")


def test_a_short_passphrase_is_refused(bench: Bench) -> None:
    with pytest.raises(BackupError) as refused:
        bench.service.create(bench.out, "elevenchars")
    assert refused.value.key == "backup-passphrase-short"
    assert not bench.out.exists()


def test_retention_keeps_the_newest(bench: Bench) -> None:
    made = bench.nightly(5, keep=3)
    assert [created.removed for created in made] == [
        (),
        (),
        (),
        (bench.out / name(0),),
        (bench.out / name(1),),
    ]
    assert bench.present() == [name(2), name(3), name(4)]
    bench.nightly(1, keep=1)
    assert bench.present() == [name(5)]


def test_without_retention_nothing_is_deleted(bench: Bench) -> None:
    bench.nightly(3, keep=None)
    assert len(bench.present()) == 3


def test_retention_deletes_nothing_but_our_own_sound_backups(bench: Bench) -> None:
    bench.nightly(2, keep=None)
    (bench.out / name(-5)).write_bytes(b"a holiday picture with a strange name")
    damaged = bench.out / name(0)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    bench.nightly(1, keep=None, phrase="another passphrase")
    bench.of(Host("spare", "2")).create(bench.out, PHRASE)
    twin = Host("box", "3")
    bench.clock.advance(1)
    bench.of(twin).create(bench.out, PHRASE)
    before = set(bench.present())
    bench.clock.advance(DAY_S)
    (made,) = bench.nightly(1, keep=1)
    assert made.removed == (bench.out / name(1),)
    assert made.left == (bench.out / name(-5), bench.out / name(0), bench.out / name(2))
    assert set(bench.present()) == before - {name(1)} | {made.path.name}


def test_a_clock_that_went_back_does_not_cost_the_new_backup(bench: Bench) -> None:
    bench.nightly(2, keep=None)
    bench.clock.advance(-1000 * DAY_S)
    (made,) = bench.nightly(1, keep=1)
    assert bench.present() == [made.path.name]


def test_a_restore_brings_the_data_back(bench: Bench) -> None:
    made = bench.service.create(bench.out, PHRASE)
    with sqlite3.connect(bench.data / DATABASE_FILE) as database:
        database.execute(
            "INSERT INTO site (id, name, timezone) VALUES (1, 'Later', 'Europe/Paris')"
        )
    database.close()
    done = bench.service.restore(made.path, PHRASE)
    assert done.manifest == made.manifest
    assert done.kept == bench.data.with_name("data.before-restore-20261122T120000Z")
    with sqlite3.connect(bench.data / DATABASE_FILE) as database:
        assert database.execute("SELECT count(*) FROM site").fetchone() == (0,)
    database.close()


def crafted(bench: Bench, **changes: object) -> Path:
    """A sound file whose manifest differs."""
    folder = bench.out / "parts"
    folder.mkdir(parents=True)
    (folder / DATABASE_FILE).write_bytes(b"x")
    part = Part(DATABASE_FILE, 1, hashlib.sha256(b"x").hexdigest())
    manifest = Manifest("bornier", "9.0", ("0001_initial",), NOON, BOX, (part,))
    path = bench.out / f"crafted{SUFFIX}"
    bench.vault.write(path, PHRASE, msgspec.structs.replace(manifest, **changes), folder)
    return path


def test_a_later_schema_is_refused_before_anything_is_written(bench: Bench) -> None:
    path = crafted(bench, schema=("0001_initial", "0900_future"))
    with pytest.raises(BackupError) as refused:
        bench.service.restore(path, PHRASE)
    assert refused.value.key == "backup-newer"
    assert refused.value.params == {"version": "9.0"}
    assert sorted(bench.data.parent.iterdir()) == [bench.data, bench.out]


def test_another_product_is_refused(bench: Bench) -> None:
    path = crafted(bench, product="other")
    assert refusal(bench, path) == "backup-foreign"
    with pytest.raises(BackupError) as refused:
        bench.service.verify(path, PHRASE)
    assert refused.value.key == "backup-foreign"


def test_a_refused_restore_changes_nothing(bench: Bench) -> None:
    made = bench.service.create(bench.out, PHRASE)
    before = (bench.data / DATABASE_FILE).read_bytes()
    whole = made.path.read_bytes()
    assert refusal(bench, made.path, "twelve other letters") == "backup-passphrase-wrong"
    for length in (0, 7, 8, 50, 97, 98, 200, len(whole) // 2, len(whole) - 1):
        made.path.write_bytes(whole[:length])
        assert refusal(bench, made.path) in ("backup-damaged", "backup-foreign")
        assert (bench.data / DATABASE_FILE).read_bytes() == before
        assert sorted(bench.data.parent.iterdir()) == [bench.data, bench.out]
