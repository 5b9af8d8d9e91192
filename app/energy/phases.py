"""Which of its conductors a car really uses: all wired ones until the measurements show fewer.

A single-phase car on a three-phase outlet must not be charged to the two phases it leaves alone,
but believing so too early would overload them: two consistent samples narrow, one widens.
"""

from __future__ import annotations

from app.domain.station import ConnectorKey
from app.energy.settings import EnergySettings
from app.energy.site_model import ConnectorNode
from app.energy.site_state import USED_MA, ConnectorSample


class _Session:
    __slots__ = ("active", "candidate", "count", "sample_s", "transaction_id")

    def __init__(self, transaction_id: int, wired: tuple[int, ...]) -> None:
        self.transaction_id = transaction_id
        self.active = wired
        self.candidate: tuple[int, ...] = ()
        self.count = 0
        self.sample_s: float | None = None


class PhaseTracker:
    """Remembers, per session, the conductors in use."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._sessions: dict[ConnectorKey, _Session] = {}

    def active(
        self, node: ConnectorNode, transaction_id: int | None, sample: ConnectorSample | None
    ) -> tuple[int, ...]:
        """Conductor indices in use (0 to 2), taking in ``sample``; all wired ones when unsure."""
        wired = tuple(range(len(node.conductors)))
        if transaction_id is None:
            self._sessions.pop(node.key, None)
            return wired
        session = self._sessions.get(node.key)
        if session is None or session.transaction_id != transaction_id:
            session = self._sessions[node.key] = _Session(transaction_id, wired)
        if sample is not None and sample.at_s != session.sample_s:
            session.sample_s = sample.at_s
            self._learn(session, sample)
        return tuple(conductor for conductor in session.active if conductor in wired)

    def _learn(self, session: _Session, sample: ConnectorSample) -> None:
        seen = {conductor for conductor, current in enumerate(sample.low) if current > USED_MA}
        session.active = tuple(sorted(seen.union(session.active)))
        in_use = sample.conductors_in_use
        if not in_use:
            return
        session.count = session.count + 1 if in_use == session.candidate else 1
        session.candidate = in_use
        if session.count >= self._settings.phase_samples:
            session.active = in_use
