"""uvicorn's WebSocket, with what a charging station needs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame

from app.adapters.station_authority import peer_certificate
from app.services.security_ports import PeerCertificate

PROTOCOL_KEY: Final = "station-websocket"
"""Where the application finds the protocol, in the ``state`` of the scope."""


class StationWebSocket(WebSocketsSansIOProtocol):
    """Holds a station to its pongs only once it has shown that it sends any.

    Some firmware answers no ping at all (RFC 6455, clause 5.5.3, notwithstanding); hanging up on it
    every minute would strand it. Whether it lives is then told by its messages.
    """

    answers_pings = False
    certificate: PeerCertificate | None = None
    """What the station has shown of itself, over TLS."""
    take: Callable[[str | bytes], bool] | None = None
    """Whom a message is offered to as it comes, before it goes through ASGI."""
    _took = False
    """Whether that has taken one out of the bytes that came last."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A socket was accepted; the state is the connection's own from now on."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, PROTOCOL_KEY: self}
        tls = transport.get_extra_info("ssl_object")
        shown = None if tls is None else tls.getpeercert(binary_form=True)
        if shown is not None:
            self.certificate = peer_certificate(shown)

    def ping(self, wanted: bool) -> None:
        """Pings the station from now on, or lets it alone: some firmware chokes on them."""
        if wanted and self.ping_timer is None and self.pong_timer is None:
            self.start_keepalive()
        elif not wanted:
            self.stop_keepalive()
            self.answers_pings = False

    def data_received(self, data: bytes) -> None:
        """Bytes came. One message of them is offered to ``take``: others have their turn as well."""
        self._took = False
        super().data_received(data)

    def send_receive_event_to_app(self) -> None:
        """A message is whole; a text that is not UTF-8 is handed on as bytes.

        RFC 6455 (clause 8.1) would end the connection. Some firmware writes its texts in Latin-1:
        ended over one accent, it would come back with the same message for ever.
        """
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        message: str | bytes = data
        if self.curr_msg_data_type == "text":
            try:
                message = data.decode()
            except UnicodeDecodeError:
                self.curr_msg_data_type = "bytes"
        if (
            self.take is not None
            and not self._took
            and not self.close_sent
            and self.queue.empty()
            and self.take(message)
        ):
            self._took = True
            self.frames = []
            return
        self.frames = [data]
        super().send_receive_event_to_app()

    def send_at_once(self, text: str) -> bool:
        """Sends a text if it need not wait for the socket; else does nothing and says so."""
        if self.close_sent or self.disconnected or not self.writable.is_set():
            return False
        try:
            self.conn.send_text(text.encode())
        except InvalidState:  # the station is taking its leave
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True

    def handle_pong(self, event: Frame) -> None:
        """A pong came, perhaps to the ping under way."""
        if bytes(event.data) == self.pending_ping_payload:
            self.answers_pings = True
        super().handle_pong(event)

    def keepalive_timeout(self) -> None:
        """The ping under way has got no pong in time."""
        if self.answers_pings:
            super().keepalive_timeout()
            return
        self.pong_timer = None
        self.pending_ping_payload = None
        self.schedule_ping()
