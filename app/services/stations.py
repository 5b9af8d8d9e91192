"""The stations of the site: their list, and commands to them."""

from __future__ import annotations

from typing import Any

from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station import (
    ChargingStation,
    ConnectorKey,
    StationIdentity,
)
from app.ocpp16.actions.manager_calls import (
    RemoteStartTransaction,
    RemoteStopTransaction,
    Reset,
)
from app.ocpp16.actions.types import CommandStatus, ResetType
from app.ocpp16.session import Priority
from app.services.audit import AuditTrail
from app.services.configuration import ConfigurationService
from app.services.inbox import Inbox
from app.services.registry import ConnectorLive, Registry, StationLive

COMMAND_TIMEOUT_S = 20.0


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

    async def start(self, key: ConnectorKey, id_tag: str, actor: str) -> None:
        """Starts charging under ``id_tag`` (RemoteStartTransaction)."""
        live = self._connector(key)
        if live.transaction is not None:
            raise InvalidInputError("connector-charging", connector=str(key))
        await self._command(
            key.station_id,
            RemoteStartTransaction(id_tag=id_tag, connector_id=key.connector_id),
        )
        await self._audit.record(actor, "remote-start", str(key), id_tag)

    async def stop(self, key: ConnectorKey, actor: str) -> None:
        """Ends the running transaction (RemoteStopTransaction)."""
        live = self._connector(key)
        if live.transaction is None:
            raise InvalidInputError("connector-idle", connector=str(key))
        await self._command(
            key.station_id,
            RemoteStopTransaction(transaction_id=live.transaction.transaction_id),
        )
        await self._audit.record(actor, "remote-stop", str(key))

    async def reset(self, station_id: str, hard: bool, actor: str) -> None:
        """Restarts the station (Reset)."""
        await self._command(station_id, Reset(type=ResetType.HARD if hard else ResetType.SOFT))
        await self._audit.record(actor, "reset-hard" if hard else "reset-soft", station_id)

    async def _command(self, station_id: str, request: Any) -> None:
        link = self._station(station_id).link
        if link is None:
            raise StationUnreachableError("station-offline", station=station_id)
        answer = await link.call(request, priority=Priority.CONTROL, timeout_s=COMMAND_TIMEOUT_S)
        if answer.status is not CommandStatus.ACCEPTED:
            raise StationRefusedError(
                "station-refused", station=station_id, answer=answer.status.value
            )

    def _station(self, station_id: str) -> StationLive:
        station = self._registry.station(station_id)
        if station is None:
            raise NotFoundError("station-unknown", station=station_id)
        return station

    def _connector(self, key: ConnectorKey) -> ConnectorLive:
        live = self._registry.connector(key)
        if live is None:
            raise NotFoundError("connector-unknown", connector=str(key))
        return live
