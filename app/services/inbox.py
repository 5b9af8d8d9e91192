"""Unknown callers: remembered until somebody adopts or ignores them."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from app.domain.errors import StationRefusedError, StationUnreachableError
from app.domain.station import PendingStation, StationIdentity
from app.ocpp16.actions.manager_calls import TriggerMessage
from app.ocpp16.actions.types import MessageTrigger, TriggerMessageStatus
from app.ocpp16.registration import Standing
from app.ocpp16.session import Priority
from app.services.ports import Clock, PendingRepository, StationLink

MAX_CALLERS = 300
"""Callers remembered; one more pushes out the one that was silent for longest."""

SEEN_RESOLUTION = timedelta(minutes=1)
"""A caller that stays connected is written again no more often than this."""


class Inbox:
    """Keeps who called, from where, and what they said of themselves."""

    def __init__(self, repository: PendingRepository, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._callers: dict[str, PendingStation] = {}
        self._links: dict[str, StationLink] = {}

    async def load(self) -> None:
        """Reads the callers from disk; called once at start."""
        self._callers = {caller.station_id: caller for caller in await self._repository.list()}

    def waiting(self) -> tuple[PendingStation, ...]:
        """Callers that wait for a decision, oldest first."""
        return tuple(caller for caller in self._callers.values() if not caller.ignored)

    def get(self, station_id: str) -> PendingStation | None:
        """The caller with this identity, if any."""
        return self._callers.get(station_id)

    def link(self, station_id: str) -> StationLink | None:
        """The caller's present link, if it is connected."""
        return self._links.get(station_id)

    async def connected(self, link: StationLink) -> None:
        """An unknown station has connected; asks it to introduce itself if it does not."""
        self._links[link.station_id] = link
        now = self._clock.utc_now().isoformat()
        caller = self._callers.get(link.station_id)
        if caller is None:
            caller = PendingStation(
                station_id=link.station_id,
                identity=StationIdentity(),
                address=link.address,
                first_seen_utc=now,
                last_seen_utc=now,
            )
        else:
            caller = msgspec.structs.replace(caller, address=link.address, last_seen_utc=now)
        await self._save(caller)

    def disconnected(self, link: StationLink) -> None:
        """Forgets the link, unless a newer one has replaced it."""
        if self._links.get(link.station_id) is link:
            del self._links[link.station_id]

    async def heard(self, link: StationLink) -> None:
        """A frame came in."""
        caller = self._callers.get(link.station_id)
        if caller is None:
            await self.connected(link)
            return
        now = self._clock.utc_now()
        if now.isoformat() > caller.last_seen_utc and (
            now - datetime.fromisoformat(caller.last_seen_utc) >= SEEN_RESOLUTION
        ):
            await self._save(msgspec.structs.replace(caller, last_seen_utc=now.isoformat()))

    async def introduced(self, link: StationLink, identity: StationIdentity) -> Standing:
        """The caller has sent BootNotification; what the manager thinks of it."""
        caller = self._callers[link.station_id]
        if caller.identity != identity:
            await self._save(msgspec.structs.replace(caller, identity=identity))
        return Standing.IGNORED if caller.ignored else Standing.WAITING

    async def has_connector(self, link: StationLink, connector_id: int) -> None:
        """The caller has reported the status of a connector."""
        caller = self._callers[link.station_id]
        if 1 <= connector_id <= 4 and connector_id not in caller.connector_ids:
            ids = tuple(sorted((*caller.connector_ids, connector_id)))
            await self._save(msgspec.structs.replace(caller, connector_ids=ids))

    async def ignore(self, station_id: str) -> None:
        """Keeps the caller out of the list of those that wait."""
        caller = self._callers.get(station_id)
        if caller is not None:
            await self._save(msgspec.structs.replace(caller, ignored=True))

    async def adopted(self, station_id: str) -> None:
        """The caller is a station of the site now: it is forgotten here and asked to boot again."""
        if self._callers.pop(station_id, None) is not None:
            await self._repository.remove(station_id)
        link = self._links.pop(station_id, None)
        if link is not None:
            await _boot_again(link)

    async def _save(self, caller: PendingStation) -> None:
        self._callers[caller.station_id] = caller
        await self._repository.save(caller)
        if len(self._callers) > MAX_CALLERS:
            oldest = min(self._callers.values(), key=lambda item: item.last_seen_utc)
            del self._callers[oldest.station_id]
            await self._repository.remove(oldest.station_id)


async def _boot_again(link: StationLink) -> None:
    """Asks for BootNotification; a station that will not is cut off, and boots on its return."""
    request = TriggerMessage(requested_message=MessageTrigger.BOOT_NOTIFICATION)
    try:
        answer = await link.call(request, priority=Priority.CONTROL, timeout_s=5.0)
        will_boot = answer.status is TriggerMessageStatus.ACCEPTED
    except (StationRefusedError, StationUnreachableError):
        will_boot = False
    if not will_boot:
        await link.close("adopted")
