"""How far a station's clock is off, told by whatever it dates."""

from __future__ import annotations

from collections import deque
from datetime import datetime

WINDOW_S = 1_800.0
"""A clock that was set back is believed after this long."""

KEPT = 64


class StationClock:
    """Follows the times in a station's messages against their reception.

    A message can be late by any amount, but never early: the newest time there was is the clock's.
    """

    def __init__(self) -> None:
        self._offsets: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def note(self, at_utc: datetime, now_utc: datetime, now_s: float) -> float:
        """A message of ``at_utc`` has come now; by how much it is ahead (s)."""
        ahead_s = (at_utc - now_utc).total_seconds()
        self._offsets.append((ahead_s, now_s))
        return ahead_s

    def skew_s(self, now_s: float) -> float | None:
        """The station's clock less the manager's; ``None`` before it has dated anything."""
        if not self._offsets:
            return None
        recent = [skew for skew, at_s in self._offsets if now_s - at_s <= WINDOW_S]
        return max(recent) if recent else self._offsets[-1][0]
