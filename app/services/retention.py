"""Deletes old measurements, a little at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.services.ports import Clock, SampleRepository

PERIOD_S = 6 * 3600.0


class Retention:
    """Keeps the samples of the last ``keep``."""

    def __init__(self, samples: SampleRepository, clock: Clock, keep: timedelta) -> None:
        self._samples = samples
        self._clock = clock
        self._keep = keep

    async def run(self) -> None:
        """Prunes every few hours until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            await self._samples.prune(self._clock.utc_now() - self._keep)
