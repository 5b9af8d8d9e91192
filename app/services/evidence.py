"""Evidence for months: overloads as meters saw them, reactions, lost meters, disobedience.

Everything comes from readings and answers, nothing from what the planner hoped. An event is on
disk when it begins and again when it is over; the account of the month follows every few minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from app.domain.evidence import EventKind, EvidenceEvent, EvidenceMonth
from app.domain.meter import Quality
from app.domain.station import ConnectorKey
from app.domain.units import PHASES
from app.energy.plan import BalanceSource, Plan
from app.energy.planner import Planner
from app.energy.site_state import SiteState
from app.services.configuration import ConfigurationService
from app.services.energy_ports import EvidenceRepository
from app.services.evidence_log import EvidenceLog
from app.services.ports import Clock
from app.services.registry import Registry

SEVERE_PERMILLE = 1_050
"""Above 105 % of the limit an overload is severe."""

UNDER_S = 3.0
"""An overload is over once the meter has shown less for this long; a dip does not end it."""

SILENT_S = 30.0
"""An overload whose meter has shown nothing for this long ends with its last reading."""

CYCLE_LONGEST_S = 5.0
"""A longer time between two cycles was not observed."""

EVENTS_PER_DAY = 100
"""Further events of a day are only counted: a trembling meter must not fill the disk."""

_Key = tuple[EventKind, str, int | None]


class _Open:
    """An event that lasts. Monotonic instants, currents in mA."""

    def __init__(self, event: EvidenceEvent, at_s: float, *, recorded: bool) -> None:
        self.event = event
        self.began_s = at_s
        self.recorded = recorded
        self.shown_s = at_s
        self.under_s: float | None = None
        self.severe_since_s: float | None = None
        self.is_severe = False

    def change(self, **fields: object) -> None:
        """Other values in the event."""
        self.event = msgspec.structs.replace(self.event, **fields)

    def ended_utc(self, at_s: float) -> datetime:
        """The wall time of ``at_s``, by the clock of the beginning: durations never jump."""
        return self.event.began_utc + timedelta(seconds=max(0.0, at_s - self.began_s))


class EvidenceService:
    """Observes every cycle; answers for the page."""

    def __init__(
        self,
        repository: EvidenceRepository,
        configuration: ConfigurationService,
        registry: Registry,
        planner: Planner,
        guard_refusals: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._log = EvidenceLog(repository, lambda: configuration.current.timezone, clock)
        self._configuration = configuration
        self._registry = registry
        self._planner = planner
        self._guard_refusals = guard_refusals
        self._clock = clock
        self._open: dict[_Key, _Open] = {}
        self._seen: dict[str, float] = {}
        self._live: set[str] = set()
        self._limits: dict[ConnectorKey, int | None] = {}
        self._last_s: float | None = None
        self._refusals = 0
        self._day = ""
        self._recorded_today = 0

    # ------------------------------------------------------------- the cycle

    def observe(self, state: SiteState, plan: Plan) -> None:
        """Takes one cycle in."""
        now_s = state.now_s
        self._reactions(now_s)
        self._overloads(state)
        self._meters(plan, now_s)
        self._obedience(now_s)
        elapsed_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        elapsed_s = min(max(0.0, elapsed_s), CYCLE_LONGEST_S)
        kinds = {kind for kind, _, _ in self._open}
        refusals = self._guard_refusals()
        self._log.account(
            observed_s=elapsed_s,
            meter_lost_s=elapsed_s if EventKind.METER_LOST in kinds else 0.0,
            static_s=elapsed_s if EventKind.STATIC_BUDGET in kinds else 0.0,
            guard_refusals=refusals - self._refusals,
        )
        self._refusals = refusals

    def _overloads(self, state: SiteState) -> None:
        for circuit in self._configuration.current.circuits:
            reading = state.readings.get(circuit.circuit_id)
            if reading is None or reading.quality is not Quality.GOOD:
                continue
            if reading.at_s <= self._seen.get(circuit.circuit_id, 0.0):
                continue
            self._seen[circuit.circuit_id] = reading.at_s
            for phase in PHASES:
                self._reading(
                    circuit.circuit_id,
                    phase,
                    reading.currents[phase],
                    circuit.limit[phase],
                    reading.at_s,
                )
        for key, lasting in list(self._open.items()):
            if key[0] is EventKind.OVERLOAD and state.now_s - lasting.shown_s > SILENT_S:
                self._end(key, lasting.shown_s)

    def _reading(
        self, circuit_id: str, phase: int, current_ma: int, limit_ma: int, at_s: float
    ) -> None:
        key = (EventKind.OVERLOAD, circuit_id, phase)
        lasting = self._open.get(key)
        if lasting is None:
            if current_ma <= limit_ma:
                return
            lasting = self._begin(
                key, circuit_id, at_s, phase=phase, limit_ma=limit_ma, peak_ma=current_ma
            )
            self._log.account(overloads=1)
        lasting.shown_s = at_s
        if lasting.severe_since_s is not None:
            spent_s = at_s - lasting.severe_since_s
            lasting.change(severe_s=round(lasting.event.severe_s + spent_s, 3))
            lasting.severe_since_s = None
        if current_ma > limit_ma:
            lasting.under_s = None
            lasting.change(peak_ma=max(current_ma, lasting.event.peak_ma or 0))
            if current_ma * 1_000 > limit_ma * SEVERE_PERMILLE:
                lasting.severe_since_s = at_s
                if not lasting.is_severe:
                    lasting.is_severe = True
                    self._log.account(severe=1)
        elif lasting.under_s is None:
            lasting.under_s = at_s
        elif at_s - lasting.under_s >= UNDER_S:
            self._end(key, lasting.under_s)

    def _reactions(self, now_s: float) -> None:
        """Which decreases were accepted since the last cycle, and for which overload."""
        ledger, model = self._planner.ceilings, self._planner.model
        before, self._limits = self._limits, {}
        overloads = [
            (model.circuit_index.get(circuit_id), lasting)
            for (kind, circuit_id, _), lasting in self._open.items()
            if kind is EventKind.OVERLOAD and lasting.under_s is None
        ]
        for node in model.connectors:
            limit_ma = self._limits[node.key] = ledger.limit_in_force(node.key, now_s)
            was_ma = before.get(node.key)
            if not overloads or limit_ma is None or was_ma is None or limit_ma >= was_ma:
                continue
            accepted_s = ledger.confirmed_s(node.key)
            for circuit, lasting in overloads:
                if circuit in node.path and accepted_s >= lasting.began_s:
                    spent_s = round(accepted_s - lasting.began_s, 3)
                    lasting.change(reaction_s=max(spent_s, lasting.event.reaction_s or 0.0))

    def _meters(self, plan: Plan, now_s: float) -> None:
        placed = self._planner.model.placements
        for balance in plan.balances:
            circuit_id = balance.circuit_id
            if circuit_id not in placed:
                continue
            static = balance.source is BalanceSource.STATIC
            late = static or balance.source is BalanceSource.FROZEN
            if not late:
                self._live.add(circuit_id)
            # Before its first reading since the start a meter is not late.
            lost = static or (late and circuit_id in self._live)
            self._condition(EventKind.METER_LOST, circuit_id, circuit_id, lost, now_s)
            self._condition(EventKind.STATIC_BUDGET, circuit_id, circuit_id, static, now_s)
        for key in [key for key in self._open if key[0] in _OF_METERS and key[1] not in placed]:
            self._end(key, now_s)

    def _obedience(self, now_s: float) -> None:
        known = set()
        for live in self._registry.connectors():
            subject = str(live.key)
            known.add(subject)
            station = self._registry.station(live.key.station_id)
            assert station is not None
            circuit_id = station.station.circuit_id
            key: _Key = (EventKind.DISOBEYING, subject, None)
            if not live.obeys and key not in self._open:
                self._log.account(disobeying=1)
            self._condition(EventKind.DISOBEYING, subject, circuit_id, not live.obeys, now_s)
            sample = live.energy_sample()
            if key in self._open and sample is not None:
                lasting = self._open[key]
                lasting.change(peak_ma=max(sample.low.peak(), lasting.event.peak_ma or 0))
        for key in [key for key in self._open if key[0] is EventKind.DISOBEYING]:
            if key[1] not in known:
                self._end(key, now_s)

    def _condition(
        self, kind: EventKind, subject: str, circuit_id: str, holds: bool, now_s: float
    ) -> None:
        key = (kind, subject, None)
        if holds and key not in self._open:
            self._begin(key, circuit_id, now_s)
        elif not holds and key in self._open:
            self._end(key, now_s)

    # ------------------------------------------------------------- events and accounts

    def _begin(
        self,
        key: _Key,
        circuit_id: str,
        at_s: float,
        *,
        phase: int | None = None,
        limit_ma: int | None = None,
        peak_ma: int | None = None,
    ) -> _Open:
        now_utc = self._clock.utc_now()
        ago_s = max(0.0, self._clock.monotonic_s() - at_s)
        event = EvidenceEvent(
            kind=key[0],
            subject=key[1],
            circuit_id=circuit_id,
            began_utc=now_utc - timedelta(seconds=ago_s),
            phase=phase,
            limit_ma=limit_ma,
            peak_ma=peak_ma,
        )
        day = f"{now_utc:%Y-%m-%d}"
        if day != self._day:
            self._day, self._recorded_today = day, 0
        recorded = self._recorded_today < EVENTS_PER_DAY
        lasting = self._open[key] = _Open(event, at_s, recorded=recorded)
        if recorded:
            self._recorded_today += 1
            self._log.keep(event)
        else:
            self._log.account(unrecorded=1)
        return lasting

    def _end(self, key: _Key, at_s: float) -> None:
        lasting = self._open.pop(key)
        lasting.change(ended_utc=lasting.ended_utc(at_s))
        if key[0] is EventKind.OVERLOAD:
            self._log.account(longest_s=lasting.event.duration_s or 0.0)
        if lasting.recorded:
            self._log.keep(lasting.event)

    async def run(self) -> None:
        """Writes events at once and accounts now and then, until cancelled."""
        await self._log.run()

    async def flush(self) -> None:
        """Writes what waits; on failure it waits for the next time."""
        await self._log.flush()

    # ------------------------------------------------------------- the page

    async def events(
        self, since_utc: datetime, circuit_id: str | None = None, limit: int = 1_000
    ) -> Sequence[EvidenceEvent]:
        """Newest first, those that last as they are now."""
        lasting = {_identity(one.event): one.event for one in self._open.values()}
        return [
            lasting.get(_identity(event), event)
            for event in await self._log.events(since_utc, circuit_id, limit)
        ]

    def lasts(self, event: EvidenceEvent) -> bool:
        """Whether the event goes on; one without an end that does not was cut by a stop."""
        return any(_identity(one.event) == _identity(event) for one in self._open.values())

    async def months(self) -> Sequence[EvidenceMonth]:
        """The accounts, oldest first."""
        return await self._log.months()


_OF_METERS = frozenset({EventKind.METER_LOST, EventKind.STATIC_BUDGET})


def _identity(event: EvidenceEvent) -> tuple[object, ...]:
    return (event.began_utc, event.kind, event.subject, event.phase)
