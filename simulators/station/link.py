"""What carries a station's OCPP text: a real WebSocket, or a pair of queues in one process.

Both carry exactly the same text. ``ImpairedLink`` wraps either and loses, delays or swallows frames
as a bad network would.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol


class Link(Protocol):
    """One connection between a station and its central system."""

    def post(self, text: str) -> None:
        """Queue one frame; never waits, and drops it silently when the link is closed."""
        ...

    async def send(self, text: str) -> None:
        """Like ``post``, then wait until the frame was handed to the network."""
        ...

    async def receive(self) -> str | None:
        """The next frame, or ``None`` once the link is closed."""
        ...

    async def close(self) -> None:
        """Close it in good order; the other side sees it at once."""
        ...

    def abandon(self) -> None:
        """Stop using it without telling the other side (a half-open connection)."""
        ...


LinkFactory = Callable[[], Awaitable[Link]]
"""Opens a new link to the central system; raises ``OSError`` when there is no way to it."""


class MemoryLink:
    """One end of a pair of queues; see ``memory_link``."""

    __slots__ = ("_abandoned", "_inbox", "_peer", "_waiter", "closed")

    def __init__(self) -> None:
        self._inbox: deque[str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._peer: MemoryLink = self
        self._abandoned = False
        self.closed = False

    def join(self, peer: MemoryLink) -> None:
        """Make ``peer`` the other end."""
        self._peer = peer

    def post(self, text: str) -> None:
        """Put the frame in the other end's queue."""
        if not self.closed and not self._abandoned:
            self._peer.deliver(text)

    async def send(self, text: str) -> None:
        """The same as ``post``: memory has no back-pressure."""
        self.post(text)

    def deliver(self, text: str) -> None:
        """Take a frame from the other end."""
        if self.closed or self._abandoned:
            return
        self._inbox.append(text)
        self._wake()

    async def receive(self) -> str | None:
        """The next frame, or ``None`` once the link is closed and its queue is empty."""
        while not self._inbox:
            if self.closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._inbox.popleft()

    async def close(self) -> None:
        """Close both ends, unless this one was abandoned: then the other end never hears of it."""
        if self.closed:
            return
        self.closed = True
        self._wake()
        if not self._abandoned:
            self._peer.hang_up()

    def hang_up(self) -> None:
        """The other end closed."""
        if not self._abandoned:
            self.closed = True
            self._wake()

    def abandon(self) -> None:
        """Neither send nor take anything any more; the other end believes that all is well."""
        self._abandoned = True
        self.closed = True
        self._inbox.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def memory_link() -> tuple[MemoryLink, MemoryLink]:
    """Two joined ends: one for the station, one for the central system."""
    station, central = MemoryLink(), MemoryLink()
    station.join(central)
    central.join(station)
    return station, central


class WebSocketLink:
    """An OCPP-J connection over a real WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._outbox: deque[str] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._abandoned = asyncio.Event()

    def post(self, text: str) -> None:
        """Queue one frame for the writer, which lives only while there is something to write."""
        if self._abandoned.is_set():
            return
        self._outbox.append(text)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def send(self, text: str) -> None:
        """Queue one frame and wait until it was written."""
        self.post(text)
        if self._writer is not None:
            await self._writer

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while self._outbox:
                await self._connection.send(self._outbox.popleft())
        self._outbox.clear()

    async def receive(self) -> str | None:
        """The next text frame (a binary one is decoded too), ``None`` once closed."""
        if self._abandoned.is_set():
            return None
        try:
            frame = await self._connection.recv()
        except (ConnectionClosed, OSError):
            return None
        return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")

    async def close(self) -> None:
        """Close with the WebSocket closing handshake, unless it was abandoned."""
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        if not self._abandoned.is_set():
            await self._connection.close()

    def abandon(self) -> None:
        """Stop reading from the socket, so that not even pings are answered."""
        self._abandoned.set()
        self._outbox.clear()
        self._connection.transport.pause_reading()

    def abort(self) -> None:
        """Cut the TCP connection without a closing handshake."""
        self._connection.transport.abort()


async def websocket_link(
    url: str, subprotocol: str | None = "ocpp1.6", *, open_timeout_s: float = 10.0
) -> WebSocketLink:
    """Connect to ``url``; raises ``OSError`` when nobody answers or the handshake is refused."""
    try:
        connection = await connect(
            url,
            subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
            proxy=None,
            compression=None,
            open_timeout=open_timeout_s,
            close_timeout=2,
            ping_interval=None,
            max_size=2**20,
        )
    except (InvalidHandshake, TimeoutError) as error:
        raise ConnectionError(str(error)) from error
    return WebSocketLink(connection)


class Network:
    """The state of the cable between one station and the central system; shared by its links.

    ``loss`` is the share of frames lost each way (0 to 1), ``delay_s`` the bounds between which
    each frame is delayed (order is kept, as on TCP), ``up`` false when nothing passes.
    """

    __slots__ = ("delay_s", "loss", "rng", "up")

    def __init__(
        self,
        rng: random.Random,
        *,
        loss: float = 0.0,
        delay_s: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.rng = rng
        self.loss = loss
        self.delay_s = delay_s
        self.up = True

    def passes(self) -> bool:
        """Whether the next frame gets through."""
        return self.up and (self.loss <= 0.0 or self.rng.random() >= self.loss)


class ImpairedLink:
    """A link over a ``Network`` that may lose and delay frames, both ways."""

    __slots__ = ("_due_in", "_due_out", "_inner", "_loop", "_network")

    def __init__(self, inner: Link, network: Network) -> None:
        self._inner = inner
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._due_out = 0.0
        self._due_in = 0.0

    def post(self, text: str) -> None:
        """Send the frame, late or never."""
        network = self._network
        if not network.passes():
            return
        low_s, high_s = network.delay_s
        if high_s <= 0.0:
            self._inner.post(text)
            return
        self._due_out = max(self._due_out, self._loop.time() + network.rng.uniform(low_s, high_s))
        self._loop.call_at(self._due_out, self._inner.post, text)

    async def send(self, text: str) -> None:
        """The same as ``post``: nobody learns of a lost frame."""
        self.post(text)

    async def receive(self) -> str | None:
        """The next frame that got through."""
        network = self._network
        while True:
            text = await self._inner.receive()
            if text is None:
                return None
            if not network.passes():
                continue
            low_s, high_s = network.delay_s
            if high_s > 0.0:
                now_s = self._loop.time()
                self._due_in = max(self._due_in, now_s + network.rng.uniform(low_s, high_s))
                await asyncio.sleep(self._due_in - now_s)
            return text

    async def close(self) -> None:
        """Close the link; without network the other side does not hear of it."""
        if not self._network.up:
            self._inner.abandon()
        await self._inner.close()

    def abandon(self) -> None:
        """Leave it half open."""
        self._inner.abandon()
