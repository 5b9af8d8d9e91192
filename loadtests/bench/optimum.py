"""How near the allocator comes to the best there is, by linear programming, on 200 connectors.

Half of the problems are those whose time is measured; in the others the site is so short that not
all can charge. `alloc_optimum_total` is what is given out in steps of 1 A over the total of the
continuous optimum, rounding and all. `alloc_optimum_worst` is the least that any session has, over
its own optimum in whole steps: a car held at 9.7 A by the optimum cannot have more than 9 A.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from app.energy.allocator import AllocationProblem, allocate
from loadtests.bench.allocation import problems
from tests.support.fair_optimum import fair_optimum

CONNECTORS = 200
PROBLEMS = 60
SHORTAGE = 2  # every so many problems, with less headroom by as much
ROUNDING_MA = 0.01  # the solver's last digits


def _problems() -> Iterator[AllocationProblem]:
    for number, problem in enumerate(problems(CONNECTORS, PROBLEMS)):
        if number % SHORTAGE:
            short = [value // SHORTAGE for value in problem.headroom]
            yield msgspec.structs.replace(problem, headroom=short)
        else:
            yield problem


def _ratios(problem: AllocationProblem) -> tuple[float, float]:
    """Total, and worst-off session, over the optimum."""
    granted_ma = allocate(problem).granted_ma
    best = fair_optimum(problem, granted_ma)
    worst = 1.0
    for one, granted, most in zip(problem.participants, granted_ma, best, strict=True):
        whole = int(most + ROUNDING_MA) // one.step_ma * one.step_ma
        if whole:
            worst = min(worst, granted / whole)
    return sum(granted_ma) / sum(best), worst


def measure() -> Mapping[str, float]:
    """The lowest ratios seen, by the keys of the report."""
    ratios = [_ratios(problem) for problem in _problems()]
    return {
        "alloc_optimum_total": min(total for total, _ in ratios),
        "alloc_optimum_worst": min(worst for _, worst in ratios),
    }
