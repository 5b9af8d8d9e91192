"""Tells systemd that the manager is ready, alive or stopping (sd_notify(3)).

Outside of systemd nothing is sent. The sign of life is a claim about the control cycle, not about
the process: without it systemd ends the process and starts it anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


class ServiceManager:
    """One notification socket; every method is a no-op without one."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        self.watchdog_s = _watchdog_s(environment)
        """How long systemd waits for a sign of life; ``None`` when it does not wait for any."""

    def ready(self) -> None:
        """The ports are open."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The manager ends on purpose."""
        self._send("STOPPING=1")

    async def keep_alive(self, alive: Callable[[], bool]) -> None:
        """Gives a sign of life while ``alive()``, three in each period, until cancelled.

        Returns at once when systemd waits for none.
        """
        if self.watchdog_s is None:
            return
        while True:
            if alive():
                self._send("WATCHDOG=1")
            else:
                log.error("no sign of life for the service manager: the control cycle stands still")
            await asyncio.sleep(self.watchdog_s / 3)

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.sendto(state.encode("ascii"), self._address)
            except OSError as error:
                log.warning("the service manager cannot be told %s: %s", state, error)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1_000_000 if microseconds.isdigit() else None
