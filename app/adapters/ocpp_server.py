"""The stations' port: OCPP-J 1.6 over WebSocket on a uvicorn server of its own.

Apart from the pages' server on purpose: its own limits, and a fault there does not stop the
stations. The handshake uses Starlette; messages go straight through ASGI, which costs less.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.adapters.file_drop_http import GRANT
from app.adapters.flow import FlowLimits
from app.adapters.listening import UvicornListener, bound_socket
from app.adapters.station_connection import PROTOCOL_ERROR, StationConnection
from app.adapters.station_registry import REPLACED, StationRegistry
from app.adapters.station_websocket import PROTOCOL_KEY, StationWebSocket
from app.ocpp16.liveness import Liveness
from app.ocpp16.session import SessionLimits
from app.services.frame_ports import FrameTap
from app.services.ports import Clock, StationHandler
from app.services.security_ports import Approach, Gate

log = logging.getLogger(__name__)

SUBPROTOCOL: Final = "ocpp1.6"

MAX_IDENTITY: Final = 48
"""Length of a station's identity; OCPP 1.6 names none, later versions 48."""

SWITCHING: Final = 101
UNAUTHORIZED: Final = 401


FILES: Final = "/files/"
"""Where stations fetch and leave files, on the port they know."""

HANDSHAKE_S: Final = 10.0
MAX_HANDSHAKE_BYTES: Final = 16 * 1024
"""What a caller may take before it is a station; uvicorn itself sets no bound."""


class OcppSettings(msgspec.Struct, frozen=True):
    """How the stations' port behaves.

    ``port`` 0 takes a free one. A station that answers pings is gone when it does not in
    ``ping_timeout_s``; one that never did, when it is silent for too long (``Liveness``, which
    begins with ``heartbeat_s``).
    """

    host: str = "0.0.0.0"  # noqa: S104 (the stations are on the LAN)
    port: int = 8080
    max_connections: int = 400
    max_message_bytes: int = 256 * 1024
    require_subprotocol: bool = False
    ping_interval_s: float | None = 30.0
    ping_timeout_s: float | None = 30.0
    heartbeat_s: float = 60.0
    flow: FlowLimits = FlowLimits()
    backlog: int = 512
    shutdown_s: int = 5


class OcppListener:
    """Accepts stations and runs one ``StationConnection`` for each; the newest one wins.

    A station that connects again ends its older connection first, and the services hear
    ``disconnected`` of the old link before ``connected`` of the new one. Listeners that share a
    ``registry`` keep this promise together: a station may move from one port to the other.
    """

    def __init__(  # noqa: PLR0913 - each is told by name
        self,
        handler: StationHandler,
        settings: OcppSettings,
        clock: Clock,
        *,
        limits: SessionLimits | None = None,
        tls: ssl.SSLContext | None = None,
        registry: StationRegistry | None = None,
        files: ASGIApp | None = None,
        gate: Gate | None = None,
        is_blocked: Callable[[str], bool] = lambda _identity: False,
        tap: FrameTap | None = None,
    ) -> None:
        """Take ``files``, what answers HTTP requests below ``FILES``: the drop for stations.

        ``is_blocked`` tells which identities are refused (403) before they are heard, ``gate`` who
        may speak in a station's name; without, everybody may. ``tap`` is told of every text of
        every station.
        """
        self.settings = settings
        self.refused = 0
        """Handshakes refused: no usable identity, wrong protocol, or too many connections."""
        self._handler = handler
        self._clock = clock
        self._limits = limits
        self._tls = tls
        self._registry = registry or StationRegistry()
        self._files = files
        self._gate = gate
        self._is_blocked = is_blocked
        self._tap = tap
        self._connections: dict[str, StationConnection] = {}
        self._listener = UvicornListener()

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._listener.port

    @property
    def connections(self) -> Mapping[str, StationConnection]:
        """The newest connection of each station on this port."""
        return self._connections

    async def start(self) -> None:
        """Listens. Raises ``OSError`` when the port is taken."""
        settings = self.settings
        tls = self._tls
        config = uvicorn.Config(
            self,
            http=_HastyHttpProtocol,
            ws=StationWebSocket,
            lifespan="off",
            ws_max_size=settings.max_message_bytes,
            ws_ping_interval=settings.ping_interval_s,
            ws_ping_timeout=settings.ping_timeout_s,
            ws_per_message_deflate=False,
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            backlog=settings.backlog,
            timeout_graceful_shutdown=settings.shutdown_s,
            ssl_context_factory=None if tls is None else (lambda _config, _default: tls),
        )
        await self._listener.start(config, _station_socket(settings))
        log.info("stations connect to port %d%s", self.port, "" if tls is None else " (TLS)")

    async def stop(self) -> None:
        """Closes the port and every connection (1012, service restart). No-op when not started."""
        await self._listener.stop()

    # ------------------------------------------------------------------ ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        identity = station_identity(scope.get("raw_path", b""))
        if scope["type"] == "websocket":
            try:
                await self._accept(scope, receive, send, identity)
            except (WebSocketDisconnect, OSError):
                log.debug("%s: gone during the handshake", _address(scope))
        elif self._files is not None and scope["path"].startswith(FILES):
            await self._files(scope, receive, send)
        else:
            await _plain_http(identity)(scope, receive, send)

    async def _accept(
        self, scope: Scope, receive: Receive, send: Send, identity: str | None
    ) -> None:
        websocket = WebSocket(scope, receive, send)
        await websocket.receive()
        if identity is None:
            await self._deny(websocket, 404, "No usable station identity at the end of the path.")
            return
        if self._is_blocked(identity):
            await self._deny(websocket, 403, "This station is blocked.")
            return
        if not await self._let_in(websocket, identity):
            return
        if (
            identity not in self._registry
            and len(self._connections) >= self.settings.max_connections
        ):
            await self._deny(websocket, 503, "Too many stations.")
            return
        offered = scope["subprotocols"]
        if SUBPROTOCOL in offered:
            await websocket.accept(subprotocol=SUBPROTOCOL)
        else:
            await websocket.accept()
            if offered or self.settings.require_subprotocol:
                # OCPP-J 1.6, clause 3.2: complete the handshake without the header, then close.
                self.refused += 1
                log.warning("%s: offers %s, not %s", identity, offered, SUBPROTOCOL)
                await websocket.close(PROTOCOL_ERROR, f"{SUBPROTOCOL} only")
                return
        transport = _AsgiTransport(receive, send, _protocol(scope))
        await self._serve(identity, _address(scope), transport)

    async def _let_in(self, websocket: WebSocket, identity: str) -> bool:
        """Whether the caller has proved what is required of this station; tells it when not."""
        if self._gate is None:
            return True
        approach = Approach(
            identity=identity,
            address=_address(websocket.scope),
            secure=self._tls is not None,
            authorization=dict(websocket.scope["headers"]).get(b"authorization"),
            certificate=_protocol(websocket.scope).certificate,
        )
        verdict = await self._gate.admit(approach)
        if verdict.status == SWITCHING:
            return True
        headers = {"Retry-After": str(verdict.wait_s)} if verdict.wait_s else {}
        if verdict.status == UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Basic realm="OCPP", charset="UTF-8"'
        await self._deny(websocket, verdict.status, verdict.text, headers)
        return False

    async def _deny(
        self, websocket: WebSocket, status: int, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.refused += 1
        log.warning("%s: station refused: %s", _address(websocket.scope), text)
        await websocket.send_denial_response(PlainTextResponse(text, status, headers))

    async def _serve(self, identity: str, address: str, transport: _AsgiTransport) -> None:
        connection = StationConnection(
            identity,
            transport,
            self._handler,
            self._clock,
            generation=self._registry.next_generation(),
            address=address,
            secure=self._tls is not None,
            limits=self._limits,
            liveness=Liveness(self.settings.heartbeat_s, self.settings.ping_interval_s),
            flow=self.settings.flow,
            tap=None if self._tap is None else self._tap.connection(identity),
        )
        self._connections[identity] = connection
        try:
            if await self._registry.take_over(connection):
                await connection.run()
            else:
                await transport.close(1000, REPLACED)
        finally:
            self._registry.leave(connection)
            if self._connections.get(identity) is connection:
                del self._connections[identity]


class _AsgiTransport:
    """A connected ASGI WebSocket as a ``TextTransport``."""

    def __init__(
        self, receive: Receive, send: Send, protocol: StationWebSocket | None = None
    ) -> None:
        self._receive = receive
        self._send = send
        self._protocol = protocol
        self._open = True

    @property
    def answers_pings(self) -> bool:
        return self._protocol is not None and self._protocol.answers_pings

    def ping(self, wanted: bool) -> None:
        if self._protocol is not None:
            self._protocol.ping(wanted)

    async def receive(self) -> str | bytes | None:
        if not self._open:
            return None
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._open = False
            return None
        text: str | bytes | None = message.get("text")
        return message["bytes"] if text is None else text

    async def send(self, text: str) -> None:
        if not self._open:
            raise ConnectionError("closed")
        try:
            await self._send({"type": "websocket.send", "text": text})
        except RuntimeError as error:
            # The server has closed by itself, over a frame that it refuses; we hear of it later.
            raise ConnectionError(str(error)) from None

    def send_at_once(self, text: str) -> bool:
        return self._open and self._protocol is not None and self._protocol.send_at_once(text)

    def hand_to(self, take: Callable[[str | bytes], bool]) -> None:
        if self._protocol is not None:
            self._protocol.take = take

    async def close(self, code: int, reason: str) -> None:
        if self._open:
            self._open = False
            try:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
            except RuntimeError as error:
                raise ConnectionError(str(error)) from None


class _HastyHttpProtocol(HttpToolsProtocol):
    """Ends callers that do not come to the point: a silent socket, or headers without end.

    Those whom the file drop has admitted have the drop's own bounds instead.
    """

    _bytes_taken = 0
    _for_files = False
    _granted = False
    _too_late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._too_late = self.loop.call_later(HANDSHAKE_S, self._give_up)

    def data_received(self, data: bytes) -> None:
        # Only what comes before the upgrade passes here; then the transport changes its protocol.
        self._bytes_taken += len(data)
        super().data_received(data)
        if self._bytes_taken > MAX_HANDSHAKE_BYTES and not self._for_files:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        path: str = self.scope.get("path", "")  # none yet where the protocol is about to change
        if path.startswith(FILES):
            # A body waits in a small buffer until somebody wants it; the time to be admitted runs.
            self._for_files = True
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]
            scope[GRANT] = self._grant

    def _grant(self) -> None:
        self._granted = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.transport.get_protocol() is self and not self._granted:
            self.transport.abort()


def station_identity(raw_path: bytes) -> str | None:
    """The identity at the end of a URL path, ``None`` when there is none that can be used.

    Whatever stands before the last segment is accepted: installers type all sorts of prefixes. An
    encoded slash belongs to the identity.
    """
    segments = [segment for segment in raw_path.split(b"/") if segment]
    if not segments:
        return None
    try:
        identity = unquote_to_bytes(segments[-1]).decode()
    except UnicodeDecodeError:
        return None
    if not identity.isprintable() or not identity.strip() or len(identity) > MAX_IDENTITY:
        return None
    return identity


def _plain_http(identity: str | None) -> Response:
    """Someone opened the station's address in a browser: say what lives here."""
    if identity is None:
        return PlainTextResponse("Nothing here.", 404)
    return PlainTextResponse(
        "Charging stations connect here by WebSocket (OCPP 1.6J).",
        426,
        {"Upgrade": "websocket", "Connection": "Upgrade"},
    )


def _protocol(scope: Mapping[str, Any]) -> StationWebSocket:
    protocol: StationWebSocket = scope["state"][PROTOCOL_KEY]
    return protocol


def _address(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return "" if client is None else str(client[0])


def _station_socket(settings: OcppSettings) -> socket.socket:
    """A bound socket whose connections notice a peer that has vanished with data under way."""
    listening = bound_socket(settings.host, settings.port)
    if settings.ping_timeout_s is not None:
        # Accepted sockets inherit it; without, a dead peer keeps its buffers for 15 minutes.
        timeout_ms = int(settings.ping_timeout_s * 1000)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
    return listening
