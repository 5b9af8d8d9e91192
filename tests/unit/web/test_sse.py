"""The live stream, read as a browser would, without a socket."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from app.services.live import LiveFeed, SiteView
from app.web import sse
from app.web.fragments import Board
from app.web.i18n import languages
from app.web.site_page import StatusPage
from tests.support.clock import HandClock

START = datetime(2026, 11, 22, 8, tzinfo=UTC)


def picture(cycle: int) -> SiteView:
    return SiteView(
        cycle=cycle,
        at_utc=START.replace(second=cycle % 60),
        name="",
        timezone="Europe/Paris",
        circuits=(),
        connectors=(),
        meters=(),
        alarms=(),
        pending_stations=0,
        cycle_ms=1.0,
    )


class Listener:
    """One browser's stream."""

    def __init__(self, feed: LiveFeed) -> None:
        self.clock = HandClock(START)
        self.allowed = True
        self.asked = 0
        self.events: AsyncIterator[str] = sse.stream(
            feed, Board(StatusPage(), languages()["fr"]), self.clock, self._still_allowed
        )

    async def _still_allowed(self) -> bool:
        self.asked += 1
        return self.allowed

    async def next(self) -> str:
        return await asyncio.wait_for(anext(self.events), 30)


@pytest.fixture
def feed() -> LiveFeed:
    made = LiveFeed()
    made.publish(picture(1))
    return made


async def test_the_first_event_is_a_snapshot_and_later_ones_are_changes(feed: LiveFeed) -> None:
    listener = Listener(feed)
    first = await listener.next()
    assert first.startswith("id: 1\ndata: ")
    assert 'id="data-time">09:00:01<' in first
    assert 'id="alarm-count"' in first
    feed.publish(picture(2))
    second = await listener.next()
    assert second.startswith("id: 2\ndata: ")
    assert 'id="data-time">09:00:02<' in second
    assert 'id="alarm-count"' not in second


async def test_a_slow_browser_skips_to_the_newest(feed: LiveFeed) -> None:
    listener = Listener(feed)
    await listener.next()
    for cycle in range(2, 50):
        feed.publish(picture(cycle))
    assert (await listener.next()).startswith("id: 49\n")


async def test_silence_is_filled_with_beats_that_tell_the_age(
    feed: LiveFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)
    listener = Listener(feed)
    await listener.next()
    listener.clock.advance(13)
    assert await listener.next() == "event: beat\ndata: 12.0\n\n"


async def test_a_manager_without_a_picture_still_gives_signs_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.01)
    assert await Listener(LiveFeed()).next() == "event: beat\ndata: 0.0\n\n"


async def test_a_manager_that_counts_anew_brings_a_snapshot(feed: LiveFeed) -> None:
    feed.publish(picture(30))
    listener = Listener(feed)
    await listener.next()
    feed.publish(picture(2))
    event = await listener.next()
    assert event.startswith("id: 2\n")
    assert 'id="alarm-count"' in event


async def test_the_stream_ends_with_the_session(feed: LiveFeed) -> None:
    listener = Listener(feed)
    await listener.next()
    listener.clock.advance(sse.CHECK_EVERY_S)
    feed.publish(picture(2))
    await listener.next()
    assert listener.asked == 1
    listener.allowed = False
    listener.clock.advance(sse.CHECK_EVERY_S)
    feed.publish(picture(3))
    with pytest.raises(StopAsyncIteration):
        await listener.next()


async def test_a_compressed_stream_can_be_read_event_by_event() -> None:
    async def events() -> AsyncIterator[str]:
        yield "data: één\n\n"
        yield "data: deux\n\n"

    reader = zlib.decompressobj(31)
    texts = [reader.decompress(part).decode() async for part in sse.compressed(events())]
    assert texts == ["data: één\n\n", "data: deux\n\n"]


def test_an_update_may_carry_numbers_for_the_script() -> None:
    assert sse.event(7, "<b></b>", "[1]") == "id: 7\ndata: <b></b>\n\nevent: sample\ndata: [1]\n\n"


@pytest.mark.parametrize(("accepted", "encoding"), [("gzip, br", "gzip"), ("br", None)])
async def test_compression_is_what_the_browser_understands(
    feed: LiveFeed, accepted: str, encoding: str | None
) -> None:
    response = sse.EventStreamResponse(Listener(feed).events, accepted)
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-type"].startswith("text/event-stream")
