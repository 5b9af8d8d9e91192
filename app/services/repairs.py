"""Repaired messages: counted per station over restarts, the newest kept as they came."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from app.domain.errors import StorageError
from app.services.journal_ports import RepairCount, RepairedFrame, RepairRepository
from app.services.ports import Clock

log = logging.getLogger(__name__)

PERIOD_S = 120.0
"""How often what was noted is written."""

FRAMES_KEPT = 20
FRAME_MOST = 8_192
"""Characters kept of a message."""

KINDS_MOST = 2_000
"""Pairs of station and repair between two writes; more is somebody's malice."""


class RepairLog:
    """Takes repairs without waiting; writes them in batches."""

    def __init__(self, repository: RepairRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._counts: dict[tuple[str, str], RepairCount] = {}
        self._frames: dict[tuple[str, str], deque[RepairedFrame]] = {}
        self._totals: dict[str, int] = {}

    async def load(self) -> None:
        """Reads the totals; called once at start."""
        self._totals = dict(await self._repository.totals())

    def note(self, station_id: str, text: str | bytes, names: Sequence[str]) -> None:
        """A message of an adopted station was repaired; ``text`` is it as it came."""
        now = self._clock.utc_now()
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        # What no file of text can hold (lone surrogates, zeros) is shown, not stored.
        frame = text[:FRAME_MOST].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        for name in dict.fromkeys(names):
            kind = (station_id, name)
            before = self._counts.get(kind)
            if before is None and len(self._counts) >= KINDS_MOST:
                continue
            self._counts[kind] = RepairCount(
                name,
                1 if before is None else before.messages + 1,
                now if before is None else before.first_utc,
                now,
            )
            kept = self._frames.setdefault(kind, deque(maxlen=FRAMES_KEPT))
            kept.append(RepairedFrame(station_id, name, now, frame))
            self._totals[station_id] = self._totals.get(station_id, 0) + 1

    def total(self, station_id: str) -> int:
        """Repairs of one station since it is known."""
        return self._totals.get(station_id, 0)

    async def run(self) -> None:
        """Writes until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits. On failure it is given up: it is not worth more than transactions."""
        counts, self._counts = self._counts, {}
        frames, self._frames = self._frames, {}
        if not counts:
            return
        try:
            await self._repository.record(
                counts, [frame for kept in frames.values() for frame in kept]
            )
        except StorageError as error:
            log.warning("repairs were not written: %s", error)

    async def counts(self, station_id: str) -> Sequence[RepairCount]:
        """Repairs of one station, most frequent first."""
        await self.flush()
        return await self._repository.counts(station_id)

    async def frames(self, station_id: str, name: str) -> Sequence[RepairedFrame]:
        """The newest messages that needed one repair, newest first."""
        await self.flush()
        return await self._repository.frames(station_id, name)
