"""Whether a meter shows less than is certain: than the stations below it draw, or below nothing.

A car may stop by itself between two reports, so what a report says is not certain for long: a
connector counts once it has reported since the contradiction began; of those that have not, the
largest two are left out. Where nobody has reported since, they may all have lost their power, or
be starting anew: then it takes a report to tell. Which phase an outlet loads is taken from the configuration only where
steps have confirmed it; otherwise what counts is the least it puts on any phase, and the sum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

import msgspec

from app.domain.meter import MeterReading
from app.domain.station import ConnectorKey, ConnectorStatus
from app.energy.site_model import ConnectorNode
from app.energy.site_state import ConnectorState

BELOW_S = 5.0
"""A contradiction that lasts so long convicts."""

ALL_BELOW_S = 10.0
"""The same where all phases are below nothing: a lift that goes down feeds back some seconds."""

IDLE_BELOW_S = 60.0
"""The same while no station draws anything: nothing depends on it then."""

_TOLERANCE_MA = 1_000
_TOLERANCE_SHARE = 0.05
_MAY_STOP = 2
_SAMPLE_INTERVALS = 2.0
_MEASURED_BEFORE_S = 2.0
_FOLLOW_S = 8.0

Floor = tuple[int, int, int, int]
"""The least on each phase, and in all (mA)."""


class FloorFinding(msgspec.Struct, frozen=True):
    """A contradiction that has lasted: on ``phases`` (0 to 2), or on the sum where none."""

    negative: bool
    phases: tuple[int, ...]
    shown_ma: int
    certain_ma: int


class FloorWatch:
    """Follows one meter that no generator feeds from below."""

    def __init__(self) -> None:
        self._limits: dict[ConnectorKey, deque[tuple[float, int]]] = {}
        self._below_since: list[float | None] = [None] * 4
        self._negative_since: float | None = None

    def commanded(self, key: ConnectorKey, at_s: float, limit_ma: int) -> None:
        """A limit is being sent: the connector may follow it before its next report."""
        self._limits.setdefault(key, deque(maxlen=8)).append((at_s, limit_ma))

    def look(
        self,
        reading: MeterReading,
        pairs: Iterable[tuple[ConnectorNode, ConnectorState]],
        sure: Collection[ConnectorKey],
        now_s: float,
    ) -> FloorFinding | None:
        """The contradiction of this cycle, if it has lasted."""
        draws = [
            (_floor_of(node, low, node.key in sure), one.sample.at_s - _MEASURED_BEFORE_S)
            for node, one in pairs
            if one.sample is not None and (low := self._low(one, now_s)) is not None
        ]
        draws_something = any(floor[3] for floor, _ in draws)
        negative = self._negative(reading, draws_something=draws_something, now_s=now_s)
        if negative is not None:
            return negative
        shown = (*reading.currents, reading.currents.total())
        certain = [self._certain(slot, draws, shown[slot], now_s) for slot in range(4)]
        for slot, certain_ma in enumerate(certain):
            since_s = self._below_since[slot]
            if certain_ma is not None and since_s is not None and now_s - since_s >= BELOW_S:
                turned = _negative_phases(reading)
                phases = turned or ((slot,) if slot < 3 else ())
                return FloorFinding(bool(turned), phases, shown[slot], certain_ma)
        return None

    def _certain(
        self, slot: int, draws: list[tuple[Floor, float]], shown_ma: int, now_s: float
    ) -> int | None:
        """What is certain on a slot while it contradicts the meter; keeps since when it does."""
        total = sum(floor[slot] for floor, _ in draws)
        if not total or not _contradicts(total, shown_ma):
            self._below_since[slot] = None
            return None
        since_s = self._below_since[slot]
        if since_s is None:
            since_s = self._below_since[slot] = now_s
        stale = sorted((floor[slot] for floor, at_s in draws if at_s < since_s), reverse=True)
        if len(stale) == len(draws):
            return None
        certain = total - sum(stale[:_MAY_STOP])
        return certain if certain and _contradicts(certain, shown_ma) else None

    def _negative(
        self, reading: MeterReading, *, draws_something: bool, now_s: float
    ) -> FloorFinding | None:
        phases = _negative_phases(reading)
        if not phases:
            self._negative_since = None
            return None
        if self._negative_since is None:
            self._negative_since = now_s
        patience_s = IDLE_BELOW_S
        if draws_something:
            patience_s = ALL_BELOW_S if len(phases) == 3 else BELOW_S
        if now_s - self._negative_since < patience_s:
            return None
        return FloorFinding(True, phases, min(reading.currents), 0)

    def _low(self, one: ConnectorState, now_s: float) -> tuple[int, int, int] | None:
        """The least it draws per conductor by its last report; ``None`` when that says nothing."""
        sample = one.sample
        assert sample is not None
        if not one.online or one.transaction_id is None or sample.at_s < one.arrived_s:
            return None
        if one.status is not ConnectorStatus.CHARGING:
            return None
        if now_s - sample.at_s > _SAMPLE_INTERVALS * one.sample_interval_s:
            return None
        l1, l2, l3 = sample.low
        followed_s = sample.at_s - _MEASURED_BEFORE_S - _FOLLOW_S
        for sent_s, limit_ma in self._limits.get(one.key, ()):
            if sent_s > followed_s:
                l1, l2, l3 = min(l1, limit_ma), min(l2, limit_ma), min(l3, limit_ma)
        return (l1, l2, l3)


def _negative_phases(reading: MeterReading) -> tuple[int, ...]:
    return tuple(p for p in (0, 1, 2) if reading.currents[p] < -_TOLERANCE_MA)


def _contradicts(certain_ma: int, shown_ma: int) -> bool:
    return certain_ma - shown_ma > _TOLERANCE_MA + _TOLERANCE_SHARE * certain_ma


def _floor_of(node: ConnectorNode, low: tuple[int, int, int], sure: bool) -> Floor:
    wired = len(node.conductors)
    total = sum(low[:wired])
    if sure:
        values = [0, 0, 0]
        for conductor, phase in enumerate(node.conductors):
            values[phase] += low[conductor]
        return (values[0], values[1], values[2], total)
    least = min(low) if wired == 3 else 0
    return (least, least, least, total)
