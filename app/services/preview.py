"""What a change of the installation would do, before it is saved: circuits, sessions, safety.

The candidate is compiled as it would be, the stateless allocator shares its room among the cars
that charge now, and the fail-safe check says whether it would be refused. Nothing running is
touched. What the preview cannot know (hysteresis, ramps, a limit not yet obeyed) is left out on
both sides, so that before and after can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.circuit import CircuitTree
from app.domain.errors import UnsafeConfigurationError
from app.domain.station import ConnectorKey
from app.energy.plan import Plan
from app.energy.settings import EnergySettings
from app.energy.site_model import SiteModel
from app.energy.site_state import SiteState
from app.services.circuit_figures import CircuitFigures, FigureTable
from app.services.configuration import ConfigurationService, check
from app.services.dry_run import granted
from app.services.ports import SiteConfiguration
from app.services.refusal import Refusal, explained


class CircuitPreview(msgspec.Struct, frozen=True):
    """A circuit before and after; ``None`` on the side where it is not there."""

    circuit_id: str
    name: str
    before: CircuitFigures | None
    after: CircuitFigures | None


class SessionPreview(msgspec.Struct, frozen=True):
    """What a running session would be granted (mA), before and after."""

    key: ConnectorKey
    name: str
    before_ma: int
    after_ma: int


class Preview(msgspec.Struct, frozen=True):
    """The whole comparison; ``refusal`` when the change would be refused."""

    circuits: tuple[CircuitPreview, ...]
    more_circuits: int
    sessions: tuple[SessionPreview, ...]
    refusal: Refusal | None


SHOWN_MOST = 10
"""Circuits shown, those that were edited first."""


class PreviewService:
    """Compares a candidate with the configuration in force."""

    def __init__(self, configuration: ConfigurationService, settings: EnergySettings) -> None:
        self._configuration = configuration
        self._settings = settings
        self._seen: tuple[SiteState, Plan] | None = None

    def observe(self, state: SiteState, plan: Plan) -> None:
        """Keeps the newest cycle: who charges, and what flows."""
        if plan.balances:
            self._seen = (state, plan)

    def preview(self, candidate: SiteConfiguration, edited: Sequence[str]) -> Preview:
        """What ``candidate`` would change; ``edited`` names circuits that are shown, and first.

        It takes some hundredths of a second on a full site and may run in any thread. Raises
        ``InvalidInputError`` for a candidate that is none, whatever its worst case.
        """
        refusal = None
        try:
            after = check(candidate)
        except UnsafeConfigurationError:
            after = _compiled(candidate)
            refusal = explained(candidate, after)
        before, seen = _compiled(self._configuration.current), self._seen
        shown, more = _circuits(before, after, edited, seen)
        sessions = () if seen is None else self._sessions(candidate, before, after, *seen)
        return Preview(shown, more, sessions, refusal)

    def _sessions(
        self,
        candidate: SiteConfiguration,
        before: SiteModel,
        after: SiteModel,
        state: SiteState,
        plan: Plan,
    ) -> tuple[SessionPreview, ...]:
        old = granted(before, state, plan, self._settings)
        new = granted(after, state, plan, self._settings)
        names = {station.station_id: station for station in candidate.stations}
        found = []
        for key, after_ma in new.items():
            if key not in old:
                continue
            station = names[key.station_id]
            several = len(station.connectors) > 1
            name = f"{station.name} · {key.connector_id}" if several else station.name
            found.append(SessionPreview(key, name, old[key], after_ma))
        return tuple(found)


def _compiled(configuration: SiteConfiguration) -> SiteModel:
    """The model of a configuration whose worst case may not fit."""
    return SiteModel.compile(
        CircuitTree(configuration.circuits),
        configuration.stations,
        {meter.circuit_id: meter.placement for meter in configuration.meters},
    )


def _circuits(
    before: SiteModel,
    after: SiteModel,
    edited: Sequence[str],
    seen: tuple[SiteState, Plan] | None,
) -> tuple[tuple[CircuitPreview, ...], int]:
    """The circuits shown, the edited ones first, and how many more change."""
    balances = {} if seen is None else {one.circuit_id: one for one in seen[1].balances}
    old, new = FigureTable(before, balances), FigureTable(after, balances)
    names = {circuit.circuit_id: circuit.name for circuit in (*before.circuits, *after.circuits)}
    touched = [
        circuit_id
        for circuit_id in dict.fromkeys((*edited, *names))
        if circuit_id in names
        and (circuit_id in edited or old.outline(circuit_id) != new.outline(circuit_id))
    ]
    shown = tuple(
        CircuitPreview(circuit_id, names[circuit_id], old.of(circuit_id), new.of(circuit_id))
        for circuit_id in touched[:SHOWN_MOST]
    )
    return shown, len(touched) - len(shown)
