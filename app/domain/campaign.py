"""A firmware campaign: one file to many stations, in waves, and what becomes of each.

The rules, all of them here:

- the first ``pilots`` stations go alone; the others follow, ``at_once`` at a time, once each pilot
  has ended and no more than ``most_failures`` updates have failed;
- a station begins within the window of the day only, and without a car where ``idle_only``;
- an update only moves forward, as the station reports it, as its downloads show, and as it comes
  back: with another firmware it is verified, with the same one it has failed;
- each stage has its time; beyond, the update is given up.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from app.domain.station_files import Scheme


class Stage(enum.StrEnum):
    """How far a station's update has come."""

    WAITING = "waiting"
    TOLD = "told"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    INSTALLED = "installed"
    REBOOTED = "rebooted"
    VERIFIED = "verified"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"

    @property
    def running(self) -> bool:
        """Whether the station is at it."""
        return self in _PATIENCE

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self is not Stage.WAITING and not self.running

    @property
    def failed(self) -> bool:
        """Whether it counts against the campaign."""
        return self in (Stage.FAILED, Stage.TIMED_OUT)


_PATIENCE = {
    Stage.TOLD: timedelta(minutes=20),
    Stage.DOWNLOADING: timedelta(hours=2),
    Stage.DOWNLOADED: timedelta(minutes=45),
    Stage.INSTALLING: timedelta(hours=1),
    Stage.INSTALLED: timedelta(minutes=30),
    Stage.REBOOTED: timedelta(minutes=15),
}
"""How long a station may stay in a stage. Slow links and slow flashes are common; the last one is
the time after a restart in which a station may restart once more, with its new firmware."""

_STEPS = tuple(_PATIENCE)


class Why(enum.StrEnum):
    """Why an update has ended as it did."""

    NONE = ""
    SAME_VERSION = "same-version"
    """It came back with the firmware that it had."""
    ALREADY = "already"
    """It had this firmware before."""
    DOWNLOAD = "download"
    INSTALLATION = "installation"
    SIGNATURE = "signature"
    REFUSED = "refused"
    SILENT = "silent"
    """Nothing was heard of it in time."""
    FILE_GONE = "file-gone"
    REMOVED = "removed"
    """The station is no station of the site any more."""


class CampaignState(enum.StrEnum):
    """What a campaign is doing."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    """Too many updates have failed."""
    CANCELLED = "cancelled"
    DONE = "done"


class Window(msgspec.Struct, frozen=True):
    """A part of the day, in minutes since midnight by the site's clock; may cross midnight."""

    from_minute: int
    to_minute: int

    def holds(self, minute: int) -> bool:
        """Whether this minute of the day lies within."""
        if self.from_minute <= self.to_minute:
            return self.from_minute <= minute < self.to_minute
        return minute >= self.from_minute or minute < self.to_minute


class Campaign(msgspec.Struct, frozen=True):
    """One file for many stations; ``window`` ``None`` is any time."""

    campaign_id: int
    file_id: str
    file_name: str
    version: str
    created_utc: datetime
    created_by: str
    pilots: int = 1
    at_once: int = 5
    most_failures: int = 1
    window: Window | None = None
    idle_only: bool = True
    state: CampaignState = CampaignState.RUNNING


class StationUpdate(msgspec.Struct, frozen=True):
    """A station in a campaign; ``detail`` quotes the station where ``why`` alone tells too little."""

    campaign_id: int
    station_id: str
    position: int
    stage: Stage = Stage.WAITING
    since_utc: datetime | None = None
    begun_utc: datetime | None = None
    before: str = ""
    """Firmware when it was told."""
    after: str = ""
    why: Why = Why.NONE
    detail: str = ""
    tried: tuple[Scheme, ...] = ()
    order_id: str = ""
    request_id: int = 0
    boots: int = 0
    """How often it had booted when it was told."""


class Progress(msgspec.Struct, frozen=True):
    """How many stations of a campaign stand where."""

    total: int = 0
    waiting: int = 0
    running: int = 0
    verified: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        """Stations of which nothing more comes."""
        return self.verified + self.failed + self.cancelled


def moved(update: StationUpdate, stage: Stage, now_utc: datetime) -> StationUpdate | None:
    """The update at a later stage; ``None`` where it is there already, or was told to be.

    Reports come late, twice and out of order; a running update never goes back.
    """
    if not update.stage.running or not stage.running:
        return None
    if _STEPS.index(stage) <= _STEPS.index(update.stage):
        return None
    return msgspec.structs.replace(update, stage=stage, since_utc=now_utc)


def ended(
    update: StationUpdate, stage: Stage, now_utc: datetime, why: Why = Why.NONE, detail: str = ""
) -> StationUpdate:
    """The update at its end."""
    return msgspec.structs.replace(
        update, stage=stage, since_utc=now_utc, why=why, detail=detail[:200], order_id=""
    )


def seen(
    update: StationUpdate, firmware: str, boots: int, now_utc: datetime
) -> StationUpdate | None:
    """What a station tells by the firmware of its last BootNotification, and by having sent one.

    An update that was given up is verified after all where the station comes back late. ``None``:
    nothing new.
    """
    late = update.stage is Stage.TIMED_OUT or update.why is Why.SAME_VERSION
    if not update.stage.running and not late:
        return None
    restarted = boots != update.boots and update.stage in (Stage.INSTALLING, Stage.INSTALLED)
    # Where nobody knew what it had, only a restart tells that this is new.
    if firmware and firmware != update.before and (update.before or restarted):
        verified = ended(update, Stage.VERIFIED, now_utc)
        return msgspec.structs.replace(verified, after=firmware)
    return moved(update, Stage.REBOOTED, now_utc) if restarted else None


def overdue(update: StationUpdate, now_utc: datetime) -> bool:
    """Whether the station has stayed in its stage for too long."""
    patience = _PATIENCE.get(update.stage)
    if patience is None or update.since_utc is None:
        return False
    return now_utc - update.since_utc >= patience


def given_up(update: StationUpdate, firmware: str, now_utc: datetime) -> StationUpdate:
    """The end of an update that is overdue."""
    if update.stage is Stage.REBOOTED:
        failed = ended(update, Stage.FAILED, now_utc, Why.SAME_VERSION, firmware)
        return msgspec.structs.replace(failed, after=firmware)
    return ended(update, Stage.TIMED_OUT, now_utc, Why.SILENT, update.stage.value)


def progress(updates: Iterable[StationUpdate]) -> Progress:
    """The count."""
    stages = [update.stage for update in updates]
    return Progress(
        total=len(stages),
        waiting=stages.count(Stage.WAITING),
        running=sum(stage.running for stage in stages),
        verified=stages.count(Stage.VERIFIED),
        failed=sum(stage.failed for stage in stages),
        cancelled=stages.count(Stage.CANCELLED),
    )


def places(campaign: Campaign, counted: Progress) -> int:
    """How many more stations may begin now, the window of the day apart."""
    if campaign.state is not CampaignState.RUNNING or counted.failed > campaign.most_failures:
        return 0
    begun = counted.running + counted.verified + counted.failed
    if counted.verified + counted.failed < min(campaign.pilots, counted.total):
        return max(0, campaign.pilots - begun)
    return max(0, campaign.at_once - counted.running)


def state_of(campaign: Campaign, counted: Progress) -> CampaignState:
    """What the campaign has come to by itself."""
    if campaign.state is not CampaignState.RUNNING:
        return campaign.state
    if counted.waiting and counted.failed > campaign.most_failures:
        return CampaignState.STOPPED
    if not counted.waiting and not counted.running:
        return CampaignState.DONE
    return CampaignState.RUNNING
