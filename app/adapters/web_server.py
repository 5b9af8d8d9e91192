"""The pages' port: HTTPS on a uvicorn server of its own."""

from __future__ import annotations

import logging
import socket
import ssl

import uvicorn
from starlette.types import ASGIApp

log = logging.getLogger(__name__)

SHUTDOWN_S = 2
"""Live streams never end by themselves: they are cut after so long."""

MAX_CONCURRENCY = 200
"""Connections at once; more are told to come back (503)."""


class WebListener:
    """Serves an ASGI application over HTTPS; leaves the process's signals alone."""

    def __init__(self, app: ASGIApp, host: str, port: int, tls: ssl.SSLContext) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._socket is None:
            raise RuntimeError("the listener is not started")
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Listens. Raises ``OSError`` when the port is taken."""
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="none",
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            access_log=False,
            log_config=None,
            limit_concurrency=MAX_CONCURRENCY,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=SHUTDOWN_S,
            ssl_context_factory=lambda _config, _default: self._tls,
        )
        config.load()
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self._host, self._port))
            listening.listen(128)
            listening.setblocking(False)
            server = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup(sockets=[listening])
        except BaseException:
            listening.close()
            raise
        self._server, self._socket = server, listening
        log.info("pages on port %d", self.port)

    async def stop(self) -> None:
        """Ends open requests and live streams, then closes the port. No-op when not started."""
        server, listening = self._server, self._socket
        if server is None or listening is None:
            return
        self._server = self._socket = None
        await server.shutdown(sockets=[listening])
