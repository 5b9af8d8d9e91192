"""What the stations and the manager have said to each other: looked up, and exported."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from app.config import VERSION
from app.ocpp16.anonymous import REPLACED, Pseudonyms, anonymous
from app.services.audit import AuditTrail
from app.services.frame_ports import (
    Exchange,
    FrameArchive,
    FrameFilter,
    FrameKind,
    FramePage,
    FrameState,
    RecordedFrame,
)
from app.services.ports import Clock

FORMAT = "bornier-frames/1"
EXPORT_STEP = 500
EXPORT_MOST = 500_000
"""Exchanges in one export."""

_ENCODER = msgspec.json.Encoder()


class FrameService:
    """The record of frames for the pages."""

    def __init__(self, archive: FrameArchive, audit: AuditTrail, clock: Clock) -> None:
        self._archive = archive
        self._audit = audit
        self._clock = clock

    async def find(self, wanted: FrameFilter, before: int | None, most: int) -> FramePage:
        """Up to ``most`` exchanges, newest first; see ``FramePage``."""
        return await self._archive.find(wanted, before=before, most=most)

    async def newer(self, wanted: FrameFilter, after: int, most: int) -> FramePage:
        """The ``most`` exchanges that follow frame ``after``, newest first.

        ``older`` is where to go on towards the newest.
        """
        page = await self._archive.forward(wanted, after=after, most=most)
        return FramePage(tuple(reversed(page.exchanges)), page.older, page.searched_utc)

    async def exchange(self, frame_id: int) -> Exchange | None:
        """The exchange to which a frame belongs."""
        return await self._archive.exchange(frame_id)

    async def neighbours(self, frame_id: int) -> tuple[int | None, int | None]:
        """The station's exchanges before and after."""
        return await self._archive.neighbours(frame_id)

    async def actions(self) -> Sequence[str]:
        """Every action recorded, sorted."""
        return await self._archive.actions()

    async def state(self) -> FrameState:
        """How the recorder is."""
        return await self._archive.state()

    async def export(
        self, wanted: FrameFilter, actor: str, *, anonymised: bool
    ) -> AsyncIterator[bytes]:
        """The frames that were found as lines of JSON, oldest first, behind a line about them.

        The audit names who took them, before the first line leaves.
        """
        await self._audit.record(
            actor,
            "frames-exported",
            wanted.station_id or "",
            "anonymous" if anonymised else "in full",
        )
        names = Pseudonyms() if anonymised else None
        return self._lines(wanted, names)

    async def _lines(self, wanted: FrameFilter, names: Pseudonyms | None) -> AsyncIterator[bytes]:
        yield _line(
            {
                "format": FORMAT,
                "version": VERSION,
                "exported": _instant(self._clock.utc_now()),
                "anonymised": names is not None,
                "masked": ["credentials", *(REPLACED if names is not None else ())],
            }
        )
        answers: list[tuple[int, RecordedFrame]] = []
        after, left = 0, EXPORT_MOST
        while left > 0:
            page = await self._archive.forward(wanted, after=after, most=min(left, EXPORT_STEP))
            lines = []
            for exchange in page.exchanges:
                # Answers stand where they came, among the CALLs of other stations.
                while answers and answers[0][0] < exchange.frame.frame_id:
                    lines.append(_frame_line(heapq.heappop(answers)[1], names))
                lines.append(_frame_line(exchange.frame, names))
                if exchange.answer is not None:
                    heapq.heappush(answers, (exchange.answer.frame_id, exchange.answer))
            if lines:
                yield b"".join(lines)
            left -= len(page.exchanges)
            if page.older is None:
                break
            after = page.older
        yield b"".join(_frame_line(frame, names) for _, frame in sorted(answers))


def _frame_line(frame: RecordedFrame, names: Pseudonyms | None) -> bytes:
    station, action, text = frame.station_id, frame.action, frame.text
    if names is not None:
        station = names.station(station)
        action = action if action.isalpha() else ""
        text = anonymous(text, frame.connection, names)
    line: dict[str, object] = {
        "at": _instant(frame.at_utc),
        "station": station,
        "connection": frame.connection,
        "from": "station" if frame.from_station else "manager",
        "kind": FrameKind(frame.kind).name.lower(),
        "action": action,
        "text": text,
    }
    if frame.notes:
        line["notes"] = frame.notes
    return _line(line)


def _line(value: object) -> bytes:
    return _ENCODER.encode(value) + b"\n"


def _instant(at_utc: datetime) -> str:
    return at_utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
