"""Ports of the frame recorder: who feeds it, and what is asked of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class FrameKind(enum.IntEnum):
    """What a recorded text is."""

    UNREADABLE = 0
    """No OCPP frame."""
    CALL = 2
    RESULT = 3
    ERROR = 4


class RecordedFrame(msgspec.Struct, frozen=True):
    """A text as it was on the wire, credentials masked.

    ``connection`` counts all connections of all stations. ``size`` is in bytes, before masking.
    ``notes`` names the repairs, and why a frame was not taken: ``rejected``, ``refused``, ``busy``,
    ``repeated``, ``late-answer``, ``unknown-answer``. ``action`` of an answer is that of its CALL,
    empty when the CALL is not known.
    """

    frame_id: int
    at_utc: datetime
    station_id: str
    connection: int
    from_station: bool
    kind: FrameKind
    action: str
    message_id: str
    size: int
    notes: tuple[str, ...]
    text: str


class Exchange(msgspec.Struct, frozen=True):
    """A CALL and its answer, or a frame that stands alone.

    ``answer_ms`` is the time from one to the other as the manager saw it.
    """

    frame: RecordedFrame
    answer: RecordedFrame | None = None
    answer_ms: float | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of both frames."""
        return self.frame.notes + (() if self.answer is None else self.answer.notes)


class FrameFilter(msgspec.Struct, frozen=True):
    """Which exchanges are looked for; all that is given must hold.

    ``text`` is any part of either frame, in any case. ``from_station`` is the direction of the
    CALL. ``odd`` keeps what was repaired, rejected, refused or never answered.
    """

    station_id: str | None = None
    action: str | None = None
    from_station: bool | None = None
    text: str = ""
    since_utc: datetime | None = None
    until_utc: datetime | None = None
    odd: bool = False


class FramePage(msgspec.Struct, frozen=True):
    """A part of what was found, newest first.

    ``older`` continues the search behind it (``before``), ``None`` when all has been seen. When
    ``exchanges`` is short and ``older`` is not ``None``, the search has stopped to take breath.
    ``searched_utc`` is how far back it has come.
    """

    exchanges: Sequence[Exchange] = ()
    older: int | None = None
    searched_utc: datetime | None = None


class FrameState(msgspec.Struct, frozen=True):
    """How the recorder is. ``dropped`` counts frames since the start that were not recorded."""

    on: bool
    frames: int = 0
    used_bytes: int = 0
    most_bytes: int = 0
    keep_days: int = 0
    since_utc: datetime | None = None
    dropped: int = 0
    trouble_key: str | None = None


class ConnectionTap(Protocol):
    """Told of each text of one connection; never blocks, never fails."""

    def received(self, text: str | bytes, *tallies: Mapping[str, int]) -> None:
        """A text of the station, once taken in; ``tallies`` count what was odd so far."""
        ...

    def sent(self, text: str) -> None:
        """A text for the station."""
        ...


class FrameTap(Protocol):
    """What the stations' ports feed."""

    def connection(self, station_id: str) -> ConnectionTap:
        """The tap of a new connection."""
        ...


class FrameArchive(Protocol):
    """The record, for reading. Every method may take a moment: none runs on the event loop."""

    async def find(self, wanted: FrameFilter, *, before: int | None, most: int) -> FramePage:
        """Up to ``most`` exchanges older than frame ``before``, newest first."""
        ...

    async def exchange(self, frame_id: int) -> Exchange | None:
        """The exchange to which a frame belongs; ``None`` when it is not kept (any more)."""
        ...

    async def neighbours(self, frame_id: int) -> tuple[int | None, int | None]:
        """The exchanges of the same station before and after, by the id of their frame."""
        ...

    async def forward(self, wanted: FrameFilter, *, after: int, most: int) -> FramePage:
        """Up to ``most`` exchanges younger than frame ``after``, oldest first.

        ``older`` is then where to go on.
        """
        ...

    async def actions(self) -> Sequence[str]:
        """Every action recorded, sorted."""
        ...

    async def state(self) -> FrameState:
        """How the recorder is."""
        ...


class NoFrames:
    """Implements ``FrameArchive`` where nothing is recorded."""

    async def find(self, wanted: FrameFilter, *, before: int | None, most: int) -> FramePage:  # noqa: ARG002
        """Nothing."""
        return FramePage()

    async def forward(self, wanted: FrameFilter, *, after: int, most: int) -> FramePage:  # noqa: ARG002
        """Nothing."""
        return FramePage()

    async def exchange(self, frame_id: int) -> Exchange | None:  # noqa: ARG002
        """Nothing."""
        return None

    async def neighbours(self, frame_id: int) -> tuple[int | None, int | None]:  # noqa: ARG002
        """Nothing."""
        return None, None

    async def actions(self) -> Sequence[str]:
        """None."""
        return ()

    async def state(self) -> FrameState:
        """Off."""
        return FrameState(on=False)
