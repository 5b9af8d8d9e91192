"""The detective and the watch together: what the control cycle calls before it plans.

state -> steps -> who is wired how
               -> which meter lies -> state with the readings of lying meters marked
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from app.domain.station import ConnectorKey
from app.energy.meter_verdict import Verdict, apply
from app.energy.meter_watch import MeterWatch
from app.energy.phase_detective import PhaseDetective, PhaseFinding, Standing
from app.energy.plan import LimitChange
from app.energy.site_model import SiteModel
from app.energy.site_state import SiteState
from app.energy.steps import StepFinder


class SiteWatch:
    """Feeds one stream of steps to both; keeps which outlets are surely wired as configured."""

    def __init__(self, model: SiteModel, generating: Collection[str] = ()) -> None:
        self._finder = StepFinder(model)
        self.phases = PhaseDetective(model)
        self.meters = MeterWatch(model, generating)
        self._sure: set[ConnectorKey] = set()
        self.changed: set[ConnectorKey] = set()
        """Outlets about which something was learnt since somebody last emptied this."""

    def replace_model(self, model: SiteModel, generating: Collection[str] = ()) -> None:
        """Take over a changed configuration; evidence about remaining parts stays."""
        self._finder.replace_model(model)
        self.phases.replace_model(model)
        self.meters.replace_model(model, generating)
        self.refresh()

    def refresh(self) -> None:
        """Find anew which outlets are surely wired as configured."""
        self._sure = {
            finding.key
            for finding in self.phases.findings()
            if finding.standing is Standing.CONFIRMED
        }

    def screen(self, state: SiteState) -> SiteState:
        """One cycle: the state to plan with, in which a lying meter's readings are implausible."""
        for one in state.connectors:
            in_use = None if one.sample is None else one.sample.conductors_in_use
            self.phases.session(one.key, one.transaction_id, in_use)
        verdicts = self.meters.verdicts()
        for step in self._finder.take(state):
            self.meters.take(step)
            if step.circuit_id not in verdicts:
                self._learn(self.phases.take(step))
        verdicts = self.meters.judge(state, self._sure)
        if not verdicts:
            return state
        return msgspec.structs.replace(state, readings=apply(state.readings, verdicts))

    def sent(self, changes: Iterable[LimitChange], now_s: float) -> None:
        """Limits that this cycle sends."""
        listed = tuple(changes)
        self._finder.commanded(listed, now_s)
        self.meters.commanded(listed, now_s)

    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdicts in force, by circuit."""
        return self.meters.verdicts()

    def findings(self) -> tuple[PhaseFinding, ...]:
        """What is known of each outlet; no proposal while its meter's own order is in doubt."""
        return tuple(self._withheld(finding) for finding in self.phases.findings())

    def _withheld(self, finding: PhaseFinding) -> PhaseFinding:
        verdict = self.verdicts().get(finding.circuit_id or "")
        if verdict is None or finding.standing is not Standing.PROPOSED:
            return finding
        return msgspec.structs.replace(finding, standing=Standing.METER_LIES)

    def _learn(self, key: ConnectorKey | None) -> None:
        if key is None:
            return
        self.changed.add(key)
        finding = self.phases.finding(key)
        if finding is not None and finding.standing is Standing.CONFIRMED:
            self._sure.add(key)
        else:
            self._sure.discard(key)
