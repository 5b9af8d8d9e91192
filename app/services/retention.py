"""Deletes old records, a little at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from app.domain.errors import StorageError
from app.services.ports import Clock

log = logging.getLogger(__name__)

PERIOD_S = 6 * 3600.0

CONDUCT_KEPT = timedelta(days=400)
"""A year of conduct and a month more: the same season of last year can be compared."""

Prune = Callable[[datetime], Awaitable[int]]
"""Deletes what is older than an instant; returns how much."""


class Retention:
    """Keeps of each kind of record what is younger than its time."""

    def __init__(self, clock: Clock, kept: Sequence[tuple[Prune, timedelta]]) -> None:
        self._clock = clock
        self._kept = tuple(kept)

    async def run(self) -> None:
        """Prunes every few hours until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            await self.prune()

    async def prune(self) -> None:
        """Deletes what is too old now."""
        for prune, keep in self._kept:
            try:
                await prune(self._clock.utc_now() - keep)
            except StorageError as error:
                log.warning("old records were not deleted: %s", error)
