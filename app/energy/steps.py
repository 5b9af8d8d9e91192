"""Steps: a connector's draw changed while the rest of its circuit was quiet enough.

Each step carries what the connectors did and what the meter above them showed at the same time.
Who is wired how, and whether the meter tells the truth, is concluded elsewhere from the same steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from app.domain.meter import MeterPlacement, Quality
from app.domain.station import ConnectorKey
from app.energy.meter_trace import WINDOW_S, MeterTrace, Three
from app.energy.plan import LimitChange
from app.energy.plateaus import Change, DrawTrack, Plateau
from app.energy.site_model import ConnectorNode, SiteModel
from app.energy.site_state import ConnectorState, SiteState

LEAST_STEP_A = 3.0
"""Smaller changes are not looked at."""

LONGEST_S = 75.0
"""A step whose instant is less certain than this tells nothing."""

_REPORT_A = 0.4
"""How exactly a station's report tells a change, as a standard deviation; and by share: """
_REPORT_SHARE = 0.03
_QUIET_A = 0.3
"""The same for a connector that reports no change."""
_BURST_S = 1.5
"""Limits sent within this time are one command. A step that took several is no witness: later ones
answer to what the building does, and what the manager makes up for does not show on the meter."""
_INSTANT_S = 0.6
_PATIENCE_S = 90.0
"""How long the reports of the others are waited for."""

Window = tuple[float, float]
"""Two monotonic instants."""


class Mover(msgspec.Struct, frozen=True):
    """A connector that took part: its change per conductor (A).

    ``counts`` are the possible numbers of phases where the report names none; the change then
    holds for each of the first so many conductors.
    """

    key: ConnectorKey
    change_a: Change
    counts: tuple[int, ...] | None
    wired: int

    @property
    def balanced(self) -> bool:
        """Whether the change is the same on all three phases, however they are wired."""
        if self.wired != 3 or (self.counts is not None and self.counts != (3,)):
            return False
        return max(self.change_a) - min(self.change_a) <= 1.0


class Step(msgspec.Struct, frozen=True):
    """One step below one meter; currents in A per site phase as the meter names them.

    ``spread_a`` is the standard deviation of everything else that happened meanwhile.
    """

    at_s: float
    circuit_id: str
    movers: tuple[Mover, ...]
    meter_a: Three
    spread_a: Three


class _Candidate:
    __slots__ = ("after", "before", "found_s", "node")

    def __init__(
        self, node: ConnectorNode, before: Plateau, after: Plateau, found_s: float
    ) -> None:
        self.node = node
        self.before = before
        self.after = after
        self.found_s = found_s


def watching_circuit(model: SiteModel, node: ConnectorNode) -> str | None:
    """The nearest circuit above a connector whose meter sees the stations."""
    for index in node.path:
        name = model.node_names[index]
        if not model.is_station(index) and model.placements.get(name) in _SEES_STATIONS:
            return name
    return None


def connectors_seen(model: SiteModel, circuit_id: str) -> list[ConnectorNode]:
    """The connectors whose draw a circuit's meter shows."""
    if model.placements.get(circuit_id) not in _SEES_STATIONS:
        return []
    index = model.circuit_index[circuit_id]
    return [node for node in model.connectors if index in node.path]


_SEES_STATIONS = (MeterPlacement.SUPPLY, MeterPlacement.CHARGING)


class StepFinder:
    """Follows the site cycle by cycle."""

    def __init__(self, model: SiteModel) -> None:
        self.traces: dict[str, MeterTrace] = {}
        self._tracks: dict[ConnectorKey, DrawTrack] = {}
        self._seen: dict[ConnectorKey, float] = {}
        self._candidates: list[_Candidate] = []
        self.replace_model(model)

    def replace_model(self, model: SiteModel) -> None:
        """Take over a changed configuration; what was pending is dropped."""
        self._model = model
        self._tracks = {
            node.key: self._tracks.get(node.key, DrawTrack()) for node in model.connectors
        }
        self._candidates = []
        self._above: dict[ConnectorKey, str] = {}
        self._below: dict[str, list[ConnectorNode]] = {}
        for node in model.connectors:
            circuit_id = watching_circuit(model, node)
            if circuit_id is not None:
                self._above[node.key] = circuit_id
        for circuit_id, placement in model.placements.items():
            if placement in _SEES_STATIONS:
                self._below[circuit_id] = connectors_seen(model, circuit_id)
        self.traces = {name: self.traces.get(name, MeterTrace()) for name in self._below}

    def commanded(self, changes: Iterable[LimitChange], now_s: float) -> None:
        """Limits that are being sent."""
        for change in changes:
            track = self._tracks.get(change.key)
            if track is not None:
                track.commanded(now_s, change.limit_ma)

    def take(self, state: SiteState) -> list[Step]:
        """One cycle; the steps that have become certain."""
        for circuit_id, trace in self.traces.items():
            reading = state.readings.get(circuit_id)
            if reading is not None and reading.quality is Quality.GOOD:
                trace.take(reading)
        states = {one.key: one for one in state.connectors}
        for node in self._model.connectors:
            self._follow(node, states, state.now_s)
        return self._decide(state.now_s)

    def _follow(
        self, node: ConnectorNode, states: Mapping[ConnectorKey, ConnectorState], now_s: float
    ) -> None:
        track = self._tracks[node.key]
        track.take(node, states.get(node.key), now_s)
        if len(track.plateaus) < 2:
            return
        before, after = track.plateaus[-2], track.plateaus[-1]
        if after.broken or not (before.firm and after.firm):
            return
        if self._seen.get(node.key) == after.start_s:
            return
        self._seen[node.key] = after.start_s
        change = [abs(b - a) for a, b in zip(before.draw_a, after.draw_a, strict=True)]
        if max(change) >= LEAST_STEP_A and node.key in self._above:
            self._candidates.append(_Candidate(node, before, after, now_s))

    def _decide(self, now_s: float) -> list[Step]:
        found: list[Step] = []
        waiting: list[_Candidate] = []
        for circuit_id in dict.fromkeys(self._above[one.node.key] for one in self._candidates):
            candidates = [
                one for one in self._candidates if self._above[one.node.key] == circuit_id
            ]
            for window, sharing in self._windows(circuit_id, candidates):
                if window[1] - window[0] > LONGEST_S:
                    continue
                if self._ready(circuit_id, window[1], now_s):
                    found.extend(self._step(circuit_id, window))
                else:
                    waiting += [one for one in sharing if now_s - one.found_s < _PATIENCE_S]
        self._candidates = waiting
        return found

    def _windows(
        self, circuit_id: str, candidates: list[_Candidate]
    ) -> list[tuple[Window, list[_Candidate]]]:
        """The candidates by the stretch of time that changes near one another take together."""
        own = [self._tracks[c.node.key].sharpened(c.before, c.after) for c in candidates]
        since_s = min(window[0] for window in own) - LONGEST_S
        gaps = sorted(
            gap
            for node in self._below[circuit_id]
            for gap in self._gaps(self._tracks[node.key], since_s)
        )
        windows: list[Window] = []
        for gap in gaps:
            # The meter is averaged on both sides: nothing may move there either.
            if windows and gap[0] < windows[-1][1] + WINDOW_S:
                windows[-1] = (windows[-1][0], max(windows[-1][1], gap[1]))
            else:
                windows.append(gap)
        shared = [
            (
                window,
                [
                    c
                    for c, (start_s, _) in zip(candidates, own, strict=True)
                    if _in(start_s, window)
                ],
            )
            for window in windows
        ]
        return [(window, sharing) for window, sharing in shared if sharing]

    @staticmethod
    def _gaps(track: DrawTrack, since_s: float) -> list[Window]:
        plateaus = track.plateaus
        gaps = []
        for n in range(len(plateaus) - 1, 0, -1):
            before, after = plateaus[n - 1], plateaus[n]
            if after.start_s < since_s:
                break
            if not after.broken:
                gaps.append(track.sharpened(before, after))
        return gaps

    def _ready(self, circuit_id: str, end_s: float, now_s: float) -> bool:
        """Whether meter and connectors are known until a little after the step."""
        until_s = end_s + WINDOW_S
        if now_s < until_s or self.traces[circuit_id].last_s < until_s:
            return False
        for node in self._below[circuit_id]:
            track = self._tracks[node.key]
            if track.mute or not track.plateaus:
                continue
            last = track.plateaus[-1]
            if not last.firm or last.end_s < until_s:
                return False
        return True

    def _commands(self, circuit_id: str, window: Window) -> list[float]:
        return sorted(
            at_s
            for node in self._below[circuit_id]
            for at_s in self._tracks[node.key].commands(window[0] - WINDOW_S, window[1] + WINDOW_S)
        )

    def _step(self, circuit_id: str, window: Window) -> list[Step]:
        start_s, end_s = window
        trace = self.traces[circuit_id]
        commands = self._commands(circuit_id, window)
        if commands and (
            commands[-1] - commands[0] > _BURST_S or abs(commands[0] - start_s) > _BURST_S
        ):
            return []
        # The last reading before a command is the one it answers to: earlier ones would show
        # what the building did to cause it.
        early_s, late_s = (_INSTANT_S, _INSTANT_S) if commands else (WINDOW_S, 0.0)
        before = trace.mean(start_s - early_s, start_s + late_s)
        after = trace.mean(end_s, end_s + WINDOW_S)
        if before is None or after is None:
            return []
        movers, quiet = [], 0
        for node in self._below[circuit_id]:
            mover = _moved(node, self._tracks[node.key], start_s, end_s)
            if mover is not None:
                movers.append(mover)
            elif not self._tracks[node.key].mute:
                quiet += 1
        variance = quiet * _QUIET_A**2
        for mover in movers:
            most_a = max(abs(change) for change in mover.change_a)
            variance += _REPORT_A**2 + (_REPORT_SHARE * most_a) ** 2
        a, b, c = ((own**2 + variance) ** 0.5 for own in trace.spread_a(end_s - start_s + WINDOW_S))
        meter_a = (after[0] - before[0], after[1] - before[1], after[2] - before[2])
        return [Step(end_s, circuit_id, tuple(movers), meter_a, (a, b, c))] if movers else []


def _in(start_s: float, window: Window) -> bool:
    return window[0] <= start_s <= window[1]


def _moved(node: ConnectorNode, track: DrawTrack, start_s: float, end_s: float) -> Mover | None:
    """The connector's part in what happened between two instants."""
    before = after = None
    for plateau in track.plateaus:
        if plateau.start_s <= start_s + 0.01:
            before = plateau
        if after is None and plateau.end_s >= end_s - 0.01:
            after = plateau
    if before is None or after is None or before is after or after.broken:
        return None
    change = [b - a for a, b in zip(before.draw_a, after.draw_a, strict=True)]
    if max(abs(value) for value in change) < _QUIET_A:
        return None
    higher, lower = (after, before) if sum(after.draw_a) > sum(before.draw_a) else (before, after)
    counts = higher.counts if higher.counts is not None else lower.counts
    return Mover(node.key, (change[0], change[1], change[2]), counts, len(node.conductors))
