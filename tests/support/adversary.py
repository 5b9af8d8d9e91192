"""An adversarial truth for the safety properties: late cars, late or lost answers, old samples.

Unlike ``closed_loop`` it is not a likely site but the worst one the rules allow: a car jumps to
its limit, or keeps the old one for up to five seconds; a meter shows the past second and a sample
what flowed up to two seconds before; a request arrives late or never, in the order sent; an answer
comes whenever it likes, or never, whether or not the request arrived; a lost connection is noticed
late. A station keeps to its leases, and falls back by itself when one lapses.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random

from app.domain.circuit import Circuit, CircuitTree
from app.domain.meter import MeterPlacement, MeterReading
from app.domain.station import ChargingStation, Connector, ConnectorKey, ConnectorStatus
from app.domain.units import PhaseCurrents, Rotation
from app.energy.planner import Planner
from app.energy.settings import EnergySettings
from app.energy.site_model import SiteModel
from app.energy.site_state import ConnectorSample, ConnectorState, SiteState

FOLLOW_S = 5.0
QUARTERS = (0.25, 0.5, 0.75, 1.0)
CHANGES_HANDS_S = 15.0  # a request without an answer counts as lost after this long

SHORT_LEASES = EnergySettings(lease_s=90.0, renew_after_s=45.0)


@dataclass(frozen=True)
class Fate:
    """What may go wrong: ``losses`` of messages and connections, ``steps`` of the building and of
    cars' wishes, ``lapses`` of leases that are short; ``fallbacks`` are not all 0.
    """

    losses: bool = False
    steps: bool = False
    lapses: bool = False
    fallbacks: bool = False


@dataclass(frozen=True)
class Applied:
    """A limit that a station follows from ``since_s`` on, until its lease lapses."""

    since_s: float
    limit_ma: int
    until_s: float = inf


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
    fallback_ma: int = 0
    online: bool = True
    notice_s: float = 0.0
    noticed: bool = True
    applied: list[Applied] = field(default_factory=list)
    history: deque[int] = field(default_factory=lambda: deque(maxlen=9))
    sample: ConnectorSample | None = None
    sample_period_s: float = 10.0
    sample_offset_s: float = 0.0

    def limit_ma(self, at_s: float) -> int:
        """What the station allowed its car at that instant."""
        value = self.fallback_ma
        for one in self.applied:
            if one.since_s <= at_s:
                value = one.limit_ma if at_s < one.until_s else self.fallback_ma
        return value

    def draw_ma(self, now_s: float) -> int:
        """The limit of ``delay_s`` ago, as far as the car wants it."""
        if self.transaction_id is None:
            return 0
        goal = min(self.limit_ma(now_s - self.delay_s), self.wants_ma)
        return goal if goal >= 6_000 else 0

    def begin(self, transaction_id: int | None) -> None:
        """Another transaction, or none: the limits of the last one died with it."""
        self.transaction_id = transaction_id
        self.applied = []
        self.history.clear()
        self.sample = None


Watch = Callable[["Adversary"], None]


class Adversary:
    """A small random site under a random fate, drawn from one seed.

    ``watch`` is called after every message, every answer and every quarter of a second; stations
    hang on any of ``circuits``, of which the supply has a meter.
    """

    def __init__(
        self,
        seed: int,
        fate: Fate,
        watch: Watch | None = None,
        circuits: Sequence[str] = ("supply", "feeder"),
    ) -> None:
        self.random = random = Random(seed)
        self.fate = fate
        self.watch = watch
        self._circuits = circuits
        self.now_s = 100.0
        self.limits = {"supply": random.choice([45_000, 60_000]), "feeder": 30_000}
        self.stepped_up_s = -inf
        self.messages = 0
        self._answers: list[tuple[float, ConnectorKey, int, str]] = []
        self._transactions = 100
        self.background = [random.randrange(0, self.limits["supply"] // 2) for _ in range(3)]
        self._meter: deque[list[int]] = deque(maxlen=4)
        tree = CircuitTree(
            [
                Circuit("supply", "s", None, PhaseCurrents.uniform(self.limits["supply"])),
                Circuit("feeder", "f", "supply", PhaseCurrents.uniform(self.limits["feeder"])),
            ]
        )
        stations = [self._station(number) for number in range(random.randint(5, 9))]
        self.rivals = [self._rival(number, one) for number, one in enumerate(stations)]
        model = SiteModel.compile(tree, stations, {"supply": MeterPlacement.SUPPLY})
        self.planner = Planner(model, SHORT_LEASES if fate.lapses else EnergySettings())
        for rival in self.rivals:
            self.planner.ceilings.fallback_installed(rival.key, rival.fallback_ma, self.now_s)

    def _station(self, number: int) -> ChargingStation:
        random = self.random
        connector = Connector(1, random.choice([1, 3, 3]), random.choice(list(Rotation)), 32_000)
        circuit = random.choice(self._circuits)
        # Three fallbacks fit beside the greatest background, as a checked configuration does.
        fallback_ma = 6_000 if self.fate.fallbacks and number < 3 else 0
        return ChargingStation(f"S{number}", "", circuit, (connector,), fallback_ma=fallback_ma)

    def _rival(self, number: int, station: ChargingStation) -> Rival:
        random, connector = self.random, station.connectors[0]
        three = (0, 1, 2)
        return Rival(
            ConnectorKey(station.station_id, 1),
            station.circuit_id,
            connector.site_phases,
            (0,) if connector.phases == 1 else random.choice([(0,), three, three]),
            random.choice([10_000, 32_000, 32_000]),
            random.uniform(0.0, FOLLOW_S - 0.5),
            number if random.random() < 0.8 else None,
            fallback_ma=station.fallback_ma,
            sample_period_s=random.choice([10.0, 10.0, 30.0, 60.0]),
            sample_offset_s=random.uniform(0.0, 60.0),
        )

    # ------------------------------------------------------------- what is true

    def truth(self, circuit: str) -> list[int]:
        """What really flows on each phase of ``circuit`` (mA)."""
        return self._sums(circuit, lambda rival: rival.draw_ma(self.now_s))

    def worst(self, circuit: str) -> list[int]:
        """What would flow if every car drew its ceiling on the conductors it uses (mA).

        But for those that finished for good, which until their next sample stand for a bit of the
        building.
        """
        ceiling = self.planner.ceilings.ceiling
        return self._sums(
            circuit, lambda rival: ceiling(rival.key, self.now_s) if rival.wants_ma else 0
        )

    def _sums(self, circuit: str, current_of: Callable[[Rival], int]) -> list[int]:
        sums = list(self.background) if circuit == "supply" else [0, 0, 0]
        for rival in self.rivals:
            if circuit in (rival.circuit, "supply"):
                current = current_of(rival)
                for conductor in rival.conductors:
                    sums[rival.site_phases[conductor]] += current
        return sums

    # ------------------------------------------------------------- time

    def run(self, seconds: int) -> None:
        """So many seconds of everything."""
        for _ in range(seconds):
            self.second()

    def second(self) -> None:
        """One second: fate, answers, samples, a cycle."""
        start_s = self.now_s
        self._fate()
        for quarter in QUARTERS:
            self.now_s = start_s + quarter
            for rival in self.rivals:
                rival.history.append(rival.draw_ma(self.now_s))
            self._meter.append(self.truth("supply"))
            self._answer()
            self._look()
        for rival in self.rivals:
            self._sample(rival)
        # The meter answered a moment ago, with any instant of the second before.
        reading = MeterReading(
            "m", self.now_s - 0.2, PhaseCurrents.of(self.random.choice(self._meter))
        )
        states = tuple(self._state(rival) for rival in self.rivals)
        plan = self.planner.plan(SiteState(self.now_s, {"supply": reading}, states))
        for change in plan.changes:
            if self.planner.permits(change, self.now_s):
                self._send(change.key, change.limit_ma, change.lease_until_s)
                self._look()

    def _look(self) -> None:
        if self.watch is not None:
            self.watch(self)

    # ------------------------------------------------------------- fate

    def _fate(self) -> None:
        random = self.random
        if self.fate.steps and random.random() < 0.02:
            phase = random.randrange(3)
            level = random.randrange(0, self.limits["supply"] * 3 // 4)
            if level > self.background[phase]:
                self.stepped_up_s = self.now_s
            self.background[phase] = level
        for rival in self.rivals:
            dice = random.random()
            if rival.transaction_id is None:
                if dice < 0.05:
                    self._transactions += 1
                    rival.begin(self._transactions)
            elif dice < 0.003:
                rival.begin(None)
            elif dice < 0.004:
                # Finished for good.
                rival.wants_ma = 0
            elif dice < 0.008 and self.fate.steps:
                rival.wants_ma = random.choice([0, 8_000, 16_000, 32_000])
                self.stepped_up_s = self.now_s
            if self.fate.losses and random.random() < 0.005:
                rival.online = not rival.online
                rival.notice_s = self.now_s + random.choice([0.0, 1.0, 20.0])
            if self.now_s >= rival.notice_s:
                rival.noticed = rival.online

    def _answer(self) -> None:
        """Answers in any order once they are due."""
        due = [answer for answer in self._answers if answer[0] <= self.now_s]
        self._answers = [answer for answer in self._answers if answer[0] > self.now_s]
        self.random.shuffle(due)
        ledger = self.planner.ceilings
        for _, key, number, outcome in due:
            if outcome == "accepted":
                ledger.accepted(key, number, self.now_s)
            elif outcome == "refused":
                ledger.refused(key, number, self.now_s)
            else:
                ledger.unanswered(key, number, self.now_s)
            self._look()

    def _sample(self, rival: Rival) -> None:
        if not rival.online or rival.transaction_id is None:
            return
        if (self.now_s - rival.sample_offset_s) % rival.sample_period_s >= 1.0:
            return
        # Measured now, or up to two seconds ago.
        draw = self.random.choice(rival.history)
        currents = PhaseCurrents.on(rival.conductors, draw)
        in_use = rival.conductors if draw > 3_000 else None
        rival.sample = ConnectorSample(self.now_s, currents, currents, in_use)

    def _state(self, rival: Rival) -> ConnectorState:
        charging = rival.draw_ma(self.now_s) > 0
        return ConnectorState(
            key=rival.key,
            online=rival.noticed,
            status=ConnectorStatus.CHARGING if charging else ConnectorStatus.PREPARING,
            transaction_id=rival.transaction_id,
            sample=rival.sample,
            sample_interval_s=rival.sample_period_s,
        )

    # ------------------------------------------------------------- messages

    def _send(self, key: ConnectorKey, limit_ma: int, lease_until_s: float) -> None:
        random, losses = self.random, self.fate.losses
        rival = next(rival for rival in self.rivals if rival.key == key)
        number = self.planner.ceilings.sent(key, limit_ma, self.now_s, lease_until_s)
        self.messages += 1
        dice = random.random()
        arrives = rival.online and not (losses and dice < 0.15)
        refused = losses and 0.15 <= dice < 0.2
        silent = not rival.online or (losses and (dice < 0.15 or 0.2 <= dice < 0.3))
        delay_s = random.uniform(0.0, 0.4)
        if losses and random.random() < 0.1:
            # A link that stalls: the request arrives after its answer was given up, maybe.
            delay_s = random.uniform(0.0, CHANGES_HANDS_S + 5.0)
        last_s = rival.applied[-1].since_s if rival.applied else -inf
        since_s = max(last_s, self.now_s + delay_s)
        if arrives and not refused:
            rival.applied.append(Applied(since_s, limit_ma, self._lapses_s(lease_until_s)))
        answered_s = since_s + random.uniform(0.1, 2.6)
        given_up_s = self.now_s + CHANGES_HANDS_S
        if silent or answered_s > given_up_s:
            self._answers.append((given_up_s, key, number, "unanswered"))
        else:
            self._answers.append((answered_s, key, number, "refused" if refused else "accepted"))

    def _lapses_s(self, lease_until_s: float) -> float:
        """When the station lets a lease lapse: never early, and a little late by its clock."""
        if not self.fate.lapses:
            return inf
        late_s = self.planner.settings.lease_grace_s
        return lease_until_s + self.random.choice([0.0, self.random.uniform(0.0, late_s)])
