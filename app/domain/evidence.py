"""What is kept for months as evidence: granted limits of each session, overloads, lost meters."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from app.domain.limits import Reason


class LimitRecord(msgspec.Struct, frozen=True):
    """From ``at_utc`` on the transaction was granted ``limit_ma``, for this reason."""

    transaction_id: int
    at_utc: datetime
    limit_ma: int
    reason: Reason


class EventKind(enum.StrEnum):
    """What happened."""

    OVERLOAD = "overload"
    """A meter showed a phase of its circuit above the circuit's limit."""
    METER_LOST = "meter-lost"
    """A circuit's meter was late or silent: nothing was increased."""
    STATIC_BUDGET = "static-budget"
    """It stayed silent: the circuit kept to its safe budget."""
    DISOBEYING = "disobeying"
    """A connector drew more than its limit for longer than a car needs to follow."""


class EvidenceEvent(msgspec.Struct, frozen=True):
    """One event; ``ended_utc`` is ``None`` while it lasts, or when the manager stopped amid it.

    ``subject`` is the circuit, or ``station/connector``; ``phase`` 0 to 2 for an overload.
    ``peak_ma`` is the greatest current seen, ``severe_s`` how long it was above 105 % of
    ``limit_ma``, ``reaction_s`` the time from the first sample above the limit to the last
    decrease that a station accepted (``None``: no decrease was accepted in that time).
    """

    kind: EventKind
    subject: str
    circuit_id: str
    began_utc: datetime
    ended_utc: datetime | None = None
    phase: int | None = None
    limit_ma: int | None = None
    peak_ma: int | None = None
    severe_s: float = 0.0
    reaction_s: float | None = None

    @property
    def duration_s(self) -> float | None:
        """How long it lasted, once it is over."""
        if self.ended_utc is None:
            return None
        return max(0.0, (self.ended_utc - self.began_utc).total_seconds())


class EvidenceMonth(msgspec.Struct, frozen=True):
    """The account of one month (``2026-11``, in the site's time zone).

    ``observed_s`` is how long control ran, ``overloads`` and ``severe`` how many overloads began
    and how many of them passed 105 %, ``guard_refusals`` how many increases were held back at the
    last moment, ``unrecorded`` events that were only counted because there were too many.
    """

    month: str
    since_utc: datetime
    observed_s: float = 0.0
    overloads: int = 0
    severe: int = 0
    longest_s: float = 0.0
    meter_lost_s: float = 0.0
    static_s: float = 0.0
    disobeying: int = 0
    guard_refusals: int = 0
    unrecorded: int = 0
