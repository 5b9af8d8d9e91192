"""The live stream: ``GET /live/{view}``, server-sent events.

The first event after a connection holds every block of the page; each later one holds only what
changed since the cycle that this browser saw last. Nothing is queued: a browser that reads slowly
is written to more rarely, and then gets the newest. Silence lasts two seconds at most.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import StreamingResponse

from app.services.live import LiveFeed, SiteView
from app.services.ports import Clock
from app.web.fragments import Board

HEARTBEAT_S = 2.0
COMPRESS_LEVEL = 3
COMPRESS_MEMORY = 7
GZIP_WINDOW = 16 + 14
"""gzip with a window of 16 KB: less memory for each browser, hardly more bytes."""

CHECK_EVERY_S = 60.0
"""How often a stream asks whether its session is still open."""


class EventStreamResponse(StreamingResponse):
    """Server-sent events, never cached or held back by a proxy; compressed where understood."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str], accept_encoding: str = "") -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        if "gzip" in accept_encoding:
            headers["Content-Encoding"] = "gzip"
            super().__init__(compressed(events), headers=headers)
        else:
            super().__init__(events, headers=headers)


async def compressed(events: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """The events as one gzip stream, flushed after each: a tenth of the bytes."""
    squeezer = zlib.compressobj(COMPRESS_LEVEL, zlib.DEFLATED, GZIP_WINDOW, COMPRESS_MEMORY)
    async for text in events:
        yield squeezer.compress(text.encode()) + squeezer.flush(zlib.Z_SYNC_FLUSH)


def event(cycle: int, html: str, extra: str = "") -> str:
    """One update; ``extra`` is JSON for the page's script."""
    text = f"id: {cycle}\ndata: {html}\n\n"
    if extra:
        text += f"event: sample\ndata: {extra}\n\n"
    return text


def beat(age_s: float) -> str:
    """A sign of life that tells how old the newest picture is."""
    return f"event: beat\ndata: {age_s:.1f}\n\n"


async def stream(
    feed: LiveFeed,
    board: Board,
    clock: Clock,
    still_allowed: Callable[[], Awaitable[bool]],
) -> AsyncIterator[str]:
    """Events for one browser until it leaves, its session ends, or the board cannot show more."""
    seen: int | None = None
    checked_s = clock.monotonic_s()
    while True:
        now_s = clock.monotonic_s()
        if now_s - checked_s >= CHECK_EVERY_S:
            checked_s = now_s
            if not await still_allowed():
                return
        site = await _newer(feed, seen)
        if site is None:
            yield beat(_age_s(feed, clock))
            continue
        board.show(site)
        html = board.snapshot() if seen is None or site.cycle < seen else board.since(seen)
        seen = site.cycle
        yield event(site.cycle, html, board.page.event(site))


async def _newer(feed: LiveFeed, seen: int | None) -> SiteView | None:
    """The newest picture after ``seen``; ``None`` when none came within a heartbeat."""
    if seen is not None and feed.latest is not None and feed.latest.cycle < seen:
        return feed.latest
    try:
        return await asyncio.wait_for(feed.next_after(-1 if seen is None else seen), HEARTBEAT_S)
    except TimeoutError:
        return None


def _age_s(feed: LiveFeed, clock: Clock) -> float:
    if feed.latest is None:
        return 0.0
    return max(0.0, (clock.utc_now() - feed.latest.at_utc).total_seconds())
