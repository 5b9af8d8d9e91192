"""Remote management of stations: its parts, joined."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isfinite
from typing import NamedTuple

from app.domain.remote import SetupRecord
from app.energy.plan import Plan
from app.energy.planner import Planner
from app.energy.site_state import SiteState
from app.services.audit import AuditTrail
from app.services.bulk import BulkService
from app.services.bulk_actions import (
    ApplyTemplate,
    Availability,
    ClearCaches,
    ClearProfiles,
    CopyKeys,
    ReadSettings,
    Restart,
    SetInManager,
    Trigger,
    Unlock,
)
from app.services.commissioning import Commissioning
from app.services.configuration import ConfigurationService
from app.services.outages import Outages
from app.services.ports import Clock
from app.services.registry import Registry
from app.services.reservations import Reservations
from app.services.station_commands import StationCommands
from app.services.station_log import StationLog
from app.services.station_settings import StationSettings
from app.services.store_port import Store
from app.services.tasks import TaskSupervisor


class Installed(NamedTuple):
    """What a connector is believed to hold: its fallback, its live limit and until when; whether
    the limit of a past charge may be left there.
    """

    connector_id: int
    fallback_ma: int | None
    limit_ma: int | None
    until_utc: datetime | None
    may_hold_old: bool


class RemoteManagement:
    """Everything people may do to stations from afar; fed once a cycle."""

    def __init__(
        self,
        *,
        registry: Registry,
        configuration: ConfigurationService,
        planner: Planner,
        commissioning: Commissioning,
        store: Store,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._audit = audit
        self._registry = registry
        self._planner = planner
        self._clock = clock
        self._commissioning = commissioning
        self.log = StationLog(registry, store.station_records, tasks, clock)
        self.commands = StationCommands(registry, planner, self.log, audit)
        self.outages = Outages(registry, self.commands, store.orders, self.log, audit, tasks, clock)
        self.reservations = Reservations(registry, self.commands, store.orders, tasks, clock)
        self.settings = StationSettings(self.commands, store.station_records, audit, clock)
        self.bulk = BulkService(registry, store.jobs, audit, tasks, clock)
        self.bulk.register(
            Restart(self.commands),
            Availability(self.outages),
            ApplyTemplate(self.settings),
            CopyKeys(self.settings),
            SetInManager(configuration),
            ReadSettings(self.settings),
            Trigger(self.commands),
            Unlock(self.commands),
            ClearCaches(self.commands),
            ClearProfiles(self.commands),
        )
        self.commands.on_profiles_cleared.append(commissioning.profiles_cleared)
        commissioning.on_reading.append(self.settings.taken)
        commissioning.on_event.append(self.log.note)

    async def load(self) -> None:
        """Takes over what an earlier start has left; called once."""
        await self.outages.load()
        await self.reservations.load()
        await self.settings.load()
        await self._commissioning.load()
        await self.bulk.load()

    def observe(self, state: SiteState, plan: Plan) -> None:
        """An observer of the control cycle."""
        self._commissioning.watch(self._registry)
        self.log.observe(state, plan)
        self.outages.observe(state, plan)
        self.reservations.observe(state, plan)

    def set_up_of(self, station_id: str) -> SetupRecord:
        """How the station's set-up went."""
        return self._commissioning.record_of(station_id)

    async def set_up_again(self, station_id: str, actor: str) -> None:
        """Runs the whole set-up of a connected station again."""
        station = self.commands.station(station_id)
        await self._commissioning.again(station)
        await self._audit.record(actor, "set-up-again", station_id)

    def clock_skew_s(self, station_id: str) -> float:
        """The station's clock less the manager's, by its newest measurement."""
        return self.commands.station(station_id).clock_skew_s

    def installed(self, station_id: str) -> tuple[Installed, ...]:
        """What the station is believed to hold, by connector."""
        station, ceilings = self.commands.station(station_id), self._planner.ceilings
        now_s, now_utc = self._clock.monotonic_s(), self._clock.utc_now()
        found = []
        for number, live in station.connectors.items():
            until_s = ceilings.lease_until_s(live.key)
            leased = until_s is not None and isfinite(until_s) and live.transaction is not None
            found.append(
                Installed(
                    connector_id=number,
                    fallback_ma=ceilings.fallback_ma(live.key),
                    limit_ma=ceilings.limit_in_force(live.key, now_s)
                    if live.transaction is not None
                    else None,
                    until_utc=now_utc + timedelta(seconds=(until_s or 0.0) - now_s)
                    if leased
                    else None,
                    may_hold_old=live.may_hold_limit and live.transaction is None,
                )
            )
        return tuple(found)

    async def flush(self) -> None:
        """Writes what waits in memory."""
        await self.log.flush()
