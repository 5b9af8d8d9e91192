"""Out of service and back: a person's order, at once or for a time, carried out whenever it can be.

An order is on disk before it is carried out, survives restarts of the manager and of the station,
and wins over the ladder (``ladder``), which takes connectors out of service by itself: who is out
by order is not brought back by the ladder, and who is brought back by order is out no more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
    StorageError,
)
from app.domain.remote import EventKind, Outage, OutageStage
from app.domain.station import ConnectorKey, ConnectorStatus
from app.energy.plan import Plan
from app.energy.site_state import SiteState
from app.ocpp16.actions.manager_calls import ChangeAvailability
from app.ocpp16.actions.types import AvailabilityType
from app.services.audit import AuditTrail
from app.services.ports import Clock
from app.services.registry import Registry, StationLive
from app.services.remote_ports import OrderRepository
from app.services.station_commands import Reply, StationCommands
from app.services.station_log import StationLog
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

MOST_OUTAGES = 400
"""Orders that are not over, over the whole site: two for each of 200 connectors."""

AGAIN_S = 60.0
"""A station that did not take an order is told again after this long, then twice as long, ..."""

AGAIN_MOST_S = 3_600.0

ACTOR = "manager"

_IN_SERVICE = frozenset({ConnectorStatus.AVAILABLE, ConnectorStatus.PREPARING})


class Outages:
    """Every order "out of service" that is not over."""

    def __init__(
        self,
        registry: Registry,
        commands: StationCommands,
        repository: OrderRepository,
        log: StationLog,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._commands = commands
        self._repository = repository
        self._log = log
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._outages: dict[int, Outage] = {}
        self._busy: set[int] = set()
        self._retry: dict[int, tuple[float, float]] = {}
        """By outage: not before this time (monotonic), and the wait after the next failure."""
        self.on_service: list[Callable[[ConnectorKey], None]] = []
        """Told of each connector that a person has brought back."""

    async def load(self) -> None:
        """Takes over what is not over; called once."""
        self._outages = {one.outage_id: one for one in await self._repository.outages()}

    def of(self, station_id: str) -> tuple[Outage, ...]:
        """The station's orders that are not over, the earliest first."""
        mine = (one for one in self._outages.values() if one.station_id == station_id)
        return tuple(sorted(mine, key=lambda one: (one.from_utc, one.outage_id)))

    def holds_out(self, key: ConnectorKey) -> bool:
        """Whether a person has put the connector out of service, now."""
        now_utc = self._clock.utc_now()
        return any(one.covers(key) and one.holds(now_utc) for one in self._outages.values())

    # ------------------------------------------------------------- orders

    async def take_out(self, key: ConnectorKey, until_utc: datetime | None, actor: str) -> Reply:
        """Out of service from now on; nothing is kept when the station refuses or is away."""
        now_utc = self._clock.utc_now()
        self._check(key, now_utc, until_utc, now_utc)
        reply = await self._commands.order(
            key, _change(key, AvailabilityType.INOPERATIVE), actor, "out-of-service"
        )
        stage, number = OutageStage.IN_FORCE, key.connector_id
        for one in self.of(key.station_id):  # the newest order takes the place of a running one
            if one.holds(now_utc) and number in (0, one.connector_id):
                await self._end(one)
        kept = await self._keep(
            Outage(0, key.station_id, number, now_utc, until_utc, actor, stage, reply.answer)
        )
        self._back_off(kept.outage_id, self._clock.monotonic_s())  # its status is on its way
        return reply

    async def plan(
        self, key: ConnectorKey, from_utc: datetime, until_utc: datetime | None, actor: str
    ) -> Outage:
        """Out of service from then on, until then or until further notice."""
        self._check(key, from_utc, until_utc, self._clock.utc_now())
        outage = await self._keep(
            Outage(0, key.station_id, key.connector_id, from_utc, until_utc, actor)
        )
        until = "" if until_utc is None else f" → {until_utc:%Y-%m-%dT%H:%MZ}"
        detail = f"{from_utc:%Y-%m-%dT%H:%MZ}{until}"
        await self._audit.record(actor, "outage-planned", str(key), detail)
        return outage

    async def bring_back(self, key: ConnectorKey, actor: str) -> Reply:
        """In service from now on; ends every running order that says otherwise."""
        reply = await self._commands.order(
            key, _change(key, AvailabilityType.OPERATIVE), actor, "in-service"
        )
        now_utc = self._clock.utc_now()
        station = self._commands.station(key.station_id)
        for outage in self.of(key.station_id):
            if not outage.holds(now_utc) and outage.stage is OutageStage.PLANNED:
                continue
            if key.connector_id in (0, outage.connector_id):
                await self._end(outage)
            elif outage.connector_id == 0:
                await self._end(outage)
                others = (n for n in station.connectors if n != key.connector_id)
                for number in others:
                    await self._keep(
                        msgspec.structs.replace(outage, outage_id=0, connector_id=number)
                    )
        self._told_in_service(station, key.connector_id)
        return reply

    async def cancel(self, outage_id: int, actor: str) -> None:
        """Ends an order: a planned one is dropped, one in force brings the connector back."""
        outage = self._outages.get(outage_id)
        if outage is None:
            raise NotFoundError("outage-unknown")
        key = ConnectorKey(outage.station_id, outage.connector_id)
        if outage.stage is OutageStage.PLANNED:
            await self._end(outage)
            await self._audit.record(actor, "outage-cancelled", str(key))
        else:
            await self.bring_back(key, actor)

    def _check(
        self, key: ConnectorKey, from_utc: datetime, until_utc: datetime | None, now_utc: datetime
    ) -> None:
        if key.connector_id:
            self._commands.connector(key)
        else:
            self._commands.station(key.station_id)
        if from_utc < now_utc:
            raise InvalidInputError("outage-in-the-past", field="from")
        if until_utc is not None and until_utc <= from_utc:
            raise InvalidInputError("outage-ends-before", field="until")
        if len(self._outages) >= MOST_OUTAGES:
            raise InvalidInputError("outages-too-many", most=MOST_OUTAGES)

    # ------------------------------------------------------------- keeping them

    def observe(self, state: SiteState, _plan: Plan) -> None:
        """Looks at every order; an observer of the control cycle."""
        now_utc = self._clock.utc_now()
        for outage in list(self._outages.values()):
            number = outage.outage_id
            if number in self._busy or state.now_s < self._retry.get(number, (0.0, 0.0))[0]:
                continue
            work = self._due(outage, now_utc)
            if work is not None:
                self._busy.add(number)
                self._tasks.start(self._carry_out(outage, work, state.now_s), f"outage {number}")

    def _due(self, outage: Outage, now_utc: datetime) -> OutageStage | None:
        """The stage that it should reach now, if it is not there."""
        station = self._registry.station(outage.station_id)
        if station is None:
            return OutageStage.OVER  # the station was removed
        if outage.stage is not OutageStage.ENDING and not outage.holds(now_utc):
            if now_utc < outage.from_utc:
                return None
            missed = outage.stage is OutageStage.PLANNED
            return OutageStage.OVER if missed else OutageStage.ENDING
        if not station.online or not station.set_up:
            return None
        if outage.stage is OutageStage.ENDING:
            return OutageStage.OVER
        if outage.stage is OutageStage.PLANNED or self._forgotten(station, outage):
            return OutageStage.IN_FORCE
        return None

    def _forgotten(self, station: StationLive, outage: Outage) -> bool:
        """Whether the station offers what is out of service: some forget it over a restart."""
        return any(
            live.transaction is None and live.status in _IN_SERVICE
            for live in station.connectors.values()
            if outage.covers(live.key)
        )

    async def _carry_out(self, outage: Outage, stage: OutageStage, now_s: float) -> None:
        number, key = outage.outage_id, ConnectorKey(outage.station_id, outage.connector_id)
        try:
            match stage:
                case OutageStage.IN_FORCE:
                    request = _change(key, AvailabilityType.INOPERATIVE)
                    reply = await self._commands.order(key, request, ACTOR, "out-of-service")
                    await self._keep(
                        msgspec.structs.replace(outage, stage=stage, answer=reply.answer)
                    )
                    # Told again only if it shows itself in service for long after this.
                    self._back_off(number, now_s)
                case OutageStage.ENDING:
                    await self._keep(msgspec.structs.replace(outage, stage=stage))
                case _:
                    if outage.stage is OutageStage.ENDING:
                        await self._bring_back_by_itself(outage)
                    else:
                        self._log.note(key.station_id, EventKind.COMMAND, "outage-missed")
                    await self._end(outage)
        except (StationRefusedError, StationUnreachableError) as error:
            await self._failed(outage, error, now_s)
        except StorageError as error:
            log.warning("order %d was not recorded: %s", number, error)
            self._back_off(number, now_s)
        finally:
            self._busy.discard(number)

    async def _failed(self, outage: Outage, error: BornierError, now_s: float) -> None:
        self._back_off(outage.outage_id, now_s)
        answer = str(error.params.get("answer", "")) or error.key
        if outage.outage_id in self._outages and answer != outage.answer:
            try:
                await self._keep(msgspec.structs.replace(outage, answer=answer))
            except StorageError as trouble:
                log.warning("the answer of order %d was not kept: %s", outage.outage_id, trouble)

    def _back_off(self, number: int, now_s: float) -> None:
        wait_s = self._retry.get(number, (0.0, AGAIN_S))[1]
        self._retry[number] = (now_s + wait_s, min(2 * wait_s, AGAIN_MOST_S))

    async def _bring_back_by_itself(self, outage: Outage) -> None:
        """Back in service at its time, but for what another order holds out."""
        station = self._registry.station(outage.station_id)
        if station is None:
            return
        now_utc = self._clock.utc_now()
        covered = [live.key for live in station.connectors.values() if outage.covers(live.key)]
        others = [one for one in self._outages.values() if one is not outage]
        free = [
            key
            for key in covered
            if not any(one.covers(key) and one.holds(now_utc) for one in others)
        ]
        keys: Iterable[ConnectorKey] = free
        if outage.connector_id == 0 and len(free) == len(covered):
            keys = (ConnectorKey(outage.station_id, 0),)
        for key in keys:
            request = _change(key, AvailabilityType.OPERATIVE)
            await self._commands.order(key, request, ACTOR, "in-service")
            self._told_in_service(station, key.connector_id)

    def _told_in_service(self, station: StationLive, connector_id: int) -> None:
        for number, live in station.connectors.items():
            if connector_id in (0, number):
                for told in self.on_service:
                    told(live.key)

    async def _keep(self, outage: Outage) -> Outage:
        kept = await self._repository.save_outage(outage)
        self._outages[kept.outage_id] = kept
        return kept

    async def _end(self, outage: Outage) -> None:
        await self._repository.save_outage(msgspec.structs.replace(outage, stage=OutageStage.OVER))
        self._outages.pop(outage.outage_id, None)
        self._retry.pop(outage.outage_id, None)


def _change(key: ConnectorKey, kind: AvailabilityType) -> ChangeAvailability:
    return ChangeAvailability(connector_id=key.connector_id, type=kind)
