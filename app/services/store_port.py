"""All repositories over one database file, as one protocol."""

from __future__ import annotations

from typing import Protocol

from app.services.adoption_ports import PlanRepository
from app.services.conduct_ports import CapabilityRepository, ConductRepository
from app.services.energy_ports import (
    EvidenceRepository,
    LearntRepository,
    LimitHistoryRepository,
    OutsideLimitRepository,
)
from app.services.file_ports import RecordRepository
from app.services.journal_ports import ParkedStopRepository, QuirkRepository, RepairRepository
from app.services.ports import (
    AccessRepository,
    AuditRepository,
    BadgeRepository,
    LimitRepository,
    PendingRepository,
    SampleRepository,
    SetAside,
    SiteRepository,
    TransactionRepository,
)
from app.services.remote_ports import (
    JobRepository,
    OrderRepository,
    StationRecordRepository,
)
from app.services.security_ports import SecurityRepository


class Store(Protocol):
    """All repositories over one database file."""

    @property
    def learnt(self) -> LearntRepository:
        """What was learnt."""
        ...

    @property
    def transactions(self) -> TransactionRepository:
        """The journal."""
        ...

    @property
    def samples(self) -> SampleRepository:
        """Measurements."""
        ...

    @property
    def limits(self) -> LimitRepository:
        """Limits in force."""
        ...

    @property
    def history(self) -> LimitHistoryRepository:
        """Granted limits of sessions."""
        ...

    @property
    def evidence(self) -> EvidenceRepository:
        """Overloads and reactions."""
        ...

    @property
    def site(self) -> SiteRepository:
        """Configuration."""
        ...

    @property
    def outside_limits(self) -> OutsideLimitRepository:
        """Orders of outside limits and their tokens."""
        ...

    @property
    def pending(self) -> PendingRepository:
        """Unknown callers."""
        ...

    @property
    def plans(self) -> PlanRepository:
        """Stations expected before they call."""
        ...

    @property
    def badges(self) -> BadgeRepository:
        """Badges."""
        ...

    @property
    def access(self) -> AccessRepository:
        """Accounts."""
        ...

    @property
    def audit(self) -> AuditRepository:
        """Audit log."""
        ...

    @property
    def capabilities(self) -> CapabilityRepository:
        """What stations can do."""
        ...

    @property
    def conduct(self) -> ConductRepository:
        """How stations behave."""
        ...

    @property
    def security(self) -> SecurityRepository:
        """What stations must prove."""
        ...

    @property
    def parked(self) -> ParkedStopRepository:
        """Stops without their transaction."""
        ...

    @property
    def repairs(self) -> RepairRepository:
        """Repaired messages."""
        ...

    @property
    def quirks(self) -> QuirkRepository:
        """What was set or learnt of quirks."""
        ...

    @property
    def orders(self) -> OrderRepository:
        """Outages and reservations."""
        ...

    @property
    def station_records(self) -> StationRecordRepository:
        """Settings read, set-up and history of stations."""
        ...

    @property
    def jobs(self) -> JobRepository:
        """Jobs on many stations."""
        ...

    @property
    def files(self) -> RecordRepository:
        """Files of stations, and the lists they hold."""
        ...

    @property
    def trouble_key(self) -> str | None:
        """Message key of the disk's present trouble; ``None`` when the last batch was written."""
        ...

    @property
    def dropped_samples(self) -> int:
        """Samples given up because the disk could not follow, since the start."""
        ...

    @property
    def set_aside(self) -> SetAside | None:
        """What a failed update has left behind; ``None`` when nothing was set aside."""
        ...

    async def close(self) -> None:
        """Writes what is queued and closes the file."""
        ...
