"""What the stations and cars truly did: who disobeyed and when that was found, who starved.

Nothing here asks the manager for more than whom it flags; whether it is right is judged from the
limits that the stations accepted and the currents that flowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from simulators.fleet import FleetOutlet

Flagged = Callable[[], Collection[tuple[str, int]] | None]
"""The outlets, by station and connector, that the manager says disobey; ``None``: nobody says."""

TOLERANCE_A = 1.0
TOLERANCE_SHARE = 0.05
FOLLOW_S = 8.0
"""A lower limit is followed this long after the station accepted it."""
LASTING_S = 15.0
"""A draw above the limit for less than this is no disobedience."""
DOUBT_S = 60.0
"""What the manager knows of a draw may be this old."""


class _Watched:
    """An outlet's draw against the limit that its station accepted."""

    __slots__ = (
        "flagged",
        "found",
        "limit_a",
        "lowered_s",
        "outlet",
        "over_s",
        "since_s",
        "slowest",
    )

    def __init__(self, outlet: FleetOutlet) -> None:
        self.outlet = outlet
        self.limit_a = 0.0
        self.lowered_s = 0.0
        self.since_s: float | None = None
        """Start of the present disobedience."""
        self.found = False
        self.flagged = False
        self.over_s = -DOUBT_S
        """When it last drew too much, followed or not."""
        self.slowest: float | None = None
        """The slowest disobedience to be found, in seconds."""


class Obedience:
    """How long disobedience lasts until the manager flags it."""

    def __init__(self, outlets: Sequence[FleetOutlet]) -> None:
        self._watched = [_Watched(outlet) for outlet in outlets]
        self.flagged: Flagged = lambda: None
        self.wrongly_flagged = 0

    def observe(self, now_s: float) -> None:
        """Take a second; while no manager runs, nothing can be found and no time counts."""
        flagged = self.flagged()
        for watched in self._watched:
            self._compare(watched, now_s)
            if flagged is None or not watched.outlet.station.connected:
                watched.since_s = None
                watched.found = False
                continue
            connector = watched.outlet.connector
            key = (watched.outlet.station.station_id, connector.connector_id)
            self._judge(watched, now_s, flagged=key in flagged)

    @staticmethod
    def _compare(watched: _Watched, now_s: float) -> None:
        outlet = watched.outlet
        drawn_a = max(outlet.current_a)
        if drawn_a <= 0.0:
            watched.since_s = None
            watched.found = False
            return
        limit_a = outlet.station.accepted_a(outlet.connector.connector_id)
        if limit_a < watched.limit_a:
            watched.lowered_s = now_s
        watched.limit_a = limit_a
        if drawn_a <= limit_a + max(TOLERANCE_A, TOLERANCE_SHARE * limit_a):
            watched.since_s = None
            watched.found = False
            return
        watched.over_s = now_s
        if watched.since_s is None and now_s - watched.lowered_s > FOLLOW_S:
            watched.since_s = now_s

    def _judge(self, watched: _Watched, now_s: float, *, flagged: bool) -> None:
        newly = flagged and not watched.flagged
        watched.flagged = flagged
        if newly and now_s - watched.over_s > DOUBT_S:
            self.wrongly_flagged += 1
        if watched.since_s is None or watched.found:
            return
        lasted_s = now_s - watched.since_s
        if flagged or lasted_s > LASTING_S:
            watched.slowest = max(watched.slowest or 0.0, lasted_s)
        watched.found = flagged

    @property
    def disobeying(self) -> int:
        """Outlets that disobeyed for more than a moment, or were found to."""
        return sum(watched.slowest is not None for watched in self._watched)

    @property
    def found_s(self) -> float | None:
        """The slowest to be found, or to be still unfound; ``None`` when none disobeyed."""
        return max(
            (watched.slowest for watched in self._watched if watched.slowest is not None),
            default=None,
        )


class Waiting:
    """How long cars that could charge get nothing at all."""

    def __init__(self, outlets: Sequence[FleetOutlet], starved_after_s: float) -> None:
        self._outlets = outlets
        self._starved_after_s = starved_after_s
        self._since_s = [0.0] * len(outlets)
        self._starved: set[int] = set()
        self.longest_s = 0.0

    def observe(self, now_s: float) -> None:
        """Take a second."""
        for number, outlet in enumerate(self._outlets):
            if not outlet.waits:
                self._since_s[number] = now_s
                continue
            waited_s = now_s - self._since_s[number]
            self.longest_s = max(self.longest_s, waited_s)
            if waited_s > self._starved_after_s and outlet.visit is not None:
                self._starved.add(outlet.visit.driver)

    @property
    def starved_cars(self) -> int:
        """Cars that waited for longer than the scenario allows."""
        return len(self._starved)
