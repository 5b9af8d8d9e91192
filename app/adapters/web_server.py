"""The pages' port: HTTPS on a uvicorn server of its own."""

from __future__ import annotations

import logging
import ssl

import uvicorn
from starlette.types import ASGIApp

from app.adapters.listening import UvicornListener, bound_socket

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
        self._listener = UvicornListener()

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._listener.port

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
        await self._listener.start(config, bound_socket(self._host, self._port))
        log.info("pages on port %d", self.port)

    async def stop(self) -> None:
        """Ends open requests and live streams, then closes the port. No-op when not started."""
        await self._listener.stop()
