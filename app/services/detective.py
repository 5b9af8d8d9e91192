"""Wiring found out by itself: phases of outlets, meters that lie, and how many phases a car uses.

The thinking is in ``app.energy``; here it is fed with each cycle, kept over restarts, and what it
proposes is put into force when somebody accepts it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import msgspec

from app.domain.badge import normalised_id_tag
from app.domain.circuit import CircuitTree
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.rules import SolarMode
from app.domain.station import Connector, ConnectorKey
from app.domain.units import Rotation
from app.energy.meter_verdict import Verdict
from app.energy.phase_detective import PhaseEvidence, PhaseFinding, Standing
from app.energy.plan import Plan
from app.energy.site_model import SiteModel
from app.energy.site_state import SiteState
from app.energy.site_watch import SiteWatch
from app.services.alarms import Finding
from app.services.audit import AuditTrail
from app.services.configuration import ConfigurationService
from app.services.energy_ports import Learnt, LearntRepository
from app.services.live import Severity
from app.services.ports import Clock, SiteConfiguration
from app.services.registry import Registry
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

SURE_OF_CAR = 0.95
"""How sure the number of a car's phases must be to be remembered under its badge."""

_OUTLET = "outlet"
_DISMISSED = "dismissed"
_VERDICT = "verdict"
_BADGE = "badge"


class OutletView(msgspec.Struct, frozen=True):
    """One outlet as the page shows it.

    ``rotation`` is the configured one. ``dismissed`` when somebody has said no to just these
    candidates. ``usual_phases`` is what the badge's last car used.
    """

    finding: PhaseFinding
    station_name: str
    connector: Connector
    dismissed: bool
    is_charging: bool
    usual_phases: int | None


class Detective:
    """Watches the wiring. Its errors are logged and touch nothing else."""

    def __init__(
        self,
        *,
        model: SiteModel,
        registry: Registry,
        configuration: ConfigurationService,
        repository: LearntRepository,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._watch = SiteWatch(model)
        self._registry = registry
        self._configuration = configuration
        self._repository = repository
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._dismissed: dict[ConnectorKey, tuple[Rotation, ...]] = {}
        self._badges: dict[str, int] = {}
        self._meters: dict[str, object] = {}
        self._kept_verdicts: dict[str, Verdict] = {}
        self.failures = 0

    # ------------------------------------------------------------- the control cycle

    def screen(self, state: SiteState) -> SiteState:
        """The state to plan with: readings of meters that lie are marked as implausible."""
        try:
            return self._watch.screen(state)
        except Exception:  # a fault here must not stop control
            self.failures += 1
            log.exception("the watch over the meters failed")
            return state

    def observe(self, state: SiteState, plan: Plan) -> None:
        """After the cycle: notes what was sent, and keeps what was learnt."""
        self._watch.sent(plan.changes, state.now_s)
        self._learn_badges(state)
        learnt = [self._evidence(key) for key in sorted(self._watch.changed)]
        self._watch.changed.clear()
        verdicts = self._watch.verdicts()
        learnt += [
            Learnt(_VERDICT, circuit_id, msgspec.json.encode(verdict).decode())
            for circuit_id, verdict in verdicts.items()
            if self._kept_verdicts.get(circuit_id) != verdict
        ]
        gone = [circuit_id for circuit_id in self._kept_verdicts if circuit_id not in verdicts]
        self._kept_verdicts = dict(verdicts)
        if learnt:
            self._tasks.start(self._repository.save(learnt), "what was learnt")
        for circuit_id in gone:
            self._tasks.start(self._repository.remove(_VERDICT, circuit_id), "verdict lifted")

    def alarms(self) -> Iterator[Finding]:
        """The meters that lie, for the alarm strip."""
        names = self._names()
        for circuit_id, verdict in self._watch.verdicts().items():
            severity = Severity.CRITICAL if verdict.distrusted else Severity.WARNING
            subject = names.get(circuit_id, circuit_id)
            yield verdict.lie.value, severity, {"subject": subject, **verdict.numbers}

    # ------------------------------------------------------------- start and changes

    async def load(self) -> None:
        """Reads what was learnt before; records that cannot be read are left where they are."""
        for each in await self._repository.load():
            try:
                self._take(each)
            except msgspec.DecodeError:
                log.warning("cannot read what was learnt of %s %s", each.kind, each.subject)
        self._watch.refresh()

    def reconfigure(self, configuration: SiteConfiguration, model: SiteModel) -> None:
        """Puts a changed configuration into force; a meter that changed is judged anew."""
        generating = _generating(configuration)
        self._watch.replace_model(model, generating)
        meters: dict[str, object] = {meter.circuit_id: meter for meter in configuration.meters}
        for circuit_id, meter in self._meters.items():
            if meters.get(circuit_id) != meter:
                self._watch.meters.pardon(circuit_id)
        self._meters = meters

    # ------------------------------------------------------------- what the page shows and does

    def outlets(self) -> tuple[OutletView, ...]:
        """Every outlet, in the order of configuration."""
        views = []
        for finding in self._watch.findings():
            live = self._registry.connector(finding.key)
            station = self._registry.station(finding.key.station_id)
            if live is None or station is None:
                continue
            transaction = live.transaction
            count = len(station.connectors)
            name = station.station.name
            views.append(
                OutletView(
                    finding=finding,
                    station_name=name if count == 1 else f"{name} · {finding.key.connector_id}",
                    connector=live.connector,
                    dismissed=self._is_dismissed(finding),
                    is_charging=transaction is not None,
                    usual_phases=None if transaction is None else self.prior(transaction.id_tag),
                )
            )
        return tuple(views)

    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdicts in force, by circuit."""
        return self._watch.verdicts()

    def right_steps(self, circuit_id: str) -> int:
        """How many steps have shown on a circuit's meter as they should."""
        scores = self._watch.meters.scores(circuit_id)
        return 0 if scores is None else scores.right_steps

    def prior(self, id_tag: str) -> int | None:
        """How many phases the last car under a badge used; ``None`` where none is remembered."""
        return self._badges.get(normalised_id_tag(id_tag))

    async def accept(self, key: ConnectorKey, rotation: Rotation, actor: str) -> None:
        """Writes a proposed rotation into the configuration.

        Raises ``NotFoundError`` for an unknown outlet, ``InvalidInputError`` where this rotation is
        not proposed (any more).
        """
        finding = self._proposal(key)
        if rotation not in finding.candidates:
            raise InvalidInputError("phases-not-proposed")
        stations = self._configuration.current.stations
        station = next(one for one in stations if one.station_id == key.station_id)
        connectors = tuple(
            msgspec.structs.replace(one, rotation=rotation)
            if one.connector_id == key.connector_id
            else one
            for one in station.connectors
        )
        await self._configuration.replace_station(
            msgspec.structs.replace(station, connectors=connectors),
            actor,
            "phases-accepted",
            new=False,
        )

    async def dismiss(self, key: ConnectorKey, actor: str) -> None:
        """Shows a proposal no more, until another one is found.

        Raises ``NotFoundError`` or ``InvalidInputError`` as ``accept`` does.
        """
        finding = self._proposal(key)
        record = msgspec.json.encode(finding.candidates).decode()
        await self._repository.save([Learnt(_DISMISSED, _subject(key), record)])
        self._dismissed[key] = finding.candidates
        await self._audit.record(actor, "phases-dismissed", str(key))

    async def trust(self, circuit_id: str, actor: str) -> None:
        """Judges a meter anew, because somebody has mended it.

        Raises ``NotFoundError`` where no verdict is in force.
        """
        if circuit_id not in self._watch.verdicts():
            raise NotFoundError("meter-not-doubted", circuit=circuit_id)
        await self._audit.record(actor, "meter-trusted", circuit_id)
        self._watch.meters.pardon(circuit_id)

    # ------------------------------------------------------------- inside

    def _proposal(self, key: ConnectorKey) -> PhaseFinding:
        finding = next((one for one in self._watch.findings() if one.key == key), None)
        if finding is None:
            raise NotFoundError("station-unknown", station=key.station_id)
        if finding.standing is not Standing.PROPOSED:
            raise InvalidInputError("phases-not-proposed")
        return finding

    def _is_dismissed(self, finding: PhaseFinding) -> bool:
        dismissed = self._dismissed.get(finding.key, ())
        return bool(dismissed) and set(dismissed) == set(finding.candidates)

    def _evidence(self, key: ConnectorKey) -> Learnt:
        record = msgspec.json.encode(self._watch.phases.evidence(key)).decode()
        return Learnt(_OUTLET, _subject(key), record)

    def _learn_badges(self, state: SiteState) -> None:
        """Remembers under the badge how many phases the car at hand uses."""
        learnt = []
        for one in state.connectors:
            if one.transaction_id is None:
                continue
            live = self._registry.connector(one.key)
            count, confidence = self._watch.phases.car(one.key)
            if live is None or live.transaction is None or count is None:
                continue
            tag = normalised_id_tag(live.transaction.id_tag)
            if confidence >= SURE_OF_CAR and self._badges.get(tag) != count:
                self._badges[tag] = count
                learnt.append(Learnt(_BADGE, tag, str(count)))
        if learnt:
            self._tasks.start(self._repository.save(learnt), "phases of cars")

    def _take(self, each: Learnt) -> None:
        if each.kind == _BADGE:
            self._badges[each.subject] = msgspec.json.decode(each.record, type=int)
        elif each.kind == _VERDICT:
            verdict = msgspec.json.decode(each.record, type=Verdict)
            self._watch.meters.restore(verdict, self._clock.monotonic_s())
            self._kept_verdicts = dict(self._watch.verdicts())
        else:
            key = _key(each.subject)
            if each.kind == _OUTLET:
                evidence = msgspec.json.decode(each.record, type=PhaseEvidence)
                self._watch.phases.restore(key, evidence)
            elif each.kind == _DISMISSED:
                self._dismissed[key] = msgspec.json.decode(each.record, type=tuple[Rotation, ...])

    def _names(self) -> dict[str, str]:
        circuits = self._configuration.current.circuits
        return {circuit.circuit_id: circuit.name for circuit in circuits}


def _subject(key: ConnectorKey) -> str:
    return f"{key.connector_id}/{key.station_id}"


def _key(subject: str) -> ConnectorKey:
    connector, _, station = subject.partition("/")
    return ConnectorKey(station, msgspec.json.decode(connector, type=int))


def _generating(configuration: SiteConfiguration) -> set[str]:
    """Circuits whose meters may show export: it is said of the meter, or charging follows the sun."""
    found = {meter.circuit_id for meter in configuration.meters if meter.generation}
    solar = configuration.rules.solar
    if solar.mode is not SolarMode.OFF:
        tree = CircuitTree(configuration.circuits)
        sunny = solar.circuit_id or tree.root.circuit_id
        found.update(circuit.circuit_id for circuit in tree.path(sunny))
    return found
