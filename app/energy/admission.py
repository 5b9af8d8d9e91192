"""Who is served first when the least usable current does not fit for everyone.

Within a strict class: running sessions keep their place for a while, then those who wait, then
those who have had their turn. Cars long asleep come behind everybody. A session paused a moment ago stays paused for
some minutes, so that a flickering background does not wear out contactors and cars.
"""

from __future__ import annotations

import msgspec

from app.domain.rules import SharingPolicy
from app.domain.station import ConnectorKey
from app.energy.settings import EnergySettings

LAST = 1_000
"""Added to the class of a session that lets all others go first."""


class Candidate(msgspec.Struct, frozen=True):
    """A session that could be served; ``held_ma`` is the limit it was last given.

    ``priority`` is its strict class, 0 first; ``yields`` puts it behind all classes.
    """

    key: ConnectorKey
    transaction_id: int
    priority: int
    arrived_s: float
    held_ma: int
    floor_ma: int
    yields: bool

    @property
    def rank(self) -> int:
        """The class in which it is served."""
        return self.priority + LAST if self.yields else self.priority


class _Session:
    __slots__ = ("off_s", "on_s", "since_s", "transaction_id")

    def __init__(self, transaction_id: int, now_s: float) -> None:
        self.transaction_id = transaction_id
        self.since_s = now_s
        self.on_s: float | None = None
        self.off_s: float | None = None


class Admission:
    """Orders candidates; remembers since when each is on or paused."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._sessions: dict[ConnectorKey, _Session] = {}

    def order(
        self, candidates: list[Candidate], policy: SharingPolicy, now_s: float
    ) -> list[Candidate]:
        """Candidates in the order of admission; those that must stay paused are left out."""
        present = {candidate.key for candidate in candidates}
        for key in self._sessions.keys() - present:
            del self._sessions[key]
        ranked = []
        for candidate in candidates:
            session = self._sessions.get(candidate.key)
            if session is None or session.transaction_id != candidate.transaction_id:
                session = _Session(candidate.transaction_id, now_s)
                self._sessions[candidate.key] = session
            self._note(session, candidate, now_s)
            if session.off_s is not None and now_s - session.off_s < self._settings.min_off_s:
                continue
            rank = self._rank(session, candidate, now_s)
            if policy is SharingPolicy.FIRST_COME:
                # Nobody makes room for who came later, however long it lasts.
                rank = (candidate.rank, 0, 0.0, candidate.arrived_s, candidate.key)
            ranked.append((rank, candidate))
        ranked.sort(key=lambda pair: pair[0])
        return [candidate for _, candidate in ranked]

    @staticmethod
    def _note(session: _Session, candidate: Candidate, now_s: float) -> None:
        if candidate.held_ma >= candidate.floor_ma:
            if session.on_s is None:
                session.on_s = now_s
            session.off_s = None
        elif session.on_s is not None:
            session.on_s = None
            session.off_s = session.since_s = now_s

    def _rank(
        self, session: _Session, candidate: Candidate, now_s: float
    ) -> tuple[int, int, float, float, ConnectorKey]:
        """Sort key: class, group, order within the group, arrival, name."""
        settings = self._settings
        if session.on_s is None:
            group, within = 1, session.since_s
        elif now_s - session.on_s < max(settings.rotation_s, settings.min_on_s):
            group, within = 0, candidate.arrived_s
        else:
            # Whoever has been served longest makes room first.
            group, within = 2, -session.on_s
        return (candidate.rank, group, within, candidate.arrived_s, candidate.key)
