"""What the ledger knows of one connector: limits sent, accepted and still followed."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from app.energy.settings import EnergySettings
from app.energy.site_model import ConnectorNode
from app.energy.site_state import ConnectorSample


class Held(NamedTuple):
    """A limit, when it is asked to end, and when it certainly has (monotonic)."""

    limit_ma: int
    lease_until_s: float
    holds_until_s: float


class Sent:
    """A limit sent and not yet answered."""

    __slots__ = ("holds_until_s", "lease_until_s", "limit_ma", "lost", "number", "sent_s")

    def __init__(
        self, number: int, limit_ma: int, sent_s: float, lease_until_s: float, *, proven: bool
    ) -> None:
        self.number = number
        self.limit_ma = limit_ma
        self.sent_s = sent_s
        self.lease_until_s = lease_until_s
        self.holds_until_s = lease_until_s if proven else inf
        self.lost = False


class Entry:
    """What is known of one connector."""

    def __init__(self, node: ConnectorNode) -> None:
        self.node = node
        self.online = False
        self.seen = False
        self.car_present = False
        self.controllable = True
        self.transaction_id: int | None = None
        self.fallback_ma: int | None = None
        self.fallback_pending_ma: int | None = None
        self.confirmed_ma: int | None = None
        self.confirmed_number = 0
        self.confirmed_s = -inf
        # When the limit is asked to end, and when it certainly has.
        self.lease_until_s = inf
        self.holds_until_s = inf
        self.sent: list[Sent] = []
        # Values that were in force and may still be followed: (value, until when).
        self.settling: list[tuple[int, float]] = []
        # Low water: values that were possible lately, for the least the car may be drawing.
        self.trail: list[tuple[int, float]] = []
        self.raised_s = -inf
        self.changed_s = -inf
        self.sample: ConnectorSample | None = None
        self.sample_seen_s = -inf
        self.sample_interval_s = 0.0
        self.over_since_s: float | None = None
        self.over_samples = 0
        self.over_ma: int | None = None
        self.refusals = 0
        self.failed_s = -inf
        self.failures = 0

    # ------------------------------------------------------------- values in force

    def most(self, limit: Held | Sent, now_s: float, settings: EnergySettings) -> int:
        """The greatest value that ``limit`` may mean now: itself, the fallback, or either.

        Once its lease has certainly lapsed, and the car has had its time to follow, the fallback.
        """
        if self.fallback_ma is None:
            return limit.limit_ma
        certain_s = limit.holds_until_s + settings.lease_grace_s
        if now_s >= certain_s + settings.follow_s:
            return self.fallback_ma
        if may_have_lapsed(limit.lease_until_s, now_s, settings.lease_grace_s):
            return max(limit.limit_ma, self.fallback_ma)
        return limit.limit_ma

    def least(self, limit: Held | Sent, now_s: float, grace_s: float) -> int:
        """The least value that ``limit`` may mean now."""
        if self.fallback_ma is None:
            return limit.limit_ma
        if may_have_lapsed(limit.lease_until_s, now_s, grace_s):
            return min(limit.limit_ma, self.fallback_ma)
        return limit.limit_ma

    def confirmed(self) -> Held | None:
        """The limit that was accepted last."""
        if self.confirmed_ma is None:
            return None
        return Held(self.confirmed_ma, self.lease_until_s, self.holds_until_s)

    def base(self, now_s: float, settings: EnergySettings) -> int:
        """The greatest value that can be in force at the station."""
        confirmed = self.confirmed()
        value = self.without_limit() if confirmed is None else self.most(confirmed, now_s, settings)
        for sent in self.sent:
            value = max(value, self.most(sent, now_s, settings))
        return value

    def without_limit(self) -> int:
        """What the station allows when no limit of a transaction was accepted."""
        if self.fallback_ma is not None:
            return max(self.fallback_ma, self.fallback_pending_ma or 0)
        if self.seen or not self.node.metered:
            return self.node.rating_ma
        return 0

    def forget_limits(self) -> None:
        """The transaction is over: its limits died with it."""
        self.confirmed_ma = None
        self.lease_until_s = inf
        self.holds_until_s = inf
        self.sent = []
        self.settling = []
        self.trail = []
        self.sample = None
        self.over_since_s = None
        self.over_samples = 0
        self.over_ma = None
        self.refusals = 0
        self.failures = 0
        self.failed_s = -inf
        self.raised_s = -inf
        self.changed_s = -inf
        self.confirmed_s = -inf


def may_have_lapsed(lease_until_s: float, now_s: float, grace_s: float) -> bool:
    """Whether a station may have let a lease lapse; its clock may be ahead."""
    return now_s >= lease_until_s - grace_s
