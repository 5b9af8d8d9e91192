"""Whether a meter repeats old values.

Three witnesses, each with its own patience:

- a station below it reports a change of 3 A or more, and the meter has not moved by a milliampere
  since before that change. Its report is also what would let planning take the room that a frozen
  meter pretends, so this witness speaks in the same cycle.
- its energy register stands still although the power it shows should have moved it long since.
- its voltages, which never rest on a live network, have stood still far longer than ever before.

A quiet night does none of this: currents that rest because nothing moves prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.meter import MeterReading
from app.domain.station import ConnectorKey
from app.energy.site_state import ConnectorSample, ConnectorState

LEAST_POLLS = 10
"""So many equal readings in a row before anything is concluded."""

_MOVED_MA = 3_000
_MEASURED_BEFORE_S = 2.0
_METER_DELAY_S = 1.0
_LIVELY_RUN = 2.0
"""A meter whose equal readings were never more in a row, on average, moves by itself."""
_LEARNT_RUNS = 60
_TICKS = 3.0
_LEARNT_TICKS = 3
_REST_POLLS = 60
_REST_TIMES = 10.0
"""Voltages that rest so many times longer than their longest rest so far are not measured."""
_LEARNT_RESTS = 120


class FrozenWatch:
    """Follows one meter and the connectors below it."""

    def __init__(self) -> None:
        self.polls = 0
        self.moved_ma = 0
        self._last: MeterReading | None = None
        self._run_since_s = 0.0
        self._mean_run = 1.0
        self._runs = 0
        self._anchors: dict[ConnectorKey, tuple[float, ConnectorSample | None]] = {}
        self._commands: dict[ConnectorKey, tuple[float, int, bool]] = {}
        self._witnesses: set[tuple[ConnectorKey, float]] = set()
        self._energy = _EnergyRegister()
        self._rest = _Rest()

    def commanded(self, key: ConnectorKey, at_s: float, limit_ma: int) -> None:
        """A limit is being sent; one that differs from the last is a reason to move."""
        before = self._commands.get(key)
        if before is None or before[1] != limit_ma:
            rise = before is None or limit_ma > before[1]
            self._commands[key] = (at_s, limit_ma, rise)

    def take(self, reading: MeterReading) -> None:
        """A new reading."""
        last = self._last
        if last is not None and reading.currents == last.currents:
            self.polls += 1
        else:
            if last is not None:
                self._mean_run += 0.1 * (self.polls - self._mean_run)
                self._runs += 1
            self.polls = 1
            self._run_since_s = reading.at_s
            self._witnesses.clear()
            self.moved_ma = 0
        self._energy.take(reading, same=self.polls > 1)
        self._rest.take(reading)
        self._last = reading

    def look(self, connectors: Iterable[ConnectorState], now_s: float) -> float:
        """Confidence (0 to 1) that the meter is frozen, taking in what the stations report."""
        for one in connectors:
            self._look_at(one, now_s)
        if self.polls < LEAST_POLLS or self._last is None:
            return 0.0
        seen_s = self._last.at_s - _METER_DELAY_S
        count = sum(1 for _, at_s in self._witnesses if at_s <= seen_s)
        lively = self._runs >= _LEARNT_RUNS and self._mean_run <= _LIVELY_RUN
        if count >= (1 if lively else 2):
            return 0.999 if count > 1 else 0.99
        if self._energy.stands() or self._rest.too_long():
            return 0.99
        return 0.0

    def _look_at(self, one: ConnectorState, now_s: float) -> None:
        key = one.key
        if not one.online:
            self._anchors.pop(key, None)
            return
        if one.transaction_id is None:
            self._anchors[key] = (now_s, None)
            return
        sample = one.sample
        if sample is None or sample.at_s < one.arrived_s:
            return
        anchor = self._anchors.get(key)
        if anchor is None or sample.at_s <= anchor[0]:
            if anchor is None:
                self._anchors[key] = (sample.at_s, sample)
            return
        moved_ma = _moved(anchor[1], sample)
        if abs(moved_ma) >= _MOVED_MA and self._after_freeze(key, anchor[0], sample, moved_ma > 0):
            self._witnesses.add((key, sample.at_s))
            self.moved_ma = max(self.moved_ma, abs(moved_ma))
        self._anchors[key] = (sample.at_s, sample)

    def _after_freeze(
        self, key: ConnectorKey, anchor_s: float, sample: ConnectorSample, rise: bool
    ) -> bool:
        """Whether the change came surely after the first of the equal readings."""
        since_s = self._run_since_s + _METER_DELAY_S
        if anchor_s - _MEASURED_BEFORE_S >= self._run_since_s:
            return True
        at_s, _, raised = self._commands.get(key, (float("-inf"), 0, False))
        return since_s <= at_s < sample.at_s and raised == rise


class _EnergyRegister:
    """Whether the import register keeps pace with the power shown beside it."""

    def __init__(self) -> None:
        self._last: MeterReading | None = None
        self._due_wh = 0.0
        self._tick_wh = 0.0
        self._ticks = 0

    def take(self, reading: MeterReading, *, same: bool) -> None:
        """A new reading, whose currents are the ``same`` as before or not."""
        last, self._last = self._last, reading
        if last is None or reading.energy_wh is None or last.energy_wh is None:
            return
        moved_wh = reading.energy_wh - last.energy_wh
        if moved_wh != 0.0:
            if moved_wh > 0.0:
                self._tick_wh = max(0.98 * self._tick_wh, moved_wh)
                self._ticks += 1
            self._due_wh = 0.0
            return
        if not same or reading.power_w is None or last.power_w != reading.power_w:
            self._due_wh = 0.0
            return
        elapsed_s = min(5.0, reading.at_s - last.at_s)
        self._due_wh += max(0.0, reading.power_w) * elapsed_s / 3600

    def stands(self) -> bool:
        """Whether it should have moved several times since it last did."""
        return self._ticks >= _LEARNT_TICKS and self._due_wh > _TICKS * self._tick_wh


class _Rest:
    """How long the voltages rest at most, in polls."""

    def __init__(self) -> None:
        self._voltages: tuple[float, float, float] | None = None
        self._run = 0
        self._longest = 0.0
        self._rests = 0
        self._fine = False

    def take(self, reading: MeterReading) -> None:
        """A new reading."""
        if reading.voltages_v is None:
            return
        self._fine = self._fine or any(value != round(value) for value in reading.voltages_v)
        if reading.voltages_v == self._voltages:
            self._run += 1
            return
        if self._voltages is not None:
            self._longest = max(self._longest * 0.9999, self._run)
            self._rests += 1
        self._voltages = reading.voltages_v
        self._run = 1

    def too_long(self) -> bool:
        """Whether they rest now as they never did."""
        known = self._fine and self._rests >= _LEARNT_RESTS
        return known and self._run > max(_REST_POLLS, _REST_TIMES * self._longest)


def _moved(before: ConnectorSample | None, after: ConnectorSample) -> int:
    """How much a connector's draw has changed for sure (mA), up or down, on some conductor."""
    most = 0
    for conductor in (0, 1, 2):
        was_low = before.low[conductor] if before is not None else 0
        was_high = before.high[conductor] if before is not None else 0
        up = after.low[conductor] - was_high
        down = was_low - after.high[conductor]
        if up > abs(most):
            most = up
        elif down > abs(most):
            most = -down
    return most
