"""Which address of ours a station sees: the one that the routes choose towards it."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

ANY_PORT = 9
"""Nothing is sent: a connected datagram socket only asks the routes."""


class RoutedAddresses:
    """Implements ``Addresses``."""

    def __init__(self, otherwise: str = "127.0.0.1") -> None:
        self._otherwise = otherwise

    async def towards(self, peer: str) -> str:
        """See ``Addresses``; a fixed address where the peer's is none."""
        return await asyncio.to_thread(self._look, peer)

    def _look(self, peer: str) -> str:
        host = peer.partition("%")[0]
        try:
            version = ipaddress.ip_address(host).version
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((peer, ANY_PORT))
                own: str = probe.getsockname()[0]
        except (ValueError, OSError):
            return self._otherwise
        return own
