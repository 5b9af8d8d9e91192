"""Who may charge where."""

from __future__ import annotations

from app.domain.badge import AuthorizationStatus
from app.domain.station import ConnectorKey
from app.ocpp16.actions.station_calls import IdTagInfo
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
        """Whether the badge is valid at this station; leaves a trace."""
        reversed_uid = station is not None and station.quirks.reversed_uid
        status = await self._badges.authorize(id_tag, station_id, reversed_uid=reversed_uid)
        if station is None:
            return AuthorizationStatus.INVALID
        if station.station.free_charging and status is AuthorizationStatus.INVALID:
            return AuthorizationStatus.ACCEPTED
        return status

    async def answer(
        self,
        id_tag: str,
        station: StationLive | None,
        station_id: str,
        *,
        starting: ConnectorKey | None = None,
    ) -> IdTagInfo:
        """What a station is told (clauses 5.2, 7.15): status, group, and until when it is valid.

        ``starting`` is the outlet at which a charge is asked for (connector 0: any of the station);
        the badge's other charges are then counted against what it may have at the same time.
        """
        status = await self.decide(id_tag, station, station_id)
        if status is AuthorizationStatus.ACCEPTED and starting is not None:
            status = self._concurrent(id_tag, starting)
        reversed_uid = station is not None and station.quirks.reversed_uid
        badge = self._badges.find(id_tag, reversed_uid=reversed_uid)
        if badge is None or not badge.known or station is None:
            return IdTagInfo(status=status)
        return IdTagInfo(
            status=status, expiry_date=badge.expires_utc, parent_id_tag=badge.parent or None
        )

    def _concurrent(self, id_tag: str, starting: ConnectorKey) -> AuthorizationStatus:
        badge = self._badges.find(id_tag, reversed_uid=True)
        if badge is None or badge.max_sessions is None:
            return AuthorizationStatus.ACCEPTED
        running = 0
        for live in self._registry.connectors():
            if live.transaction is None or live.key == starting:
                continue
            holder = self._badges.find(live.transaction.id_tag, reversed_uid=True)
            running += holder is not None and holder.key == badge.key
        if running >= badge.max_sessions:
            return AuthorizationStatus.CONCURRENT_TX
        return AuthorizationStatus.ACCEPTED

    def known_status(self, id_tag: str, key: ConnectorKey) -> AuthorizationStatus:
        """The same decision without a trace, for a transaction that runs already."""
        station = self._registry.station(key.station_id)
        reversed_uid = station is not None and station.quirks.reversed_uid
        status = self._badges.status(id_tag, reversed_uid=reversed_uid)
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
