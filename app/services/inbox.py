"""Unknown callers: remembered until somebody adopts, ignores or blocks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from app.domain.errors import (
    BornierError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station import PendingStation, StationIdentity
from app.ocpp16.actions.manager_calls import GetConfiguration, TriggerMessage
from app.ocpp16.actions.types import MessageTrigger, TriggerMessageStatus
from app.ocpp16.registration import Standing
from app.ocpp16.session import Priority
from app.services.adoption_ports import Neighbours
from app.services.ports import Clock, PendingRepository, StationLink
from app.services.tasks import TaskSupervisor

MAX_CALLERS = 300
"""Callers remembered; one more pushes out the one that was silent for longest."""

MAX_ADDRESSES = 4
"""Addresses remembered of each caller."""

MAX_CONNECTORS = 4

SEEN_RESOLUTION = timedelta(minutes=1)
"""A caller that stays connected is written again no more often than this."""

QUESTION_TIMEOUT_S = 10.0

_NUMBER_OF_CONNECTORS = "NumberOfConnectors"

Introduced = Callable[[StationLink, PendingStation], Awaitable[None]]


async def _nothing(*_: object) -> None:
    pass


class Inbox:
    """Keeps who called, from where, and what they said of themselves."""

    def __init__(
        self,
        repository: PendingRepository,
        clock: Clock,
        tasks: TaskSupervisor,
        neighbours: Neighbours,
    ) -> None:
        self._repository = repository
        self._clock = clock
        self._tasks = tasks
        self._neighbours = neighbours
        self._callers: dict[str, PendingStation] = {}
        self._links: dict[str, StationLink] = {}
        self._asked: dict[str, int] = {}
        """Generation of the link over which a caller was asked for its connectors."""
        self.on_introduced: Introduced = _nothing
        """Awaited in the background once a caller has said what it is."""
        self.on_adopted: Callable[[StationLink], Awaitable[None]] = _nothing
        """Awaited with the link of each caller that has become a station of the site."""

    async def load(self, known: Iterable[str] = ()) -> None:
        """Reads the callers from disk; called once at start.

        Those ``known`` are stations of the site by now: a power cut came between.
        """
        callers = {caller.station_id: caller for caller in await self._repository.list()}
        late = sorted(callers.keys() & set(known))
        if late:
            await self._repository.remove(late)
        self._callers = {name: callers[name] for name in callers if name not in late}

    # ------------------------------------------------------------------ what the pages ask

    def waiting(self) -> tuple[PendingStation, ...]:
        """Callers that wait for a decision, oldest first."""
        return tuple(caller for caller in self._callers.values() if caller.waits)

    def set_aside(self) -> tuple[PendingStation, ...]:
        """Callers that were ignored or blocked, oldest first."""
        return tuple(caller for caller in self._callers.values() if not caller.waits)

    def get(self, station_id: str) -> PendingStation | None:
        """The caller with this identity, if any."""
        return self._callers.get(station_id)

    def link(self, station_id: str) -> StationLink | None:
        """The caller's present link, if it is connected."""
        return self._links.get(station_id)

    def links(self) -> Iterable[StationLink]:
        """Of every caller that is connected."""
        return self._links.values()

    def is_blocked(self, station_id: str) -> bool:
        """Whether the handshake shall be refused."""
        caller = self._callers.get(station_id)
        return caller is not None and caller.blocked

    def repeated_serials(self, adopted: Iterable[StationIdentity] = ()) -> frozenset[str]:
        """Serial numbers that more than one caller or station ``adopted`` shows."""
        identities = [caller.identity for caller in self._callers.values()]
        shown = Counter(identity.serial for identity in [*identities, *adopted] if identity.serial)
        return frozenset(serial for serial, times in shown.items() if times > 1)

    # ------------------------------------------------------------------ what stations do

    async def connected(self, link: StationLink) -> None:
        """An unknown station has connected."""
        self._links[link.station_id] = link
        now = self._clock.utc_now().isoformat()
        caller = self._callers.get(link.station_id)
        if caller is None:
            caller = PendingStation(link.station_id, StationIdentity(), link.address, now, now)
        others = (name for name in caller.addresses if name != link.address)
        mac = await self._neighbours.mac_of(link.address)
        await self._save(
            msgspec.structs.replace(
                caller,
                address=link.address,
                addresses=(link.address, *others)[:MAX_ADDRESSES],
                last_seen_utc=now,
                mac=mac or caller.mac,
                secure=link.secure,
            )
        )

    def disconnected(self, link: StationLink) -> None:
        """Forgets the link, unless a newer one has replaced it."""
        if self._links.get(link.station_id) is link:
            del self._links[link.station_id]
            self._asked.pop(link.station_id, None)

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
        caller = self._callers.get(link.station_id)
        if caller is None:  # adopted at this very moment: it is asked to boot again
            return Standing.WAITING
        if caller.identity != identity:
            caller = await self._save(msgspec.structs.replace(caller, identity=identity))
        if not caller.waits:
            return Standing.IGNORED
        self._tasks.start(self._get_to_know(link), f"questions to {link.station_id}")
        return Standing.WAITING

    async def has_connector(self, link: StationLink, connector_id: int) -> None:
        """The caller has reported the status of a connector."""
        caller = self._callers.get(link.station_id)
        if caller is None or not 1 <= connector_id <= MAX_CONNECTORS:
            return
        if connector_id not in caller.connector_ids:
            ids = tuple(sorted((*caller.connector_ids, connector_id)))
            await self._save(msgspec.structs.replace(caller, connector_ids=ids))

    async def _get_to_know(self, link: StationLink) -> None:
        """Asks for the connectors: while it waits a station reports nothing by itself (4.2)."""
        count = 0
        if self._asked.get(link.station_id) != link.generation:
            self._asked[link.station_id] = link.generation
            count = await _connector_count(link)
        caller = self._callers.get(link.station_id)
        if caller is None or self._links.get(link.station_id) is not link:
            return
        ids = tuple(range(1, count + 1))
        if len(ids) > len(caller.connector_ids):
            caller = await self._save(msgspec.structs.replace(caller, connector_ids=ids))
        await self.on_introduced(link, caller)

    # ------------------------------------------------------------------ decisions

    async def decide(
        self, station_id: str, *, ignored: bool = False, blocked: bool = False
    ) -> None:
        """Sets the caller aside, or lets it wait again; a blocked one is cut off."""
        caller = self._callers.get(station_id)
        if caller is None:
            raise NotFoundError("caller-gone", station=station_id)
        await self._save(msgspec.structs.replace(caller, ignored=ignored, blocked=blocked))
        link = self._links.get(station_id)
        if blocked and link is not None:
            await link.close("blocked")

    async def not_adopted(self, station_id: str, error: BornierError) -> None:
        """Notes why a caller could not be adopted by itself."""
        caller = self._callers.get(station_id)
        if caller is not None and caller.refusal != error.key:
            plain = {n: v for n, v in error.params.items() if isinstance(v, str | int)}
            refused = msgspec.structs.replace(caller, refusal=error.key, refusal_params=plain)
            await self._save(refused)

    async def adopted(self, station_ids: Sequence[str]) -> None:
        """The callers are stations of the site now: forgotten here and served from now on."""
        known = [name for name in station_ids if self._callers.pop(name, None) is not None]
        if known:
            await self._repository.remove(known)
        for station_id in station_ids:
            link = self._links.pop(station_id, None)
            if link is not None:
                await self.on_adopted(link)
                self._tasks.start(_boot_again(link), f"first boot of {station_id}")

    async def _save(self, caller: PendingStation) -> PendingStation:
        self._callers[caller.station_id] = caller
        await self._repository.save(caller)
        if len(self._callers) > MAX_CALLERS:
            # What people have decided outlives any number of strangers.
            waiting = self.waiting() or self.set_aside()
            oldest = min(waiting, key=lambda item: item.last_seen_utc)
            del self._callers[oldest.station_id]
            await self._repository.remove([oldest.station_id])
        return caller


async def _connector_count(link: StationLink) -> int:
    """The setting NumberOfConnectors; 0 where the station does not tell."""
    request = GetConfiguration(key=(_NUMBER_OF_CONNECTORS,))
    try:
        answer = await link.call(request, timeout_s=QUESTION_TIMEOUT_S)
    except (StationRefusedError, StationUnreachableError):
        return 0
    for item in answer.configuration_key or ():
        if item.key.casefold() == _NUMBER_OF_CONNECTORS.casefold() and item.value:
            text = item.value.strip()
            return min(int(text), MAX_CONNECTORS) if text.isdecimal() and len(text) < 4 else 0
    return 0


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
