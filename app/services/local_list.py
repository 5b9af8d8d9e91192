"""Badges that work with the manager away: each station's own list, kept like ours.

What a station holds is on record (its version, and a digest of the content), written before it is told
anything else: after a crash in between nobody knows, and the whole list goes out again. A station that
has no list, or refuses it, works with what remains: its cache, or the manager alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from app.domain.badge import AuthorizationStatus as BadgeStatus
from app.domain.errors import StationRefusedError, StationUnreachableError, StorageError
from app.domain.local_list import (
    HeldList,
    ListEntry,
    ListTrouble,
    OfflineBadges,
    Portion,
    portions,
    wanted_list,
)
from app.ocpp16.actions.access_calls import (
    AuthorizationData,
    ClearCache,
    GetLocalListVersion,
    SendLocalList,
    UpdateStatus,
    UpdateType,
)
from app.ocpp16.actions.manager_calls import ChangeConfiguration
from app.ocpp16.actions.station_calls import IdTagInfo
from app.ocpp16.configuration import StationConfiguration
from app.ocpp16.session import Priority
from app.services.audit import AuditTrail
from app.services.badges import BadgeService
from app.services.file_ports import RecordRepository
from app.services.ports import Clock, StationLink
from app.services.registry import Registry, StationLive
from app.services.shelf import Shelf
from app.services.transfer_habits import value_of

log = logging.getLogger(__name__)

DEBOUNCE_S: Final = 10.0
"""Changes of badges come in rows; a blocked one does not wait."""

SWEEP_S: Final = 30.0
"""Every station is compared with what it should hold this often."""

TROUBLE_PAUSE_S: Final = 900.0
"""A station that refused its list is tried again after this long, or after a change of badges."""

UNHEARD_MOST_S: Final = 3_600.0
"""A connected station that leaves questions about its list unanswered, or answers what nobody can
read, is asked after twice as long each time, up to this: a limit waits behind an open question."""

ASK_TIMEOUT_S: Final = 10.0
STEP_TIMEOUT_S: Final = 30.0
AT_ONCE: Final = 5
USUAL_PORTION: Final = 50
"""Entries in one message where the station does not tell how many it takes."""

PROFILE: Final = "localauthlistmanagement"
LIST_LENGTH: Final = "LocalAuthListMaxLength"
PORTION_LENGTH: Final = "SendLocalListMaxLength"
CACHE_KEY: Final = "AuthorizationCacheEnabled"

_POLICY: Final = "offline-badges"


class _Content(msgspec.Struct, frozen=True):
    """A list by its digest."""

    entries: tuple[ListEntry, ...]


class _Wanted(NamedTuple):
    entries: tuple[ListEntry, ...]
    left_out: int
    digest: str


class _RefusedError(Exception):
    """A station has answered SendLocalList with anything but Accepted."""

    def __init__(self, status: UpdateStatus) -> None:
        super().__init__(status.value)
        self.status = status


class LocalLists:
    """Keeps the stations' lists. ``actor`` is the account that changes the policy."""

    def __init__(
        self,
        records: RecordRepository,
        registry: Registry,
        badges: BadgeService,
        audit: AuditTrail,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._badges = badges
        self._audit = audit
        self._clock = clock
        self._held = Shelf(records, "station-list", HeldList)
        self._contents = Shelf(records, "badge-list", _Content)
        self._policies = Shelf(records, "policy", OfflineBadges)
        self._clears = Shelf(records, "cache-clear", HeldList)
        """Stations whose cache may still let a blocked badge pass."""
        self._set_up: dict[str, int] = {}
        """The link over which a station was last set up here."""
        self._again_s: dict[str, float] = {}
        self._unheard: dict[str, tuple[int, int]] = {}
        """The link over which a station gave no useful answer, and how often in a row."""
        self._by_length: dict[int | None, _Wanted] = {}
        """What a station should hold, by how much it can; good until a sweep or a change."""
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._sweeping = asyncio.Lock()
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        badges.on_change.append(self._badge_changed)

    async def load(self) -> None:
        """Reads what is known; called once at start."""
        for shelf in (self._held, self._contents, self._policies, self._clears):
            await shelf.load()

    # ------------------------------------------------------------- pages

    @property
    def policy(self) -> OfflineBadges:
        """What stations do without the manager."""
        return self._policies.get(_POLICY) or OfflineBadges()

    def held(self, station_id: str) -> HeldList | None:
        """What the station is known to hold; ``None`` before it was asked."""
        return self._held.get(station_id)

    def is_current(self, station_id: str) -> bool:
        """Whether the station holds what it should."""
        station = self._registry.station(station_id)
        return station is not None and self._is_current(station)

    def _is_current(self, station: StationLive) -> bool:
        held = self._held.get(station.station.station_id)
        return held is not None and held.digest == self._wanted(station).digest

    async def decide(self, policy: OfflineBadges, actor: str) -> None:
        """Changes the policy; the stations follow."""
        await self._policies.put((_POLICY, policy))
        await self._audit.record(
            actor,
            "offline-badges",
            "site",
            f"allowed {policy.allowed}, unknown {policy.unknown}",
        )
        self._set_up.clear()
        self._try_again()

    async def resend(self, station_id: str, actor: str) -> None:
        """Sends a station its whole list anew, whatever it is known to hold."""
        held = self._held.get(station_id)
        if held is not None:
            fresh = msgspec.structs.replace(held, digest="", trouble=None, supported=True)
            await self._held.put((station_id, fresh))
        self._set_up.pop(station_id, None)
        await self._audit.record(actor, "local-list-resent", station_id)
        self._try_again()

    # ------------------------------------------------------------- time

    async def run(self) -> None:
        """Brings every station up to date, again and again, until cancelled."""
        while True:
            # Not wait_for, which may lose the cancellation that ends this.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._changed.wait()
                async with asyncio.timeout(DEBOUNCE_S):
                    await self._urgent.wait()
            try:
                await self.sweep()
            except StorageError:
                log.exception("what stations hold could not be written down; again soon")

    async def sweep(self) -> None:
        """Looks at every station once, several at a time; sweeps wait for each other."""
        async with self._sweeping:
            await self._sweep()

    async def _sweep(self) -> None:
        self._changed.clear()
        self._by_length.clear()
        if self._urgent.is_set():
            self._urgent.clear()
            await self._mark_caches()
        async with asyncio.TaskGroup() as group:
            for station in list(self._registry):
                if self._is_due(station):
                    group.create_task(self._visit(station))
        await self._tidy()

    async def after_setup(self, station: StationLive) -> None:
        """For a station that is new on its link: its settings, then its list.

        Raises ``StationUnreachableError`` when it goes away meanwhile.
        """
        link = station.link
        if link is None:
            return
        await self._configure(station, link)
        await self._ask_version(station, link)
        await self._bring(station, link)
        self._set_up[station.station.station_id] = link.generation

    # ------------------------------------------------------------- one station

    def _is_due(self, station: StationLive) -> bool:
        station_id = station.station.station_id
        link = station.link
        if link is None or not station.set_up:
            return False
        if self._unheard.get(station_id, (link.generation, 0))[0] != link.generation:
            del self._unheard[station_id]
            self._again_s.pop(station_id, None)
        if self._again_s.get(station_id, 0.0) > self._clock.monotonic_s():
            return False
        if self._set_up.get(station_id) != link.generation or station_id in self._clears:
            return True
        held = self._held.get(station_id)
        return held is not None and held.supported and not self._is_current(station)

    async def _visit(self, station: StationLive) -> None:
        station_id, link = station.station.station_id, station.link
        if link is None:
            return
        try:
            async with self._turns:
                if self._set_up.get(station_id) != link.generation:
                    await self.after_setup(station)
                else:
                    await self._bring(station, link)
                if station_id in self._clears:
                    await self._clear_cache(station, link)
            self._unheard.pop(station_id, None)
        except StationUnreachableError:
            _, times = self._unheard.get(station_id, (link.generation, 0))
            pause_s = min(SWEEP_S * 2**times, UNHEARD_MOST_S)
            log.info("%s: its list waits for %.0f s or until it is back", station_id, pause_s)
            self._unheard[station_id] = (link.generation, min(times + 1, 16))
            self._again_s[station_id] = self._clock.monotonic_s() + pause_s
        except StorageError:
            log.exception("%s: what it holds could not be written down; again soon", station_id)

    async def _configure(self, station: StationLive, link: StationLink) -> None:
        """Brings the settings to the policy, where the station has them otherwise."""
        settings = station.capability.settings
        for key, value in self._settings(station).items():
            present = value_of(settings, key)
            if present is None or present.strip().lower() == value or not settings.writable(key):
                continue
            try:
                await link.call(
                    ChangeConfiguration(key=key, value=value),
                    priority=Priority.BACKGROUND,
                    timeout_s=STEP_TIMEOUT_S,
                )
            except StationRefusedError:
                log.info("%s: does not take %s", station.station.station_id, key)

    def _settings(self, station: StationLive) -> Mapping[str, str]:
        policy = self.policy
        allowed = "true" if policy.allowed else "false"
        anyone = policy.allowed and (policy.unknown or station.station.free_charging)
        return {
            "LocalAuthListEnabled": allowed,
            CACHE_KEY: allowed,
            "LocalAuthorizeOffline": allowed,
            # While the manager is there it decides: a list may be some seconds old.
            "LocalPreAuthorize": "false",
            "AllowOfflineTxForUnknownId": "true" if anyone else "false",
        }

    async def _ask_version(self, station: StationLive, link: StationLink) -> None:
        """Compares the version with the one on record; another list is no list of ours."""
        station_id = station.station.station_id
        held = self._held.get(station_id) or HeldList(station_id)
        features = {name.lower() for name in station.capability.settings.feature_profiles}
        if features and PROFILE not in features:
            await self._note(held, ListTrouble("list-none"), supported=False)
            return
        try:
            answer = await link.call(
                GetLocalListVersion(), priority=Priority.BACKGROUND, timeout_s=ASK_TIMEOUT_S
            )
        except StationRefusedError as refusal:
            said = str(refusal.params.get("answer", ""))
            await self._note(held, ListTrouble("list-none", said[:80]), supported=False)
            return
        version: int = answer.list_version
        if version < 0:
            # Clause 6.26: it keeps no list.
            await self._note(held, ListTrouble("list-none"), supported=False)
            return
        if version != held.version:
            held = msgspec.structs.replace(held, version=version, digest="")
        await self._note(held, None, supported=True)

    async def _bring(self, station: StationLive, link: StationLink) -> None:
        """Sends what is missing."""
        station_id = station.station.station_id
        held = self._held.get(station_id)
        if held is None or not held.supported:
            return
        wanted, left_out, digest = self._wanted(station)
        if held.digest == digest:
            if held.left_out != left_out:
                await self._note(msgspec.structs.replace(held, left_out=left_out), held.trouble)
            return
        await self._contents.put((digest, _Content(wanted)))
        known = self._contents.get(held.digest) if held.digest else None
        before = None if known is None else known.entries
        try:
            try:
                version = await self._send(station, link, held, before, wanted)
            except _RefusedError as refused:
                if refused.status is UpdateStatus.NOT_SUPPORTED or before is None:
                    raise
                # Its list is another one than the record says, or the difference was too much.
                present = await self._present_version(link)
                held = msgspec.structs.replace(held, version=max(held.version, present))
                version = await self._send(station, link, held, None, wanted)
        except _RefusedError as refused:
            await self._refused(station_id, refused.status)
            return
        except StationRefusedError as refusal:
            said = str(refusal.params.get("answer", ""))
            lacking = said.startswith(("NotImplemented", "NotSupported"))
            unknown = msgspec.structs.replace(held, digest="")
            trouble = ListTrouble("list-none" if lacking else "list-failed", said[:80])
            await self._note(unknown, trouble, supported=not lacking)
            self._pause(station_id)
            return
        await self._note(
            HeldList(
                station_id,
                version=version,
                digest=digest,
                entries=len(wanted),
                sent_utc=self._clock.utc_now(),
                left_out=left_out,
            ),
            None,
        )

    async def _send(
        self,
        station: StationLive,
        link: StationLink,
        held: HeldList,
        before: Sequence[ListEntry] | None,
        wanted: Sequence[ListEntry],
    ) -> int:
        """Sends a difference, or all of it; returns the version then."""
        most = _whole(station.capability.settings, PORTION_LENGTH) or USUAL_PORTION
        version = held.version
        parts = portions(before, wanted, most)
        # On record before it is told: from here on nobody knows what it holds.
        unsure = msgspec.structs.replace(held, version=version + len(parts), digest="")
        await self._note(unsure, held.trouble)
        for part in parts:
            version += 1
            answer = await link.call(
                _message(version, part), priority=Priority.BACKGROUND, timeout_s=STEP_TIMEOUT_S
            )
            if answer.status is not UpdateStatus.ACCEPTED:
                raise _RefusedError(answer.status)
        return version

    async def _present_version(self, link: StationLink) -> int:
        try:
            answer = await link.call(
                GetLocalListVersion(), priority=Priority.BACKGROUND, timeout_s=ASK_TIMEOUT_S
            )
        except StationRefusedError:
            return 0
        return max(0, int(answer.list_version))

    async def _refused(self, station_id: str, status: UpdateStatus) -> None:
        held = self._held.get(station_id) or HeldList(station_id)
        unknown = msgspec.structs.replace(held, digest="", entries=0)
        lacking = status is UpdateStatus.NOT_SUPPORTED
        trouble = ListTrouble("list-none" if lacking else "list-failed", status.value)
        await self._note(unknown, trouble, supported=not lacking)
        self._pause(station_id)

    async def _clear_cache(self, station: StationLive, link: StationLink) -> None:
        """ClearCache (clause 5.4); what the station answers changes nothing."""
        try:
            await link.call(ClearCache(), priority=Priority.BACKGROUND, timeout_s=STEP_TIMEOUT_S)
        except StationRefusedError:
            log.info("%s: has no cache to clear", station.station.station_id)
        await self._clears.drop([station.station.station_id])

    # ------------------------------------------------------------- inside

    def _badge_changed(self, urgent: bool) -> None:
        if urgent:
            self._urgent.set()
        self._try_again()

    def _try_again(self) -> None:
        self._again_s.clear()
        self._by_length.clear()
        self._changed.set()

    def _pause(self, station_id: str) -> None:
        self._again_s[station_id] = self._clock.monotonic_s() + TROUBLE_PAUSE_S

    async def _mark_caches(self) -> None:
        """Every station that may have a cache is to forget it, the absent ones when they are back."""
        stations = [
            station.station.station_id
            for station in self._registry
            if (value_of(station.capability.settings, CACHE_KEY) or "").lower() != "false"
        ]
        if stations:
            await self._clears.put(*((each, HeldList(each)) for each in stations))

    def _wanted(self, station: StationLive) -> _Wanted:
        most = _whole(station.capability.settings, LIST_LENGTH)
        found = self._by_length.get(most)
        if found is None:
            badges, now = self._badges.list(), self._clock.utc_now()
            entries, left_out = wanted_list(badges, self.policy, now, most)
            found = self._by_length[most] = _Wanted(entries, left_out, _digest(entries))
        return found

    async def _note(
        self, held: HeldList, trouble: ListTrouble | None, *, supported: bool | None = None
    ) -> None:
        after = msgspec.structs.replace(
            held,
            trouble=trouble,
            supported=held.supported if supported is None else supported,
        )
        if self._held.get(held.station_id) != after:
            await self._held.put((held.station_id, after))

    async def _tidy(self) -> None:
        """Forgets lists that no station holds, and stations that are none any more."""
        stations = {station.station.station_id for station in self._registry}
        await self._held.drop(
            held.station_id for held in self._held if held.station_id not in stations
        )
        await self._clears.drop(
            held.station_id for held in self._clears if held.station_id not in stations
        )
        in_use = {held.digest for held in self._held}
        digests = [_digest(content.entries) for content in self._contents]
        await self._contents.drop(digest for digest in digests if digest not in in_use)


def _message(version: int, part: Portion) -> SendLocalList:
    entries = [AuthorizationData(id_tag=tag) for tag in part.removed]
    entries += [
        AuthorizationData(
            id_tag=entry.id_tag,
            id_tag_info=IdTagInfo(
                status=BadgeStatus(entry.status),
                expiry_date=entry.expires_utc,
                parent_id_tag=entry.parent or None,
            ),
        )
        for entry in part.entries
    ]
    return SendLocalList(
        list_version=version,
        update_type=UpdateType.FULL if part.full else UpdateType.DIFFERENTIAL,
        local_authorization_list=tuple(entries) or None,
    )


def _digest(entries: Sequence[ListEntry]) -> str:
    return hashlib.sha256(msgspec.json.encode(entries)).hexdigest()[:32]


def _whole(settings: StationConfiguration, key: str) -> int | None:
    """A positive whole number among the settings."""
    text = (value_of(settings, key) or "").strip()
    return int(text) if text.isdecimal() and int(text) > 0 else None
