"""The live stream: ``GET /live/{view}``, server-sent events.

The first event after a connection holds every block of the page; each later one holds only what
changed since the cycle that this browser saw last. Nothing is queued: a browser that reads slowly
is written to more rarely, and then gets the newest. Silence lasts two seconds at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import StreamingResponse

from app.services.live import LiveFeed, SiteView
from app.services.ports import Clock
from app.web.fragments import Board

HEARTBEAT_S = 2.0
CHECK_EVERY_S = 60.0
"""How often a stream asks whether its session is still open."""


class EventStreamResponse(StreamingResponse):
    """Server-sent events, never cached or held back by a proxy."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[str]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


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
