"""What all groups of commands of a station share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Payload = dict[str, Any]
Handler = Callable[[Payload], Payload]
Handlers = dict[str, tuple[Handler, frozenset[str]]]
"""By action: what answers it, and the fields that it knows."""

Afterwards = list[Callable[[], None]]
"""What the calls of the moment ask for beyond their answers, done once those were sent."""


class CallRefusedError(Exception):
    """Answered with a CALLERROR: code and description."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description


class Lifecycle(Protocol):
    """What a command may ask of the station as a whole."""

    def send_boot(self) -> None:
        """Send BootNotification."""
        ...

    def send_heartbeat(self) -> None:
        """Send Heartbeat."""
        ...

    def arm_heartbeat(self) -> None:
        """Follow a new HeartbeatInterval."""
        ...

    def reboot(self, reason: str) -> None:
        """Stop transactions for that reason, go down and come back."""
        ...

    def drop_socket(self) -> None:
        """Close the connection; it comes back by itself."""
        ...


def fields(names: str) -> frozenset[str]:
    """Names with blanks between them, as a set."""
    return frozenset(names.split())
