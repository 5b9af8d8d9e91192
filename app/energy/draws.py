"""The least and the most each connector may be drawing now, per site phase.

A fresh meter minus stale station figures would underestimate the building; so the draw is kept as
an interval. ``low`` never exceeds what the car drew at the meter's instant, as long as a car only
moves to follow its limits (or stops for good, which is on the safe side): it is the last measured
value, lowered at once by any limit sent since, raised only when the meter is newer than the
sample, and 0 when nothing is known. ``high`` is the ceiling.

A car whose station is away, or whose samples are lost for a while though it still says that it
charges, is presumed to go on drawing what it drew, as long as its limit holds: reserving its
ceiling beside a building that contains its draw would count it twice. But a station may be away
because it has no power, and come back with it: once the meter shows less than all draws
together, nothing is presumed until a fresh sample comes.
"""

from __future__ import annotations

from collections import deque

import msgspec

from app.domain.station import ConnectorKey, ConnectorStatus
from app.energy.ceilings import Ceilings
from app.energy.settings import EnergySettings
from app.energy.site_model import NOTHING, ConnectorNode, Triple
from app.energy.site_state import ConnectorSample, ConnectorState


class Draw(msgspec.Struct, frozen=True):
    """One connector's interval (mA per site phase).

    ``ceiling`` is the most it may draw; ``held`` the same, a little longer after a fall, to be
    compared with a meter that shows the past; ``low`` the least; ``likely`` the most that planning
    reckons with (``low`` once a sample has settled, ``held`` while one is awaited); ``tight`` the
    most when the circuit is overloaded and a fresh sample tells better than the ceiling.
    ``presumed`` when ``low`` rests on a sample that is older than it should be.
    """

    ceiling: Triple
    held: Triple
    low: Triple
    likely: Triple
    tight: Triple
    presumed: bool = False


class _Memory:
    __slots__ = ("fell_s", "held", "known_s", "pending", "settled", "withdrawn")

    def __init__(self, ceiling: Triple, now_s: float) -> None:
        self.held = ceiling
        self.fell_s: float | None = None
        # Samples newer than the meter, oldest first, and the last one that is not.
        self.pending: deque[ConnectorSample] = deque()
        self.settled: ConnectorSample | None = None
        self.known_s = now_s
        self.withdrawn = False


class DrawEstimator:
    """Keeps what it needs of each connector between cycles."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._memory: dict[ConnectorKey, _Memory] = {}

    def draw(
        self,
        node: ConnectorNode,
        state: ConnectorState | None,
        active: tuple[int, ...],
        ceilings: Ceilings,
        meter_s: float,
        now_s: float,
    ) -> Draw:
        """The interval now; ``meter_s`` is the instant of the oldest live meter reading."""
        settings = self._settings
        ceiling_ma = ceilings.ceiling(node.key, now_s)
        ceiling = node.triple(active, ceiling_ma)
        memory = self._memory.get(node.key)
        if memory is None:
            memory = self._memory[node.key] = _Memory(ceiling, now_s)
        held = self._hold(memory, ceiling, now_s)
        latest = ceilings.sample(node.key)
        self._collect(memory, latest, meter_s)
        if latest is None:
            return self._unknown(memory, ceiling, held, now_s)
        age_s = now_s - latest.at_s
        away = state is None or not state.online
        if state is None or away or age_s > settings.sample_ages * state.sample_interval_s:
            if memory.withdrawn or not (away or self._charges_still(state, age_s)):
                return self._unknown(memory, ceiling, held, now_s)
            low = self._least(node, memory, ceilings, ceiling_ma, now_s)
            awaited = self._is_awaited(node.key, latest, ceilings, now_s)
            likely = held if awaited or ceilings.lapsing(node.key, now_s) else low
            return Draw(ceiling, held, low, likely, held, presumed=True)
        memory.withdrawn = False
        memory.known_s = now_s
        return self._known(node, memory, latest, ceilings, ceiling, ceiling_ma, now_s)

    def _charges_still(self, state: ConnectorState | None, age_s: float) -> bool:
        """Whether a station whose samples are lost says that its car charges, lately enough."""
        charging = state is not None and state.status is ConnectorStatus.CHARGING
        return charging and age_s <= self._settings.presumed_s

    def withdraw(self, key: ConnectorKey) -> None:
        """Presume nothing of this connector until it is measured: the meter does not bear it out."""
        self._memory[key].withdrawn = True

    def _collect(self, memory: _Memory, latest: ConnectorSample | None, meter_s: float) -> None:
        pending = memory.pending
        if latest is None:
            memory.settled = None
            pending.clear()
            return
        newest = pending[-1] if pending else memory.settled
        if newest is None or latest.at_s > newest.at_s:
            pending.append(latest)
        while pending and pending[0].at_s + self._settings.meter_delay_s <= meter_s:
            memory.settled = pending.popleft()

    def _hold(self, memory: _Memory, ceiling: Triple, now_s: float) -> Triple:
        if ceiling == memory.held:
            memory.fell_s = None
            return ceiling
        most = _most(ceiling, memory.held)
        if most == ceiling:
            memory.fell_s = None
        elif memory.fell_s is None:
            memory.fell_s = now_s
        elif now_s - memory.fell_s >= self._settings.ceiling_hold_s:
            memory.fell_s = None
            most = ceiling
        memory.held = most
        return most

    def _unknown(self, memory: _Memory, ceiling: Triple, held: Triple, now_s: float) -> Draw:
        """Nothing measured: anything up to the ceiling; after a while it counts as building."""
        patient = now_s - memory.known_s < self._settings.unknown_patience_s
        return Draw(ceiling, held, NOTHING, held if patient else NOTHING, held)

    def _known(
        self,
        node: ConnectorNode,
        memory: _Memory,
        latest: ConnectorSample,
        ceilings: Ceilings,
        ceiling: Triple,
        ceiling_ma: int,
        now_s: float,
    ) -> Draw:
        settings = self._settings
        held = memory.held
        low = self._least(node, memory, ceilings, ceiling_ma, now_s)
        measured_s = latest.at_s - settings.sample_delay_s
        awaited = self._is_awaited(node.key, latest, ceilings, now_s)
        likely = held if awaited or memory.pending else low
        tight = held
        if measured_s >= ceilings.raised_s(node.key) + settings.follow_s:
            high = _on_site(node, tuple(latest.high), settings.tight_margin_ma)
            tight = _most(low, _least(held, high))
        return Draw(ceiling, held, low, likely, tight)

    def _is_awaited(
        self, key: ConnectorKey, latest: ConnectorSample, ceilings: Ceilings, now_s: float
    ) -> bool:
        """Whether the last sample does not show yet how the car follows its present limit."""
        settings, changed_s = self._settings, ceilings.changed_s(key)
        followed = latest.at_s - settings.sample_delay_s >= changed_s + settings.follow_s
        return not followed and now_s - changed_s < settings.unknown_patience_s

    def _least(
        self,
        node: ConnectorNode,
        memory: _Memory,
        ceilings: Ceilings,
        ceiling_ma: int,
        now_s: float,
    ) -> Triple:
        """The least that the samples, and the limits since, leave it to draw."""
        if memory.settled is None:
            return NOTHING
        bound = ceiling_ma
        if not ceilings.exceeds(node.key):
            low_water = ceilings.low_water(node.key, now_s)
            bound = ceiling_ma if low_water is None else min(low_water, ceiling_ma)
        low = self._low(node, memory.settled, bound)
        for sample in memory.pending:
            low = _least(low, self._low(node, sample, bound))
        return _least(memory.held, low)

    @staticmethod
    def _low(node: ConnectorNode, sample: ConnectorSample, bound_ma: int) -> Triple:
        values = [0, 0, 0]
        for conductor, phase in enumerate(node.conductors):
            values[phase] = min(sample.low[conductor], bound_ma)
        return (values[0], values[1], values[2])


def _on_site(node: ConnectorNode, currents: tuple[int, ...], more_ma: int) -> Triple:
    values = [0, 0, 0]
    for conductor, phase in enumerate(node.conductors):
        values[phase] = currents[conductor] + more_ma
    return (values[0], values[1], values[2])


def _most(a: Triple, b: Triple) -> Triple:
    return (max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2]))


def _least(a: Triple, b: Triple) -> Triple:
    return (min(a[0], b[0]), min(a[1], b[1]), min(a[2], b[2]))
