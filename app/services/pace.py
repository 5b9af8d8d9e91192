"""So many a second and no more, with a small burst after a quiet moment."""

from __future__ import annotations


class Pace:
    """A bucket of turns: ``burst`` at most, refilled ``per_s``; time is passed in (monotonic)."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._turns = float(burst)
        self._at_s: float | None = None

    def take(self, most: int, now_s: float) -> int:
        """How many turns of ``most`` may be taken now; they are taken."""
        if self._at_s is not None:
            regained = max(0.0, now_s - self._at_s) * self._per_s
            self._turns = min(float(self._burst), self._turns + regained)
        self._at_s = now_s
        taken = min(most, int(self._turns))
        self._turns -= taken
        return taken
