"""Whether the meters tell the truth, judged every cycle before anything is planned on them.

A meter that is silent is easy to see. One that answers and lies makes the manager overload the
supply, so its circuit is planned as if it were silent. What is dangerous is found within seconds
(frozen, below what is certain); what is wrong in the wiring is found by steps of the stations.
A verdict is lifted when the meter has been plausible for a while and a step has shown on it as it
should; wiring that steps have convicted is acquitted by steps alone, or by whoever mended it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from app.domain.meter import MeterReading, Quality
from app.domain.station import ConnectorKey
from app.energy.meter_floor import FloorFinding, FloorWatch
from app.energy.meter_frozen import FrozenWatch
from app.energy.meter_scores import MeterScores, Score, Wrong
from app.energy.meter_verdict import Lie, Verdict
from app.energy.plan import LimitChange
from app.energy.site_model import ConnectorNode, SiteModel
from app.energy.site_state import ConnectorState, SiteState
from app.energy.steps import Step, connectors_seen

GOOD_AGAIN_S = 60.0
"""A meter must have been plausible for so long, and one step must have shown on it rightly."""

GOOD_LONG_S = 600.0
"""Without any step, because nobody charges, plausible for so long is enough."""

ABSURD_TIMES = 5
"""A current above this many times the circuit's limit would have tripped its breaker."""

_ABSURD_HOLD_S = 10.0
_BY_STEPS = (Lie.RATIO, Lie.RATIO_HIGH, Lie.ORDER, Lie.BLIND)
"""What only steps convict, hence acquit; a wrong sign also shows by itself."""


class _Meter:
    """What is followed of one circuit's meter."""

    def __init__(self, circuit_id: str) -> None:
        self.circuit_id = circuit_id
        self.frozen = FrozenWatch()
        self.floor = FloorWatch()
        self.scores = MeterScores(0)
        self.below: list[ConnectorNode] = []
        self.limit_ma = 0
        self.generates = False
        self.last_s = float("-inf")
        self.verdict: Verdict | None = None
        self.by_steps = False
        self.right_steps = 0
        self.bad_s = float("-inf")


class MeterWatch:
    """Judges every metered circuit; fed with each cycle's state, the steps and the limits sent."""

    def __init__(self, model: SiteModel, generating: Collection[str] = ()) -> None:
        self._meters: dict[str, _Meter] = {}
        self.replace_model(model, generating)

    def replace_model(self, model: SiteModel, generating: Collection[str] = ()) -> None:
        """Take over a changed configuration; ``generating`` circuits have a source below them."""
        kept: dict[str, _Meter] = {}
        self._conductors = {node.key: node.conductors for node in model.connectors}
        for circuit_id in model.placements:
            meter = self._meters.get(circuit_id) or _Meter(circuit_id)
            meter.below = connectors_seen(model, circuit_id)
            meter.scores.outlets = len(meter.below)
            at = 3 * model.circuit_index[circuit_id]
            meter.limit_ma = max(model.limit[at : at + 3])
            meter.generates = circuit_id in generating
            kept[circuit_id] = meter
        self._meters = kept

    def commanded(self, changes: Iterable[LimitChange], now_s: float) -> None:
        """Limits that are being sent."""
        for change in changes:
            for meter in self._meters.values():
                meter.frozen.commanded(change.key, now_s, change.limit_ma)
                meter.floor.commanded(change.key, now_s, change.limit_ma)

    def take(self, step: Step) -> None:
        """A step below one of the meters."""
        meter = self._meters.get(step.circuit_id)
        if meter is not None:
            meter.scores.take(step, self._conductors)

    def judge(self, state: SiteState, sure: Collection[ConnectorKey] = ()) -> Mapping[str, Verdict]:
        """The verdicts in force, by circuit; ``sure`` outlets are wired as configured for certain."""
        states = {one.key: one for one in state.connectors}
        for meter in self._meters.values():
            reading = state.readings.get(meter.circuit_id)
            if reading is not None and reading.quality is Quality.GOOD:
                self._judge(meter, reading, states, sure, state.now_s)
        return self.verdicts()

    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdicts in force, by circuit."""
        return {
            circuit_id: meter.verdict
            for circuit_id, meter in self._meters.items()
            if meter.verdict is not None
        }

    def scores(self, circuit_id: str) -> MeterScores | None:
        """What steps have said of a circuit's meter."""
        meter = self._meters.get(circuit_id)
        return None if meter is None else meter.scores

    def pardon(self, circuit_id: str) -> None:
        """Begin anew with a meter: somebody has mended or exchanged it."""
        meter = self._meters.get(circuit_id)
        if meter is not None:
            fresh = _Meter(circuit_id)
            fresh.below, fresh.limit_ma = meter.below, meter.limit_ma
            fresh.generates = meter.generates
            fresh.scores.outlets = len(meter.below)
            self._meters[circuit_id] = fresh

    def restore(self, verdict: Verdict, now_s: float) -> None:
        """A verdict that was in force before a restart stays until it is lifted."""
        meter = self._meters.get(verdict.circuit_id)
        if meter is not None:
            meter.verdict = msgspec.structs.replace(verdict, since_s=now_s)
            meter.by_steps = verdict.lie in _BY_STEPS
            meter.bad_s = now_s

    # ------------------------------------------------------------- inside

    def _judge(
        self,
        meter: _Meter,
        reading: MeterReading,
        states: Mapping[ConnectorKey, ConnectorState],
        sure: Collection[ConnectorKey],
        now_s: float,
    ) -> None:
        if reading.at_s > meter.last_s:
            meter.last_s = reading.at_s
            meter.frozen.take(reading)
        below = [(node, states[node.key]) for node in meter.below if node.key in states]
        frozen = meter.frozen.look([one for _, one in below], now_s)
        floor = None
        if not meter.generates:
            floor = meter.floor.look(reading, below, sure, now_s)
        worst = meter.scores.worst()
        found = _found(meter, reading, frozen, floor, worst, now_s)
        if found is not None:
            meter.bad_s = now_s
            if meter.verdict is None or meter.verdict.lie is not found.lie:
                meter.right_steps = meter.scores.right_steps
                meter.by_steps = worst is not None and found.lie is worst.way.lie
                meter.verdict = found
            return
        if meter.verdict is not None and self._is_good_again(meter, meter.verdict, now_s):
            meter.verdict = None

    @staticmethod
    def _is_good_again(meter: _Meter, verdict: Verdict, now_s: float) -> bool:
        good_s = now_s - meter.bad_s
        if verdict.lie is Lie.ABSURD:
            return good_s >= _ABSURD_HOLD_S
        stepped = meter.scores.right_steps > meter.right_steps
        if meter.by_steps:
            return stepped and good_s >= GOOD_AGAIN_S and meter.scores.value_of(verdict.lie) == 0.0
        return good_s >= (GOOD_AGAIN_S if stepped else GOOD_LONG_S)


def _found(
    meter: _Meter,
    reading: MeterReading,
    frozen: float,
    floor: FloorFinding | None,
    worst: Score | None,
    now_s: float,
) -> Verdict | None:
    """The gravest of what is wrong this cycle."""
    peak_ma = max(abs(current) for current in reading.currents)
    lie: Lie | None = None
    confidence = 0.99
    numbers: dict[str, int | float | str] = {}
    if peak_ma > ABSURD_TIMES * meter.limit_ma:
        lie, numbers = Lie.ABSURD, {"shown_ma": peak_ma, "limit_ma": meter.limit_ma}
    elif frozen:
        lie, confidence = Lie.FROZEN, frozen
        numbers = {"polls": meter.frozen.polls, "moved_ma": meter.frozen.moved_ma}
    elif worst is not None:
        lie, confidence = worst.way.lie, worst.confidence
        numbers = _numbers(worst.way)
    elif floor is not None:
        lie = Lie.SIGN if floor.negative else Lie.TOO_LOW
        numbers = {
            "phases": _phases(floor.phases or (0, 1, 2)),
            "shown_ma": floor.shown_ma,
            "certain_ma": floor.certain_ma,
        }
    if lie is None:
        return None
    distrusted = lie is not Lie.RATIO_HIGH
    return Verdict(meter.circuit_id, lie, confidence, now_s, numbers, distrusted)


def _numbers(way: Wrong) -> dict[str, int | float | str]:
    turned = tuple(phase for phase in (0, 1, 2) if way.factors[phase] < 0)
    return {
        "phases": _phases(turned or (0, 1, 2)),
        "order": " ".join(f"L{way.order[phase] + 1}" for phase in (0, 1, 2)),
        "ratio": abs(way.factors[0]),
    }


def _phases(phases: tuple[int, ...]) -> str:
    return " ".join(f"L{phase + 1}" for phase in phases)
