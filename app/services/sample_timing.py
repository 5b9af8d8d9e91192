"""How late a station's measurements come, told by their own times.

A measurement that was lost on the way is sent again half a minute later. Taken for the present it
would show a draw that is long over, above a limit that was lowered since. A station's clock may be
wrong by hours, but it runs: what takes longer than the quickest took is late.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime

LATE_S = 3.0
"""Less is the network, and times without fractions of a second."""

SAME_S = 2.0
"""Delays that differ by no more than this are one delay: the clock was set back meanwhile."""

REPEATS = 3
"""So many equal delays in a row make a new clock. A backlog has a different one for each."""

DRIFT = 1e-4
"""A clock may run slow by this share."""


class SampleTiming:
    """Follows one station's clock against the monotonic one."""

    def __init__(self) -> None:
        self._quickest_s: float | None = None
        self._at_s = 0.0
        self._late: deque[float] = deque(maxlen=REPEATS)

    def delay_s(self, at_utc: datetime, received_s: float) -> float:
        """By how much longer than the quickest this one was on its way (s); 0 when it was not."""
        offset_s = received_s - at_utc.timestamp()
        if self._quickest_s is None:
            self._quickest_s = offset_s
        else:
            self._quickest_s += max(0.0, received_s - self._at_s) * DRIFT
        self._at_s = received_s
        self._quickest_s = min(self._quickest_s, offset_s)
        delay_s = offset_s - self._quickest_s
        if delay_s <= LATE_S:
            self._late.clear()
            return 0.0
        self._late.append(offset_s)
        if len(self._late) == REPEATS and max(self._late) - min(self._late) <= SAME_S:
            self._quickest_s = min(self._late)
            self._late.clear()
            return 0.0
        return delay_s
