"""Titles of pages that anybody may have written, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from app.adapters.web_title import MOST_BYTES, MOST_TITLE, read_title, title_of

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


@asynccontextmanager
async def serving(answer: bytes, *, hold: bool = False) -> AsyncIterator[int]:
    """A device that answers every request with these bytes; ``hold`` leaves the line open."""
    over = asyncio.Event()

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if hold:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(page, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()


Serving = Callable[..., AbstractAsyncContextManager[int]]


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        (OK + b"<html><title>Green'up &amp; Co</title>", "Green'up & Co"),
        (OK + b"<TITLE lang=fr>\n  Borne\n  n\xc2\xb0 4 </TITLE>", "Borne n° 4"),
        (OK.replace(b"html", b"html; charset=latin1") + b"<title>\xe9t\xe9</title>", "été"),
        (OK.replace(b"html", b"html; charset=nonsense") + b"<title>\xe9t\xe9</title>", "été"),
        (OK.replace(b"html", b"html; charset=base64") + b"<title>x</title>", "x"),
        (OK + b"<title></title>", ""),
        (OK + b"<h1>no title</h1>", ""),
        (b"HTTP/1.0 401 Unauthorized\r\n\r\n", ""),
        (OK + b"<title>\x1b[31mred\x07</title>", "[31mred"),
        (OK + b"<title>" + b"x" * 300 + b"</title>", "x" * MOST_TITLE),
        (OK + b"<title>" + b"x" * 900 + b"</title>", ""),
        (b"SSH-2.0-dropbear\r\n", None),
        (b"", None),
    ],
)
async def test_titles(answer: bytes, title: str | None) -> None:
    assert title_of(answer) == title
    async with serving(answer) as port:
        assert await read_title("127.0.0.1", port, None) == title


async def test_a_device_that_never_ends_is_left() -> None:
    async with serving(OK + b"<title>never", hold=True) as port:
        assert await read_title("127.0.0.1", port, None) is None
    async with serving(OK + b"<title>Borne</title>", hold=True) as port:
        assert await read_title("127.0.0.1", port, None) == "Borne"


async def test_no_more_is_read_than_needed() -> None:
    late = OK + b"x" * MOST_BYTES + b"<title>too late</title>"
    async with serving(late) as port:
        assert await read_title("127.0.0.1", port, None) == ""


async def test_nobody_there() -> None:
    async with serving(b"") as port:
        pass
    assert await read_title("127.0.0.1", port, None) is None
