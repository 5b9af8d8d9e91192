"""Where orders to stations and what they answered are kept; ``app/adapters/storage`` implements it.

As in ``ports``: an ``async`` writer returns only when the record is on disk, and raises
``StorageError`` when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.remote import (
    BulkJob,
    KeyTemplate,
    Outage,
    Outcome,
    Reading,
    Reservation,
    SetupRecord,
    StationEvent,
)


class OrderRepository(Protocol):
    """Outages and reservations. A number of 0 asks for a new one."""

    async def save_outage(self, outage: Outage) -> Outage:
        """Inserts (``outage_id`` 0) or replaces; with its number."""
        ...

    async def outages(self) -> Sequence[Outage]:
        """Those that are not over, oldest first."""
        ...

    async def save_reservation(self, reservation: Reservation) -> Reservation:
        """Inserts (``reservation_id`` 0) or replaces; with its number."""
        ...

    async def reservations(self) -> Sequence[Reservation]:
        """The active ones, oldest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes what was over before then; returns how much."""
        ...


class StationRecordRepository(Protocol):
    """What was read of stations, how their set-up went, and what happened to them."""

    async def save_reading(self, reading: Reading) -> None:
        """Adds a reading; the newest few of each station are kept."""
        ...

    async def readings(self, station_id: str) -> Sequence[Reading]:
        """Newest first."""
        ...

    async def latest_readings(self) -> Mapping[str, Reading]:
        """The newest of each station."""
        ...

    async def save_template(self, template: KeyTemplate) -> KeyTemplate:
        """Inserts (``template_id`` 0) or replaces; with its number."""
        ...

    async def remove_template(self, template_id: int) -> None:
        """Forgets a template."""
        ...

    async def templates(self) -> Sequence[KeyTemplate]:
        """By name."""
        ...

    async def save_setup(self, record: SetupRecord) -> None:
        """Inserts or replaces, by station."""
        ...

    async def setups(self) -> Mapping[str, SetupRecord]:
        """By station."""
        ...

    async def add_events(self, events: Sequence[StationEvent]) -> None:
        """Appends to the history."""
        ...

    async def events(
        self, station_id: str, since_utc: datetime, limit: int
    ) -> Sequence[StationEvent]:
        """Newest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older events; returns how many."""
        ...


class JobRepository(Protocol):
    """Jobs on many stations and their outcomes."""

    async def create(self, job: BulkJob) -> BulkJob:
        """Inserts with all its outcomes; with its number."""
        ...

    async def save(self, job: BulkJob) -> None:
        """Replaces the job itself, not its outcomes."""
        ...

    async def save_outcomes(self, job_id: int, outcomes: Mapping[int, Outcome]) -> None:
        """Replaces outcomes, by position."""
        ...

    async def running(self) -> Sequence[BulkJob]:
        """Those that no end is known of."""
        ...

    async def get(self, job_id: int) -> BulkJob | None:
        """The job with this number, if any."""
        ...

    async def recent(self, limit: int) -> Sequence[BulkJob]:
        """Newest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes jobs made before then that have ended; returns how many."""
        ...
