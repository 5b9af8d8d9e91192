"""The clock of the machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements the ``Clock`` port on the operating system's clocks."""

    def monotonic_s(self) -> float:
        """Seconds that never jump; durations only."""
        return time.monotonic()

    def utc_now(self) -> datetime:
        """Aware UTC wall time; records only."""
        return datetime.now(UTC)
