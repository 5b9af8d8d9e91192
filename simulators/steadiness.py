"""When nothing has happened to a site for a while, so that its use can be called steady."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.plan import SitePlan
from simulators.scenario import Occupied, Scenario, Step

START_S = 120.0
"""The site fills up."""
SETTLES_S = 60.0
"""After a load was switched, cars came together, an event began or ended, a limit changed."""
TOGETHER_S = 120.0
"""Cars that arrive within this time of each other are a wave; others are everyday life."""


class Steadiness:
    """Asked second by second, forward."""

    def __init__(self, plan: SitePlan) -> None:
        self._next = sorted(_disturbances(plan.scenario))
        self._until_s = START_S

    def steady(self, now_s: float) -> bool:
        """Whether nothing happened lately."""
        while self._next and self._next[0] <= now_s:
            self.disturb(self._next.pop(0))
        return now_s >= self._until_s

    def disturb(self, at_s: float) -> None:
        """Something happened."""
        self._until_s = max(self._until_s, at_s + SETTLES_S)


def _disturbances(scenario: Scenario) -> Iterator[float]:
    for event in scenario.events:
        yield event.at_s
        if event.for_s is not None:
            yield event.at_s + event.for_s
    for circuit in scenario.circuits:
        for load in circuit.building:
            if isinstance(load, Step):
                yield from _switchings(load, scenario.duration_s)
    cars = scenario.cars
    if isinstance(cars, Occupied) and cars.latecomers is not None:
        late = cars.latecomers
        if late.over_s <= TOGETHER_S:
            yield from (late.at_s, late.at_s + late.over_s)


def _switchings(load: Step, duration_s: float) -> Iterator[float]:
    at_s = load.at_s
    while at_s < duration_s:
        yield at_s
        if load.for_s is not None:
            yield at_s + load.for_s
        if load.every_s is None:
            return
        at_s += load.every_s
