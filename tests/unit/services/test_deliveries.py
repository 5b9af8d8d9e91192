"""Deliveries over real folders; servers: tests/integration/test_backup_sftp.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.backup_archive import Cost, FileVault
from app.adapters.backup_places import Folder, folder
from app.adapters.backup_settings import BackupSettings
from app.adapters.data_directory import DATABASE_FILE, LocalData
from app.adapters.inspection import look_at_schedule
from app.adapters.storage import open_store
from app.services.backups import SUFFIX, BackupError, BackupService, Host
from app.services.deliveries import Order, Place, Target, deliver, newest, nightly, standings
from tests.support.clock import HandClock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY_S = 86_400.0
PHRASE = "twelve letters"


class Bench:
    """A data directory with a schedule, and a clock."""

    def __init__(self, place: Path) -> None:
        self.clock = HandClock(NOON)
        self.data = place / "data"
        self.settings = BackupSettings(self.data)
        self.service = self.of(Host("box", "1" * 32))

    def of(self, host: Host) -> BackupService:
        vault = FileVault(Cost(1, 1, 1), 4096)
        return BackupService(LocalData(self.data, self.clock), vault, host, self.clock)

    def schedule(self, *targets: Path) -> None:
        self.settings.save_passphrase(PHRASE)
        self.settings.save_targets([Target(str(each), 2, NOON) for each in targets])

    def night(self) -> list[str | None]:
        done = nightly(
            self.service, self.settings, self.clock, lambda target: order(target.target), room
        )
        return [None if each.trouble is None else each.trouble.key for each in done]

    def found(self) -> list[tuple[bool, bool]]:
        now = self.clock.utc_now()
        return [(each.stale, each.ahead) for each in standings(self.settings, now)]

    def told(self) -> str:
        finding = look_at_schedule(self.settings, self.clock.utc_now())
        assert finding.ok is (finding.key in {"check-schedule-none", "check-schedule-sound"})
        return finding.key


def room() -> None:
    """There is."""


def order(target: str, keep: int | None = 2) -> Order:
    def opened() -> AbstractContextManager[Place]:
        return folder(Path(target))

    return Order(target, keep, opened)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    await open_store(made.data / DATABASE_FILE).close()
    return made


def backups(path: Path) -> list[str]:
    return [each.name for each in Folder(path).list()]


def test_one_backup_for_all_and_none_waits_for_another(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("no folder")
    targets = [tmp_path / "one", tmp_path / "blocked", tmp_path / "two"]
    one, blocked, two = deliver(bench.service, [order(str(each)) for each in targets], PHRASE)
    assert blocked.trouble is not None
    assert blocked.trouble.key == "backup-not-written"
    assert one.trouble is two.trouble is None
    (name,) = backups(tmp_path / "one")
    assert backups(tmp_path / "two") == [name] == [one.file]
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert bench.service.verify(tmp_path / "one" / name, PHRASE).created_utc == NOON
    assert list(bench.data.glob(".copying-*")) == []


def test_each_place_keeps_this_machines_newest(bench: Bench, tmp_path: Path) -> None:
    other = bench.of(Host("box", "2" * 32))
    bench.clock.advance(-DAY_S)
    deliver(other, [order(str(tmp_path / "out"), 1)], PHRASE)
    bench.clock.advance(DAY_S)
    names = []
    for _ in range(4):
        (done,) = deliver(bench.service, [order(str(tmp_path / "out"))], PHRASE)
        names.append(done.file)
        bench.clock.advance(DAY_S)
    assert done.removed == (names[1],)
    assert done.left == ()
    assert len(backups(tmp_path / "out")) == 3
    assert backups(tmp_path / "out")[1:] == names[2:]


def test_the_name_of_a_place_means_its_newest(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    place = Folder(tmp_path / "out")
    with pytest.raises(BackupError, match="backup-none"):
        newest(place, "out")
    for name in ("bornier-a-20260101T000000Z", "bornier-a-20260102T000000Z"):
        (tmp_path / "out" / f"{name}{SUFFIX}").write_text("")
    assert newest(place, "out") == f"bornier-a-20260102T000000Z{SUFFIX}"
    (tmp_path / "out" / f"bornier-b-20260101T000000Z{SUFFIX}").write_text("")
    with pytest.raises(BackupError, match="backup-several"):
        newest(place, "out")


# ---------------------------------------------------------------- every night


def test_nights(bench: Bench, tmp_path: Path) -> None:
    assert bench.told() == "check-schedule-none"
    bench.schedule(tmp_path / "one", tmp_path / "two")
    assert bench.told() == "check-schedule-sound"
    assert bench.night() == [None, None]
    (tmp_path / "two").rename(tmp_path / "gone")
    (tmp_path / "two").write_text("no folder")
    bench.clock.advance(DAY_S)
    assert bench.night() == [None, "backup-not-written"]
    one, two = bench.settings.records()
    assert one.success_utc == NOON + timedelta(days=1)
    assert one.failure is None
    assert two.success_utc == NOON
    assert two.failure is not None
    assert two.failure.at_utc == NOON + timedelta(days=1)
    assert bench.told() == "check-schedule-sound"
    bench.clock.advance(2 * DAY_S)
    assert bench.found() == [(False, False), (False, False)]
    bench.clock.advance(60)
    assert bench.found() == [(False, False), (True, False)]
    assert bench.told() == "check-schedule-old"
    (tmp_path / "two").unlink()
    assert bench.night() == [None, None]
    assert bench.told() == "check-schedule-sound"


def test_a_target_that_was_never_served(bench: Bench, tmp_path: Path) -> None:
    bench.schedule(tmp_path / "one")
    bench.clock.advance(4 * DAY_S)
    assert bench.told() == "check-schedule-never"


def test_a_clock_before_the_last_backup_keeps_none_from_being_made(
    bench: Bench, tmp_path: Path
) -> None:
    bench.schedule(tmp_path / "one")
    assert bench.night() == [None]
    bench.clock.advance(-30 * DAY_S)
    assert bench.found() == [(False, True)]
    assert bench.told() == "check-schedule-ahead"
    assert bench.night() == [None]
    assert len(backups(tmp_path / "one")) == 2
    assert bench.told() == "check-schedule-sound"


def test_no_backup_at_all_is_a_failure_of_every_target(bench: Bench, tmp_path: Path) -> None:
    bench.schedule(tmp_path / "one", tmp_path / "two")

    def none() -> None:
        raise BackupError("backup-disk-low", free=1, needed=2)

    done = nightly(
        bench.service, bench.settings, bench.clock, lambda target: order(target.target), none
    )
    assert [each.trouble.key for each in done if each.trouble] == ["backup-disk-low"] * 2
    records = bench.settings.records()
    assert [each.failure.params for each in records if each.failure] == [
        {"free": "1", "needed": "2"}
    ] * 2
    assert not (tmp_path / "one").exists()
    with running(bench):
        assert bench.night() == ["data-maintained"] * 2
    (bench.data / DATABASE_FILE).write_bytes(b"no database " * 1000)
    assert bench.night() == ["storage-damaged"] * 2


@contextmanager
def running(bench: Bench) -> Iterator[None]:
    """Another backup, at work."""
    with bench.service.packed(PHRASE):
        yield
