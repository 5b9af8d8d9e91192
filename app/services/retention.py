"""Deletes old measurements and old conduct of stations, a little at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.services.conduct_ports import ConductRepository
from app.services.ports import Clock, SampleRepository

PERIOD_S = 6 * 3600.0

CONDUCT_KEPT = timedelta(days=400)
"""A year of conduct and a month more: the same season of last year can be compared."""


class Retention:
    """Keeps the samples of the last ``keep``, and conduct for as long as ``CONDUCT_KEPT``."""

    def __init__(
        self,
        samples: SampleRepository,
        conduct: ConductRepository,
        clock: Clock,
        keep: timedelta,
    ) -> None:
        self._samples = samples
        self._conduct = conduct
        self._clock = clock
        self._keep = keep

    async def run(self) -> None:
        """Prunes every few hours until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            await self._samples.prune(self._clock.utc_now() - self._keep)
            await self._conduct.prune(self._clock.utc_now() - CONDUCT_KEPT)
