"""What a conversation with a station travels on: texts, over a socket or in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class TextTransport(Protocol):
    """A connected WebSocket, or what stands for it."""

    @property
    def answers_pings(self) -> bool:
        """Whether the station answers pings, so that the transport finds out when it is gone."""
        ...

    def ping(self, wanted: bool) -> None:
        """Whether the station shall be pinged from now on."""
        ...

    async def receive(self) -> str | bytes | None:
        """The next message (bytes for a binary one); ``None`` once closed, for ever after."""
        ...

    async def send(self, text: str) -> None:
        """Sends a text message. Raises ``OSError`` once closed."""
        ...

    def send_at_once(self, text: str) -> bool:
        """Sends a text message if nobody has to wait for it; else does nothing and says so."""
        ...

    def hand_to(self, take: Callable[[str | bytes], bool]) -> None:
        """May offer messages to ``take`` as they come; those it refuses are for ``receive``."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Starts the closing handshake; no-op once closed."""
        ...
