"""A clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class HandClock:
    """Implements the ``Clock`` port; both readings advance together."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 8, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary origin."""
        return 1_000.0 + self._elapsed_s

    def utc_now(self) -> datetime:
        """Wall time."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._elapsed_s += seconds
