"""The history of stations: connections, boots, faults, disobedience and commands, kept for weeks.

Seen once a cycle and written in batches: whoever flickers cannot fill the disk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from app.domain.errors import StorageError
from app.domain.remote import EventKind, StationEvent
from app.domain.station import ConnectorStatus
from app.energy.plan import Plan
from app.energy.site_state import SiteState
from app.services.ports import Clock, StationLink
from app.services.registry import Registry, StationLive
from app.services.remote_ports import StationRecordRepository
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

EVENTS_KEPT = timedelta(days=90)
SHOWN = timedelta(days=28)
MOST_SHOWN = 200
MOST_AN_HOUR = 60
"""Events of one station in an hour; what is beyond is not written."""

MOST_WAITING = 2_000


class _Seen:
    """What was true of a station at the last look."""

    __slots__ = ("count", "disobeying", "faults", "firmware", "hour", "link")

    def __init__(self) -> None:
        self.link: StationLink | None = None
        self.firmware = ""
        self.faults: dict[int, str] = {}
        self.disobeying: set[int] = set()
        self.hour = -1
        self.count = 0


class StationLog:
    """Watches the registry, and takes what others tell."""

    def __init__(
        self,
        registry: Registry,
        repository: StationRecordRepository,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._repository = repository
        self._tasks = tasks
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._waiting: list[StationEvent] = []
        self._writing = False

    def observe(self, _state: SiteState, _plan: Plan) -> None:
        """Looks once; an observer of the control cycle."""
        present = set()
        for station in self._registry:
            present.add(station.station.station_id)
            self._look(station)
        for gone in self._seen.keys() - present:
            del self._seen[gone]
        self._write_soon()

    def note(
        self, station_id: str, kind: EventKind, detail: str = "", connector_id: int = 0
    ) -> None:
        """One more line; written within a cycle."""
        seen = self._seen.setdefault(station_id, _Seen())
        now_utc = self._clock.utc_now()
        hour = int(now_utc.timestamp() // 3600)
        if hour != seen.hour:
            seen.hour, seen.count = hour, 0
        seen.count += 1
        if seen.count > MOST_AN_HOUR or len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.append(StationEvent(now_utc, station_id, kind, connector_id, detail))

    async def recent(self, station_id: str) -> Sequence[StationEvent]:
        """The last weeks of one station, newest first."""
        since_utc = self._clock.utc_now() - SHOWN
        return await self._repository.events(station_id, since_utc, MOST_SHOWN)

    async def flush(self) -> None:
        """Writes what waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            await self._repository.add_events(waiting)
        except StorageError as error:
            self._waiting = [*waiting, *self._waiting][:MOST_WAITING]
            log.warning("history of stations was not written: %s", error)

    def _write_soon(self) -> None:
        if self._waiting and not self._writing:
            self._writing = True
            self._tasks.start(self._write(), "history of stations")

    async def _write(self) -> None:
        try:
            await self.flush()
        finally:
            self._writing = False

    def _look(self, station: StationLive) -> None:
        station_id = station.station.station_id
        seen = self._seen.setdefault(station_id, _Seen())
        if station.link is not seen.link:
            if station.link is None:
                self.note(station_id, EventKind.LOST)
            else:
                self.note(station_id, EventKind.CONNECTED, station.link.address)
            seen.link = station.link
        firmware = station.identity.firmware
        if firmware != seen.firmware:
            if seen.firmware:
                self.note(station_id, EventKind.FIRMWARE, f"{seen.firmware} → {firmware}")
            seen.firmware = firmware
        faults = _faults(station)
        if faults != seen.faults:
            for number in faults.keys() - seen.faults.keys():
                self.note(station_id, EventKind.FAULT, faults[number], number)
            for number in seen.faults.keys() - faults.keys():
                self.note(station_id, EventKind.FAULT_OVER, seen.faults[number], number)
            seen.faults = faults
        disobeying = {n for n, live in station.connectors.items() if not live.obeys}
        if disobeying != seen.disobeying:
            for number in disobeying - seen.disobeying:
                self.note(station_id, EventKind.DISOBEYS, "", number)
            for number in seen.disobeying - disobeying:
                self.note(station_id, EventKind.OBEYS, "", number)
            seen.disobeying = disobeying


def _faults(station: StationLive) -> dict[int, str]:
    """Error codes by connector, 0 for the station itself; what is not connected tells nothing."""
    if not station.online:
        return {}
    faults: dict[int, str] = {}
    if station.status is ConnectorStatus.FAULTED:
        faults[0] = station.error_code or ConnectorStatus.FAULTED.value
    for number, live in station.connectors.items():
        if live.status is ConnectorStatus.FAULTED:
            faults[number] = live.error_code or ConnectorStatus.FAULTED.value
    return faults
