"""Where it is kept what stations can do and how they behave; ``app/adapters/storage`` implements it.

As in ``ports``: an ``async`` writer returns only when the record is on disk, and raises
``StorageError`` when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.capability import Capability, Disobedience, HeldFallback, ModelKey
from app.domain.station import ConnectorKey


class CapabilityRepository(Protocol):
    """What is known of each kind of station, and which fallback each station holds."""

    async def save(self, key: ModelKey, capability: Capability) -> None:
        """Inserts or replaces."""
        ...

    async def load(self) -> Mapping[ModelKey, Capability]:
        """Every kind known."""
        ...

    async def save_fallback(self, held: HeldFallback) -> None:
        """Inserts or replaces, by station."""
        ...

    async def forget_fallback(self, station_id: str) -> None:
        """Nobody knows any more what the station holds."""
        ...

    async def fallbacks(self) -> Sequence[HeldFallback]:
        """By station."""
        ...


class ConductRepository(Protocol):
    """How stations behaved, how often their profiles were written, and who is out of service."""

    async def record(self, disobedience: Disobedience) -> None:
        """Inserts, or completes the one of the same connector and instant."""
        ...

    async def recent(
        self, limit: int = 100, station_id: str | None = None
    ) -> Sequence[Disobedience]:
        """Newest first."""
        ...

    async def add_writes(self, day: int, writes: Mapping[str, int]) -> None:
        """Adds to the writes of that day (days since 1970, UTC), by station."""
        ...

    async def writes(self, since_day: int) -> Mapping[str, Mapping[int, int]]:
        """Profile writes by station and day, from ``since_day`` on."""
        ...

    async def block(self, key: ConnectorKey, since_utc: datetime) -> None:
        """The manager has taken the connector out of service."""
        ...

    async def unblock(self, key: ConnectorKey) -> None:
        """The connector is in service again."""
        ...

    async def blocked(self) -> Mapping[ConnectorKey, datetime]:
        """Connectors out of service by the manager, and since when."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older conduct and counts; returns how much."""
        ...
