"""Cars that need a moment to follow a lower pilot, as IEC 61851-1 allows them."""

from __future__ import annotations

from typing import Any

from simulators.station.ev import Car


class HesitantCar(Car):
    """A car that goes on as before for ``lag_s`` seconds after its pilot went down.

    What it is offered more, it takes with the ramp of every car.
    """

    __slots__ = ("_followed_a", "_waited_s", "lag_s")

    def __init__(self, *, lag_s: float, **data_sheet: Any) -> None:
        self.lag_s = lag_s
        self._followed_a = 0.0
        self._waited_s = 0.0
        super().__init__(**data_sheet)

    def plug_in(self, wired_phases: int) -> None:
        """Connect to an outlet; nothing is offered yet."""
        self._followed_a = 0.0
        self._waited_s = 0.0
        super().plug_in(wired_phases)

    def step(self, dt_s: float, offered_a: float) -> float:
        """Live ``dt_s`` seconds with ``offered_a`` on the pilot; amperes drawn on each phase."""
        if offered_a >= self._followed_a:
            self._followed_a = offered_a
            self._waited_s = 0.0
        else:
            self._waited_s += dt_s
            if self._waited_s > self.lag_s:
                self._followed_a = offered_a
                self._waited_s = 0.0
        return super().step(dt_s, self._followed_a)
