"""How well the room that a site leaves is used by the cars that want it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from simulators.site.electrical import Site


class Appetite(Protocol):
    """What a plugged-in car would still take."""

    @property
    def site_phases(self) -> tuple[int, ...]:
        """The site phases (0 to 2) that its car loads."""
        ...

    @property
    def wants_more(self) -> bool:
        """Whether the car would take 1 A more than it is offered."""
        ...


class CapacityUse:
    """How much of what binds the cars is used while they want more.

    Counted are the seconds in which some plugged-in car would take 1 A more. In each, for each such
    car, the fullest phase among its own phases on its circuit and all circuits above, against that
    circuit's limit (never counted above 1); the second's figure is their mean.
    """

    def __init__(self, site: Site, cars: Sequence[tuple[str, Appetite]]) -> None:
        self._site = site
        self._cars = [(site.number(circuit_id), car) for circuit_id, car in cars]
        self._sum = 0.0
        self.seconds = 0.0
        """Time counted so far."""
        self._steady_sum = 0.0
        self._steady_s = 0.0

    def observe(self, dt_s: float, *, steady: bool = True) -> None:
        """Count the step that the site has just taken; ``steady`` when nothing happened lately."""
        fullest = self._site.fullest
        used = 0.0
        wanting = 0
        for number, car in self._cars:
            if not car.wants_more:
                continue
            row = fullest[number]
            wanting += 1
            used += min(1.0, max(row[phase] for phase in car.site_phases))
        if not wanting:
            return
        self._sum += used / wanting * dt_s
        self.seconds += dt_s
        if steady:
            self._steady_sum += used / wanting * dt_s
            self._steady_s += dt_s

    @property
    def ratio(self) -> float | None:
        """The mean over the seconds counted, ``None`` when no car ever wanted more."""
        return self._sum / self.seconds if self.seconds else None

    @property
    def steady_ratio(self) -> float | None:
        """The same over the steady seconds alone."""
        return self._steady_sum / self._steady_s if self._steady_s else None
