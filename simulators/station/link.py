"""What carries a station's OCPP text: a real WebSocket, or a pair of queues in one process.

Both carry exactly the same text. ``ImpairedLink`` wraps either and loses, delays or swallows frames
as a bad network would.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
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


class _Inbox:
    """Frames that arrived and nobody has taken yet."""

    __slots__ = ("_frames", "_waiter", "closed")

    def __init__(self) -> None:
        self._frames: deque[str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.closed = False

    def put(self, text: str) -> None:
        self._frames.append(text)
        self._wake()

    def close(self, *, forget: bool = False) -> None:
        """No more frames will come; ``forget`` drops those that wait."""
        self.closed = True
        if forget:
            self._frames.clear()
        self._wake()

    async def take(self) -> str | None:
        while not self._frames:
            if self.closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._frames.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class MemoryLink:
    """One end of a pair of queues; see ``memory_link``."""

    __slots__ = ("_inbox", "_peer")

    def __init__(self) -> None:
        self._inbox = _Inbox()
        self._peer: MemoryLink = self

    def join(self, peer: MemoryLink) -> None:
        """Make ``peer`` the other end."""
        self._peer = peer

    @property
    def closed(self) -> bool:
        """Whether this end is closed or abandoned, as far as it knows."""
        return self._inbox.closed

    def post(self, text: str) -> None:
        """Put the frame in the other end's queue."""
        if not self._inbox.closed:
            self._peer.deliver(text)

    async def send(self, text: str) -> None:
        """The same as ``post``: memory has no back-pressure."""
        self.post(text)

    def deliver(self, text: str) -> None:
        """Take a frame from the other end."""
        if not self._inbox.closed:
            self._inbox.put(text)

    async def receive(self) -> str | None:
        """The next frame, or ``None`` once the link is closed and its queue is empty."""
        return await self._inbox.take()

    async def close(self) -> None:
        """Close both ends, unless this one was abandoned: then the other end never hears of it."""
        if not self._inbox.closed:
            self._inbox.close()
            self._peer.hang_up()

    def hang_up(self) -> None:
        """The other end closed."""
        self._inbox.close()

    def abandon(self) -> None:
        """Neither send nor take anything any more; the other end believes that all is well."""
        self._inbox.close(forget=True)


def memory_link() -> tuple[MemoryLink, MemoryLink]:
    """Two joined ends: one for the station, one for the central system."""
    station, central = MemoryLink(), MemoryLink()
    station.join(central)
    central.join(station)
    return station, central


class WebSocketLink:
    """An OCPP-J connection over a real WebSocket; make it within a running event loop."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._inbox = _Inbox()
        self._outbox: deque[str] = deque()
        self._abandoned = False
        self._writer: asyncio.Task[None] | None = None
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            async for frame in self._connection:
                self._inbox.put(
                    frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
                )
        except (ConnectionClosed, OSError):
            pass  # closed in disorder: closed all the same
        finally:
            self._inbox.close()

    def post(self, text: str) -> None:
        """Queue one frame for the writer, which lives only while there is something to write."""
        if self._inbox.closed:
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
        """The next frame (a binary one is decoded too), ``None`` once closed."""
        return await self._inbox.take()

    async def close(self) -> None:
        """Close with the WebSocket closing handshake; cut it short when it was abandoned."""
        if self._abandoned:
            self._connection.transport.abort()
        await self._connection.close()
        tasks = [self._reader] if self._writer is None else [self._reader, self._writer]
        await asyncio.gather(*tasks, return_exceptions=True)

    def abandon(self) -> None:
        """Stop reading from the socket, so that not even pings are answered."""
        self._abandoned = True
        self._outbox.clear()
        self._inbox.close(forget=True)
        self._connection.transport.pause_reading()


async def websocket_link(
    url: str,
    subprotocol: str | None = "ocpp1.6",
    *,
    open_timeout_s: float = 10.0,
    tls: ssl.SSLContext | None = None,
    authorization: str | None = None,
) -> WebSocketLink:
    """Connect to ``url``, over ``tls`` where it is ``wss://``, with that header of its name.

    Raises ``OSError`` when nobody answers, or one side refuses the other.
    """
    try:
        connection = await connect(
            url,
            ssl=tls,
            additional_headers=None if authorization is None else {"Authorization": authorization},
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
        # Timers due at the same instant fire in any order: each frame gets an instant of its own.
        due_s = self._loop.time() + network.rng.uniform(low_s, high_s)
        self._due_out = max(self._due_out + 1e-6, due_s)
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
