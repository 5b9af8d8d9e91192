"""Firmware campaigns: who is told when, what stations say and show, and where that leads.

Every step is on disk before it is acted upon, so a restart of the manager finds each station where it
was: who was told is followed on, who was about to be told is told anew. Stations are looked at again
and again; a report that was lost is made up for by what is seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC
from typing import Final

import msgspec

from app.domain.campaign import (
    Campaign,
    CampaignState,
    Progress,
    Stage,
    StationUpdate,
    Why,
    Window,
    ended,
    given_up,
    moved,
    overdue,
    places,
    progress,
    seen,
    state_of,
)
from app.domain.errors import (
    BornierError,
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
    StorageError,
)
from app.domain.station_files import FirmwareFile
from app.ocpp16.actions.file_calls import (
    FirmwareStatus,
    FirmwareStatusNotification,
    FirmwareStatusNotificationConfirmation,
)
from app.ocpp16.actions.security_calls import (
    SignedFirmwareStatus,
    SignedFirmwareStatusNotification,
    SignedFirmwareStatusNotificationConfirmation,
)
from app.services.audit import AuditTrail
from app.services.configuration import ConfigurationService
from app.services.file_drop import DropOrder, FileDrop
from app.services.file_ports import Received, RecordRepository
from app.services.firmware import FirmwareFiles
from app.services.firmware_orders import (
    PURPOSE,
    SIGNED_FAILURES,
    SIGNED_STAGES,
    STAGES,
    FirmwareOrders,
    is_ready,
    subject_of,
)
from app.services.intake import Caller
from app.services.ports import Clock
from app.services.registry import Registry, StationLive
from app.services.shelf import Shelf
from app.services.tasks import TaskSupervisor
from app.services.transfer_habits import TransferHabits
from app.services.zones import zone_named

log = logging.getLogger(__name__)

TICK_S: Final = 5.0
AT_ONCE_MOST: Final = 20
ACTOR: Final = "manager"


class CampaignOrder(msgspec.Struct, frozen=True):
    """What a person asks for."""

    file_id: str
    station_ids: tuple[str, ...]
    pilots: int = 1
    at_once: int = 5
    most_failures: int = 1
    window: Window | None = None
    idle_only: bool = True


class Campaigns:
    """Creates, follows, pauses and ends campaigns. ``actor`` is the account that does it."""

    def __init__(  # noqa: PLR0913 - wired once, by name
        self,
        *,
        records: RecordRepository,
        drop: FileDrop,
        files: FirmwareFiles,
        habits: TransferHabits,
        registry: Registry,
        configuration: ConfigurationService,
        audit: AuditTrail,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._drop = drop
        self._files = files
        self._habits = habits
        self._registry = registry
        self._configuration = configuration
        self._audit = audit
        self._tasks = tasks
        self._clock = clock
        self._orders = FirmwareOrders(drop, habits, clock)
        self._campaigns = Shelf(records, "campaign", Campaign)
        self._updates = Shelf(records, "campaign-update", StationUpdate)
        self._changing = asyncio.Lock()
        """Held while an update is read, changed and written; never while a station is asked."""
        drop.listeners[PURPOSE] = self
        files.in_use = self._gives

    async def load(self) -> None:
        """Reads campaigns; who was about to be told waits again. Called once at start."""
        await self._campaigns.load()
        await self._updates.load()
        for update in self._updates:
            if update.stage is Stage.TOLD and not update.order_id:
                waiting = msgspec.structs.replace(update, stage=Stage.WAITING)
                await self._updates.put((subject_of(update), waiting))

    # ------------------------------------------------------------- pages

    def all(self) -> list[tuple[Campaign, Progress]]:
        """Newest first, with their counts."""
        newest = sorted(self._campaigns, key=lambda each: -each.campaign_id)
        return [(each, progress(self.updates(each.campaign_id))) for each in newest]

    def get(self, campaign_id: int) -> Campaign:
        """The campaign; ``NotFoundError`` otherwise."""
        found = self._campaigns.get(str(campaign_id))
        if found is None:
            raise NotFoundError("campaign-unknown")
        return found

    def updates(self, campaign_id: int) -> list[StationUpdate]:
        """Its stations, in the order in which they are told."""
        found = [each for each in self._updates if each.campaign_id == campaign_id]
        return sorted(found, key=lambda each: each.position)

    def history(self, station_id: str) -> list[tuple[Campaign, StationUpdate]]:
        """A station's updates, newest first."""
        found = [
            (campaign, update)
            for update in self._updates
            if update.station_id == station_id
            and (campaign := self._campaigns.get(str(update.campaign_id))) is not None
        ]
        return sorted(found, key=lambda each: -each[0].campaign_id)

    async def create(self, order: CampaignOrder, actor: str) -> Campaign:
        """Begins a campaign. Raises ``InvalidInputError`` for what cannot be."""
        file = self._files.get(order.file_id)
        stations = tuple(dict.fromkeys(order.station_ids))
        if not stations:
            raise InvalidInputError("campaign-no-station", field="stations")
        for station_id in stations:
            if self._registry.station(station_id) is None:
                raise NotFoundError("station-unknown", station=station_id)
        if not self._drop.schemes:
            raise StorageError("files-unavailable")
        if order.window is not None and order.window.from_minute == order.window.to_minute:
            raise InvalidInputError("campaign-window-empty", field="until")
        busy = {each.station_id for each in self._updates if each.stage.running}
        taken = [station_id for station_id in stations if station_id in busy]
        if taken:
            raise InvalidInputError("campaign-station-busy", field="stations", station=taken[0])
        campaign = Campaign(
            campaign_id=max((each.campaign_id for each in self._campaigns), default=0) + 1,
            file_id=file.file_id,
            file_name=file.name,
            version=file.version,
            created_utc=self._clock.utc_now(),
            created_by=actor,
            pilots=min(order.pilots, len(stations)),
            at_once=order.at_once,
            most_failures=order.most_failures,
            window=order.window,
            idle_only=order.idle_only,
        )
        updates = [
            StationUpdate(campaign.campaign_id, station_id, position)
            for position, station_id in enumerate(stations)
        ]
        # The stations first: a crash in between leaves updates that belong to no campaign.
        await self._updates.put(*((subject_of(each), each) for each in updates))
        await self._campaigns.put((str(campaign.campaign_id), campaign))
        await self._audit.record(
            actor, "campaign-created", str(campaign.campaign_id), f"{file.name}, {len(stations)}"
        )
        return campaign

    async def pause(self, campaign_id: int, actor: str) -> None:
        """Begins no further station; those under way go on."""
        await self._turn(campaign_id, (CampaignState.RUNNING,), CampaignState.PAUSED, actor)

    async def resume(self, campaign_id: int, actor: str) -> None:
        """Goes on, after a pause; after too many failures only once they are retried."""
        await self._turn(campaign_id, (CampaignState.PAUSED,), CampaignState.RUNNING, actor)

    async def cancel(self, campaign_id: int, actor: str) -> None:
        """Begins no further station, ever; those under way are followed to their end."""
        states = (CampaignState.RUNNING, CampaignState.PAUSED, CampaignState.STOPPED)
        await self._turn(campaign_id, states, CampaignState.CANCELLED, actor)
        now = self._clock.utc_now()
        async with self._changing:
            waiting = [
                ended(each, Stage.CANCELLED, now)
                for each in self.updates(campaign_id)
                if each.stage is Stage.WAITING
            ]
            await self._put(waiting)

    async def retry(self, campaign_id: int, actor: str) -> int:
        """Failed stations wait again, and the campaign goes on; returns how many."""
        campaign = self.get(campaign_id)
        async with self._changing:
            busy = {each.station_id for each in self._updates if each.stage.running}
            again = [
                StationUpdate(campaign_id, each.station_id, each.position)
                for each in self.updates(campaign_id)
                if each.stage.failed and each.station_id not in busy
            ]
            if not again:
                raise InvalidInputError("campaign-nothing-failed")
            await self._put(again)
            running = msgspec.structs.replace(campaign, state=CampaignState.RUNNING)
            await self._campaigns.put((str(campaign_id), running))
        await self._audit.record(actor, "campaign-retried", str(campaign_id), str(len(again)))
        return len(again)

    # ------------------------------------------------------------- the drop's listener

    async def began(self, order: DropOrder) -> None:
        """The station fetches the file."""
        await self._move(self._updates.get(order.subject), Stage.DOWNLOADING)

    async def fetched(self, order: DropOrder) -> None:
        """The station has the whole file."""
        await self._move(self._updates.get(order.subject), Stage.DOWNLOADED)
        station = self._registry.station(order.station_id)
        if station is not None:
            await self._habits.worked(station, PURPOSE, order.scheme)

    async def left(
        self, order: DropOrder, file_id: str, name: str, received: Received, complete: bool
    ) -> None:
        """Nothing is left here."""

    # ------------------------------------------------------------- what stations say

    async def firmware_status(
        self, caller: Caller, request: FirmwareStatusNotification
    ) -> FirmwareStatusNotificationConfirmation:
        """FirmwareStatusNotification (clause 4.5)."""
        update = self._running(caller.link.station_id)
        if update is not None:
            stage = STAGES.get(request.status)
            if stage is not None:
                await self._move(update, stage)
            elif request.status is FirmwareStatus.DOWNLOAD_FAILED:
                await self._download_failed(update, request.status.value)
            elif request.status is FirmwareStatus.INSTALLATION_FAILED:
                await self._end(update, Stage.FAILED, Why.INSTALLATION, request.status.value)
        return FirmwareStatusNotificationConfirmation()

    async def signed_firmware_status(
        self, caller: Caller, request: SignedFirmwareStatusNotification
    ) -> SignedFirmwareStatusNotificationConfirmation:
        """SignedFirmwareStatusNotification (security extension, message 4.16)."""
        update = self._running(caller.link.station_id)
        if update is not None and request.request_id in (None, update.request_id):
            stage = SIGNED_STAGES.get(request.status)
            why = SIGNED_FAILURES.get(request.status)
            if stage is not None:
                await self._move(update, stage)
            elif why is not None:
                await self._end(update, Stage.FAILED, why, request.status.value)
            elif request.status is SignedFirmwareStatus.DOWNLOAD_FAILED:
                await self._download_failed(update, request.status.value)
        return SignedFirmwareStatusNotificationConfirmation()

    # ------------------------------------------------------------- time

    async def run(self) -> None:
        """Follows the stations and tells the next ones, until cancelled."""
        while True:
            try:
                await self.tick()
            except StorageError:
                log.exception("a campaign could not be written down; again soon")
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Looks once at every campaign."""
        newest: dict[str, int] = {}
        for update in self._updates:
            newest[update.station_id] = max(newest.get(update.station_id, 0), update.campaign_id)
        for update in self._updates:
            # A failed one may come back late, unless something else was tried since.
            late = update.stage.failed and newest[update.station_id] == update.campaign_id
            if late or not update.stage.ended:
                await self._look_at(update)
        for campaign in sorted(self._campaigns, key=lambda each: each.campaign_id):
            if campaign.state is CampaignState.RUNNING:
                await self._advance(campaign)

    async def _look_at(self, update: StationUpdate) -> None:
        now = self._clock.utc_now()
        station = self._registry.station(update.station_id)
        if station is None:
            if not update.stage.ended:
                await self._end(update, Stage.FAILED, Why.REMOVED)
            return
        if station.online:
            found = seen(update, station.identity.firmware, station.boots, now)
            if found is not None:
                await self._replace(update, found)
                return
        if overdue(update, now):
            if update.stage is Stage.TOLD and self._habits.next(station, PURPOSE, update.tried):
                await self._tell_again(update)
                return
            await self._replace(update, given_up(update, station.identity.firmware, now))

    async def _advance(self, campaign: Campaign) -> None:
        updates = self.updates(campaign.campaign_id)
        counted = progress(updates)
        state = state_of(campaign, counted)
        if state is not campaign.state:
            after = msgspec.structs.replace(campaign, state=state)
            await self._campaigns.put((str(campaign.campaign_id), after))
            await self._audit.record(
                ACTOR, f"campaign-{state.value}", str(campaign.campaign_id), campaign.file_name
            )
            return
        if campaign.window is not None and not campaign.window.holds(self._minute()):
            return
        busy = {each.station_id for each in self._updates if each.stage.running}
        free = places(campaign, counted)
        for update in updates:
            if not free:
                break
            if update.stage is Stage.WAITING and update.station_id not in busy:
                station = self._registry.station(update.station_id)
                if station is not None and is_ready(station, campaign.idle_only):
                    await self._begin(update, station)
                    free -= 1

    def _minute(self) -> int:
        zone = zone_named(self._configuration.current.timezone)
        local = self._clock.utc_now().astimezone(zone or UTC)
        return local.hour * 60 + local.minute

    # ------------------------------------------------------------- telling a station

    async def _begin(self, update: StationUpdate, station: StationLive) -> None:
        now = self._clock.utc_now()
        told = msgspec.structs.replace(
            update,
            stage=Stage.TOLD,
            since_utc=now,
            begun_utc=now,
            before=station.identity.firmware,
            boots=station.boots,
            tried=(),
            order_id="",
        )
        if await self._replace(update, told):
            self._tasks.start(self._tell(subject_of(update)), f"firmware {update.station_id}")

    async def _tell_again(self, update: StationUpdate) -> None:
        """By another scheme."""
        now = self._clock.utc_now()
        again = msgspec.structs.replace(update, stage=Stage.TOLD, since_utc=now, order_id="")
        if await self._replace(update, again):
            await self._drop.close(update.order_id)
            self._tasks.start(self._tell(subject_of(update)), f"firmware {update.station_id}")

    async def _tell(self, subject: str) -> None:
        update = self._updates.get(subject)
        if update is None or update.stage is not Stage.TOLD:
            return
        file = self._files.find(self.get(update.campaign_id).file_id)
        station = self._registry.station(update.station_id)
        if file is None:
            await self._end(update, Stage.FAILED, Why.FILE_GONE)
            return
        if station is None or station.link is None:
            await self._wait_again(update)
            return
        if file.version and file.version == station.identity.firmware:
            await self._end(update, Stage.VERIFIED, Why.ALREADY, file.version)
            return
        try:
            await self._send(update, file, station)
        except StationUnreachableError:
            # Perhaps it has heard it all the same; a second order then replaces the first.
            current = self._updates.get(subject)
            if current is not None and current.stage is Stage.TOLD:
                await self._wait_again(current)
        except StationRefusedError as refusal:
            answer = str(refusal.params.get("answer", ""))
            await self._end(self._updates.get(subject), Stage.FAILED, Why.REFUSED, answer)
        except BornierError as error:
            await self._end(self._updates.get(subject), Stage.FAILED, Why.DOWNLOAD, error.key)

    async def _send(self, update: StationUpdate, file: FirmwareFile, station: StationLive) -> None:
        ordered, url = await self._orders.open(update, file, station)
        if not await self._replace(update, ordered):
            await self._drop.close(ordered.order_id)
            return
        await self._orders.send(ordered, file, station, url)

    # ------------------------------------------------------------- changing an update

    def _running(self, station_id: str) -> StationUpdate | None:
        for update in self._updates:
            if update.station_id == station_id and update.stage.running:
                return update
        return None

    async def _download_failed(self, update: StationUpdate, detail: str) -> None:
        station = self._registry.station(update.station_id)
        if station is not None and self._habits.next(station, PURPOSE, update.tried) is not None:
            await self._tell_again(update)
            return
        await self._end(update, Stage.FAILED, Why.DOWNLOAD, detail)

    async def _wait_again(self, update: StationUpdate) -> None:
        waiting = msgspec.structs.replace(update, stage=Stage.WAITING, tried=(), order_id="")
        if await self._replace(update, waiting):
            await self._drop.close(update.order_id)

    async def _move(self, update: StationUpdate | None, stage: Stage) -> None:
        if update is None:
            return
        async with self._changing:
            current = self._updates.get(subject_of(update))
            after = None if current is None else moved(current, stage, self._clock.utc_now())
            if after is not None:
                await self._put([after])

    async def _end(
        self, update: StationUpdate | None, stage: Stage, why: Why = Why.NONE, detail: str = ""
    ) -> None:
        if update is not None:
            await self._replace(update, ended(update, stage, self._clock.utc_now(), why, detail))

    async def _replace(self, before: StationUpdate, after: StationUpdate) -> bool:
        """Writes ``after`` unless something else has changed the update since ``before``."""
        async with self._changing:
            if self._updates.get(subject_of(before)) != before:
                return False
            await self._put([after])
        if after.stage.ended:
            await self._drop.close(before.order_id)
            log.info("%s: firmware update %s %s", after.station_id, after.stage, after.why)
        return True

    async def _put(self, updates: Sequence[StationUpdate]) -> None:
        if updates:
            await self._updates.put(*((subject_of(each), each) for each in updates))

    async def _turn(
        self, campaign_id: int, states: Sequence[CampaignState], to: CampaignState, actor: str
    ) -> None:
        campaign = self.get(campaign_id)
        if campaign.state not in states:
            raise InvalidInputError("campaign-not-now")
        await self._campaigns.put((str(campaign_id), msgspec.structs.replace(campaign, state=to)))
        await self._audit.record(
            actor, f"campaign-{to.value}", str(campaign_id), campaign.file_name
        )

    def _gives(self, file_id: str) -> bool:
        for campaign, counted in self.all():
            ongoing = counted.running or (
                counted.waiting and campaign.state is not CampaignState.CANCELLED
            )
            if campaign.file_id == file_id and ongoing:
                return True
        return False
