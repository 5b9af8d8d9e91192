"""What the journal's services need beyond the journal: parked stops, gaps, repairs and quirks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from app.domain.parked import ParkedStop
from app.domain.station import ConnectorKey
from app.domain.transaction import Transaction


class EnergyGap(msgspec.Struct, frozen=True):
    """Energy that a connector's register counted between two sessions.

    ``after_id`` and ``before_id`` are the transactions around it; ``is_estimated`` where the end of
    the first was estimated, so that the energy may be its own.
    """

    key: ConnectorKey
    energy_wh: int
    since_utc: datetime
    until_utc: datetime
    after_id: int
    before_id: int
    is_estimated: bool = False


class ParkedStopRepository(Protocol):
    """Stops whose transaction is unknown, until they are settled."""

    async def waiting(self, limit: int = 500) -> Sequence[ParkedStop]:
        """Those that wait, newest first."""
        ...

    async def count(self) -> int:
        """How many wait."""
        ...

    async def get(self, key: int) -> ParkedStop | None:
        """The one with this number, if it still waits."""
        ...

    async def attach(self, key: int, transaction_id: int) -> Transaction | None:
        """Ends the transaction by this stop; ``None`` when either is not to be had any more."""
        ...

    async def dismiss(self, key: int) -> bool:
        """Takes it off the list; false when it does not wait."""
        ...

    async def candidates(self, key: int, limit: int = 20) -> Sequence[Transaction]:
        """Transactions of its station that are open or whose end is not sure, newest first."""
        ...

    async def gaps(self, station_id: str, since_utc: datetime) -> Sequence[EnergyGap]:
        """Energy between sessions, newest first; none where registers begin anew each time."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Forgets settled ones that are older; returns how many."""
        ...


class RepairedFrame(msgspec.Struct, frozen=True):
    """A message as it came, before it was repaired."""

    station_id: str
    name: str
    at_utc: datetime
    frame: str


class RepairCount(msgspec.Struct, frozen=True):
    """How often one repair was made for one station."""

    name: str
    messages: int
    first_utc: datetime
    last_utc: datetime


class RepairRepository(Protocol):
    """Repaired messages: how many, and the newest as they came."""

    async def record(
        self, counts: Mapping[tuple[str, str], RepairCount], frames: Sequence[RepairedFrame]
    ) -> None:
        """Adds to the counts (by station and name), and keeps the newest frames of each."""
        ...

    async def counts(self, station_id: str) -> Sequence[RepairCount]:
        """Most frequent first."""
        ...

    async def totals(self) -> Mapping[str, int]:
        """Repairs by station."""
        ...

    async def frames(self, station_id: str, name: str) -> Sequence[RepairedFrame]:
        """Newest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older frames; returns how many."""
        ...


class QuirkRepository(Protocol):
    """What was set or learnt of stations' quirks, by scope and subject."""

    async def load(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """All there is."""
        ...

    async def save(self, scope: str, subject: str, quirks: Mapping[str, Any]) -> None:
        """Inserts or replaces; empty ones are removed."""
        ...
