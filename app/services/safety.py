"""The safety case on the stations' side, in one place: who watches, what is wrong, what is known."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.domain.capability import Capability, Disobedience
from app.domain.errors import NotFoundError
from app.energy.plan import Plan
from app.energy.planner import Planner
from app.energy.site_state import SiteState
from app.services.alarms import Finding
from app.services.audit import AuditTrail
from app.services.capabilities import CapabilityBook
from app.services.clock_watch import ClockWatch
from app.services.conduct_ports import ConductRepository
from app.services.ladder import Rung
from app.services.ladder_keeper import LadderKeeper
from app.services.learning import Learner
from app.services.limits import LimitSender
from app.services.live import Severity
from app.services.obedience import ObedienceWatch
from app.services.ports import Clock
from app.services.profile_writes import WriteBook, WriteCount
from app.services.registry import Registry, StationLive
from app.services.standing_limits import StandingLimits
from app.services.tasks import TaskSupervisor

HISTORY = 20
"""Records of disobedience that a station's page shows."""

_RUNG_ALARMS = {
    Rung.STOPPED: ("STN-005", Severity.WARNING),
    Rung.BLOCKED: ("STN-006", Severity.WARNING),
    Rung.HELPLESS: ("STN-007", Severity.CRITICAL),
}


class StationConduct(msgspec.Struct, frozen=True):
    """What a station's page tells of its limits.

    ``follows`` is false for a station that follows no limit, ``leasable`` while its clock is near
    enough to ours; ``rungs`` by connector, only of those in trouble; ``history`` newest first.
    """

    capability: Capability
    follows: bool
    leasable: bool
    clock_skew_s: float
    writes: WriteCount
    rungs: dict[int, Rung]
    history: tuple[Disobedience, ...]


class SafetyCase:
    """Joins the watchers of stations; fed once a cycle."""

    def __init__(  # noqa: PLR0913 - wired once, by name
        self,
        *,
        registry: Registry,
        planner: Planner,
        sender: LimitSender,
        capabilities: CapabilityBook,
        repository: ConductRepository,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
        lease_s: int,
    ) -> None:
        self._registry = registry
        self._planner = planner
        self._sender = sender
        self._capabilities = capabilities
        self._repository = repository
        self._tasks = tasks
        self._lease_s = lease_s
        self.obedience = ObedienceWatch(registry, planner, repository, tasks, clock)
        self.ladders = LadderKeeper(
            registry=registry,
            planner=planner,
            sender=sender,
            repository=repository,
            audit=audit,
            tasks=tasks,
            clock=clock,
            lease_s=lease_s,
        )
        self.learner = Learner(registry, planner, capabilities, clock)
        self.standing = StandingLimits(registry, planner, tasks)
        self.clocks = ClockWatch(registry, planner, sender, clock, lease_s)
        self.writes = WriteBook(registry, repository, clock)

    async def load(self) -> None:
        """Reads what an earlier start has left; called once."""
        await self.ladders.load()
        await self.writes.load()

    def observe(self, state: SiteState, plan: Plan) -> None:
        """An observer of the control cycle."""
        self.clocks.watch()
        self.obedience.observe(state, plan)
        self.ladders.observe(state, plan)
        self.standing.observe(state, plan)
        self.learner.observe(state, plan)
        if self.writes.take():
            self._tasks.start(self.flush(), "conduct")

    async def flush(self) -> None:
        """Writes what is kept in memory for an hour."""
        await self.writes.flush()
        await self._capabilities.save()

    def alarms(self) -> Iterator[Finding]:
        """What is wrong now."""
        for station in self._registry:
            for live in station.connectors.values():
                name: dict[str, str | int | float] = {"subject": str(live.key)}
                rung = self.ladders.rung(live.key)
                if rung in _RUNG_ALARMS:
                    yield (*_RUNG_ALARMS[rung], name)
                elif self._refuses(station, live.key.connector_id):
                    yield "STN-004", Severity.WARNING, name
        for station_id in self.writes.worn:
            count = self.writes.count(station_id)
            yield (
                "STN-008",
                Severity.WARNING,
                {"subject": station_id, "writes": count.per_year or 0},
            )

    async def of(self, station_id: str) -> StationConduct:
        """What the station's page tells; raises ``NotFoundError`` for a station of another site."""
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        rungs = {n: self.ladders.rung(live.key) for n, live in station.connectors.items()}
        return StationConduct(
            capability=self._capabilities.of(station),
            follows=station.capability.follows,
            leasable=self._sender.can_lease(station, self._lease_s),
            clock_skew_s=station.clock_skew_s,
            writes=self.writes.count(station_id),
            rungs={number: rung for number, rung in rungs.items() if rung is not Rung.NONE},
            history=tuple(await self._repository.recent(HISTORY, station_id)),
        )

    def _refuses(self, station: StationLive, connector_id: int) -> bool:
        live = station.connectors[connector_id]
        if not station.online or live.transaction is None:
            return False
        known = live.key in self._planner.model.index
        return known and self._planner.ceilings.refuses(live.key)
