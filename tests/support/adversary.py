"""An adversarial truth for the safety properties: late cars, late or lost answers, old samples.

Unlike ``closed_loop`` it is not a likely site but the worst one the rules allow: a car jumps to
its limit, or keeps the old one for up to five seconds; a sample tells what flowed up to two
seconds before; an answer comes whenever it likes, or never, whether or not the request arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from app.domain.circuit import Circuit, CircuitTree
from app.domain.meter import MeterPlacement, MeterReading
from app.domain.station import ChargingStation, Connector, ConnectorKey, ConnectorStatus
from app.domain.units import PhaseCurrents, Rotation
from app.energy.planner import Planner
from app.energy.site_model import SiteModel
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState

FOLLOW_S = 5.0


@dataclass
class Rival:
    """A station and its car, as bad as they may be."""

    key: ConnectorKey
    circuit: str
    site_phases: tuple[int, ...]
    conductors: tuple[int, ...]
    wants_ma: int
    delay_s: float
    transaction_id: int | None
    online: bool = True
    applied: list[tuple[float, int]] = field(default_factory=lambda: [(-1e9, 0)])
    history: list[tuple[float, int]] = field(default_factory=list)
    sample: ConnectorSample | None = None
    sample_period_s: float = 10.0
    sample_offset_s: float = 0.0

    def draw_ma(self, now_s: float) -> int:
        """The limit of ``delay_s`` ago, as far as the car wants it."""
        if self.transaction_id is None:
            return 0
        limit = [value for since, value in self.applied if since <= now_s - self.delay_s][-1]
        goal = min(limit, self.wants_ma)
        return goal if goal >= 6_000 else 0


class Adversary:
    """A small random site under a random fate, drawn from one seed."""

    def __init__(self, seed: int, *, losses: bool, steps: bool) -> None:
        self.random = random = Random(seed)
        self.losses = losses
        self.steps = steps
        self.now_s = 100.0
        self.limits = {"supply": random.choice([45_000, 60_000]), "feeder": 30_000}
        tree = CircuitTree(
            [
                Circuit("supply", "s", None, PhaseCurrents.uniform(self.limits["supply"])),
                Circuit("feeder", "f", "supply", PhaseCurrents.uniform(self.limits["feeder"])),
            ]
        )
        stations = []
        self.rivals: list[Rival] = []
        for number in range(random.randint(5, 9)):
            rotation = random.choice(list(Rotation))
            wired = random.choice([1, 3, 3])
            circuit = random.choice(["supply", "feeder"])
            connector = Connector(1, wired, rotation, 32_000)
            stations.append(ChargingStation(f"S{number}", "", circuit, (connector,)))
            conductors = (0,) if wired == 1 else random.choice([(0,), (0, 1, 2), (0, 1, 2)])
            self.rivals.append(
                Rival(
                    ConnectorKey(f"S{number}", 1),
                    circuit,
                    connector.site_phases,
                    conductors,
                    random.choice([10_000, 32_000, 32_000]),
                    random.uniform(0.0, FOLLOW_S - 0.5),
                    number if random.random() < 0.8 else None,
                    sample_offset_s=random.uniform(0.0, 10.0),
                )
            )
        self.planner = Planner(SiteModel.compile(tree, stations, {"supply": MeterPlacement.SUPPLY}))
        for rival in self.rivals:
            self.planner.ceilings.fallback_installed(rival.key, 0, self.now_s)
        self.background = [random.randrange(0, self.limits["supply"] // 2) for _ in range(3)]
        self.stepped_up_s = -1e9
        self.answers: list[tuple[float, ConnectorKey, int, str]] = []
        self.transactions = 100

    def truth(self, circuit: str) -> list[int]:
        """What really flows on each phase of ``circuit`` (mA)."""
        sums = list(self.background) if circuit == "supply" else [0, 0, 0]
        for rival in self.rivals:
            if circuit in (rival.circuit, "supply"):
                draw = rival.draw_ma(self.now_s)
                for conductor in rival.conductors:
                    sums[rival.site_phases[conductor]] += draw
        return sums

    def second(self) -> None:
        """One second: fate, answers, samples, a cycle."""
        self.now_s += 1.0
        self._fate()
        self._answer()
        for rival in self.rivals:
            self._sample(rival)
        meter_s = self.now_s - 0.2
        reading = MeterReading("m", meter_s, PhaseCurrents(*self.truth("supply")))
        states = tuple(self._state(rival) for rival in self.rivals)
        plan = self.planner.plan(SiteState(self.now_s, {"supply": reading}, states))
        for change in plan.changes:
            if self.planner.permits(change, self.now_s):
                self._send(change.key, change.limit_ma, change.lease_until_s)

    def _fate(self) -> None:
        random = self.random
        if self.steps and random.random() < 0.02:
            phase = random.randrange(3)
            level = random.randrange(0, self.limits["supply"] * 3 // 4)
            if level > self.background[phase]:
                self.stepped_up_s = self.now_s
            self.background[phase] = level
        for rival in self.rivals:
            dice = random.random()
            if rival.transaction_id is None:
                if dice < 0.05:
                    self.transactions += 1
                    rival.transaction_id = self.transactions
            elif dice < 0.003:
                rival.transaction_id = None
                rival.sample = None
                rival.applied = [(-1e9, 0)]
            elif dice < 0.004:
                # Finished for good.
                rival.wants_ma = 0
            if self.losses and random.random() < 0.005:
                rival.online = not rival.online

    def _answer(self) -> None:
        """Answers in any order once they are due."""
        due = [answer for answer in self.answers if answer[0] <= self.now_s]
        self.answers = [answer for answer in self.answers if answer[0] > self.now_s]
        self.random.shuffle(due)
        ledger = self.planner.ceilings
        for _, key, number, outcome in due:
            if outcome == "accepted":
                ledger.accepted(key, number, self.now_s)
            elif outcome == "refused":
                ledger.refused(key, number, self.now_s)
            else:
                ledger.unanswered(key, number, self.now_s)

    def _sample(self, rival: Rival) -> None:
        rival.history.append((self.now_s, rival.draw_ma(self.now_s)))
        del rival.history[:-4]
        if not rival.online or rival.transaction_id is None:
            return
        if (self.now_s - rival.sample_offset_s) % rival.sample_period_s >= 1.0:
            return
        # Measured now, or up to two seconds ago.
        _, draw = self.random.choice(rival.history[-3:])
        values = [0, 0, 0]
        for conductor in rival.conductors:
            values[conductor] = draw
        currents = PhaseCurrents(*values)
        in_use = rival.conductors if draw > 3_000 else None
        rival.sample = ConnectorSample(self.now_s, currents, currents, in_use)

    def _state(self, rival: Rival) -> ConnectorState:
        charging = rival.draw_ma(self.now_s) > 0
        return ConnectorState(
            key=rival.key,
            online=rival.online,
            status=ConnectorStatus.CHARGING if charging else ConnectorStatus.PREPARING,
            transaction_id=rival.transaction_id,
            sample=rival.sample,
            sample_interval_s=rival.sample_period_s,
        )

    def _send(self, key: ConnectorKey, limit_ma: int, lease_until_s: float) -> None:
        random = self.random
        rival = next(rival for rival in self.rivals if rival.key == key)
        number = self.planner.ceilings.sent(key, limit_ma, self.now_s, lease_until_s)
        dice = random.random()
        arrives = rival.online and not (self.losses and dice < 0.15)
        refused = self.losses and 0.15 <= dice < 0.2
        silent = not rival.online or (self.losses and (dice < 0.15 or 0.2 <= dice < 0.3))
        if arrives and not refused:
            rival.applied.append((self.now_s + random.uniform(0.0, 0.4), limit_ma))
        outcome = "unanswered" if silent else "refused" if refused else "accepted"
        delay_s = 15.0 if silent else random.uniform(0.5, 3.0)
        self.answers.append((self.now_s + delay_s, key, number, outcome))
