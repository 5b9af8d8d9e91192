"""How often the stations' profiles are written: their memory bears a number of writes, not more.

Counted by day, flushed to disk once an hour and at the end: a crash costs an hour of counting.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.domain.errors import StorageError
from app.services.conduct_ports import ConductRepository
from app.services.ports import Clock
from app.services.registry import Registry

FLUSH_S = 3_600.0

DAY_S = 86_400.0
YEAR_DAYS = 365

PROJECTED_DAYS = 7
"""The projection is made from the last week: it knows of workdays and week-ends."""

LEAST_DAYS = 0.25
"""A projection needs this much of a day; what comes before says more of the start than of a year."""

WORN_PER_YEAR = 500_000
"""Writes a year from which a station will not last: flash bears some 100,000 erasures of a block, a
station spreads its profiles over a few dozen at best, and stays on its wall for ten years."""


class WriteCount(msgspec.Struct, frozen=True):
    """A station's profile writes; ``per_year`` is ``None`` while too little is known."""

    last_year: int = 0
    per_year: int | None = None

    @property
    def wears(self) -> bool:
        """Whether the station's memory will wear out before the station does."""
        return self.per_year is not None and self.per_year > WORN_PER_YEAR


class WriteBook:
    """Adds up what the registry counts, by station and day."""

    def __init__(self, registry: Registry, repository: ConductRepository, clock: Clock) -> None:
        self._registry = registry
        self._repository = repository
        self._clock = clock
        self._days: dict[str, dict[int, int]] = {}
        self._taken: dict[str, int] = {}
        self._unsaved: dict[int, dict[str, int]] = {}
        self._started_s = self._utc_s()
        self._flush_at_s = clock.monotonic_s() + FLUSH_S
        self.worn: tuple[str, ...] = ()
        """Stations whose memory will not last at the present rate, as of the last flush."""

    async def load(self) -> None:
        """Reads the last year; called once at start."""
        found = await self._repository.writes(self._today() - YEAR_DAYS)
        self._days = {name: dict(days) for name, days in found.items()}

    def take(self) -> bool:
        """Takes the stations' counters over; whether it is time to ``flush``. Once a cycle."""
        today = self._today()
        for station in self._registry:
            station_id = station.station.station_id
            # A station that was taken out and comes back counts from 0 again.
            new = station.profile_writes - min(
                self._taken.get(station_id, 0), station.profile_writes
            )
            self._taken[station_id] = station.profile_writes
            if new:
                days = self._days.setdefault(station_id, {})
                days[today] = days.get(today, 0) + new
                unsaved = self._unsaved.setdefault(today, {})
                unsaved[station_id] = unsaved.get(station_id, 0) + new
        return self._clock.monotonic_s() >= self._flush_at_s

    async def flush(self) -> None:
        """Writes what was counted since the last time; what could not be written waits."""
        self._flush_at_s = self._clock.monotonic_s() + FLUSH_S
        self.take()
        self._judge()
        unsaved, self._unsaved = self._unsaved, {}
        for day, writes in unsaved.items():
            try:
                await self._repository.add_writes(day, writes)
            except StorageError:
                waiting = self._unsaved.setdefault(day, {})
                for name, count in writes.items():
                    waiting[name] = waiting.get(name, 0) + count

    def count(self, station_id: str) -> WriteCount:
        """Writes of the last year, and what a year like the last days would bring."""
        days = self._days.get(station_id, {})
        if not days:
            return WriteCount()
        now_s = self._utc_s()
        first_s = min(days) * DAY_S
        # Of the day of the start only what came after it was counted.
        began_s = first_s if first_s + DAY_S <= self._started_s else self._started_s
        observed = min((now_s - began_s) / DAY_S, float(PROJECTED_DAYS))
        recent = self._sum(days, now_s / DAY_S - observed)
        per_year = round(recent / observed * YEAR_DAYS) if observed >= LEAST_DAYS else None
        return WriteCount(self._sum(days, now_s / DAY_S - YEAR_DAYS), per_year)

    def _judge(self) -> None:
        self.worn = tuple(name for name in self._days if self.count(name).wears)

    @staticmethod
    def _sum(days: Mapping[int, int], since_day: float) -> int:
        return sum(count for day, count in days.items() if day >= int(since_day))

    def _today(self) -> int:
        return int(self._utc_s() // DAY_S)

    def _utc_s(self) -> float:
        return self._clock.utc_now().timestamp()
