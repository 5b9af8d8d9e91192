"""The stations of the site: their list."""

from __future__ import annotations

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import (
    ChargingStation,
    StationIdentity,
)
from app.services.audit import AuditTrail
from app.services.configuration import ConfigurationService
from app.services.inbox import Inbox
from app.services.registry import Registry, StationLive


class StationService:
    """What the pages may do with stations. ``actor`` is the account that does it."""

    def __init__(
        self,
        registry: Registry,
        configuration: ConfigurationService,
        inbox: Inbox,
        audit: AuditTrail,
    ) -> None:
        self._registry = registry
        self._configuration = configuration
        self._inbox = inbox
        self._audit = audit

    def configuration(self) -> tuple[ChargingStation, ...]:
        """Adopted stations, in the order of adoption."""
        return self._configuration.current.stations

    def identity(self, station_id: str) -> StationIdentity:
        """What the station said of itself; empty before its first boot."""
        return self._station(station_id).identity

    def is_online(self, station_id: str) -> bool:
        """Whether the station is connected."""
        return self._station(station_id).online

    async def add(self, station: ChargingStation, actor: str) -> None:
        """Adopts a station that may never have called."""
        await self._configuration.replace_station(station, actor, "station-added", new=True)
        await self._inbox.adopted([station.station_id])

    async def edit(self, station: ChargingStation, actor: str) -> None:
        """Changes a station; its identity cannot change."""
        await self._configuration.replace_station(station, actor, "station-edited", new=False)

    async def remove(self, station_id: str, actor: str) -> None:
        """Takes a station out; refused while a car charges there."""
        station = self._station(station_id)
        if any(live.transaction is not None for live in station.connectors.values()):
            raise InvalidInputError("station-charging", station=station.station.name)
        await self._configuration.remove_station(station_id, actor)
        if station.link is not None:
            await station.link.close("removed")

    def _station(self, station_id: str) -> StationLive:
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        return station
