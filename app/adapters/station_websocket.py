"""uvicorn's WebSocket, with what a charging station needs beside it."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
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

    def send_receive_event_to_app(self) -> None:
        """A message is whole; a text that is not UTF-8 is handed on as bytes.

        RFC 6455 (clause 8.1) would end the connection. Some firmware writes its texts in Latin-1:
        ended over one accent, it would come back with the same message for ever.
        """
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = [data]
        if not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError:
                self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()

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
