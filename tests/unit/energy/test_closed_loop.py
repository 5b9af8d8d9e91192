"""The loop closed: cars that follow late, a building that jumps, and no collapse after a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from app.domain.circuit import Circuit
from app.domain.station import ChargingStation, Connector
from app.domain.units import PhaseCurrents, Rotation
from app.energy.planner import Planner
from tests.support.closed_loop import Car, Loop, Three
from tests.support.energy_site import key, model_of

LIMIT_MA = 400_000


@dataclass
class Record:
    """What a run showed."""

    overloads_s: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)
    least_served: int = 10**6
    _over_s: float = 0.0

    def watch(self, loop: Loop) -> None:
        peak = max(loop.currents("supply"))
        if peak > 1.05 * LIMIT_MA:
            self._over_s += 0.25
        elif self._over_s:
            self.overloads_s.append(self._over_s)
            self._over_s = 0.0
        self.used.append(peak / LIMIT_MA)
        served = sum(1 for car in loop.cars.values() if car.limits and car.limits[-1][1] > 0)
        self.least_served = min(self.least_served, served)


def loop_of(count: int, steps: dict[float, float], *, lost_share: float = 0.0) -> Loop:
    """Sixty-odd mixed cars on 400 A; the building is 200 A plus the ``steps`` (A) so far."""
    random = Random(7)
    stations, cars = [], []
    for number in range(count):
        connector = Connector(1, 3, random.choice(list(Rotation)))
        name = f"S{number:03}"
        stations.append(ChargingStation(name, name, "supply", (connector,)))
        cars.append(
            Car(
                key=key(name),
                wants_ma=random.choice([10_000, 16_000, 16_000, 32_000]),
                conductors=random.choice([(0,), (0, 1, 2), (0, 1, 2)]),
                site_phases=connector.site_phases,
                path=("supply",),
                lag_s=random.uniform(0.5, 3.0),
                ramp_ma_s=random.uniform(4_000, 10_000),
                transaction_id=number + 1,
                sample_offset_s=random.uniform(0.0, 10.0),
                lost_share=lost_share,
            )
        )
    supply = Circuit("supply", "", None, PhaseCurrents.uniform(LIMIT_MA), 4_000)

    def building(now_s: float) -> Three:
        level = 200_000 + sum(1000 * step for at, step in steps.items() if now_s - 1_000 >= at)
        return (level, level, level)

    return Loop(Planner(model_of([supply], stations)), cars, building)


def test_steps_of_100_a_are_ridden_out() -> None:
    loop = loop_of(40, {200.4: 100, 300.4: -100, 400.4: 100, 500.4: -100})
    record = Record()
    loop.run(150)
    loop.run(450, record.watch)
    assert len(record.overloads_s) == 2
    assert max(record.overloads_s) <= 8
    assert sum(record.used) / len(record.used) >= 0.93
    # After a step 96 A are left: many cars wait, but far from all.
    assert record.least_served >= 10
    late = Record()
    loop.run(60, late.watch)
    assert min(late.used) >= 0.9


def test_lost_messages_do_not_prolong_overloads() -> None:
    loop = loop_of(40, {200.4: 100, 300.4: -100, 400.4: 100}, lost_share=0.05)
    record = Record()
    loop.run(150)
    loop.run(350, record.watch)
    assert max(record.overloads_s) <= 15
    assert sum(record.used) / len(record.used) >= 0.9


def test_a_steady_site_is_full_and_quiet() -> None:
    loop = loop_of(40, {})
    loop.run(240)
    before = loop.messages
    record = Record()
    loop.run(300, record.watch)
    assert record.overloads_s == []
    assert sum(record.used) / len(record.used) >= 0.97
    # One renewal each, and a few moves.
    assert loop.messages - before <= 2 * 40
