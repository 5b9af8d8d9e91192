"""The stations of the site: their list and their adoption."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import (
    ChargingStation,
    Connector,
    PendingStation,
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

    def repairs(self, station_id: str) -> dict[str, int]:
        """Repaired frames since start, by name of the repair."""
        return self._station(station_id).all_repairs()

    def is_online(self, station_id: str) -> bool:
        """Whether the station is connected."""
        return self._station(station_id).online

    async def add(self, station: ChargingStation, actor: str) -> None:
        """Adopts a station that may never have called."""
        await self._configuration.replace_station(station, actor, "station-added", new=True)
        await self._inbox.adopted(station.station_id)

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

    def pending(self) -> tuple[PendingStation, ...]:
        """Unknown callers that wait for adoption."""
        return self._inbox.waiting()

    async def adopt(self, station_ids: Sequence[str], circuit_id: str, actor: str) -> int:
        """Makes unknown callers stations of the site, all or none; returns how many."""
        added: list[ChargingStation] = []
        for station_id in station_ids:
            caller = self._inbox.get(station_id)
            if caller is None:
                raise NotFoundError("station-unknown", station=station_id)
            added.append(_from_caller(caller, circuit_id))
        if not added:
            return 0
        await self._configuration.add_stations(tuple(added), actor)
        for station in added:
            await self._inbox.adopted(station.station_id)
        return len(added)

    async def ignore(self, station_id: str, actor: str) -> None:
        """Keeps a caller out of the inbox."""
        await self._inbox.ignore(station_id)
        await self._audit.record(actor, "station-ignored", station_id)

    def _station(self, station_id: str) -> StationLive:
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        return station


def _from_caller(caller: PendingStation, circuit_id: str) -> ChargingStation:
    """A station as safe as can be: blocked without news, three phases until known better."""
    ids = caller.connector_ids or (1,)
    return ChargingStation(
        station_id=caller.station_id,
        name=caller.station_id,
        circuit_id=circuit_id,
        connectors=tuple(Connector(connector_id) for connector_id in ids),
    )
