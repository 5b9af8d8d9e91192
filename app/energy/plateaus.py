"""Plateaus of a connector's draw: stretches of time in which it did not change.

A station reports every 10 to 30 s what it measured up to two seconds ago. Two reports that agree
bound a plateau; what happens between two plateaus is a step, whose instant is known better when a
limit was sent meanwhile: a car keeps its draw until it is told otherwise.
"""

from __future__ import annotations

from collections import deque

import msgspec

from app.energy.site_model import ConnectorNode
from app.energy.site_state import ConnectorSample, ConnectorState

AGREE_A = 1.0
"""Two reports that differ by no more are the same draw."""

MEASURED_BEFORE_S = 2.0
"""A report may have been measured so long before it was received."""

SETTLES_S = 10.0
"""A car follows a lower limit within this time of its sending."""

_KEPT = 8
_STALE_INTERVALS = 2.5
_IDLE_AFTER_S = 4.0
_TRUNCATION_MA = 1_000

Change = tuple[float, float, float]
"""Amperes per conductor of the outlet."""

ALL_COUNTS = (1, 2, 3)


class Plateau(msgspec.Struct):
    """One stretch: known from ``start_s`` to ``end_s`` (monotonic), both inside it.

    ``draw_a`` is amperes per conductor. ``counts`` are the numbers of phases that the report
    allows, where it names none: ``draw_a`` is then the current of each of the first ones.
    ``firm`` once a second report has agreed. ``broken`` when nothing is known of what came before.
    """

    start_s: float
    end_s: float
    draw_a: Change
    counts: tuple[int, ...] | None
    firm: bool
    broken: bool


class DrawTrack:
    """The plateaus of one connector, oldest first."""

    def __init__(self) -> None:
        self.plateaus: deque[Plateau] = deque(maxlen=_KEPT)
        self.mute = True
        self.last_sample_s = float("-inf")
        self._transaction_id: int | None = None
        self._idle_since_s: float | None = None
        self._commands: deque[tuple[float, int]] = deque(maxlen=8)
        self._limit_ma: int | None = None

    def commanded(self, at_s: float, limit_ma: int) -> None:
        """A limit was sent; +1 and -1 tell which way it moved."""
        if limit_ma != self._limit_ma:
            rise = self._limit_ma is None or limit_ma > self._limit_ma
            self._commands.append((at_s, 1 if rise else -1))
        self._limit_ma = limit_ma

    def commands(self, from_s: float, to_s: float) -> list[float]:
        """When limits that differ from the one before were sent, between two instants."""
        return [at_s for at_s, _ in self._commands if from_s <= at_s <= to_s]

    def take(self, node: ConnectorNode, state: ConnectorState | None, now_s: float) -> None:
        """One cycle's look at the connector."""
        if state is None or not state.online:
            self.mute = True
            self._idle_since_s = None
            return
        if state.transaction_id != self._transaction_id:
            self._transaction_id = state.transaction_id
            self._idle_since_s = None
            self._limit_ma = None
        if state.transaction_id is None:
            self._idle(now_s)
            return
        sample = state.sample
        if sample is None or now_s - sample.at_s > _STALE_INTERVALS * state.sample_interval_s:
            # Until its first report a car that just came is awaited, not given up.
            waited_s = now_s - max(state.arrived_s, self.last_sample_s)
            self.mute = waited_s > _STALE_INTERVALS * state.sample_interval_s
            return
        if sample.at_s > self.last_sample_s and sample.at_s >= state.arrived_s:
            self.last_sample_s = sample.at_s
            self._sampled(node, sample)

    def _idle(self, now_s: float) -> None:
        """No transaction runs: nothing is drawn, once the contactor has opened."""
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        since_s = self._idle_since_s + _IDLE_AFTER_S
        if now_s < since_s:
            return
        last = self.plateaus[-1] if self.plateaus else None
        if last is None or self.mute or max(last.draw_a) > 0.0:
            self._append(since_s, (0.0, 0.0, 0.0), None, firm=True)
        else:
            last.firm = True
            last.end_s = max(last.end_s, now_s - MEASURED_BEFORE_S)

    def _sampled(self, node: ConnectorNode, sample: ConnectorSample) -> None:
        wired = len(node.conductors)
        draw_a, counts, known = _read(sample, wired)
        if not known:
            self.mute = True
            return
        last = self.plateaus[-1] if self.plateaus else None
        end_s = sample.at_s - MEASURED_BEFORE_S
        if last is not None and not self.mute and _agree(last.draw_a, draw_a):
            last.end_s = max(last.end_s, end_s)
            last.firm = True
            last.counts = _narrowed(last.counts, counts)
            return
        self._append(sample.at_s, draw_a, counts, firm=False)

    def _append(
        self, at_s: float, draw_a: Change, counts: tuple[int, ...] | None, *, firm: bool
    ) -> None:
        broken = self.mute or not self.plateaus
        if self.plateaus and not self.plateaus[-1].firm:
            # A single report between two others says only that the draw was moving.
            broken = self.plateaus.pop().broken or broken
        self.mute = False
        self.plateaus.append(Plateau(at_s, at_s, draw_a, counts, firm, broken))

    def sharpened(self, before: Plateau, after: Plateau) -> tuple[float, float]:
        """Between which instants the step from one plateau to the next took place."""
        start_s, end_s = before.end_s, after.start_s
        rise = sum(after.draw_a) > sum(before.draw_a)
        between = [one for one in self._commands if start_s - 1.0 < one[0] <= end_s]
        if len(between) == 1 and (between[0][1] > 0) == rise:
            at_s = between[0][0]
            start_s = max(start_s, at_s)
            if not rise:
                end_s = max(start_s + 1.0, min(end_s, at_s + SETTLES_S))
        return start_s, end_s


def _read(sample: ConnectorSample, wired: int) -> tuple[Change, tuple[int, ...] | None, bool]:
    """Amperes per conductor, the phase counts that are possible, and whether it says anything."""
    low, high = tuple(sample.low), tuple(sample.high)
    if not any(low) and any(high):
        return (0.0, 0.0, 0.0), None, False  # a power without a current tells no step
    unphased = any(high[i] - low[i] > _TRUNCATION_MA for i in range(wired))
    if not unphased:
        a, b, c = ((low[i] + high[i]) / 2000 for i in range(3))
        return (a, b, c), None, True
    current_a = (low[0] + high[0]) / 2000
    in_use = sample.conductors_in_use
    counts = ALL_COUNTS[:wired] if in_use is None else (len(in_use),)
    return (current_a, current_a, current_a), counts, True


def _narrowed(
    ours: tuple[int, ...] | None, theirs: tuple[int, ...] | None
) -> tuple[int, ...] | None:
    if ours is None or theirs is None:
        return theirs if ours is None else ours
    return ours if len(ours) <= len(theirs) else theirs


def _agree(one: Change, other: Change) -> bool:
    return all(abs(a - b) <= AGREE_A for a, b in zip(one, other, strict=True))
