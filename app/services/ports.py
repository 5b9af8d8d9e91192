"""What the services need from the outside, as protocols; ``app/adapters`` implements them.

Every ``async`` writer returns only when the record is on disk (WAL, synchronous FULL), and raises
``StorageError`` when it is not. Reads never run on the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec

from app.domain.badge import Badge
from app.domain.circuit import Circuit
from app.domain.meter import MeterConfig, MeterReading
from app.domain.rules import SiteRules
from app.domain.station import ChargingStation, ConnectorKey, PendingStation, StationIdentity
from app.domain.transaction import Sample, Transaction
from app.ocpp16.dialect import Dialect
from app.ocpp16.session import Priority


class Clock(Protocol):
    """Time, passed in so that a rehearsal can run on a virtual one."""

    def monotonic_s(self) -> float:
        """Seconds that never jump; durations only."""
        ...

    def utc_now(self) -> datetime:
        """Aware UTC wall time; records only."""
        ...


class StationLink(Protocol):
    """One live OCPP connection to a station."""

    @property
    def station_id(self) -> str:
        """Identity given in the URL."""
        ...

    @property
    def generation(self) -> int:
        """Grows with every connection of any station; tells a new link from an old one."""
        ...

    @property
    def address(self) -> str:
        """Network address of the station."""
        ...

    @property
    def secure(self) -> bool:
        """Whether it is over TLS."""
        ...

    @property
    def repairs(self) -> dict[str, int]:
        """How many frames were repaired, by name of the repair."""
        ...

    def speak(self, dialect: Dialect, *, pings: bool = True) -> None:
        """Reads and writes the station's frames in this way from now on, and pings it or not."""
        ...

    async def call(
        self,
        request: Any,
        *,
        priority: Priority = Priority.CONTROL,
        timeout_s: float | None = None,
        replace_key: str | None = None,
    ) -> Any:
        """Sends a CALL and returns the typed confirmation.

        Raises ``StationUnreachableError`` when the link drops or no answer comes in time, and
        ``StationRefusedError`` on a CALLERROR.
        """
        ...

    async def close(self, reason: str) -> None:
        """Closes the connection."""
        ...


class StationHandler(Protocol):
    """The use cases behind the station port."""

    async def connected(self, link: StationLink) -> None:
        """A station has connected (or reconnected: the newest link wins)."""
        ...

    async def handle(self, link: StationLink, request: Any) -> Any:
        """Answers one CALL of the station with its confirmation."""
        ...

    async def disconnected(self, link: StationLink) -> None:
        """The link is gone."""
        ...


@runtime_checkable
class RepairObserver(Protocol):
    """A ``StationHandler`` that says how frames are read, and sees those that were repaired."""

    def meets(self, link: StationLink) -> None:
        """Called before the first message of a link is read; must not wait."""
        ...

    def repaired(self, link: StationLink, text: str | bytes, repairs: Sequence[str]) -> None:
        """A message was repaired; ``text`` is it as it came. Must not wait."""
        ...


class MeterPort(Protocol):
    """A running poller of one meter."""

    config: MeterConfig

    @property
    def last_reading(self) -> MeterReading | None:
        """The newest complete reading, whatever its age."""
        ...

    @property
    def error_key(self) -> str | None:
        """Message key of the present trouble, ``None`` when the last poll succeeded."""
        ...


class NewTransaction(msgspec.Struct, frozen=True):
    """What StartTransaction brings; the key of idempotency is everything but ``received_utc``.

    Without a readable time (``time_known`` false), a start like the one that is open is its repeat.
    """

    station_id: str
    connector_id: int
    id_tag: str
    started_utc: datetime
    received_utc: datetime
    meter_start_wh: int
    time_known: bool = True


class TransactionStop(msgspec.Struct, frozen=True):
    """What StopTransaction brings; ``estimated`` when the manager had to write it itself."""

    transaction_id: int
    stopped_utc: datetime
    received_utc: datetime
    meter_stop_wh: int
    reason: str | None
    id_tag: str | None = None
    estimated: bool = False
    time_known: bool = True


class TransactionRepository(Protocol):
    """The journal of transactions."""

    async def start(self, new: NewTransaction) -> tuple[Transaction, bool]:
        """The transaction, and whether it is new (false: the same start was recorded before).

        A start that was held back is closed already, as is one whose stop has come before it.
        """
        ...

    async def stop(self, stop: TransactionStop) -> Transaction | None:
        """The stopped transaction; the recorded one again for a repeat; ``None`` when unknown."""
        ...

    async def park_stop(self, station_id: str, stop: TransactionStop) -> None:
        """Keeps a stop whose transaction is unknown (idempotent)."""
        ...

    async def take_stop(self, station_id: str, stop: TransactionStop) -> Transaction | None:
        """Stops the station's transaction of this number, or the only one that can be meant.

        ``None`` when the stop was parked.
        """
        ...

    async def resume(
        self, station_id: str, transaction_id: int, now_utc: datetime
    ) -> Transaction | None:
        """Opens a transaction whose end was only concluded; ``None`` when it has another end."""
        ...

    async def rescale_open(self, station_id: str, factor: float) -> None:
        """Corrects the first register of the station's open transactions, found in another unit."""
        ...

    async def open_transactions(self) -> Sequence[Transaction]:
        """All that have no stop."""
        ...

    async def recent(
        self, *, station_id: str | None = None, limit: int = 50, offset: int = 0
    ) -> Sequence[Transaction]:
        """Newest first."""
        ...

    async def count(self) -> int:
        """How many are recorded."""
        ...

    async def get(self, transaction_id: int) -> Transaction | None:
        """The transaction with this number, if any."""
        ...


class TracePoint(msgspec.Struct, frozen=True):
    """One point of a connector's history: currents per conductor (mA) and the limit then."""

    at_utc: datetime
    l1_ma: int
    l2_ma: int
    l3_ma: int
    limit_ma: int | None
    power_w: int | None
    energy_wh: int | None


class SampleRepository(Protocol):
    """Measurements of the connectors, written in batches."""

    def add(
        self, key: ConnectorKey, transaction_id: int | None, sample: Sample, limit_ma: int | None
    ) -> None:
        """Queues one sample; it is on disk within the batch period."""
        ...

    async def trace(
        self, key: ConnectorKey, since_utc: datetime, until_utc: datetime | None = None
    ) -> Sequence[TracePoint]:
        """Points since then (and not after ``until_utc``), oldest first."""
        ...

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older samples; returns how many."""
        ...


class StoredLimit(msgspec.Struct, frozen=True):
    """The last limit sent to a connector, kept so that a restart knows what it may draw."""

    key: ConnectorKey
    limit_ma: int
    lease_until_utc: datetime | None


class LimitRepository(Protocol):
    """Limits in force, written before an increase is sent."""

    async def save(self, limits: Sequence[StoredLimit]) -> None:
        """Inserts or replaces."""
        ...

    async def load(self) -> Sequence[StoredLimit]:
        """All known limits."""
        ...


class SiteConfiguration(msgspec.Struct, frozen=True):
    """Everything the installer configures."""

    name: str
    timezone: str
    circuits: tuple[Circuit, ...]
    meters: tuple[MeterConfig, ...]
    stations: tuple[ChargingStation, ...]
    rules: SiteRules = SiteRules()


class SiteRepository(Protocol):
    """The configuration of the site."""

    async def load(self) -> SiteConfiguration | None:
        """``None`` on an empty database."""
        ...

    async def replace(self, configuration: SiteConfiguration) -> None:
        """Writes the whole configuration in one transaction."""
        ...

    async def save_identity(self, station_id: str, identity: StationIdentity) -> None:
        """What the station said at its last boot."""
        ...

    async def save_identities(self, identities: Mapping[str, StationIdentity]) -> None:
        """The same of several stations, all or none."""
        ...

    async def identities(self) -> dict[str, StationIdentity]:
        """By station."""
        ...


class PendingRepository(Protocol):
    """Unknown callers that wait for adoption, and those told to be ignored."""

    async def save(self, pending: PendingStation) -> None:
        """Inserts or replaces."""
        ...

    async def remove(self, station_ids: Sequence[str]) -> None:
        """Forgets these callers, all or none."""
        ...

    async def list(self) -> Sequence[PendingStation]:
        """Oldest first."""
        ...


class BadgeRepository(Protocol):
    """Tokens that may charge."""

    async def save(self, badge: Badge) -> None:
        """Inserts or replaces, by the badge's key."""
        ...

    async def remove(self, key: str) -> None:
        """Deletes the badge; its transactions stay."""
        ...

    async def list(self) -> Sequence[Badge]:
        """All badges, by holder then number."""
        ...


class User(msgspec.Struct, frozen=True):
    """An account of the pages. ``must_change`` until the owner has set a password of their own."""

    name: str
    password_hash: str
    must_change: bool
    language: str = "fr"


class WebSession(msgspec.Struct, frozen=True):
    """A signed-in browser; only a hash of its token is stored."""

    token_hash: str
    user_name: str
    csrf_token: str
    created_utc: datetime
    last_seen_utc: datetime


class AccessRepository(Protocol):
    """Accounts and signed-in browsers."""

    async def users(self) -> Sequence[User]:
        """All accounts."""
        ...

    async def save_user(self, user: User) -> None:
        """Inserts or replaces."""
        ...

    async def save_session(self, session: WebSession) -> None:
        """Inserts or replaces."""
        ...

    async def session(self, token_hash: str) -> WebSession | None:
        """The session with this token, if any."""
        ...

    async def remove_sessions(self, user_name: str, *, keep: str | None = None) -> None:
        """Signs a user out everywhere, but for the session whose hash is ``keep``."""
        ...

    async def remove_session(self, token_hash: str) -> None:
        """Signs one browser out."""
        ...


class AuditRecord(msgspec.Struct, frozen=True):
    """Who did what, when; append-only."""

    at_utc: datetime
    actor: str
    action: str
    subject: str
    detail: str = ""


class AuditRepository(Protocol):
    """The audit log."""

    async def append(self, record: AuditRecord) -> None:
        """Durable when it returns."""
        ...

    async def recent(self, limit: int = 100) -> Sequence[AuditRecord]:
        """Newest first."""
        ...


class PasswordHasher(Protocol):
    """argon2id, off the event loop, with a bounded queue."""

    async def hash(self, password: str) -> str:
        """The encoded hash."""
        ...

    async def verify(self, encoded: str, password: str) -> bool:
        """Whether the password matches."""
        ...


class SetAside(msgspec.Struct, frozen=True):
    """Data of a later version that were set aside so that this one could start."""

    file: str
    """Name of the file in the data directory."""
    at_utc: datetime
    since_utc: datetime
    """The state in use again: what was recorded from then to ``at_utc`` is in the file only."""
