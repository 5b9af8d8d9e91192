"""Backups on a real SFTP server, by the commands that a person or the timer runs."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.__main__ import main
from app.adapters.data_directory import DATABASE_FILE
from app.adapters.storage import open_store
from app.services.backups import SUFFIX
from app.services.ports import User
from tests.integration.test_backup import answering
from tests.support.sftp_server import Server, sftp_server
from tests.support.tmpfs import needs_root, small_disk


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sftp_server(tmp_path / "server") as running:
        yield running


@pytest.fixture
def phrase(tmp_path: Path) -> Path:
    path = tmp_path / "phrase"
    path.write_text("a long passphrase\n")
    return path


class Box:
    """A data directory and the commands of its box."""

    def __init__(self, data: Path, phrase: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data = data
        self._phrase = phrase
        self._capsys = capsys
        self.out = self.err = ""

    def fill(self, name: str = "claire") -> None:
        async def fill() -> None:
            store = open_store(self.data / DATABASE_FILE)
            await store.access.save_user(User(name, "hash", False, "fr"))
            await store.close()

        asyncio.run(fill())

    def names(self) -> list[str]:
        database = sqlite3.connect(self.data / DATABASE_FILE)
        rows = database.execute("SELECT name FROM account").fetchall()
        database.close()
        return [row[0] for row in rows]

    def __call__(self, *words: object, secret: bool = True) -> int:
        further = ["--passphrase-file", self._phrase] if secret else []
        typed = ["backup", *words, "--data", self.data, *further]
        status = main([str(word) for word in typed])
        self.out, self.err = self._capsys.readouterr()
        return status

    def introduce(self, server: Server) -> None:
        """What an installer does once, on both sides."""
        assert self("key", secret=False) == 0
        server.authorized.add(" ".join(self.out.split()[:2]))
        words = ("target", server.url, "--host-key", server.fingerprint)
        assert self(*words, secret=False) == 0, self.err


@pytest.fixture
def box(tmp_path: Path, phrase: Path, capsys: pytest.CaptureFixture[str]) -> Box:
    made = Box(tmp_path / "data", phrase, capsys)
    made.fill()
    return made


def kept(server: Server) -> list[str]:
    return sorted(path.name for path in (server.folder / "backups").glob("[!.]*"))


def everything(server: Server) -> list[str]:
    folder = server.folder / "backups"
    return sorted(path.name for path in folder.glob("*"))


# ---------------------------------------------------------------- the way there and back


def test_from_a_lost_box_to_its_spare(
    box: Box, server: Server, tmp_path: Path, phrase: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.introduce(server)
    assert box("create", "--to", server.url) == 0, box.err
    (name,) = kept(server)
    assert box.out == f"Backup delivered to {server.url}: {name}\n"
    assert box("list", server.url) == 0
    assert "Bornier 0." in box.out
    assert box("verify", f"{server.url}/{name}") == 0
    assert box.out.startswith(f"Sound: {server.url}/{name}\n")
    assert box("verify", server.url) == 0
    spare = Box(tmp_path / "spare", phrase, capsys)
    spare.introduce(server)
    assert spare("restore", server.url) == 0, spare.err
    assert spare.names() == ["claire"]
    # The spare goes on with the key of the lost box.
    assert spare("create", "--to", server.url) == 0, spare.err
    assert (spare.data / "backup/id_ed25519").read_bytes() == (
        box.data / "backup/id_ed25519"
    ).read_bytes()
    assert (spare.data / "backup/id_ed25519").stat().st_mode & 0o777 == 0o600


def test_only_older_backups_of_this_machine_are_deleted(
    box: Box, server: Server, tmp_path: Path
) -> None:
    box.introduce(server)
    folder = server.folder / "backups"
    folder.mkdir()
    for name in (f"alien{SUFFIX}", "letter.txt", f".other{SUFFIX}.0123456789ab.partial"):
        (folder / name).write_text("not ours")
    assert box("create", "--to", tmp_path / f"bornier-x-20200101T000000Z{SUFFIX}") == 0
    (tmp_path / f"bornier-x-20200101T000000Z{SUFFIX}").rename(
        folder / f"bornier-x-20200101T000000Z{SUFFIX}"
    )
    assert box("create", "--to", server.url, "--keep", 1) == 0, box.err
    assert f"Old backup deleted: {server.url}/bornier-x-" in box.out
    assert f"left alone: {server.url}/alien" in box.out
    assert len(kept(server)) == 3
    assert len(everything(server)) == 4
    assert {"letter.txt", f"alien{SUFFIX}"} < set(kept(server))


def test_damage_on_the_way_or_on_the_server_is_found(box: Box, server: Server) -> None:
    box.introduce(server)
    server.faults.flip = True
    assert box("create", "--to", server.url) == 2
    assert "does not read back the same" in box.err
    assert everything(server) == []
    server.faults.flip = False
    assert box("create", "--to", server.url) == 0
    (name,) = kept(server)
    path = server.folder / "backups" / name
    whole = path.read_bytes()
    for spoilt in (whole[:-1], whole[:200], b"x" + whole[1:], whole[:-5] + b"\0" + whole[-4:]):
        path.write_bytes(spoilt)
        assert box("restore", f"{server.url}/{name}") == 2
        assert "damaged" in box.err or "not a backup" in box.err
        assert box.names() == ["claire"]
        assert list(box.data.parent.glob("*before-restore*")) == []
        assert list(box.data.parent.glob(".data.restoring*")) == []
    assert box("restore", f"{server.url}/absent{SUFFIX}") == 2
    assert "There is no file" in box.err


# ---------------------------------------------------------------- what servers do


def test_a_broken_connection_leaves_no_half_file(box: Box, server: Server) -> None:
    box.introduce(server)
    server.faults.break_after = 0
    assert box("create", "--to", server.url) == 2
    assert f"127.0.0.1:{server.port}" in box.err
    assert kept(server) == []
    server.faults.break_after = None
    assert box("create", "--to", server.url) == 0
    assert len(everything(server)) == 1, "what was left of the broken attempt is still there"


def test_a_connection_that_breaks_while_a_backup_is_read(box: Box, server: Server) -> None:
    box.introduce(server)
    assert box("create", "--to", server.url) == 0
    server.faults.break_reading = True
    assert box("restore", server.url) == 2
    assert f"The connection to 127.0.0.1:{server.port} broke" in box.err
    assert box.names() == ["claire"]
    server.faults.break_reading = False
    assert box("verify", server.url) == 0


@needs_root
def test_a_full_disk_on_the_server(box: Box, tmp_path: Path) -> None:
    (box.data / "noise.bin").write_bytes(os.urandom(600 * 1024))
    with small_disk(tmp_path / "small", 256) as folder, sftp_server(folder) as server:
        box.introduce(server)
        assert box("create", "--to", server.url) == 2
        assert "The disk is full (127.0.0.1:" in box.err
        assert everything(server) == []


def test_a_name_that_may_not_be_given(box: Box, server: Server) -> None:
    box.introduce(server)
    server.faults.refuse_rename = True
    assert box("create", "--to", server.url) == 2
    assert "does not allow this" in box.err
    assert everything(server) == []


def test_a_key_that_the_server_does_not_know(box: Box, server: Server) -> None:
    assert box("target", server.url, "--host-key", server.fingerprint, secret=False) == 2
    assert "does not let box in with the key of this box" in box.err
    assert "ssh-ed25519 " in box.out
    assert box("create", "--to", server.url) == 2
    assert "does not let box in" in box.err


def test_a_server_is_trusted_only_when_confirmed(box: Box, server: Server) -> None:
    assert box("create", "--to", server.url) == 2
    assert "is not trusted yet" in box.err
    assert box("target", server.url, secret=False) == 1
    assert server.fingerprint in box.out
    assert box("create", "--to", server.url) == 2
    assert box("target", server.url, "--host-key", "SHA256:other", secret=False) == 2
    assert "is not SHA256:other" in box.err
    assert box("create", "--to", server.url) == 2
    assert "is not trusted yet" in box.err
    box.introduce(server)
    assert box("target", server.url, secret=False) == 0
    assert "can be reached" in box.out


def test_a_terminal_is_asked_whether_to_trust(box: Box, server: Server) -> None:
    words = ["backup", "target", server.url, "--data", str(box.data)]
    status, output = answering(words, ["non"])
    assert status == 1
    assert server.fingerprint in output
    assert "Pas admise" in output
    assert not (box.data / "backup/hosts.json").exists()
    assert box("key", secret=False) == 0
    server.authorized.add(" ".join(box.out.split()[:2]))
    status, output = answering(words, ["oui"])
    assert status == 0, output
    assert "est accessible ; il contient 0 sauvegardes" in output
    assert box("create", "--to", server.url) == 0, box.err


def test_another_key_is_refused(box: Box, server: Server, tmp_path: Path) -> None:
    box.introduce(server)
    impostor_folder = tmp_path / "impostor"
    with sftp_server(impostor_folder) as impostor:
        pinned = json.loads((box.data / "backup/hosts.json").read_text())
        (line,) = pinned.values()
        (box.data / "backup/hosts.json").write_text(
            json.dumps({f"127.0.0.1:{impostor.port}": line})
        )
        impostor.authorized |= server.authorized
        assert box("create", "--to", impostor.url) == 2
        assert "shows another key than the trusted one" in box.err
        assert everything(impostor) == []
        assert box("target", impostor.url, secret=False) == 2
        assert "shows another key" in box.err
        words = ("target", impostor.url, "--host-key", impostor.fingerprint)
        assert box(*words, secret=False) == 0
        assert box("create", "--to", impostor.url) == 0


def test_a_server_that_is_away(box: Box, server: Server) -> None:
    box.introduce(server)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"sftp://box@127.0.0.1:{taken.getsockname()[1]}/backups"
        assert box("target", url, secret=False) == 2
    assert "cannot be reached" in box.err


# ---------------------------------------------------------------- every night


def state(box: Box) -> dict[str, dict[str, object]]:
    records = json.loads((box.data / "backup/state.json").read_text())
    return {record["target"]: record for record in records}


def test_every_night(box: Box, server: Server, tmp_path: Path) -> None:
    assert box("nightly", secret=False) == 0
    assert box.out == "No nightly backup is scheduled.\n"
    assert box("schedule", "--to", server.url) == 2
    assert "is not trusted yet" in box.err
    box.introduce(server)
    assert box("schedule", "--to", tmp_path / "out", secret=False) == 2
    assert "--passphrase-file" in box.err
    assert box("schedule", "--to", server.url, "--keep", 2) == 0, box.err
    assert box("schedule", "--to", tmp_path / "out", "--keep", 1, secret=False) == 0
    assert box("schedule", "--to", "usb", "--keep", 1, secret=False) == 0
    for name in ("settings.json", "passphrase", "id_ed25519", "hosts.json"):
        assert (box.data / "backup" / name).stat().st_mode & 0o777 == 0o600
    assert box("nightly", secret=False) == 2
    assert f"Backup delivered to {server.url}" in box.out
    assert f"Backup delivered to {tmp_path / 'out'}" in box.out
    assert "NOT delivered to usb: No USB stick with the label BORNIER" in box.out
    assert len(kept(server)) == len(list((tmp_path / "out").iterdir())) == 1
    assert state(box)["usb"]["success_utc"] is None
    assert state(box)[server.url]["failure"] is None
    assert box("schedule", "--remove", "usb", secret=False) == 0
    assert "usb" not in box.out
    assert "last success" in box.out
    assert box("schedule", "--remove", "usb", secret=False) == 2
    server.faults.break_after = 0
    assert box("nightly", secret=False) == 2
    assert box("schedule", secret=False) == 0
    assert "last failure" in box.out
    assert main(["check", "--data", str(box.data)]) == 0
    # The other target was served nonetheless, and keeps as many as it was told.
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert box("verify", tmp_path / "out") == 0


@needs_root
def test_the_record_of_charges_keeps_its_room(
    tmp_path: Path, phrase: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "small", 8192) as folder:
        box = Box(folder, phrase, capsys)
        box.fill()
        assert box("schedule", "--to", tmp_path / "out") == 0
        assert box("nightly", secret=False) == 2
        assert "NOT delivered" in box.out
        assert "the record of charges comes first" in box.out
        assert not (tmp_path / "out").exists()
        assert box("schedule", secret=False) == 0
        assert "last failure" in box.out


def test_a_schedule_that_does_not_work_is_found_by_the_check(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert box("schedule", "--to", tmp_path / "out") == 0
    settings = box.data / "backup/settings.json"
    (target,) = json.loads(settings.read_text())
    settings.write_text(json.dumps([{**target, "since_utc": "2026-01-01T00:00:00Z"}]))
    assert main(["check", "--data", str(box.data)]) == 1
    assert f"WRONG   nightly backups: none to {tmp_path}/out ever" in capsys.readouterr().out
    assert box("schedule", secret=False) == 0
    assert "WRONG: no backup for more than three days" in box.out
    assert box("nightly", secret=False) == 0
    assert main(["check", "--data", str(box.data)]) == 0
    state = box.data / "backup/state.json"
    (record,) = json.loads(state.read_text())
    state.write_text(json.dumps([{**record, "success_utc": "2999-01-01T00:00:00Z"}]))
    assert main(["check", "--data", str(box.data)]) == 1
    assert "after the clock" in capsys.readouterr().out
    (tmp_path / "out").rename(tmp_path / "older")
    assert box("nightly", secret=False) == 0
    assert "stands before the last backup" in box.out
