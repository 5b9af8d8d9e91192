"""What to do about a connector that refuses or ignores its limits, one rung after the other.

Meanwhile it is budgeted at what it draws, or at its rating, and the others get less: that is enough
as long as it endangers nothing. Only where the circuit is short all the same the ladder goes on:
another form of the limit, then the end of the charge, then the connector out of service, at last
the alarm alone. When room is back the connector is in service again.

A pure state machine: it sees what is, and says what to do; the caller does it.
"""

from __future__ import annotations

import enum
from math import inf

import msgspec

SHORT_PATIENCE_S = 5.0
"""The circuit must be short for this long: the others' decreases are on their way before."""

FORM_PATIENCE_S = 12.0
"""Time that another form of the limit gets: 8 s for the car to follow, and a sample to show it."""

FORMS = 2
"""Other forms tried before the charge is ended: the circuit is short all the while."""

STOP_PATIENCE_S = 30.0
"""Time between an accepted RemoteStopTransaction and the end of the transaction."""

BLOCK_PATIENCE_S = 30.0
"""Time in which a connector out of service must draw no more."""

RELAPSE_S = 3_600.0
"""A connector that comes back to this within an hour goes out of service right after the stop: its
driver has started anew, and would do so again."""

ROOM_PATIENCE_S = 60.0
"""Room for the whole rating must last this long before the connector is in service again."""

RELEASE_AGAIN_S = 60.0
"""A station that did not take the release is told again after this long."""


class Rung(enum.StrEnum):
    """How far a connector has climbed."""

    NONE = "none"
    BUDGETED = "budgeted"
    """It refuses or disobeys, and harms nobody: flagged, and budgeted at what it draws."""
    OTHER_FORM = "other-form"
    STOPPED = "stopped"
    """Its charge was told to end."""
    BLOCKED = "blocked"
    """Out of service."""
    HELPLESS = "helpless"
    """Out of service, and it draws on: somebody must go there."""


class Step(enum.StrEnum):
    """What the caller is to do now."""

    OTHER_FORM = "other-form"
    STOP = "stop"
    BLOCK = "block"
    RELEASE = "release"


class Sight(msgspec.Struct, frozen=True):
    """One connector at one instant (monotonic seconds).

    ``refuses`` or ``disobeys`` limits; ``short`` when what is drawn and reserved on one of its
    circuits does not fit although everybody else was lowered, ``overloaded`` when a meter shows more
    than the limit; ``charging`` while a transaction runs; ``room`` when its rating would fit.
    """

    now_s: float
    online: bool = True
    refuses: bool = False
    disobeys: bool = False
    short: bool = False
    overloaded: bool = False
    charging: bool = True
    room: bool = False

    @property
    def in_trouble(self) -> bool:
        """Whether it does not do as told."""
        return self.charging and (self.refuses or self.disobeys)


class Ladder:
    """One connector's way up, and down again."""

    def __init__(self, *, blocked: bool = False) -> None:
        self.rung = Rung.BLOCKED if blocked else Rung.NONE
        self._since_s = -inf
        self._short_since_s: float | None = None
        self._room_since_s: float | None = None
        self._forms = 0
        self._stopped_s = -inf
        self._relapsed = False
        self._released_s = -inf

    def advance(self, sight: Sight) -> Step | None:
        """Takes in what is, and says what to do about it, if anything."""
        self._short_since_s = _since(self._short_since_s, sight.short, sight.now_s)
        self._room_since_s = _since(self._room_since_s, sight.room, sight.now_s)
        if self.rung in (Rung.BLOCKED, Rung.HELPLESS):
            return self._out_of_service(sight)
        if self.rung is Rung.STOPPED and self._relapsed and sight.online:
            # Whether its charge has ended by now or not: the next one would be the same.
            self._relapsed = False
            self._climb(Rung.BLOCKED, sight.now_s)
            return Step.BLOCK
        if not sight.in_trouble:
            self._rest(sight.now_s)
            return None
        if self.rung is Rung.NONE:
            self._climb(Rung.BUDGETED, sight.now_s)
        if not sight.online or _lasting(self._short_since_s, sight.now_s) < SHORT_PATIENCE_S:
            return None
        return self._up(sight)

    def released(self, now_s: float) -> None:
        """The station took the connector back into service."""
        self.rung = Rung.NONE
        self._since_s = now_s

    def _up(self, sight: Sight) -> Step | None:
        waited_s = sight.now_s - self._since_s
        if self.rung is Rung.STOPPED:
            if waited_s >= STOP_PATIENCE_S:
                self._climb(Rung.BLOCKED, sight.now_s)
                return Step.BLOCK
            return None
        if self.rung is Rung.OTHER_FORM and not sight.overloaded and waited_s < FORM_PATIENCE_S:
            return None
        if self._forms < FORMS and not sight.overloaded:
            self._forms += 1
            self._climb(Rung.OTHER_FORM, sight.now_s)
            return Step.OTHER_FORM
        self._relapsed = sight.now_s - self._stopped_s < RELAPSE_S
        self._stopped_s = sight.now_s
        self._climb(Rung.STOPPED, sight.now_s)
        return Step.STOP

    def _out_of_service(self, sight: Sight) -> Step | None:
        now_s = sight.now_s
        if sight.in_trouble and sight.short and now_s - self._since_s >= BLOCK_PATIENCE_S:
            self.rung = Rung.HELPLESS
        elif not sight.in_trouble:
            self.rung = Rung.BLOCKED
        if not sight.online or _lasting(self._room_since_s, now_s) < ROOM_PATIENCE_S:
            return None
        if now_s - self._released_s < RELEASE_AGAIN_S:
            return None
        self._released_s = now_s
        return Step.RELEASE

    def _climb(self, rung: Rung, now_s: float) -> None:
        self.rung = rung
        self._since_s = now_s

    def _rest(self, now_s: float) -> None:
        if self.rung is not Rung.NONE:
            self._climb(Rung.NONE, now_s)
            self._forms = 0


def _since(before: float | None, holds: bool, now_s: float) -> float | None:
    if not holds:
        return None
    return now_s if before is None else before


def _lasting(since_s: float | None, now_s: float) -> float:
    return -inf if since_s is None else now_s - since_s
