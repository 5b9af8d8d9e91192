"""Stops whose transaction nobody knows, and which transaction each may belong to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from app.domain.badge import normalised_id_tag
from app.domain.transaction import Transaction

MOST_W = 50_000
"""No session of an alternating current station brings more."""

ROUNDING_WH = 1_000
"""A register in whole kWh may be so much ahead."""

STILL_CHARGES = timedelta(seconds=60)
"""What was measured so much later than a stop belongs to a transaction that went on."""

CLOCK_SLACK = timedelta(seconds=60)

NEAR_WH, FAR_WH = 500, 2_000
"""A register within the first, and no other within the second, tells two transactions apart."""


class ParkedStop(msgspec.Struct, frozen=True):
    """A StopTransaction without its transaction; ``key`` is its number in the list."""

    key: int
    station_id: str
    transaction_id: int
    stopped_utc: datetime
    received_utc: datetime
    meter_stop_wh: int
    reason: str | None = None
    id_tag: str | None = None

    def fits(self, transaction: Transaction) -> bool:
        """Whether it can be the end of ``transaction``, by time, register and badge."""
        if self.station_id != transaction.station_id or self.stopped_utc < transaction.started_utc:
            return False
        energy_wh = self.meter_stop_wh - transaction.meter_start_wh
        hours = (self.stopped_utc - transaction.started_utc).total_seconds() / 3600
        if not 0 <= energy_wh <= MOST_W * hours + ROUNDING_WH:
            return False
        return self.id_tag is None or self.is_of(transaction)

    def is_of(self, transaction: Transaction) -> bool:
        """Whether the badge that ended it is the one that began ``transaction``."""
        if self.id_tag is None:
            return False
        return normalised_id_tag(self.id_tag) == normalised_id_tag(transaction.id_tag)

    @property
    def is_timely(self) -> bool:
        """Whether its time is not in the future: a clock that was ahead proves nothing."""
        return self.stopped_utc <= self.received_utc + CLOCK_SLACK


class Candidate(msgspec.Struct, frozen=True):
    """An open transaction, and the newest that was measured of it."""

    transaction: Transaction
    measured_utc: datetime | None = None
    register_wh: int | None = None

    def distance_wh(self, stop: ParkedStop) -> int:
        """How far the stop's register is from the newest one known."""
        known_wh = self.register_wh
        if known_wh is None:
            known_wh = self.transaction.meter_start_wh
        return abs(stop.meter_stop_wh - known_wh)


def transaction_of(stop: ParkedStop, candidates: Iterable[Candidate]) -> Transaction | None:
    """The one open transaction that ``stop`` must belong to; ``None`` where several could be."""
    fitting = [
        each
        for each in candidates
        if stop.fits(each.transaction)
        and (each.measured_utc is None or each.measured_utc <= stop.stopped_utc + STILL_CHARGES)
    ]
    fitting.sort(key=lambda each: each.distance_wh(stop))
    if not fitting:
        return None
    nearest = fitting[0]
    if len(fitting) > 1 and not (
        nearest.distance_wh(stop) <= NEAR_WH and fitting[1].distance_wh(stop) > FAR_WH
    ):
        return None
    return nearest.transaction


def stop_of(transaction: Transaction, stops: Iterable[ParkedStop]) -> ParkedStop | None:
    """The stop that has come before its start: the earliest one that fits."""
    fitting = (stop for stop in stops if stop.is_timely and stop.fits(transaction))
    return min(fitting, key=lambda stop: stop.stopped_utc, default=None)
