"""How much one station may send: beyond it, its messages are left to wait in its own socket."""

from __future__ import annotations

from typing import Final

import msgspec


class FlowLimits(msgspec.Struct, frozen=True):
    """Rates that hold over time, and what may come at once.

    A station that replays a week without network sends as fast as it is answered, some hundred
    messages a second; one that exceeds this is broken or hostile.
    """

    messages_per_s: float = 500.0
    messages_at_once: int = 2_000
    bytes_per_s: float = 1e6
    bytes_at_once: int = 4_000_000


SHORTEST_WAIT_S: Final = 0.01
"""A debt smaller than this is paid with the next one."""


class Flow:
    """Two buckets of tokens, of messages and of bytes. Time is monotonic seconds."""

    def __init__(self, limits: FlowLimits, now_s: float) -> None:
        self._limits = limits
        self._messages = float(limits.messages_at_once)
        self._bytes = float(limits.bytes_at_once)
        self._at_s = now_s

    def taken(self, size: int, now_s: float) -> float:
        """A message of ``size`` characters was taken: the seconds to wait before the next one."""
        limits, passed_s = self._limits, now_s - self._at_s
        self._at_s = now_s
        self._messages = (
            min(self._messages + passed_s * limits.messages_per_s, limits.messages_at_once) - 1.0
        )
        self._bytes = min(self._bytes + passed_s * limits.bytes_per_s, limits.bytes_at_once) - size
        if self._messages >= 0.0 and self._bytes >= 0.0:
            return 0.0
        wait_s = max(-self._messages / limits.messages_per_s, -self._bytes / limits.bytes_per_s)
        return wait_s if wait_s >= SHORTEST_WAIT_S else 0.0
