"""Records every frame of every station without ever being in its way.

The stations' side appends to a queue in memory and returns. A thread of its own takes the frames
from there, finds out what they are, masks credentials and writes them by the second. It goes at a
bounded pace: what a flood brings beyond is dropped and counted, so that neither processor nor disk
is taken from the charging. Whatever befalls the file, the rest of the manager does not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from app.adapters.frame_file import FrameFile, FrameRow, packed
from app.ocpp16.frames import CallFrame, ErrorFrame, FrameError, split
from app.ocpp16.masking import without_secrets
from app.services.frame_ports import FrameKind
from app.services.ports import Clock

log = logging.getLogger(__name__)

PERIOD_S: Final = 1.0
"""Between two writes."""

CHUNK: Final = 25
PAUSE_S: Final = 0.1
"""So many frames, then a pause: 250 frames a second at most, ten times what a full site says.
More would be felt by the stations, whose thread takes turns with this one."""

FLOOD_PAUSE_S: Final = 4 * PAUSE_S
"""The same while frames are being dropped."""

BATCH_MOST: Final = 250
WAITING_MOST: Final = 10_000
WAITING_BYTES_MOST: Final = 8 * 1024 * 1024
"""What may wait in memory; a storm of a hundred stations takes a third of it."""

FREE_LEAST_BYTES: Final = 256 * 1024 * 1024
"""Room on the disk that is left to the rest of the manager."""

RETRY_S: Final = 30.0
"""How soon a file that could not be opened is tried again."""

CALLS_PENDING: Final = 64
"""CALLs of one connection whose answer is waited for."""

LONGEST_ACTION: Final = 50
LONGEST_MESSAGE_ID: Final = 255


class _Taken(NamedTuple):
    """A text as the stations' side leaves it."""

    connection: _Connection
    at_utc: datetime
    at_s: float
    from_station: bool
    text: str | bytes
    notes: str


class _Connection:
    """Implements ``ConnectionTap``. ``number`` and ``pending`` belong to the writer's thread."""

    __slots__ = ("_recorder", "_tallied", "_told", "number", "pending", "station_id")

    def __init__(self, recorder: FrameRecorder, station_id: str) -> None:
        self.station_id = station_id
        self.number = 0
        self.pending: dict[tuple[bool, str], tuple[int, float, str]] = {}
        """CALLs without an answer: id of the frame, monotonic time and action."""
        self._recorder = recorder
        self._tallied = 0
        self._told: dict[str, int] = {}

    def received(self, text: str | bytes, *tallies: Mapping[str, int]) -> None:
        """See ``ConnectionTap``."""
        notes = ""
        tallied = 0
        for tally in tallies:
            if tally:  # of most stations, all are empty
                tallied += sum(tally.values())
        if tallied != self._tallied:
            self._tallied = tallied
            now = {name: count for tally in tallies for name, count in tally.items()}
            notes = " ".join(name for name, count in now.items() if count != self._told.get(name))
            self._told = now
        self._recorder.take(self, text, notes, from_station=True)

    def sent(self, text: str) -> None:
        """See ``ConnectionTap``."""
        self._recorder.take(self, text, "", from_station=False)


class FrameRecorder:
    """Implements ``FrameTap``; ``FrameSearch`` reads what it writes."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        most_bytes: int,
        keep_days: int,
        free_least_bytes: int = FREE_LEAST_BYTES,
    ) -> None:
        self.path = path
        self.most_bytes = most_bytes
        self.keep_days = keep_days
        self.trouble_key: str | None = None
        """Message key of what keeps it from recording."""
        self._clock = clock
        self._free_least_bytes = free_least_bytes
        self._waiting: deque[_Taken] = deque()
        self._bytes_in = 0
        self._bytes_out = 0
        self._dropped_in = 0
        self._dropped_out = 0
        self._dropped_seen = 0
        self._file: FrameFile | None = None
        self._retry_at_s = 0.0
        self._next_id = 1
        self._next_connection = 1
        self._flushes: deque[Future[None]] = deque()
        self._wake = threading.Event()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------ the stations' side

    def connection(self, station_id: str) -> _Connection:
        """See ``FrameTap``."""
        return _Connection(self, station_id)

    def take(
        self, connection: _Connection, text: str | bytes, notes: str, *, from_station: bool
    ) -> None:
        """Queues a text, or drops it when too many wait. For the event loop's thread alone."""
        length = len(text)
        waiting = self._waiting
        if (
            len(waiting) >= WAITING_MOST
            or self._bytes_in - self._bytes_out + length > WAITING_BYTES_MOST
            or self._ending
        ):
            self._dropped_in += 1
            return
        # Each side counts what it does, so that no counter is written by two threads.
        self._bytes_in += length
        clock = self._clock
        waiting.append(
            _Taken(connection, clock.utc_now(), clock.monotonic_s(), from_station, text, notes)
        )

    @property
    def dropped(self) -> int:
        """Frames not recorded since the start."""
        return self._dropped_in + self._dropped_out

    async def flush(self) -> None:
        """Returns when everything taken before is in the file, or has been dropped."""
        if self._ending:
            return
        done: Future[None] = Future()
        self._flushes.append(done)
        self._wake.set()
        await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Writes what waits and closes the file."""
        self._ending = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join)

    # ------------------------------------------------------------------ the writer's thread

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(PERIOD_S)
            self._turn()
        while self._waiting:
            self._turn()
        self._answer_flushes(len(self._flushes))
        self._close_file()

    def _turn(self) -> None:
        """Writes what waits, at leisure unless somebody is waiting for it."""
        self._wake.clear()
        flushes = len(self._flushes)
        left = len(self._waiting)
        try:
            if flushes:
                self._opened()  # whoever waits is going to read
            while left > 0:
                count = min(left, BATCH_MOST)
                self._write(count)
                left -= count
        except Exception:
            # Whatever a text may hold, the thread must outlive it.
            log.exception("frames were not recorded")
            self._dropped_out += 1
        self._answer_flushes(flushes)

    def _answer_flushes(self, count: int) -> None:
        for _ in range(count):
            done = self._flushes.popleft()
            if not done.cancelled():
                done.set_result(None)

    def _write(self, count: int) -> None:
        file = self._opened()
        if file is None or not self._has_room():
            self._drop(count)
            return
        rows: list[FrameRow] = []
        late_answers: list[tuple[int, int, int]] = []
        # In a flood nearly everything is lost anyway: then the stations' thread comes first.
        pause_s = PAUSE_S if self._dropped_in == self._dropped_seen else FLOOD_PAUSE_S
        self._dropped_seen = self._dropped_in
        while count > 0:
            for _ in range(min(count, CHUNK)):
                self._add(self._waiting.popleft(), rows, late_answers)
            count -= CHUNK
            if count > 0 and not self._flushes and not self._ending:
                self._wake.wait(pause_s)
        oldest = self._clock.utc_now() - timedelta(days=self.keep_days)
        try:
            file.write(rows, late_answers, self.most_bytes, _microseconds(oldest))
        except sqlite3.Error as error:
            self._dropped_out += len(rows)
            self._fail(error)
        else:
            self.trouble_key = None

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._bytes_out += len(self._waiting.popleft().text)
        self._dropped_out += count

    def _opened(self) -> FrameFile | None:
        if self._file is None and self._clock.monotonic_s() >= self._retry_at_s:
            try:
                self._file = FrameFile(self.path)
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
            else:
                # Never one that was given before: a CALL may still wait for its answer under it.
                self._next_id = max(self._next_id, self._file.last_id + 1)
                self._next_connection = max(self._next_connection, self._file.last_connection + 1)
        return self._file

    def _has_room(self) -> bool:
        with contextlib.suppress(OSError):
            disk = os.statvfs(self.path.parent)
            if disk.f_bavail * disk.f_frsize >= self._free_least_bytes:
                return True
        if self.trouble_key != "frames-disk-full":
            self.trouble_key = "frames-disk-full"
            log.warning("the disk is short of room: frames are not recorded")
        return False

    def _fail(self, error: sqlite3.Error | OSError) -> None:
        """Notes trouble of the file; one that is damaged is begun anew."""
        if self.trouble_key is None:
            log.warning("frames are not recorded: %s", error)
        self.trouble_key = "frames-not-recorded"
        self._retry_at_s = self._clock.monotonic_s() + RETRY_S
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            self._close_file()
            self._retry_at_s = 0.0
            with contextlib.suppress(OSError):
                FrameFile.discard(self.path)

    def _close_file(self) -> None:
        if self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                self._file.close()
            self._file = None

    def _add(
        self, taken: _Taken, rows: list[FrameRow], late_answers: list[tuple[int, int, int]]
    ) -> None:
        """Makes the row of a frame and joins it with its CALL."""
        self._bytes_out += len(taken.text)
        connection, from_station = taken.connection, taken.from_station
        if connection.number == 0:
            connection.number = self._next_connection
            self._next_connection += 1
        raw = taken.text.encode("utf-8", "replace") if isinstance(taken.text, str) else taken.text
        kind, message_id, action = _looked_at(taken.text)
        number = self._next_id
        self._next_id += 1
        call_id = answer_us = None
        pending = connection.pending
        if kind is FrameKind.CALL:
            while len(pending) >= CALLS_PENDING:
                del pending[next(iter(pending))]
            pending[from_station, message_id] = (number, taken.at_s, action)
        elif kind is not FrameKind.UNREADABLE:
            call = pending.pop((not from_station, message_id), None)
            if call is not None:
                call_id, called_s, action = call
                answer_us = round((taken.at_s - called_s) * 1_000_000)
                place = call_id - rows[0].id if rows else -1
                if place >= 0:
                    rows[place] = rows[place]._replace(answer_id=number, answer_us=answer_us)
                else:
                    late_answers.append((number, answer_us, call_id))
        text = raw.decode("utf-8", "replace")
        rows.append(
            FrameRow(
                id=number,
                at_us=_microseconds(taken.at_utc),
                station=connection.station_id,
                connection=connection.number,
                from_station=from_station,
                kind=kind,
                action=action,
                message_id=message_id,
                size=len(raw),
                notes=taken.notes,
                body=packed(without_secrets(text).encode("utf-8", "replace")),
                call_id=call_id,
                answer_id=None,
                answer_us=None,
            )
        )


def _looked_at(text: str | bytes) -> tuple[FrameKind, str, str]:
    """Kind, message id and (of a CALL) action of a frame, whatever is in it."""
    try:
        frame, _repairs = split(text)
    except FrameError:
        return FrameKind.UNREADABLE, "", ""
    message_id = frame.message_id[:LONGEST_MESSAGE_ID]
    if isinstance(frame, CallFrame):
        return FrameKind.CALL, message_id, frame.action[:LONGEST_ACTION]
    kind = FrameKind.ERROR if isinstance(frame, ErrorFrame) else FrameKind.RESULT
    return kind, message_id, ""


def _microseconds(at_utc: datetime) -> int:
    return int(at_utc.timestamp() * 1_000_000)
