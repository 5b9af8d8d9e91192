"""The drop over HTTP(S), on the stations' own ports: ``/files/{token}/{name}``.

GET (with Range) and HEAD for firmware; PUT and POST, raw or as a form, for what stations leave. Every
answer ends the connection: the next one gets the bounds of a stranger again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from app.domain.errors import BornierError, NotFoundError, StorageError
from app.domain.station_files import Scheme
from app.services.file_drop import (
    ORDER_DIGITS,
    TOKEN_DIGITS,
    Arrival,
    DropOrder,
    FileDrop,
    Leave,
)
from app.services.file_ports import Reading
from app.services.multipart import (
    FileBegin,
    FileData,
    FileEnd,
    MultipartError,
    MultipartReader,
    boundary_of,
)

log = logging.getLogger(__name__)

PIECE: Final = 128 * 1024
"""Bytes read from the disk or written to it at once."""

IDLE_S: Final = 90.0
"""A transfer in which nothing moves for so long is over."""

TRANSFERS_MOST: Final = 40
"""At once; more are told to come again."""

GRANT: Final = "bornier.grant"
"""Key of the scope under which the listener takes a callable that lifts the bounds of strangers."""

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
_CLOSE: Final = {"Connection": "close"}


class FileDropApp:
    """An ASGI application; ``scheme`` is the port's."""

    def __init__(self, drop: FileDrop, scheme: Scheme, *, idle_s: float = IDLE_S) -> None:
        self._drop = drop
        self._scheme = scheme
        self._idle_s = idle_s
        self._transfers = 0

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return self._transfers > 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        request = Request(scope, receive, send)
        order, name = self._order(request)
        if order is None:
            await _answer(send, 429 if self._drop.wait_s(_address(request)) else 404)
            return
        if self._transfers >= TRANSFERS_MOST:
            await _answer(send, 503, **{"Retry-After": "60"})
            return
        grant: Callable[[], None] = scope.get(GRANT, _nothing)
        grant()
        self._transfers += 1
        try:
            if isinstance(order.direction, Leave):
                await _answer(send, await self._take(request, order, name))
            else:
                await self._give(request, order, send)
        finally:
            self._transfers -= 1

    def _order(self, request: Request) -> tuple[DropOrder | None, str]:
        """Whose order it is, and the name at the end of the address."""
        segments = request.url.path.split("/", 3)
        token = segments[2] if len(segments) > 2 else ""
        name = segments[3] if len(segments) > 3 else ""
        if len(token) != TOKEN_DIGITS:
            token = ""
        order_id, secret = token[:ORDER_DIGITS], token[ORDER_DIGITS:]
        return self._drop.admit(order_id, secret, _address(request), (self._scheme,)), name

    # ------------------------------------------------------------- firmware

    async def _give(self, request: Request, order: DropOrder, send: Send) -> None:
        if request.method not in ("GET", "HEAD"):
            await _answer(send, 405, Allow="GET, HEAD")
            return
        try:
            reading = await self._drop.fetch(order)
        except BornierError as error:
            log.warning("%s: a file could not be given: %s", order.station_id, error)
            await _answer(send, 404 if isinstance(error, NotFoundError) else 503)
            return
        try:
            await self._send_file(request, order, reading, send)
        except (OSError, TimeoutError):
            log.warning("%s: a download broke off", order.station_id)
        finally:
            await reading.close()

    async def _send_file(
        self, request: Request, order: DropOrder, reading: Reading, send: Send
    ) -> None:
        size = reading.size
        part = byte_range(request.headers.get("range"), size)
        if part is None:
            await _answer(send, 416, **{"Content-Range": f"bytes */{size}"})
            return
        first, beyond = part
        headers = {
            **_CLOSE,
            "Content-Type": "application/octet-stream",
            "Content-Length": str(beyond - first),
            "Accept-Ranges": "bytes",
            "Cache-Control": "no-store",
        }
        whole = (first, beyond) == (0, size)
        if not whole:
            headers["Content-Range"] = f"bytes {first}-{beyond - 1}/{size}"
        await _start(send, 200 if whole else 206, headers)
        if request.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        at = first
        while at < beyond:
            piece = await reading.read(at, min(PIECE, beyond - at))
            if not piece:
                raise OSError("the file has shrunk")
            at += len(piece)
            if await request.is_disconnected():
                raise OSError("the station has gone")
            body = {"type": "http.response.body", "body": piece, "more_body": at < beyond}
            if at == beyond == size:
                # Told before the last byte leaves: the station may report it within an instant.
                await self._drop.fetched(order)
            async with asyncio.timeout(self._idle_s):
                await send(body)
        if first == beyond:
            await send({"type": "http.response.body", "body": b""})

    # ------------------------------------------------------------- diagnostics

    async def _take(self, request: Request, order: DropOrder, name: str) -> int:
        """The status of the answer."""
        if request.method not in ("PUT", "POST"):
            return 405
        incoming = _Incoming(self._drop, order, name)
        try:
            if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
                await self._take_form(request, incoming)
            else:
                await incoming.begin(name)
                async for piece in self._pieces(request):
                    await incoming.write(piece)
                await incoming.done()
        except (ClientDisconnect, TimeoutError):
            log.warning("%s: an upload broke off", order.station_id)
            await incoming.broken()
            return 408
        except MultipartError as error:
            log.warning("%s: an upload cannot be read: %s", order.station_id, error)
            await incoming.broken()
            return 400
        except StorageError as error:
            log.warning("%s: an upload was refused: %s", order.station_id, error)
            await incoming.give_up()
            return 413 if error.key == "files-too-large" else 507
        except BaseException:
            await incoming.give_up()
            raise
        return 201 if request.method == "PUT" else 200

    async def _take_form(self, request: Request, incoming: _Incoming) -> None:
        reader = MultipartReader(boundary_of(request.headers["content-type"]))
        async for piece in self._pieces(request):
            for event in reader.feed(piece):
                if isinstance(event, FileBegin):
                    await incoming.begin(event.file_name)
                elif isinstance(event, FileData):
                    await incoming.write(event.data)
                elif isinstance(event, FileEnd):
                    await incoming.done()
        if not reader.ended or not incoming.count:
            raise MultipartError("it ends early")

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        """The body; ``ClientDisconnect`` when it ends early, ``TimeoutError`` when it stands still."""
        stream = request.stream()
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    piece = await anext(stream)
            except StopAsyncIteration:
                return
            if piece:
                yield piece


class _Incoming:
    """The files of one upload, one after the other."""

    def __init__(self, drop: FileDrop, order: DropOrder, name: str) -> None:
        self.count = 0
        self._drop = drop
        self._order = order
        self._fallback_name = name
        self._arrival: Arrival | None = None
        self._waiting = bytearray()

    async def begin(self, name: str) -> None:
        await self.done()
        self._arrival = await self._drop.leave(self._order, name or self._fallback_name)
        self.count += 1

    async def write(self, data: bytes) -> None:
        assert self._arrival is not None
        self._waiting += data
        if len(self._waiting) >= PIECE:
            await self._flush(self._arrival)

    async def done(self) -> None:
        arrival = self._arrival
        if arrival is not None:
            await self._flush(arrival)
            await arrival.done()
            self._arrival = None

    async def broken(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is None:
            return
        try:
            await self._flush(arrival)
            await arrival.broken()
        except StorageError:
            await arrival.give_up()

    async def give_up(self) -> None:
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            await arrival.give_up()

    async def _flush(self, arrival: Arrival) -> None:
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if waiting:
            await arrival.write(waiting)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one beyond the last of what is asked for (RFC 9110, clause 14).

    Everything for no header, or one that is not understood; ``None`` where nothing lies within.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return 0, size
    first, last = found[1], found[2]
    if not first:
        return (size - min(int(last), size), size) if int(last) and size else None
    if int(first) >= size or (last and int(last) < int(first)):
        return None
    return int(first), min(int(last) + 1, size) if last else size


async def _answer(send: Send, status: int, **headers: str) -> None:
    text = HTTPStatus(status).phrase.encode()
    told = {**_CLOSE, "Content-Type": "text/plain", "Content-Length": str(len(text)), **headers}
    await _start(send, status, told)
    await send({"type": "http.response.body", "body": text})


async def _start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _nothing() -> None:
    """Without a listener there are no bounds to lift."""
