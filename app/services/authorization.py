"""Who may charge where."""

from __future__ import annotations

from app.domain.badge import AuthorizationStatus
from app.domain.station import ConnectorKey
from app.services.badges import BadgeService
from app.services.registry import Registry, StationLive


class Authorization:
    """Decides on a token at a station: free stations take any, others take valid badges."""

    def __init__(self, badges: BadgeService, registry: Registry) -> None:
        self._badges = badges
        self._registry = registry

    async def decide(
        self, id_tag: str, station: StationLive | None, station_id: str
    ) -> AuthorizationStatus:
        """The answer for Authorize, StartTransaction and StopTransaction; leaves a trace."""
        status = await self._badges.authorize(id_tag, station_id)
        if station is None:
            return AuthorizationStatus.INVALID
        if station.station.free_charging and status is AuthorizationStatus.INVALID:
            return AuthorizationStatus.ACCEPTED
        return status

    def known_status(self, id_tag: str, key: ConnectorKey) -> AuthorizationStatus:
        """The same decision without a trace, for a transaction that runs already."""
        status = self._badges.status(id_tag)
        station = self._registry.station(key.station_id)
        if (
            station is not None
            and station.station.free_charging
            and status is AuthorizationStatus.INVALID
        ):
            return AuthorizationStatus.ACCEPTED
        return status

    def label(self, id_tag: str) -> str:
        """Who holds the token, or the token itself."""
        return self._badges.label(id_tag)
