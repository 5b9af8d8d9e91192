"""What people order stations to do from afar, and what is kept of it.

Records are stored as JSON: every new field needs a default.
"""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from app.domain.station import ConnectorKey


class OutageStage(enum.StrEnum):
    """Where an order "out of service" stands."""

    PLANNED = "planned"
    """Its time has not come, or the station has not taken it yet."""
    IN_FORCE = "in-force"
    """The station has taken it (at once, or for after the running charge)."""
    ENDING = "ending"
    """Its time is over; the station has not yet been told, or has not answered."""
    OVER = "over"


class Outage(msgspec.Struct, frozen=True):
    """A person's order that a connector (0: the whole station) is out of service for a time.

    Without ``until_utc`` it holds until somebody ends it. ``answer`` is the station's newest answer.
    """

    outage_id: int
    station_id: str
    connector_id: int
    from_utc: datetime
    until_utc: datetime | None
    by: str
    stage: OutageStage = OutageStage.PLANNED
    answer: str = ""

    def covers(self, key: ConnectorKey) -> bool:
        """Whether the connector is one of those it puts out of service."""
        return self.station_id == key.station_id and self.connector_id in (0, key.connector_id)

    def holds(self, now_utc: datetime) -> bool:
        """Whether its time is now."""
        return self.from_utc <= now_utc and (self.until_utc is None or now_utc < self.until_utc)


class ReservationState(enum.StrEnum):
    """What became of a reservation."""

    ACTIVE = "active"
    USED = "used"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Reservation(msgspec.Struct, frozen=True):
    """A connector that a station keeps for one badge until ``expires_utc``."""

    reservation_id: int
    station_id: str
    connector_id: int
    id_tag: str
    made_utc: datetime
    expires_utc: datetime
    by: str
    state: ReservationState = ReservationState.ACTIVE

    @property
    def key(self) -> ConnectorKey:
        """The connector that is kept."""
        return ConnectorKey(self.station_id, self.connector_id)


class KeyReading(msgspec.Struct, frozen=True):
    """One setting as the station gave it; the value of a secret one is never kept."""

    key: str
    value: str | None
    readonly: bool = False
    secret: bool = False


class Reading(msgspec.Struct, frozen=True):
    """A station's settings at an instant; ``portions`` when it had to be asked key by key."""

    station_id: str
    at_utc: datetime
    firmware: str
    keys: tuple[KeyReading, ...]
    portions: bool = False

    def values(self) -> dict[str, str]:
        """The settings that have a value to compare."""
        return {one.key: one.value for one in self.keys if one.value is not None}


class KeyTemplate(msgspec.Struct, frozen=True):
    """A named set of settings."""

    template_id: int
    name: str
    values: dict[str, str]


class EventKind(enum.StrEnum):
    """What a station's history tells, besides its sessions."""

    CONNECTED = "connected"
    LOST = "lost"
    BOOTED = "booted"
    FIRMWARE = "firmware"
    FAULT = "fault"
    FAULT_OVER = "fault-over"
    DISOBEYS = "disobeys"
    OBEYS = "obeys"
    COMMAND = "command"
    SET_UP = "set-up"


class StationEvent(msgspec.Struct, frozen=True):
    """One line of a station's history; ``connector_id`` 0 is the station itself."""

    at_utc: datetime
    station_id: str
    kind: EventKind
    connector_id: int = 0
    detail: str = ""


class SetupStep(enum.StrEnum):
    """The steps of a station's set-up, in their order."""

    IDENTITY = "identity"
    READING = "reading"
    FALLBACK = "fallback"
    STATUS = "status"
    SAMPLING = "sampling"
    LEFTOVERS = "leftovers"
    LOCAL_LIST = "local-list"


class StepState(enum.StrEnum):
    """How a step ended; none of them stops the set-up."""

    DONE = "done"
    REFUSED = "refused"
    NO_ANSWER = "no-answer"
    SKIPPED = "skipped"


class StepRecord(msgspec.Struct, frozen=True):
    """How a step ended, when, and what the station answered."""

    state: StepState
    at_utc: datetime
    answer: str = ""


class SetupRecord(msgspec.Struct, frozen=True):
    """The set-up of one station with one firmware."""

    station_id: str
    firmware: str = ""
    steps: dict[SetupStep, StepRecord] = {}


class JobState(enum.StrEnum):
    """Where a job on many stations stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The manager ended before it did."""


class OutcomeState(enum.StrEnum):
    """What became of a job at one station."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Begun, or about to, when the manager ended: nobody knows what the station has done."""

    @property
    def failed(self) -> bool:
        """Whether it can be tried again."""
        return self in _FAILED


_FAILED = frozenset(
    {
        OutcomeState.REFUSED,
        OutcomeState.UNREACHABLE,
        OutcomeState.CANCELLED,
        OutcomeState.INTERRUPTED,
    }
)


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job at one station.

    ``action`` is the message to the station and ``answer`` its answer, quoted; ``error_key`` names a
    text where there is no answer (``params`` fill it).
    """

    station_id: str
    state: OutcomeState = OutcomeState.WAITING
    action: str = ""
    answer: str = ""
    error_key: str = ""
    params: dict[str, str] = {}
    attempts: int = 0


class BulkJob(msgspec.Struct, frozen=True):
    """One action on many stations, in the order of ``outcomes``."""

    job_id: int
    kind: str
    params: dict[str, str]
    by: str
    created_utc: datetime
    outcomes: tuple[Outcome, ...]
    state: JobState = JobState.RUNNING
    ended_utc: datetime | None = None

    def count(self, state: OutcomeState) -> int:
        """How many stations are in that state."""
        return sum(1 for outcome in self.outcomes if outcome.state is state)

    @property
    def failures(self) -> tuple[str, ...]:
        """Stations at which it can be tried again."""
        return tuple(one.station_id for one in self.outcomes if one.state.failed)
