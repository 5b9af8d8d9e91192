"""Backups in processes of their own: taken while a manager works, killed, prompted for, brought
back on another box.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.adapters.data_directory import DATABASE_FILE
from app.adapters.storage import SqliteStore, open_store
from app.services.ports import NewTransaction, TransactionStop
from tests.integration.test_kill import acknowledged, driving, recorded, site, station
from tests.support.running import RunningManager, untrusting
from tests.support.tmpfs import needs_root, small_disk

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
COMMAND_S = 120.0
JOURNAL = """SELECT transaction_id, station_id, connector_id, id_tag, started_us, received_us,
    meter_start_wh, stopped_us, meter_stop_wh FROM charge_transaction"""


@pytest.fixture
def phrase(tmp_path: Path) -> str:
    (tmp_path / "phrase").write_text("une phrase assez longue\n", encoding="utf-8")
    return str(tmp_path / "phrase")


def started(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def run(*words: object) -> tuple[int, str]:
    """Exit status and everything written."""
    with started(*words) as process:
        output, _ = process.communicate(timeout=COMMAND_S)
    return process.returncode, output


def made(*words: object) -> Path:
    """The file of a backup that must succeed."""
    status, output = run("backup", "create", *words)
    found = re.search(r"Backup made: (.+) \(", output)
    assert status == 0, output
    assert found, output
    return Path(found[1])


def journal(data: Path) -> dict[int, tuple[object, ...]]:
    database = sqlite3.connect(f"file:{data / DATABASE_FILE}?mode=ro", uri=True)
    with contextlib.closing(database):
        return {row[0]: row[1:] for row in database.execute(JOURNAL)}


@contextlib.asynccontextmanager
async def hammered(store: SqliteStore) -> AsyncIterator[list[int]]:
    """Hundreds of starts and stops a second; yields the numbers acknowledged so far."""
    known: list[int] = []

    async def write(writer: int) -> None:
        for number in range(1_000_000):
            at = NOON + timedelta(seconds=number)
            new, _ = await store.transactions.start(
                NewTransaction(f"S-{writer}", 1, "04a1", at, at, number)
            )
            known.append(new.transaction_id)
            await store.transactions.stop(
                TransactionStop(new.transaction_id, at, at, number, "Local")
            )

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(write(writer)) for writer in range(8)]
        yield known
        for task in tasks:
            task.cancel()


async def test_a_backup_is_the_state_of_one_instant_under_hundreds_of_writes(
    tmp_path: Path, phrase: str
) -> None:
    data = tmp_path / "data"
    store = open_store(data / DATABASE_FILE)
    backups: list[tuple[int, Path, int]] = []
    async with hammered(store) as known:
        for number in range(3):
            while len(known) < 300 * (number + 1):  # noqa: ASYNC110 - the writers are polled
                await asyncio.sleep(0.01)
            before = max(known)
            path = await asyncio.to_thread(
                made, "--data", data, "--to", tmp_path / f"{number}", "--passphrase-file", phrase
            )
            backups.append((before, path, max(known)))
    await store.close()
    everything = journal(data)
    for before, path, after in backups:
        assert after > before, "nothing was written meanwhile"
        fresh = path.parent / "fresh"
        status, output = await asyncio.to_thread(
            run, "restore", path, "--data", fresh, "--passphrase-file", phrase
        )
        assert status == 0, output
        found = journal(fresh)
        assert before <= max(found) <= after
        # Numbers are given in the order of commits: the state of an instant has no gap.
        assert sorted(found) == list(range(min(everything), max(found) + 1))
        for number, row in found.items():
            assert row[:6] == everything[number][:6]


async def test_a_box_is_lost_and_its_spare_goes_on(tmp_path: Path, phrase: str) -> None:
    manager = RunningManager(tmp_path, site())
    await asyncio.to_thread(manager.start)
    stations = [station(number, manager.ocpp_url) for number in range(4)]
    for post in stations:
        post.start()
    try:
        async with driving(stations):
            await asyncio.sleep(5)
            known = {record.transaction_id for _, record in acknowledged(stations)}
            path = await asyncio.to_thread(
                made, "--data", manager.data, "--passphrase-file", phrase
            )
        assert known
        assert path.parent == manager.data / "backups"
        secret = manager.secret()
        (spare_folder := tmp_path / "spare").mkdir()
        spare = RunningManager(spare_folder, site())
        status, output = await asyncio.to_thread(
            run, "restore", path, "--data", spare.data, "--passphrase-file", phrase
        )
        assert status == 0, output
        last = max(recorded(manager))
    finally:
        for post in stations:
            await post.stop()
        await asyncio.to_thread(manager.kill)
    on_spare = journal(spare.data)
    assert known <= set(on_spare)
    assert all(on_spare[number][:5] == journal(manager.data)[number][:5] for number in on_spare)
    for name in ("ui.crt", "ui.key"):
        assert (spare.data / name).read_bytes() == (manager.data / name).read_bytes()
    await asyncio.to_thread(spare.start)
    post = station(0, spare.ocpp_url)
    post.start()
    try:
        assert secret
        async with driving([post]):
            async with asyncio.timeout(60):
                while not acknowledged([post]):  # noqa: ASYNC110 - the peer is polled
                    await asyncio.sleep(0.1)
        number = acknowledged([post])[0][1].transaction_id
        assert number is not None
        assert number > last, "a number that the lost box may have given out was given again"
    finally:
        await post.stop()
        await asyncio.to_thread(spare.stop)


def test_a_start_completes_a_restore_that_was_interrupted(tmp_path: Path, phrase: str) -> None:
    used(tmp_path / "other", 7)
    manager = RunningManager(tmp_path, site())
    used(manager.data, 2)
    ready = manager.data / ".restored-1-20261122T120000Z"
    ready.mkdir()
    (tmp_path / "other" / DATABASE_FILE).rename(ready / DATABASE_FILE)
    status, output = run("backup", "create", "--data", manager.data, "--passphrase-file", phrase)
    assert status == 2
    assert "start the manager, which completes it" in output
    manager.start()
    manager.stop()
    assert len(journal(manager.data)) == 7
    (aside,) = manager.data.glob(".before-restore-*")
    assert len(journal(aside)) == 2


def test_commands_beside_a_running_manager(tmp_path: Path, phrase: str) -> None:
    manager = RunningManager(tmp_path, site())
    manager.start()
    try:
        path = made("--data", manager.data, "--passphrase-file", phrase)
        status, output = run("restore", path, "--data", manager.data, "--passphrase-file", phrase)
        assert status == 2
        assert "A manager is running" in output
        ports = ("--web-port", "0", "--ocpp-port", "0", "--ocpps-port", "0")
        status, output = run("serve", "--data", manager.data, *ports)
        assert status == 2
        assert "a manager is running" in output
        status, output = run("check", "--data", manager.data)
        assert status == 0, output
        assert "a manager runs on it" in output
        former = manager.secret()
        status, output = run("user", "reset", "admin", "--data", manager.data)
        assert status == 0, output
        found = re.search(r"secret of admin: (\S+)", output)
        assert found
        assert sign_in(manager, former) != 303
        assert sign_in(manager, found[1]) == 303
        assert manager.running
        assert manager.health() is not None
    finally:
        manager.stop()
    status, output = run("restore", path, "--data", manager.data, "--passphrase-file", phrase)
    assert status == 0, output
    manager.start()
    assert sign_in(manager, manager.secret()) == 303
    manager.stop()


def sign_in(manager: RunningManager, password: str) -> int:
    with httpx.Client(base_url=manager.web_url, verify=untrusting()) as client:
        answer = client.post(
            "/sign-in",
            data={"name": "admin", "password": password},
            headers={"Origin": manager.web_url},
        )
    return answer.status_code


def used(data: Path, transactions: int) -> None:
    async def fill() -> None:
        store = open_store(data / DATABASE_FILE)
        for number in range(transactions):
            await store.transactions.start(
                NewTransaction(f"S-{number % 50}", 1, "04a1", NOON, NOON, number)
            )
        await store.close()

    asyncio.run(fill())


def killed_at(folder: Path, sign: str, *words: object) -> None:
    """Kills a command as soon as ``sign`` (a pattern) is seen in ``folder``, or it has ended."""
    with started(*words) as process:
        while process.poll() is None and not list(folder.glob(sign)):
            time.sleep(0.001)
        process.kill()


@pytest.mark.parametrize(
    "sign",
    [
        "data/.copying-*",
        "data/.copying-*/bornier.sqlite3",
        "out/.*.partial",
        "out/*.bornier-backup",
    ],
)
def test_killed_at_any_moment_a_backup_is_whole_or_absent(
    tmp_path: Path, phrase: str, sign: str
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    used(data, 100)
    words = ("backup", "create", "--data", data, "--to", out, "--passphrase-file", phrase)
    killed_at(tmp_path, sign, *words)
    for path in out.glob("*.bornier-backup"):
        assert run("backup", "verify", path, "--passphrase-file", phrase)[0] == 0
    path = made("--data", data, "--to", out, "--passphrase-file", phrase)
    assert path.exists()
    assert list(data.glob(".copying-*")) == []
    assert list(out.glob(".*")) == []


@pytest.mark.parametrize(
    "sign",
    [
        ".data.restoring-*",
        ".data.restoring-*/bornier.sqlite3",
        "data.before-restore-*",
        "data.before-restore-*/.manager.lock",
    ],
)
def test_killed_at_any_moment_a_restore_leaves_one_state_or_the_other(
    tmp_path: Path, phrase: str, sign: str
) -> None:
    data = tmp_path / "data"
    used(data, 20)
    path = made("--data", data, "--to", tmp_path / "out", "--passphrase-file", phrase)
    backed_up = journal(data)
    shutil.rmtree(data)
    used(data, 30)
    former = journal(data)
    words = ("restore", path, "--data", data, "--passphrase-file", phrase)
    killed_at(tmp_path, sign, *words)
    assert journal(data) in (former, backed_up)
    status, output = run(*words)
    assert status == 0, output
    assert journal(data) == backed_up
    assert list(tmp_path.glob(".data.restoring-*")) == []


@needs_root
def test_a_full_stick_loses_no_earlier_backup(tmp_path: Path, phrase: str) -> None:
    data = tmp_path / "data"
    used(data, 100)
    (data / "noise.bin").write_bytes(os.urandom(300 * 1024))
    with small_disk(tmp_path / "stick", 512) as stick:
        words = ("--data", data, "--to", stick, "--passphrase-file", phrase, "--keep", 1)
        first = made(*words)
        status, output = run("backup", "create", *words)
        assert status == 2
        assert "The disk is full" in output
        assert list(stick.iterdir()) == [first]
        assert run("backup", "verify", first, "--passphrase-file", phrase)[0] == 0


def answering(words: list[str], answers: list[str]) -> tuple[int, str]:
    """Runs a command at a terminal, typing each answer when asked."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "app", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "LC_ALL": "fr_FR.UTF-8"},
    ) as process:
        os.close(theirs)
        seen = b""
        asked = 0
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # how Linux tells that the other side is gone
                break
            seen += piece
            if asked < len(answers) and seen.count(b" : ") > asked:
                os.write(ours, answers[asked].encode() + b"\n")
                asked += 1
    os.close(ours)
    return process.returncode, seen.decode()


def test_a_terminal_is_asked_for_the_passphrase(tmp_path: Path, phrase: str) -> None:
    data = tmp_path / "data"
    used(data, 1)
    words = ["backup", "create", "--data", str(data), "--to", str(tmp_path / "out")]
    spoken = "une phrase assez longue"
    status, output = answering(words, [spoken, "une autre phrase"])
    assert status == 2
    assert "Les deux phrases secrètes diffèrent." in output
    status, output = answering(words, [spoken, spoken])
    assert status == 0, output
    assert spoken not in output
    (path,) = (tmp_path / "out").iterdir()
    assert run("backup", "verify", path, "--passphrase-file", phrase)[0] == 0
    status, output = answering(["backup", "verify", str(path)], [spoken])
    assert status == 0, output
    status, output = run("backup", "verify", path)
    assert status == 2
    assert "--passphrase-file" in output


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text("{}")
    ports = ("--web-port", "0", "--ocpp-port", "0", "--ocpps-port", "0")
    data = ("--data", tmp_path / "data")
    status, output = run("--verbose", "serve", *data, *ports, "--provision", tmp_path / "site.json")
    assert status == 2
    assert "bornier: " in output
    status, output = run("serve", *data, *ports, "--ocpp-host", "192.0.2.1")
    assert status == 1
    assert "bornier: " in output
