"""A uvicorn server on a socket of ours, started and stopped within a running event loop."""

from __future__ import annotations

import socket

import uvicorn


def bound_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket, not yet listening; ``port`` 0 takes a free one. Raises ``OSError``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


class UvicornListener:
    """Runs one uvicorn server without its ``serve``, which would take the process's signals."""

    def __init__(self) -> None:
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._socket is None:
            raise RuntimeError("the listener is not started")
        return int(self._socket.getsockname()[1])

    async def start(self, config: uvicorn.Config, listening: socket.socket) -> None:
        """Serves on the bound socket ``listening``, which it owns from now on."""
        try:
            config.load()
            server = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup(sockets=[listening])
        except BaseException:
            listening.close()
            raise
        self._server, self._socket = server, listening

    async def stop(self) -> None:
        """Ends the connections, then closes the port. No-op when not started."""
        server, listening = self._server, self._socket
        if server is None or listening is None:
            return
        self._server = self._socket = None
        await server.shutdown(sockets=[listening])
