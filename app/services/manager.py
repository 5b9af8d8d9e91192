"""The manager without its sockets: services joined over whatever adapters it is given.

A rehearsal runs this same object over memory links on a virtual clock; ``app.main`` adds the real
sockets around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

from app.config import Settings
from app.energy.planner import Planner
from app.energy.settings import EnergySettings
from app.ocpp16.quirk import NO_FAMILIES, QuirkRegister
from app.ocpp16.registration import BootIntervals
from app.services.access import AccessService
from app.services.adoption import AdoptionService
from app.services.adoption_ports import LanScanner, Neighbours, NoNeighbours, NoScanner
from app.services.alarms import SET_ASIDE_TOLD
from app.services.audit import AuditTrail
from app.services.authorization import Authorization
from app.services.badges import BadgeService
from app.services.bulk import JOBS_KEPT
from app.services.capabilities import CapabilityBook
from app.services.circuits import CircuitService, MeterModelInfo, MeterTester
from app.services.commissioning import Commissioning
from app.services.configuration import ConfigurationService
from app.services.context import Services
from app.services.control_loop import ControlLoop, model_of
from app.services.detective import Detective
from app.services.evidence import EvidenceService
from app.services.external_limits import ExternalLimits
from app.services.file_ports import FileAdapters
from app.services.frame_ports import FrameArchive, NoFrames
from app.services.frames import FrameService
from app.services.health import Check, HealthService
from app.services.history import LimitHistory
from app.services.inbox import Inbox
from app.services.intake import Intake
from app.services.lan_scan import LanScan
from app.services.limits import LimitSender
from app.services.live import LiveFeed
from app.services.meters import MeterDesk, MeterFactory
from app.services.painter import Painter
from app.services.parked import ParkedStops
from app.services.ports import Clock, PasswordHasher, SiteConfiguration
from app.services.preview import PreviewService
from app.services.provisioning import parse_security, parse_site
from app.services.quirks import QuirkBook
from app.services.registry import Registry
from app.services.remote import RemoteManagement
from app.services.repairs import RepairLog
from app.services.retention import CONDUCT_KEPT, Retention
from app.services.rule_book import RuleBook
from app.services.rules import Rules
from app.services.safety import SafetyCase
from app.services.security_ports import Trust
from app.services.sessions import SessionService
from app.services.sheets import SheetFacts
from app.services.site_tokens import SiteTokens
from app.services.station_files import StationFiles
from app.services.station_log import EVENTS_KEPT
from app.services.station_security import StationSecurityService
from app.services.stations import StationService
from app.services.store_port import Store
from app.services.tasks import TaskSupervisor
from app.services.unit_judge import UnitJudge

CYCLE_LATE_S = 5.0
"""A control cycle that has not run for so long makes the manager not ready."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a manager is given from outside."""

    clock: Clock
    store: Store
    hasher: PasswordHasher
    meter_factory: MeterFactory
    meter_models: tuple[MeterModelInfo, ...]
    meter_tester: MeterTester
    random: Callable[[], float]
    """Uniform in [0, 1): spreads retries of stations."""
    trust: Trust | None = None
    """The secret and the authority behind the stations' keys and certificates."""
    quirks: QuirkRegister = NO_FAMILIES
    neighbours: Neighbours = field(default_factory=NoNeighbours)
    scanner: LanScanner = field(default_factory=NoScanner)
    frames: FrameArchive = field(default_factory=NoFrames)
    files: FileAdapters = field(default_factory=FileAdapters)
    """Where files of stations lie; by default there are none."""


class Manager:
    """A manager without its sockets: starts, runs its control cycle, stops."""

    def __init__(  # noqa: PLR0915 - one wiring, in its order
        self, settings: Settings, adapters: Adapters
    ) -> None:
        clock, store = adapters.clock, adapters.store
        self.settings = settings
        self._adapters = adapters
        self._tasks = TaskSupervisor()
        self.registry = Registry()
        self.live = LiveFeed()
        audit = AuditTrail(store.audit, clock)
        self.configuration = ConfigurationService(store.site, audit)
        self.planner = Planner(
            model_of(self.configuration.current), EnergySettings(lease_s=float(settings.lease_s))
        )
        self.badges = BadgeService(store.badges, audit, clock)
        self.external = ExternalLimits(store.outside_limits, audit, clock)
        self.rules = Rules(self.external, self.badges.find)
        self._tokens = SiteTokens(store.outside_limits, audit, clock)
        self._inbox = Inbox(store.pending, clock, self._tasks, adapters.neighbours)
        self.adoption = AdoptionService(
            inbox=self._inbox,
            configuration=self.configuration,
            registry=self.registry,
            site=store.site,
            plans=store.plans,
            audit=audit,
            clock=clock,
        )
        self.sheets = SheetFacts()
        authorization = Authorization(self.badges, self.registry)
        self.quirks = QuirkBook(
            adapters.quirks,
            store.quirks,
            self.registry,
            audit,
            lambda: self.configuration.current.timezone,
        )
        self.repairs = RepairLog(store.repairs, clock)
        self.sessions = SessionService(
            self.registry,
            authorization,
            self.planner,
            store.transactions,
            store.samples,
            clock,
            UnitJudge(self.quirks, store.transactions),
            self.repairs,
        )
        self.meters = MeterDesk(adapters.meter_factory)
        self.detective = Detective(
            model=self.planner.model,
            registry=self.registry,
            configuration=self.configuration,
            repository=store.learnt,
            audit=audit,
            tasks=self._tasks,
            clock=clock,
        )
        self.capabilities = CapabilityBook(store.capabilities, self._tasks)
        self.sender = LimitSender(
            self.registry, self.planner, store.limits, self.capabilities, self._tasks, clock
        )
        self.commissioning = Commissioning(
            self.planner,
            self.capabilities,
            clock,
            repository=store.station_records,
            tasks=self._tasks,
            sample_interval_s=settings.sample_interval_s,
            heartbeat_interval_s=settings.heartbeat_interval_s,
            after_boot=lambda station: self.sender.reissue(station, settings.lease_s),
        )
        painter = Painter(
            self.registry, self.meters, self._inbox, authorization, clock, store.set_aside
        )
        self.control = ControlLoop(
            registry=self.registry,
            meters=self.meters,
            detective=self.detective,
            planner=self.planner,
            sender=self.sender,
            painter=painter,
            live=self.live,
            configuration=self.configuration,
            rules=self.rules,
            clock=clock,
            lease_s=settings.lease_s,
        )
        self.meters.on_reading(self.control.notice)
        self.control.on_cycle(self.rules.observe)
        self.safety = SafetyCase(
            registry=self.registry,
            planner=self.planner,
            sender=self.sender,
            capabilities=self.capabilities,
            repository=store.conduct,
            audit=audit,
            tasks=self._tasks,
            clock=clock,
            lease_s=settings.lease_s,
        )
        self.control.on_cycle(self.safety.observe)
        self.sessions.on_replayed.append(self.safety.learner.replayed)
        painter.alarms.add(self.safety.alarms)
        self.control.on_cycle(self.detective.observe)
        painter.alarms.add(self.detective.alarms)
        self.remote = RemoteManagement(
            registry=self.registry,
            configuration=self.configuration,
            planner=self.planner,
            commissioning=self.commissioning,
            store=store,
            audit=audit,
            tasks=self._tasks,
            clock=clock,
        )
        self.remote.outages.on_service.append(self.safety.ladders.overruled)
        self.safety.ladders.person_holds = self.remote.outages.holds_out
        painter.reserved = self.remote.reservations.on
        self.control.on_cycle(self.remote.observe)
        self.handler = Intake(
            registry=self.registry,
            inbox=self._inbox,
            authorization=authorization,
            sessions=self.sessions,
            commissioning=self.commissioning,
            site=store.site,
            tasks=self._tasks,
            clock=clock,
            jitter=adapters.random,
            intervals=BootIntervals(
                heartbeat_s=settings.heartbeat_interval_s, waiting_s=settings.pending_interval_s
            ),
            quirks=self.quirks,
            repairs=self.repairs,
        )
        self.security = StationSecurityService(
            repository=store.security,
            trust=adapters.trust,
            registry=self.registry,
            audit=audit,
            tasks=self._tasks,
            clock=clock,
        )
        self.security.serve(self.handler)
        self.sheets.printable_key = self.security.keys.printable_key
        self.sheets.security_profile = self.security.keys.expected_profile
        painter.alarms.add(self.security.alarms)
        self._inbox.on_adopted = self.handler.connected
        self.files = StationFiles(
            records=store.files,
            adapters=adapters.files,
            registry=self.registry,
            configuration=self.configuration,
            badges=self.badges,
            audit=audit,
            tasks=self._tasks,
            clock=clock,
        )
        self.files.answer(self.handler)
        self.history = LimitHistory(store.history, clock)
        self.evidence = EvidenceService(
            store.evidence,
            self.configuration,
            self.registry,
            self.planner,
            lambda: self.sender.guard_refusals,
            clock,
        )
        preview = PreviewService(self.configuration, self.planner.settings)
        self.control.on_cycle(preview.observe)
        self.control.on_cycle(self.history.observe)
        self.control.on_cycle(self.evidence.observe)
        self._retention = Retention(
            clock,
            (
                (store.samples.prune, timedelta(days=settings.sample_retention_days)),
                (store.conduct.prune, CONDUCT_KEPT),
                (store.repairs.prune, CONDUCT_KEPT),
                (store.parked.prune, CONDUCT_KEPT),
                (store.history.prune, timedelta(days=settings.history_retention_days)),
                (store.evidence.prune, timedelta(days=settings.evidence_retention_days)),
                (store.station_records.prune, EVENTS_KEPT),
                (store.orders.prune, EVENTS_KEPT),
                (store.jobs.prune, JOBS_KEPT),
                (
                    self.files.diagnostics.prune,
                    timedelta(days=settings.diagnostics_retention_days),
                ),
            ),
        )
        self.health = HealthService(clock)
        self.services = Services(
            clock=clock,
            settings=settings,
            live=self.live,
            access=AccessService(store.access, adapters.hasher, audit, clock),
            stations=StationService(self.registry, self.configuration, self._inbox, audit),
            badges=self.badges,
            circuits=CircuitService(
                self.configuration, adapters.meter_models, adapters.meter_tester
            ),
            detective=self.detective,
            sessions=self.sessions,
            health=self.health,
            rules=self.rules,
            rule_book=RuleBook(self.configuration),
            external=self.external,
            tokens=self._tokens,
            preview=preview,
            history=self.history,
            evidence=self.evidence,
            safety=self.safety,
            security=self.security,
            station_keys=self.security.keys,
            quirks=self.quirks,
            repairs=self.repairs,
            parked=ParkedStops(store.parked, self.sessions, self.registry, audit, clock),
            adoption=self.adoption,
            scan=LanScan(adapters.scanner, self.adoption.addresses, audit, self._tasks, clock),
            sheets=self.sheets,
            frames=FrameService(adapters.frames, audit, clock),
            remote=self.remote,
            files=self.files,
        )
        self._add_probes()

    async def start(self, provision: bytes | None = None) -> None:
        """Reads the database, takes what ran before over, and begins to control.

        ``provision`` is a site document, used only while the database holds no site.
        """
        await self.badges.load()
        await self._tokens.load()
        await self.external.load()
        await self.capabilities.load()
        await self.remote.load()
        known = await self.configuration.load()
        self.registry.configure(self.configuration.current.stations)
        await self.security.load(self.configuration.current.stations)
        self.rules.configure(self.configuration.current, self._adapters.clock.monotonic_s())
        self.planner.replace_model(model_of(self.configuration.current))
        self.detective.reconfigure(self.configuration.current, self.planner.model)
        self.configuration.on_change(self._reconfigured)
        if not known and provision is not None:
            configuration, badges = parse_site(provision)
            await self.configuration.apply(configuration, "provisioning", "site-imported", "")
            await self.badges.import_missing(badges)
            for security in parse_security(provision):
                await self.security.provision(*security)
        else:
            await self.meters.configure(self.configuration.current)
        known_stations = [station.station_id for station in self.configuration.current.stations]
        await self._inbox.load(known_stations)
        await self.adoption.load()
        await self.detective.load()
        await self.files.load()
        await self._restore()
        self._tasks.start(self.control.run(), "control loop")
        self._tasks.start(self.history.run(), "limit history")
        self._tasks.start(self.evidence.run(), "evidence")
        self._tasks.start(self._retention.run(), "retention")
        self._tasks.start(self.repairs.run(), "repairs")
        self._tasks.start(self.external.run(), "outside limits")
        self._tasks.start(self.security.run(), "stations' security")
        self._tasks.start(self.adoption.run(), "commissioning window")
        self.files.start()

    async def stop(self) -> None:
        """Ends every task and meter, and writes what is queued."""
        await self._tasks.stop()
        await self.safety.flush()
        await self.remote.flush()
        await self.meters.stop()
        await self.history.flush()
        await self.evidence.flush()
        await self.repairs.flush()
        await self._adapters.store.close()

    def is_blocked(self, station_id: str) -> bool:
        """Whether a person has blocked this identity: its handshake is refused."""
        return self._inbox.is_blocked(station_id)

    def abandon(self) -> None:
        """Drops everything on the spot, as a power cut would; nothing is written."""
        self._tasks.abandon()

    async def _reconfigured(self, configuration: SiteConfiguration) -> None:
        self.registry.configure(configuration.stations)
        await self.security.configure(configuration.stations)
        self.quirks.settle_all()
        self.rules.configure(configuration, self._adapters.clock.monotonic_s())
        await self.control.reconfigure(configuration)
        self.detective.reconfigure(configuration, self.planner.model)
        await self.meters.configure(configuration)
        self._tasks.start(self.commissioning.renew_fallbacks(self.registry), "fallbacks")

    async def _restore(self) -> None:
        """What stations may still draw after a restart: never less than what was last sent."""
        store, clock = self._adapters.store, self._adapters.clock
        identities = await store.site.identities()
        for station in self.registry:
            identity = identities.get(station.station.station_id)
            if identity is not None:
                station.identity = identity
            if self.capabilities.held(station.station.station_id) is not None:
                # It was set up by this manager: what it may hold is on record.
                for connector in station.connectors.values():
                    connector.may_hold_limit = False
        await self.quirks.load()
        await self.repairs.load()
        await self.safety.load()
        now_s, now_utc = clock.monotonic_s(), clock.utc_now()
        await self.sessions.load()
        for limit in await store.limits.load():
            live = self.registry.connector(limit.key)
            if live is None:
                continue
            live.may_hold_limit = True
            if live.transaction is None:
                continue
            until_s = inf
            if limit.lease_until_utc is not None:
                until_s = now_s + (limit.lease_until_utc - now_utc).total_seconds()
            self.planner.ceilings.restore(
                limit.key, live.transaction.transaction_id, limit.limit_ma, until_s
            )

    def _add_probes(self) -> None:
        self.health.add(self._probe_cycle, needed=True)
        self.health.add(self._probe_storage, needed=True)
        self.health.add(self._probe_data, needed=False)
        self.health.add(self._probe_meters, needed=False)
        self.health.add(self._probe_stations, needed=False)
        self.health.add(self._probe_writes, needed=False)

    def _probe_cycle(self) -> Check:
        last = self.control.last_cycle_s
        if last is None:
            return Check("control-cycle", False, "not started")
        age_s = self._adapters.clock.monotonic_s() - last
        return Check("control-cycle", age_s < CYCLE_LATE_S, f"{self.control.cycles} cycles")

    def _probe_storage(self) -> Check:
        store = self._adapters.store
        trouble = store.trouble_key
        detail = f"{store.dropped_samples} samples dropped" if trouble is None else trouble
        return Check("storage", trouble is None, detail)

    def _probe_data(self) -> Check:
        aside = self._adapters.store.set_aside
        if aside is None or self._adapters.clock.utc_now() - aside.at_utc >= SET_ASIDE_TOLD:
            return Check("data", True)
        return Check("data", False, f"in use: {aside.since_utc:%Y-%m-%dT%H:%M:%SZ}, {aside.file}")

    def _probe_meters(self) -> Check:
        meters = self.meters.meters()
        silent = [meter.config.meter_id for meter in meters if meter.error_key is not None]
        return Check("meters", not silent, f"{len(meters) - len(silent)}/{len(meters)}")

    def _probe_writes(self) -> Check:
        worn = self.safety.writes.worn
        return Check("profile-writes", not worn, ", ".join(worn))

    def _probe_stations(self) -> Check:
        stations = list(self.registry)
        online = sum(1 for station in stations if station.online)
        charging = sum(1 for live in self.registry.connectors() if live.transaction is not None)
        return Check(
            "stations",
            online == len(stations),
            f"{online}/{len(stations)} online, {charging} transactions",
        )
