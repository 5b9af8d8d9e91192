"""Which site phase each conductor of an outlet is really wired to, and how many phases a car uses.

Every step of one outlet is compared with what the meter showed on its three phases, under each of
the six rotations and under the possibility that the meter does not see the outlet at all. The
installer's word is the prior; only several steps that agree outweigh it. A car that draws equally
on three phases tells nothing of the rotation, one on a single phase tells the first conductor's.
Nothing is ever changed from here: a finding is shown, and somebody accepts it or not.
"""

from __future__ import annotations

import enum
from collections import deque
from math import exp, log

import msgspec

from app.domain.station import ConnectorKey
from app.domain.units import Rotation
from app.energy.meter_trace import Three
from app.energy.site_model import ConnectorNode, SiteModel
from app.energy.steps import Mover, Step, watching_circuit
from app.energy.wiring import (
    ROTATIONS,
    bounded,
    count_prior,
    log_likelihood,
    log_sum,
    mover_log_likelihoods,
    over_counts,
    placed,
)

SURE = 0.99
"""A proposal, and a confirmation, need this probability."""

LEAST_STEPS = 3
"""And so many steps that tell the hypotheses apart."""

_KEPT_STEPS = 12
"""Older steps are forgotten, so that a rewired outlet is noticed."""
_TELLING = 1.0
"""A step counts when it tells the best from the worst hypothesis by so much (natural log)."""
_INSTALLER = 0.7
"""Prior of the configured rotation."""
_ELSEWHERE = 0.01
"""Prior of an outlet that the meter does not see."""
_ELSEWHERE_SURE = 0.9999
_ELSEWHERE_STEPS = 6
"""What that needs: a step that hides in the noise looks the same."""
_TIE = 0.01
_NOT_SEEN = len(ROTATIONS)


class Standing(enum.StrEnum):
    """What is known of an outlet's rotation."""

    NO_METER = "no-meter"
    """No meter above it sees the stations: nothing to compare with."""
    TWO_LINES = "two-lines"
    """It is wired between two lines, whose currents do not simply add up."""
    GATHERING = "gathering"
    """Not enough steps yet."""
    AMBIGUOUS = "ambiguous"
    """Several rotations remain, the configured one among them or not."""
    CONFIRMED = "confirmed"
    """The configured rotation is right."""
    CONSISTENT = "consistent"
    """The configured rotation agrees with all that was seen, but is not the only one."""
    PROPOSED = "proposed"
    """Another rotation than the configured one is right; two remain where cars on one or two
    phases have not told them apart."""
    METER_LIES = "meter-lies"
    """Steps speak for another rotation, but of a meter that is not believed now."""
    NOT_SEEN = "not-seen"
    """Its steps do not show on the meter above it: it is fed from elsewhere."""


class PhaseFinding(msgspec.Struct, frozen=True):
    """What is known of one outlet. ``candidates`` are the rotations that remain, best first.

    ``confidence`` is the probability of the best of them (those that only the first conductor
    tells apart count together), from ``steps`` telling steps. ``car_phases`` is how many phases
    the running car uses, with ``car_confidence``; ``None`` while unknown.
    """

    key: ConnectorKey
    configured: Rotation
    standing: Standing
    candidates: tuple[Rotation, ...] = ()
    confidence: float = 0.0
    steps: int = 0
    circuit_id: str | None = None
    car_phases: int | None = None
    car_confidence: float = 0.0


class PhaseEvidence(msgspec.Struct):
    """What is kept of one outlet: per telling step, the log likelihood of each hypothesis."""

    steps: list[list[float]] = []


class _Outlet:
    def __init__(self) -> None:
        self.steps: deque[list[float]] = deque(maxlen=_KEPT_STEPS)
        self.transaction_id: int | None = None
        self.count_logs: dict[int, float] = {}
        self.measured_count: int | None = None


class PhaseDetective:
    """Gathers evidence from steps; every finding is a function of it and the configuration."""

    def __init__(self, model: SiteModel) -> None:
        self._outlets: dict[ConnectorKey, _Outlet] = {}
        self.replace_model(model)

    def replace_model(self, model: SiteModel) -> None:
        """Take over a changed configuration; an outlet that remains keeps its evidence."""
        self._model = model
        self._outlets = {
            node.key: self._outlets.get(node.key) or _Outlet() for node in model.connectors
        }
        self._circuits = {node.key: watching_circuit(model, node) for node in model.connectors}

    def session(
        self, key: ConnectorKey, transaction_id: int | None, conductors: tuple[int, ...] | None
    ) -> None:
        """The running transaction, and the conductors in use where the station itself tells."""
        outlet = self._outlets.get(key)
        if outlet is None:
            return
        if transaction_id != outlet.transaction_id:
            outlet.transaction_id = transaction_id
            outlet.count_logs = {}
            outlet.measured_count = None
        if transaction_id is not None and conductors:
            outlet.measured_count = max(len(conductors), outlet.measured_count or 0)

    def take(self, step: Step) -> ConnectorKey | None:
        """A step of a meter that is believed; the outlet about which it told something."""
        movers = [mover for mover in step.movers if not mover.balanced]
        if len(movers) > 1 or not step.movers:
            return None
        mover = (
            movers[0] if movers else max(step.movers, key=lambda one: max(map(abs, one.change_a)))
        )
        outlet = self._outlets.get(mover.key)
        if outlet is None:
            return None
        others = self._share(step, mover)
        table = mover_log_likelihoods(step, mover, others)
        if mover.counts is not None and len(mover.counts) > 1:
            for count in mover.counts:
                value = log_sum([row[count] for row in table])
                outlet.count_logs[count] = outlet.count_logs.get(count, 0.0) + value
        if not movers:
            return None
        logs = [over_counts(row) for row in table]
        logs.append(log_likelihood(step, others))
        logs = bounded(logs)
        if max(logs) - min(logs) < _TELLING:
            return None
        outlet.steps.append(logs)
        return mover.key

    def finding(self, key: ConnectorKey) -> PhaseFinding | None:
        """What is known of one outlet; ``None`` when it is not configured."""
        index = self._model.index.get(key)
        if index is None:
            return None
        node = self._model.connectors[index]
        outlet = self._outlets[key]
        car_phases, car_confidence = self.car(key)
        configured = _configured(node)
        circuit_id = self._circuits[key]
        standing: Standing | None = None
        candidates: tuple[Rotation, ...] = ()
        confidence = 0.0
        if circuit_id is None:
            standing = Standing.NO_METER
        elif len(node.conductors) == 2:
            standing = Standing.TWO_LINES
        else:
            standing, candidates, confidence = _judged(outlet, configured, len(node.conductors))
        return PhaseFinding(
            key=key,
            configured=configured,
            standing=standing,
            candidates=candidates,
            confidence=confidence,
            steps=len(outlet.steps),
            circuit_id=circuit_id,
            car_phases=car_phases,
            car_confidence=car_confidence,
        )

    def findings(self) -> tuple[PhaseFinding, ...]:
        """Of every outlet, in the order of configuration."""
        found = (self.finding(node.key) for node in self._model.connectors)
        return tuple(one for one in found if one is not None)

    def evidence(self, key: ConnectorKey) -> PhaseEvidence:
        """What to keep over a restart."""
        return PhaseEvidence(list(self._outlets[key].steps))

    def restore(self, key: ConnectorKey, evidence: PhaseEvidence) -> None:
        """What was kept of an outlet; nothing where it is configured no more."""
        outlet = self._outlets.get(key)
        if outlet is not None:
            sound = [step for step in evidence.steps if len(step) == _NOT_SEEN + 1]
            outlet.steps = deque(sound, maxlen=_KEPT_STEPS)

    def forget(self, key: ConnectorKey) -> None:
        """Begin anew with one outlet."""
        if key in self._outlets:
            self._outlets[key].steps.clear()

    # ------------------------------------------------------------- inside

    def _share(self, step: Step, mover: Mover) -> Three:
        values = [0.0, 0.0, 0.0]
        for other in step.movers:
            if other.key == mover.key:
                continue
            own = placed(other.change_a, (0, 1, 2))
            for phase in (0, 1, 2):
                values[phase] += own[phase]
        return (values[0], values[1], values[2])

    def car(self, key: ConnectorKey) -> tuple[int | None, float]:
        """How many phases the car at an outlet uses, and how sure that is; ``None``: unknown."""
        outlet = self._outlets.get(key)
        if outlet is None or outlet.transaction_id is None:
            return None, 0.0
        if outlet.measured_count is not None:
            return outlet.measured_count, 1.0
        if not outlet.count_logs:
            return None, 0.0
        logs = {count: count_prior(count) + value for count, value in outlet.count_logs.items()}
        total = log_sum(list(logs.values()))
        best = max(logs, key=lambda count: logs[count])
        return best, exp(logs[best] - total)


def _configured(node: ConnectorNode) -> Rotation:
    """The rotation that is configured; of several that mean the same, the one in natural order."""
    wired = len(node.conductors)
    return next(
        one for one in (*_NATURAL, *ROTATIONS) if one.site_phases[:wired] == node.conductors
    )


def _judged(
    outlet: _Outlet, configured: Rotation, wired: int
) -> tuple[Standing, tuple[Rotation, ...], float]:
    classes = _classes(outlet, configured, wired)
    left: list[tuple[tuple[int, ...], float]] = []
    mass = 0.0
    while mass < SURE:
        one = classes[len(left)]
        left.append(one)
        mass += one[1]
    candidates = tuple(ROTATIONS[n] for members, _ in left for n in members if n != _NOT_SEEN)
    members, confidence = classes[0]
    steps = len(outlet.steps)
    if steps < LEAST_STEPS:
        return Standing.GATHERING, candidates if steps else (), confidence if steps else 0.0
    if len(left) > 1:
        return Standing.AMBIGUOUS, candidates, confidence
    if members[0] == _NOT_SEEN:
        sure = confidence >= _ELSEWHERE_SURE and steps >= _ELSEWHERE_STEPS
        return (Standing.NOT_SEEN if sure else Standing.AMBIGUOUS), (), confidence
    if configured not in candidates:
        return Standing.PROPOSED, candidates, confidence
    whole = len(candidates) == 1
    return (Standing.CONFIRMED if whole else Standing.CONSISTENT), candidates, confidence


def _classes(
    outlet: _Outlet, configured: Rotation, wired: int
) -> list[tuple[tuple[int, ...], float]]:
    """Hypotheses that no step tells apart, together, with their probability; best first.

    On a single-phase outlet only the first conductor exists, so each class has one name: the
    rotation in natural order that begins there.
    """
    groups: list[list[int]] = []
    if wired == 1:
        groups = [[n] for n, rotation in enumerate(ROTATIONS) if rotation in _NATURAL]
    else:
        for n in range(_NOT_SEEN):
            same = next((g for g in groups if _alike(outlet, g[0], n)), None)
            if same is None:
                groups.append([n])
            else:
                same.append(n)
    mine = ROTATIONS.index(configured)
    total = sum(len(group) for group in groups)
    others = (1.0 - _INSTALLER - _ELSEWHERE) / max(1, total - 1)
    logs = []
    for group in groups:
        prior = sum(_INSTALLER if n == mine else others for n in group)
        logs.append((tuple(group), log(prior) + sum(step[group[0]] for step in outlet.steps)))
    unseen = log(_ELSEWHERE) + sum(step[_NOT_SEEN] for step in outlet.steps)
    logs.append(((_NOT_SEEN,), unseen))
    whole = log_sum([value for _, value in logs])
    found = [(group, exp(value - whole)) for group, value in logs]
    return sorted(found, key=lambda one: -one[1])


_NATURAL = (Rotation.RST, Rotation.STR, Rotation.TRS)


def _alike(outlet: _Outlet, one: int, other: int) -> bool:
    return all(abs(step[one] - step[other]) < _TIE for step in outlet.steps)
