"""What load management remembers, as protocols: limits granted, evidence, outside limits, wiring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from app.domain.evidence import EvidenceEvent, EvidenceMonth, LimitRecord
from app.domain.outside_limit import OutsideOrder, SiteToken


class LimitHistoryRepository(Protocol):
    """The limits that each transaction was granted, with their reasons."""

    async def add(self, records: Sequence[LimitRecord]) -> None:
        """Writes all or none."""
        ...

    async def of(self, transaction_id: int) -> Sequence[LimitRecord]:
        """Oldest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes those of transactions received before; returns how many."""
        ...


class EvidenceRepository(Protocol):
    """Overloads, lost meters, disobeying stations, and the account of each month."""

    async def record(
        self, events: Sequence[EvidenceEvent], months: Sequence[EvidenceMonth]
    ) -> None:
        """Inserts or replaces events; adds what ``months`` say to their accounts."""
        ...

    async def events(
        self, since_utc: datetime, circuit_id: str | None = None, limit: int = 1_000
    ) -> Sequence[EvidenceEvent]:
        """Newest first; of one circuit, or of all."""
        ...

    async def months(self) -> Sequence[EvidenceMonth]:
        """Oldest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older events and months; returns how many events."""
        ...


class OutsideLimitRepository(Protocol):
    """Orders of outside limits, and the tokens that may give them."""

    async def save(self, order: OutsideOrder) -> None:
        """Inserts, or replaces the order of the same source on the same circuit."""
        ...

    async def remove(self, circuit_id: str, source: str) -> None:
        """Forgets the order."""
        ...

    async def list(self) -> Sequence[OutsideOrder]:
        """All orders, by circuit and source."""
        ...

    async def save_token(self, token: SiteToken) -> None:
        """Inserts a token."""
        ...

    async def remove_token(self, token_id: str) -> None:
        """Revokes a token; its orders stay."""
        ...

    async def tokens(self) -> Sequence[SiteToken]:
        """All tokens, oldest first."""
        ...


class Learnt(msgspec.Struct, frozen=True):
    """Something that was learnt: ``record`` is the JSON of what ``kind`` stands for."""

    kind: str
    subject: str
    record: str


class LearntRepository(Protocol):
    """What the manager has learnt by itself."""

    async def save(self, learnt: Sequence[Learnt]) -> None:
        """Inserts or replaces, all or none."""
        ...

    async def remove(self, kind: str, subject: str) -> None:
        """Forgets one."""
        ...

    async def load(self) -> Sequence[Learnt]:
        """Everything, by kind and subject."""
        ...
