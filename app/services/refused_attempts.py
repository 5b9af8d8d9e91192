"""Who was not let in: slowed down, counted, shown, and told as an alarm. Bounded in everything.

A wrong key slows down the one address that shows it for the one station it shows it for, so that a
station which presents the right key from elsewhere is never locked out; stations may share an
address behind a router, so an address as a whole is slowed down late, and not where a station has
come in from it before.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

from app.domain.station_security import Refusal
from app.services.alarms import Finding
from app.services.audit import AuditTrail
from app.services.live import Severity
from app.services.ports import Clock
from app.services.tasks import TaskSupervisor
from app.services.throttle import Throttle, ThrottleRule, origin_of

MOST_KEPT = 200
"""Kinds of attempt (station, address, reason) remembered."""

MOST_GOOD = 1024
"""Pairs of station and address remembered as good."""

AUDITED_PER_HOUR = 60
"""Refused attempts written to the audit log: whoever knocks must not be able to fill the disk."""

TOLD = timedelta(hours=1)
"""An attempt raises an alarm for so long."""

TOLD_FROM = 3
"""So many attempts of one kind raise an alarm: a station may fail once by itself."""

STORM_FROM = 30
"""So many attempts from one address on stations that do not exist raise an alarm."""

PAIR_RULE = ThrottleRule(
    free_attempts=3, first_wait_s=2.0, most_wait_s=300.0, forget_s=3600.0, most_keys=4096
)
ORIGIN_RULE = ThrottleRule(
    free_attempts=50, first_wait_s=1.0, most_wait_s=60.0, forget_s=600.0, most_keys=1024
)

WRONG_KEY = frozenset({Refusal.NO_KEY, Refusal.WRONG_KEY, Refusal.WRONG_USER, Refusal.UNREADABLE})
BAD_CERTIFICATE = frozenset(
    {Refusal.NO_CERTIFICATE, Refusal.OTHER_CERTIFICATE, Refusal.REVOKED, Refusal.EXPIRED}
)


class RefusedAttempt(msgspec.Struct, frozen=True):
    """Attempts of one kind; ``count`` since ``first_utc``."""

    identity: str
    address: str
    why: Refusal
    first_utc: datetime
    last_utc: datetime
    count: int


class RefusedAttempts:
    """Counts failures, and tells how long whoever fails has to wait."""

    def __init__(
        self,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
        *,
        name_of: Callable[[str], str | None],
        is_online: Callable[[str], bool],
    ) -> None:
        """Take ``name_of``, the name of a station of the site, ``None`` for strangers."""
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._name_of = name_of
        self._is_online = is_online
        self._attempts: OrderedDict[tuple[str, str, Refusal], RefusedAttempt] = OrderedDict()
        self._good: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._pairs = Throttle(clock, PAIR_RULE)
        self._origins = Throttle(clock, ORIGIN_RULE)
        self._audited: deque[float] = deque(maxlen=AUDITED_PER_HOUR)

    def wait_s(self, identity: str, address: str, epoch: str) -> int:
        """Seconds until this address may try again in this name; 0 when it may now.

        ``epoch`` changes with what would be accepted: somebody has put it right meanwhile.
        """
        origin = origin_of(address)
        wait_s = self._pairs.wait_s(f"{identity}\0{origin}\0{epoch}")
        if (identity, origin) not in self._good:
            wait_s = max(wait_s, self._origins.wait_s(origin))
        return math.ceil(wait_s)

    def refused(self, identity: str, address: str, why: Refusal, epoch: str) -> None:
        """An attempt was refused."""
        origin = origin_of(address)
        if why.is_guess:
            self._pairs.begin(f"{identity}\0{origin}\0{epoch}")
            self._origins.begin(origin)
        now = self._clock.utc_now()
        kind = (identity, origin, why)
        former = self._attempts.pop(kind, None)
        if former is not None and now - former.last_utc < TOLD:
            attempt = msgspec.structs.replace(former, last_utc=now, count=former.count + 1)
        else:
            attempt = RefusedAttempt(identity, address, why, now, now, 1)
            self._write_down(attempt)
        self._attempts[kind] = attempt
        if len(self._attempts) > MOST_KEPT:
            self._attempts.popitem(last=False)

    def let_in(self, identity: str, address: str, epoch: str) -> None:
        """The station came in from this address."""
        origin = origin_of(address)
        self._pairs.succeeded(f"{identity}\0{origin}\0{epoch}")
        self._good.pop((identity, origin), None)
        self._good[identity, origin] = None
        if len(self._good) > MOST_GOOD:
            self._good.popitem(last=False)

    def last(self, station_id: str | None = None) -> tuple[RefusedAttempt, ...]:
        """Newest first, of one station or of all."""
        return tuple(
            attempt
            for attempt in reversed(self._attempts.values())
            if station_id in (None, attempt.identity)
        )

    def alarms(self) -> Iterator[Finding]:
        """What the site's people should know of the last hour."""
        now = self._clock.utc_now()
        told: set[tuple[str, str]] = set()
        strangers: dict[str, int] = {}
        for attempt in self.last():
            if now - attempt.last_utc >= TOLD:
                continue
            name = self._name_of(attempt.identity)
            if name is None:
                strangers[attempt.address] = strangers.get(attempt.address, 0) + attempt.count
                continue
            if attempt.count < TOLD_FROM:
                continue
            key = self._key(attempt)
            if (key, name) not in told:
                told.add((key, name))
                yield key, Severity.WARNING, {"subject": name, "address": attempt.address}
        for address, count in strangers.items():
            if count >= STORM_FROM:
                yield "SEC-005", Severity.WARNING, {"subject": address, "count": count}

    def _key(self, attempt: RefusedAttempt) -> str:
        if self._is_online(attempt.identity):
            return "SEC-004"
        if attempt.why in BAD_CERTIFICATE:
            return "SEC-003"
        return "SEC-001" if attempt.why in WRONG_KEY else "SEC-002"

    def _write_down(self, attempt: RefusedAttempt) -> None:
        now_s = self._clock.monotonic_s()
        full = len(self._audited) == AUDITED_PER_HOUR
        if full and now_s - self._audited[0] < TOLD.total_seconds():
            return
        self._audited.append(now_s)
        self._tasks.start(
            self._audit.record(
                f"station:{attempt.identity}",
                "station-refused",
                attempt.identity,
                f"{attempt.why.value}, {attempt.address}",
            ),
            f"audit of {attempt.identity}",
        )
