"""How many examples a property tries: those that fit a test run, or ``EFFORT`` times as many."""

from __future__ import annotations

import os

EFFORT = int(os.environ.get("EFFORT", "1"))


def examples(count: int) -> int:
    """``count`` in a usual run."""
    return count * EFFORT
