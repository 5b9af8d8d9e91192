"""The recorder: what it keeps, what it finds again, and what it survives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.adapters import frame_search
from app.adapters.frame_file import FrameFile, open_for_search, packed, unpacked
from app.adapters.frame_recorder import (
    CALLS_PENDING,
    WAITING_BYTES_MOST,
    WAITING_MOST,
    FrameRecorder,
)
from app.adapters.frame_search import FrameSearch
from app.domain.errors import StorageError
from app.services.frame_ports import Exchange, FrameFilter, FrameKind
from tests.support.tmpfs import needs_root, small_disk

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
ALL = FrameFilter()
MIB = 1024 * 1024


class HandClock:
    """Moved by the test: one millisecond for each look at the time."""

    def __init__(self) -> None:
        self.now_utc = NOON
        self.now_s = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def utc_now(self) -> datetime:
        return self.now_utc

    def go(self, seconds: float) -> None:
        self.now_utc += timedelta(seconds=seconds)
        self.now_s += seconds


class Bench:
    """A recorder and its reader over one file."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.clock = HandClock()
        options = {"most_bytes": 200 * MIB, "keep_days": 14, "free_least_bytes": 0} | options
        self.recorder = FrameRecorder(folder / "frames.sqlite3", self.clock, **options)
        self.search = FrameSearch(self.recorder)

    async def found(self, wanted: FrameFilter = ALL, **options: Any) -> list[Exchange]:
        page = await self.search.find(wanted, before=None, most=options.get("most", 1000))
        return list(page.exchanges)

    async def close(self) -> None:
        self.search.close()
        await self.recorder.close()


@asynccontextmanager
async def bench(folder: Path, **options: Any) -> AsyncIterator[Bench]:
    made = Bench(folder, **options)
    try:
        async with asyncio.timeout(60):
            yield made
    finally:
        await made.close()


def until(happened: Callable[[], bool]) -> None:
    """Waits for what must happen, in a thread of its own."""
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def call(message_id: str, action: str, **payload: Any) -> str:
    return json.dumps([2, message_id, action, payload])


def result(message_id: str, **payload: Any) -> str:
    return json.dumps([3, message_id, payload])


def conversation(made: Bench, station_id: str = "S-1", count: int = 1) -> None:
    """``count`` heartbeats, each answered 20 ms later."""
    tap = made.recorder.connection(station_id)
    for number in range(count):
        tap.received(call(f"h{number}", "Heartbeat"))
        made.clock.go(0.02)
        tap.sent(result(f"h{number}", currentTime="2026-03-02T12:00:00Z"))
        made.clock.go(0.98)


async def test_a_call_and_its_answer_are_one_exchange_with_its_time(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        tap.received(call("a", "Authorize", idTag="04A1"))
        made.clock.go(0.125)
        tap.sent(result("a", idTagInfo={"status": "Accepted"}))
        tap.sent(call("b", "GetConfiguration"))
        (await made.found())  # both are written before the answer comes
        made.clock.go(2)
        tap.received('[4,"b","NotSupported","",{}]')
        newest, oldest = await made.found()
        assert oldest.frame.action == "Authorize"
        assert oldest.frame.from_station
        assert oldest.frame.kind is FrameKind.CALL
        assert oldest.frame.at_utc == NOON
        assert oldest.frame.size == len(oldest.frame.text) == 40
        assert oldest.answer is not None
        assert not oldest.answer.from_station
        assert oldest.answer.action == "Authorize"
        assert oldest.answer_ms == pytest.approx(125)
        assert newest.frame.action == "GetConfiguration"
        assert not newest.frame.from_station
        assert newest.answer is not None
        assert newest.answer.kind is FrameKind.ERROR
        assert newest.answer_ms == pytest.approx(2000)
        assert newest.frame.connection == oldest.frame.connection == 1
        for frame_id in (oldest.frame.frame_id, oldest.answer.frame_id):
            assert await made.search.exchange(frame_id) == oldest
        assert await made.search.neighbours(oldest.frame.frame_id) == (None, newest.frame.frame_id)
        assert await made.search.neighbours(newest.frame.frame_id) == (oldest.frame.frame_id, None)
        assert await made.search.exchange(99) is None
        assert await made.search.neighbours(99) == (None, None)


async def test_texts_of_every_kind_are_kept(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        tap.received("garbage")
        tap.received(b'[2,"1","Heartbeat",{}]')
        tap.received(b"\xff\xfe")
        tap.received('[3,"nobody asked",{}]')
        tap.received("lone \ud800 surrogate")
        tap.received("[" * 100_000)
        found = [exchange.frame for exchange in reversed(await made.found())]
        assert [frame.kind for frame in found] == [0, 2, 0, 3, 0, 0]
        assert found[0].text == "garbage"
        assert found[1].action == "Heartbeat"
        assert found[3].action == ""
        assert found[4].text == "lone ? surrogate"
        assert found[5].size == 100_000


async def test_credentials_do_not_reach_the_disk(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        tap.sent(call("1", "ChangeConfiguration", key="AuthorizationKey", value="c0ffee"))
        tap.sent(call("2", "GetDiagnostics", location="http://10.0.0.2/files/c0ffee"))
        found = await made.found()
        assert len(found) == 2
        assert all("c0ffee" not in exchange.frame.text for exchange in found)
        assert all("***" in exchange.frame.text for exchange in found)
    with closing(sqlite3.connect(tmp_path / "frames.sqlite3")) as database:
        bodies = [unpacked(row[0]) for row in database.execute("SELECT body FROM frame")]
    assert len(bodies) == 2
    assert not any("c0ffee" in body for body in bodies)


async def test_what_was_odd_about_a_frame_is_noted_at_that_frame(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        repairs: Counter[str] = Counter()
        counts: Counter[str] = Counter()
        tap.received(call("1", "Heartbeat"), repairs, counts)
        repairs["measurand"] += 1
        counts["repeated"] += 1
        tap.received(call("2", "MeterValues"), repairs, counts)
        tap.received(call("3", "Heartbeat"), repairs, counts)
        repairs["measurand"] += 1
        tap.received(call("4", "MeterValues"), repairs, counts)
        notes = [exchange.frame.notes for exchange in reversed(await made.found())]
        assert notes == [(), ("measurand", "repeated"), (), ("measurand",)]


async def test_every_filter_narrows(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        one, two = made.recorder.connection("S-1"), made.recorder.connection("S-2")
        one.received(call("1", "Authorize", idTag="04A1B2"))
        one.sent(result("1", idTagInfo={"status": "Invalid"}))
        made.clock.go(3600)
        two.received(call("1", "Authorize", idTag="99"), {"id-tag-case": 1})
        two.sent(result("1", idTagInfo={"status": "Accepted"}))
        made.clock.go(3600)
        two.sent(call("m", "Reset", type="Soft"))
        made.clock.go(3600)
        two.received('[2,"2","Heartbeat",{}]')
        two.sent('[4,"2","InternalError","",{}]')

        async def actions(**wanted: Any) -> list[str]:
            found = await made.found(FrameFilter(**wanted))
            return [f"{item.frame.station_id} {item.frame.action}" for item in reversed(found)]

        everything = ["S-1 Authorize", "S-2 Authorize", "S-2 Reset", "S-2 Heartbeat"]
        assert await actions() == everything
        assert await actions(station_id="S-1") == everything[:1]
        assert await actions(station_id="S-3") == []
        assert await actions(action="Authorize") == everything[:2]
        assert await actions(action="Authorize", station_id="S-2") == everything[1:2]
        assert await actions(from_station=False) == ["S-2 Reset"]
        assert await actions(from_station=True, station_id="S-2") == [everything[1], everything[3]]
        assert await actions(text="04a1b2") == everything[:1]
        assert await actions(text="invalid") == everything[:1]  # said by the answer
        assert await actions(odd=True) == everything[1:]
        hour = timedelta(hours=1)
        assert await actions(since_utc=NOON + hour) == everything[1:]
        assert await actions(until_utc=NOON + hour) == everything[:1]
        assert await actions(since_utc=NOON + hour, until_utc=NOON + 3 * hour) == everything[1:3]
        assert await actions(since_utc=NOON + 5 * hour) == []
        assert await made.search.actions() == ["Authorize", "Heartbeat", "Reset"]


async def test_pages_go_back_and_forth_over_everything_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        conversation(made, "S-1", 30)
        conversation(made, "S-2", 30)
        seen: list[int] = []
        before = None
        while True:
            page = await made.search.find(ALL, before=before, most=7)
            seen += [exchange.frame.frame_id for exchange in page.exchanges]
            if page.older is None:
                break
            assert page.searched_utc is not None
            before = page.older
        assert len(seen) == 60
        assert seen == sorted(set(seen), reverse=True)
        again: list[int] = []
        after = 0
        while True:
            page = await made.search.forward(FrameFilter(station_id="S-2"), after=after, most=7)
            again += [exchange.frame.frame_id for exchange in page.exchanges]
            if page.older is None:
                break
            after = page.older
        assert again == seen[29::-1]


async def test_a_long_search_takes_breath_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_search, "SEARCH_S", 0.0)
    monkeypatch.setattr(frame_search, "FIRST_SPAN", 50)
    async with bench(tmp_path) as made:
        made.recorder.connection("S-1").received(call("1", "Authorize", idTag="needle"))
        conversation(made, "S-2", 100)
        steps, before = 0, None
        while True:
            page = await made.search.find(FrameFilter(text="needle"), before=before, most=10)
            steps += 1
            if page.exchanges or page.older is None:
                break
            before = page.older
        assert [exchange.frame.action for exchange in page.exchanges] == ["Authorize"]
        assert steps == 5


async def test_a_clock_that_is_set_back_hides_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        made.clock.now_utc = NOON + timedelta(hours=5)
        made.recorder.connection("S-1").received(call("1", "Authorize", idTag="later"))
        made.clock.now_utc = NOON
        made.recorder.connection("S-1").received(call("2", "Heartbeat"))
        late = FrameFilter(since_utc=NOON + timedelta(hours=4))
        assert [item.frame.action for item in await made.found(late)] == ["Authorize"]
        early = FrameFilter(until_utc=NOON + timedelta(hours=1))
        assert [item.frame.action for item in await made.found(early)] == ["Heartbeat"]


async def test_the_oldest_go_when_the_file_is_full_and_when_they_are_old(tmp_path: Path) -> None:
    async with bench(tmp_path, most_bytes=256 * 1024, keep_days=2) as made:
        noise = iter(range(1, 1_000_000))
        for _ in range(8):
            tap = made.recorder.connection("S-1")
            for _ in range(400):
                tap.received(call(str(next(noise)), "DataTransfer", data=os.urandom(150).hex()))
            await made.recorder.flush()
        made.recorder.connection("S-1").received(call("last", "Heartbeat"))
        state = await made.search.state()
        assert state.used_bytes <= 256 * 1024 * 1.3
        assert 400 < state.frames < 3_000
        newest, *_ = await made.found()
        assert newest.frame.message_id == "last"
        made.clock.go(3 * 86_400)
        conversation(made)
        await made.recorder.flush()
        made.clock.go(1)
        conversation(made)
        assert len(await made.found()) == 2
        assert (await made.search.state()).since_utc == NOON + timedelta(days=3)


async def test_a_lower_bound_makes_the_file_smaller(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        for number in range(2_000):
            tap.received(call(str(number), "DataTransfer", data=os.urandom(200).hex()))
        await made.recorder.flush()
    large = (tmp_path / "frames.sqlite3").stat().st_size
    async with bench(tmp_path, most_bytes=100 * 1024) as made:
        for _ in range(3):
            conversation(made)
            await made.recorder.flush()
    assert large > 500 * 1024
    assert (tmp_path / "frames.sqlite3").stat().st_size < large / 2


async def test_what_does_not_fit_in_memory_is_dropped_and_counted(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        for number in range(WAITING_MOST + 3_000):  # at once: the writer cannot keep pace
            tap.received(call(str(number), "Heartbeat"))
        dropped = made.recorder.dropped
        assert dropped > 0
        assert len(await made.found(most=WAITING_MOST * 2)) == WAITING_MOST + 3_000 - dropped
        tap.received("x" * (WAITING_BYTES_MOST + 1))
        assert made.recorder.dropped == dropped + 1
        assert (await made.search.state()).dropped == dropped + 1


async def test_without_anybody_waiting_it_writes_at_leisure(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        conversation(made, count=60)
        await asyncio.to_thread(until, lambda: not made.recorder._waiting)
        assert len(await made.found()) == 60


async def test_calls_that_are_never_answered_are_forgotten_in_turn(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        tap = made.recorder.connection("S-1")
        for number in range(CALLS_PENDING + 1):
            tap.received(call(str(number), "Heartbeat"))
        tap.sent(result("0"))
        tap.sent(result("1"))
        found = list(reversed(await made.found()))
        assert found[0].answer is None
        assert found[1].answer is not None
        assert found[-1].frame.kind is FrameKind.RESULT  # nobody knows any more what it answers


async def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        conversation(made, count=3)
    assert (tmp_path / "frames.sqlite3").stat().st_mode & 0o777 == 0o600
    async with bench(tmp_path) as made:
        assert len(await made.found()) == 3
        conversation(made)
        found = await made.found()
        assert [exchange.frame.connection for exchange in found] == [2, 1, 1, 1]
    await made.recorder.flush()  # ended: nothing to wait for
    made.recorder.connection("S-1").received(call("1", "Heartbeat"))
    assert made.recorder.dropped == 1


@pytest.mark.parametrize(
    "content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4096]
)
async def test_a_file_that_is_none_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "frames.sqlite3").write_bytes(content)
    async with bench(tmp_path) as made:
        conversation(made)
        assert len(await made.found()) == 1


async def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "frames.sqlite3")) as database:
        database.execute("CREATE TABLE frame (id)")
        database.execute("PRAGMA user_version = 99")
    async with bench(tmp_path) as made:
        conversation(made)
        assert len(await made.found()) == 1


async def test_a_file_that_is_damaged_while_it_is_written_is_begun_anew(tmp_path: Path) -> None:
    async with bench(tmp_path) as made:
        conversation(made, count=200)
        await made.recorder.flush()
        path = tmp_path / "frames.sqlite3"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(100)
            file.write(b"\xff" * (size - 100))
        for _ in range(4):
            conversation(made)
            await made.recorder.flush()
        assert len(await made.found()) >= 1
        assert made.recorder.trouble_key is None


async def test_a_folder_that_cannot_be_made_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with bench(tmp_path / "file") as made:
        conversation(made, count=3)
        with pytest.raises(StorageError) as refusal:
            await made.found()
        assert refusal.value.key == "frames-unreadable"
        assert made.recorder.dropped == 6
        assert made.recorder.trouble_key == "frames-not-recorded"


async def test_a_disk_that_is_short_of_room_is_left_to_the_others(tmp_path: Path) -> None:
    async with bench(tmp_path, free_least_bytes=2**62) as made:
        conversation(made, count=2)
        assert await made.found() == []
        assert made.recorder.dropped == 4
        assert (await made.search.state()).trouble_key == "frames-disk-full"
        conversation(made)
        assert await made.found() == []


def fill(ballast: Path) -> None:
    """Writes until the disk is full."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for _ in range(100_000):
            file.write(b"x" * 4096)


@needs_root
async def test_a_full_disk_is_no_harm_and_recording_goes_on_afterwards(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 2048) as folder:
        async with bench(folder) as made:
            conversation(made, count=5)
            assert len(await made.found()) == 5
            ballast = folder / "ballast"
            fill(ballast)
            tap = made.recorder.connection("S-2")
            for number in range(500):
                tap.received(call(str(number), "DataTransfer", data=os.urandom(200).hex()))
            await made.recorder.flush()
            assert made.recorder.trouble_key == "frames-not-recorded"
            dropped = made.recorder.dropped
            assert dropped >= 500
            ballast.unlink()
            conversation(made, count=2)
            assert len(await made.found()) == 7
            state = await made.search.state()
            assert (state.trouble_key, state.dropped) == (None, dropped)


_VICTIM = """
import sys, time
from pathlib import Path
from app.adapters.clock import SystemClock
from app.adapters.frame_recorder import FrameRecorder
recorder = FrameRecorder(Path(sys.argv[1]), SystemClock(), most_bytes=2**27, keep_days=14,
                         free_least_bytes=0)
tap = recorder.connection("S-1")
number = 0
while True:
    tap.received(f'[2,"{number}","Heartbeat",{{}}]')
    number += 1
    time.sleep(0.001)
"""


def written(path: Path) -> int:
    try:
        with closing(open_for_search(path)) as database:
            return int(database.execute("SELECT count(*) FROM frame").fetchone()[0])
    except sqlite3.Error:
        return 0


def killed(path: Path) -> None:
    """Lets a recorder write a hundred frames in a process of its own, and kills it."""
    with subprocess.Popen([sys.executable, "-c", _VICTIM, str(path)]) as victim:
        before = written(path)
        until(lambda: written(path) >= before + 100)
        victim.send_signal(signal.SIGKILL)


async def test_kill_9_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "frames.sqlite3"
    for _ in range(3):
        await asyncio.to_thread(killed, path)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with bench(tmp_path) as made:
        found = await made.found(most=100_000)
        assert len(found) >= 300
        conversation(made)
        assert len(await made.found(most=100_000)) == len(found) + 1


def test_a_frame_costs_a_fraction_of_its_length() -> None:
    text = json.dumps(
        [2, "1717", "MeterValues", {
            "connectorId": 1, "transactionId": 815,
            "meterValue": [{"timestamp": "2026-03-02T12:00:00Z", "sampledValue": [
                {"value": f"1{phase}.{phase}", "context": "Sample.Periodic",
                 "measurand": "Current.Import", "unit": "A", "phase": f"L{phase}"}
                for phase in (1, 2, 3)]}]}]
    ).encode()  # fmt: skip
    assert len(packed(text)) < len(text) / 3
    assert unpacked(packed(text)).encode() == text


def test_a_file_can_be_thrown_away_when_there_is_none(tmp_path: Path) -> None:
    FrameFile.discard(tmp_path / "frames.sqlite3")
