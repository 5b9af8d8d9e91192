"""Reads the file of recorded frames: bounded work for each question, off the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from app.adapters.frame_file import (
    SLOT_US,
    FrameRow,
    id_bounds,
    open_for_search,
    row_of,
    unpacked,
    used_bytes,
)
from app.adapters.frame_recorder import FrameRecorder
from app.domain.errors import StorageError
from app.services.frame_ports import (
    Exchange,
    FrameFilter,
    FrameKind,
    FramePage,
    FrameState,
    RecordedFrame,
)

T = TypeVar("T")

SEARCH_S: Final = 0.4
"""As long as one question may take; then it answers what it has, and where to go on."""

FIRST_SPAN: Final = 2_000
WIDEST_SPAN: Final = 32_000
"""Frames looked at in one step, whether they match or not."""

ACTIONS_MOST: Final = 100

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTH: Final = len(FrameRow._fields)
_COLUMNS: Final = [f"{table}.{name}" for table in "fa" for name in FrameRow._fields]
_PAIR: Final = (
    f"SELECT {', '.join(_COLUMNS)} FROM frame AS f LEFT JOIN frame AS a ON a.id = f.answer_id"  # noqa: S608
)
_BELONGS: Final = " WHERE f.id = coalesce((SELECT call_id FROM frame WHERE id = ?), ?)"


class FrameSearch:
    """Implements ``FrameArchive`` over a ``FrameRecorder``'s file.

    Raises ``StorageError`` (``frames-unreadable``) when the file cannot be read.
    """

    def __init__(self, recorder: FrameRecorder) -> None:
        self._recorder = recorder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="frames-read")

    def close(self) -> None:
        """Lets a question that is being answered end."""
        self._pool.shutdown()

    async def find(self, wanted: FrameFilter, *, before: int | None, most: int) -> FramePage:
        """See ``FrameArchive``."""
        return await self._ask(lambda database: _search(database, wanted, before, most, down=True))

    async def forward(self, wanted: FrameFilter, *, after: int, most: int) -> FramePage:
        """See ``FrameArchive``."""
        return await self._ask(
            lambda database: _search(database, wanted, after, most, down=False), flush=after == 0
        )

    async def exchange(self, frame_id: int) -> Exchange | None:
        """See ``FrameArchive``."""
        return await self._ask(lambda database: _exchange(database, frame_id))

    async def neighbours(self, frame_id: int) -> tuple[int | None, int | None]:
        """See ``FrameArchive``."""
        return await self._ask(lambda database: _neighbours(database, frame_id), flush=False)

    async def actions(self) -> Sequence[str]:
        """See ``FrameArchive``."""
        return await self._ask(_actions, flush=False)

    async def state(self) -> FrameState:
        """See ``FrameArchive``."""
        recorder = self._recorder
        frames, used, since_us = await self._ask(_extent)
        return FrameState(
            on=True,
            frames=frames,
            used_bytes=used,
            most_bytes=recorder.most_bytes,
            keep_days=recorder.keep_days,
            since_utc=None if since_us is None else _instant(since_us),
            dropped=recorder.dropped,
            trouble_key=recorder.trouble_key,
        )

    async def _ask(self, question: Callable[[sqlite3.Connection], T], *, flush: bool = True) -> T:
        if flush:
            await self._recorder.flush()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._answer, question)

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        # A connection each time: the recorder may have begun a new file since the last question.
        try:
            with closing(open_for_search(self._recorder.path)) as database:
                return question(database)
        except sqlite3.Error as error:
            raise StorageError("frames-unreadable", cause=str(error)) from error


# ---------------------------------------------------------------- questions, in the reader's thread


def _search(
    database: sqlite3.Connection, wanted: FrameFilter, start: int | None, most: int, *, down: bool
) -> FramePage:
    """Steps through the numbers of the frames, wider while nothing is found."""
    first, last = _bounds(database, wanted)
    if first is None or last is None:
        return FramePage()
    condition, values = _condition(wanted)
    order = "DESC" if down else "ASC"
    question = (
        f"{_PAIR} WHERE f.call_id IS NULL AND f.id BETWEEN ? AND ?"
        f"{condition} ORDER BY f.id {order} LIMIT ?"
    )
    if down:
        place = last if start is None else min(last, start - 1)
    else:
        place = first if start is None else max(first, start + 1)
    found: list[Exchange] = []
    span = FIRST_SPAN
    until_s = time.monotonic() + SEARCH_S
    while first <= place <= last:
        bounds = (
            (max(first, place - span + 1), place) if down else (place, min(last, place + span - 1))
        )
        rows = database.execute(question, (*bounds, *values, most - len(found))).fetchall()
        found += [_paired(row) for row in rows]
        if len(found) >= most:
            place = found[-1].frame.frame_id + (-1 if down else 1)
            break
        place = bounds[0] - 1 if down else bounds[1] + 1
        span = min(span * 2, WIDEST_SPAN)
        if time.monotonic() >= until_s:
            break
    if not first <= place <= last:
        return FramePage(found)
    return FramePage(found, place + 1 if down else place - 1, _time_of(database, place))


def _bounds(database: sqlite3.Connection, wanted: FrameFilter) -> tuple[int | None, int | None]:
    """First and last number of the frames that may match the times."""
    if wanted.since_utc is None and wanted.until_utc is None:
        return id_bounds(database)
    since = -1 if wanted.since_utc is None else _microseconds(wanted.since_utc) // SLOT_US
    until = 2**62 if wanted.until_utc is None else _microseconds(wanted.until_utc) // SLOT_US
    first, last = database.execute(
        "SELECT min(first_id), max(last_id) FROM slot WHERE slot BETWEEN ? AND ?", (since, until)
    ).fetchone()
    return first, last


def _condition(wanted: FrameFilter) -> tuple[str, list[Any]]:
    """SQL and its values, behind the bounds."""
    parts: list[tuple[str, list[Any]]] = []
    if wanted.station_id is not None:
        parts.append(("f.station = ?", [wanted.station_id]))
    if wanted.action is not None:
        parts.append(("f.action = ?", [wanted.action]))
    if wanted.from_station is not None:
        parts.append(("f.from_station = ?", [wanted.from_station]))
    if wanted.since_utc is not None:
        parts.append(("f.at_us >= ?", [_microseconds(wanted.since_utc)]))
    if wanted.until_utc is not None:
        parts.append(("f.at_us < ?", [_microseconds(wanted.until_utc)]))
    if wanted.odd:
        parts.append(("(f.notes <> '' OR a.id IS NULL OR a.notes <> '' OR a.kind <> 3)", []))
    if wanted.text:
        needle = wanted.text.lower()
        parts.append(("(holds(f.body, ?) OR holds(a.body, ?))", [needle, needle]))
    return (
        "".join(f" AND {text}" for text, _ in parts),
        [value for _, values in parts for value in values],
    )


def _exchange(database: sqlite3.Connection, frame_id: int) -> Exchange | None:
    row = database.execute(_PAIR + _BELONGS, (frame_id, frame_id)).fetchone()
    return None if row is None else _paired(row)


def _neighbours(database: sqlite3.Connection, frame_id: int) -> tuple[int | None, int | None]:
    row = database.execute(
        "SELECT (SELECT max(id) FROM frame WHERE station = f.station AND call_id IS NULL AND id < f.id),"
        " (SELECT min(id) FROM frame WHERE station = f.station AND call_id IS NULL AND id > f.id)"
        " FROM frame AS f WHERE f.id = ?",
        (frame_id,),
    ).fetchone()
    return (None, None) if row is None else (row[0], row[1])


def _actions(database: sqlite3.Connection) -> Sequence[str]:
    # One step down the index for each, instead of a walk over all of it.
    rows = database.execute(
        "WITH RECURSIVE one (action) AS ("
        " SELECT min(action) FROM frame WHERE call_id IS NULL AND action > ''"
        " UNION ALL SELECT (SELECT min(action) FROM frame"
        " WHERE call_id IS NULL AND action > one.action) FROM one WHERE one.action IS NOT NULL)"
        " SELECT action FROM one WHERE action IS NOT NULL LIMIT ?",
        (ACTIONS_MOST,),
    ).fetchall()
    return [row[0] for row in rows]


def _extent(database: sqlite3.Connection) -> tuple[int, int, int | None]:
    """About how many frames there are, their bytes, and since when."""
    first, last = id_bounds(database)
    used, _free = used_bytes(database)
    if first is None or last is None:
        return 0, used, None
    return last - first + 1, used, _at_us(database, first)


def _at_us(database: sqlite3.Connection, frame_id: int) -> int | None:
    """When the frame was recorded, or the next one that there is."""
    row = database.execute(
        "SELECT at_us FROM frame WHERE id >= ? ORDER BY id LIMIT 1", (frame_id,)
    ).fetchone()
    return None if row is None else int(row[0])


def _time_of(database: sqlite3.Connection, frame_id: int) -> datetime | None:
    at_us = _at_us(database, frame_id)
    return None if at_us is None else _instant(at_us)


def _paired(values: Sequence[Any]) -> Exchange:
    row = row_of(values[:_WIDTH])
    if values[_WIDTH] is None:
        return Exchange(_frame(row))
    answer = row_of(values[_WIDTH:])
    return Exchange(_frame(row), _frame(answer), (row.answer_us or 0) / 1000)


def _frame(row: FrameRow) -> RecordedFrame:
    return RecordedFrame(
        frame_id=row.id,
        at_utc=_instant(row.at_us),
        station_id=row.station,
        connection=row.connection,
        from_station=bool(row.from_station),
        kind=FrameKind(row.kind),
        action=row.action,
        message_id=row.message_id,
        size=row.size,
        notes=tuple(row.notes.split()),
        text=unpacked(row.body),
    )


def _microseconds(at_utc: datetime) -> int:
    return (at_utc - _EPOCH) // timedelta(microseconds=1)


def _instant(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)
