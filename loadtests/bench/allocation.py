"""How long one allocation takes, on a tree of a supply, 5 feeders and 20 groups.

Stations hang evenly on the groups, on one or three phases in all rotations; every circuit's limit
differs per phase, and every car wants something else. Most of them are held back by a circuit.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping

from app.domain.circuit import Circuit, CircuitTree
from app.domain.station import ChargingStation, Connector
from app.domain.units import PhaseCurrents, Rotation
from app.energy.allocator import AllocationProblem, Participant, allocate
from app.energy.site_model import SiteModel

FEEDERS, GROUPS = 5, 4
RUNS_200, RUNS_2000 = 300, 40
SEED = 7


def _around(rng: random.Random, current_ma: float) -> PhaseCurrents:
    """Three different currents near this one (mA)."""
    return PhaseCurrents(*(int(current_ma * rng.uniform(0.85, 1.15)) for _ in range(3)))


def _circuits(rng: random.Random, connectors: int) -> Iterator[Circuit]:
    """Limits for about 12 A a connector at the supply, and a little more towards the groups."""
    supply_ma = 12_000 * connectors
    yield Circuit("supply", "supply", None, _around(rng, supply_ma))
    for feeder in range(FEEDERS):
        name = f"feeder-{feeder}"
        yield Circuit(name, name, "supply", _around(rng, supply_ma * 1.1 / FEEDERS))
        for group in range(GROUPS):
            share_ma = supply_ma * 1.2 / FEEDERS / GROUPS
            inner = f"{name}-{group}"
            yield Circuit(inner, inner, name, _around(rng, share_ma))


def _stations(rng: random.Random, connectors: int) -> Iterator[ChargingStation]:
    rotations = (Rotation.RST, Rotation.STR, Rotation.TRS)
    for number in range(connectors):
        outlet = Connector(
            1, phases=rng.choice((1, 3, 3)), rotation=rng.choice(rotations), max_ma=32_000
        )
        group = f"feeder-{number % FEEDERS}-{number // FEEDERS % GROUPS}"
        yield ChargingStation(f"B-{number:04d}", f"B-{number:04d}", group, (outlet,))


def problems(connectors: int, count: int) -> Iterator[AllocationProblem]:
    """Problems on one site, each with another background and other wishes."""
    rng = random.Random(SEED)
    tree = CircuitTree(_circuits(rng, connectors))
    model = SiteModel.compile(tree, _stations(rng, connectors), {})
    for _ in range(count):
        headroom = [int(limit_ma * rng.uniform(0.7, 1.0)) for limit_ma in model.usable]
        participants = []
        for node in model.connectors:
            carrying = node.triple(range(len(node.conductors)), 1)
            participants.append(
                Participant(
                    slots=model.slots(node.index, carrying),
                    floor_ma=node.min_ma,
                    cap_ma=rng.randrange(7_000, node.rating_ma),
                    step_ma=node.step_ma,
                    weight=rng.choice((500, 1_000, 1_000, 2_000)),
                    held_ma=rng.randrange(6_000, 32_000, 1_000),
                )
            )
        yield AllocationProblem(headroom, participants)


def _times_ms(connectors: int, runs: int) -> list[float]:
    times = []
    for problem in problems(connectors, runs):
        start_s = time.perf_counter()
        grants = allocate(problem)
        times.append((time.perf_counter() - start_s) * 1000)
        assert sum(grants.granted_ma) > 0
    return times


def measure() -> Mapping[str, float]:
    """Times of 200 and 2,000 connectors [ms], by the keys of the report."""
    _times_ms(200, 20)  # warm the caches
    small, large = _times_ms(200, RUNS_200), _times_ms(2_000, RUNS_2000)
    return {
        "alloc_200_ms_median": statistics.median(small),
        "alloc_200_ms_max": max(small),
        "alloc_2000_ms_median": statistics.median(large),
    }
