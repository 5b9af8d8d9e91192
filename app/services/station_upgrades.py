"""Brings a station to a new key or a new profile over OCPP, step by step, and gives up in time.

Each step is on disk before it is sent, so a power cut between any two is answered by doing the
step again. Nothing that the station may hold already is ever made void here; what it has refused
is dropped at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

import msgspec

from app.domain.errors import StationRefusedError, StationUnreachableError
from app.domain.station_security import (
    Delivery,
    SecurityProfile,
    Setback,
    StationKey,
    StationSecurity,
)
from app.ocpp16.actions.manager_calls import ChangeConfiguration, Reset
from app.ocpp16.actions.types import ConfigurationStatus, ResetType
from app.ocpp16.session import Priority
from app.services.ports import Clock, StationLink
from app.services.registry import Registry, StationLive
from app.services.station_certificates import StationCertificates
from app.services.station_keys import StationKeys
from app.services.tasks import TaskSupervisor

log = logging.getLogger(__name__)

PERIOD_S = 5.0
STEP_TIMEOUT_S = 30.0

AGAIN_S = 30.0
"""A step that got no answer is done again no sooner."""

RECONNECTS_BY_ITSELF_S = 10.0
"""A station that was told something new and does not reconnect by itself is made to."""

BACK_WITHIN = timedelta(minutes=30)
"""A station that took a profile and has not come back with it by then stays as it was."""

REQUEST_WITHIN_S = 600.0
"""How long a station may take to ask for its certificate."""

MANAGER = "manager"


class _StepRefusedError(Exception):
    """The station said no; nothing more is tried."""

    def __init__(self, setback: Setback, answer: str) -> None:
        super().__init__(answer)
        self.setback = setback
        self.answer = answer


class StationUpgrades:
    """Works on every station that is changing and connected."""

    def __init__(
        self,
        keys: StationKeys,
        certificates: StationCertificates,
        registry: Registry,
        tasks: TaskSupervisor,
        clock: Clock,
        level_of: Callable[[str], SecurityProfile],
    ) -> None:
        """Take ``level_of``, what the present connection of a station has proved."""
        self._keys = keys
        self._certificates = certificates
        self._registry = registry
        self._tasks = tasks
        self._clock = clock
        self._level_of = level_of
        self._busy: set[str] = set()
        self._again_s: dict[str, float] = {}
        self._asked_s: dict[str, float] = {}

    async def run(self) -> None:
        """Looks every few seconds until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self.look()

    def look(self) -> None:
        """Starts the next step of every station that has one."""
        self._certificates.ask_in_handshakes()
        for record in self._keys.records():
            station_id = record.station_id
            if not record.is_changing or station_id in self._busy:
                continue
            if self._clock.monotonic_s() < self._again_s.get(station_id, 0.0):
                continue
            self._busy.add(station_id)
            self._tasks.start(self._advance(station_id), f"security of {station_id}")

    async def _advance(self, station_id: str) -> None:
        try:
            station = self._registry.station(station_id)
            if await self._given_up(station_id) or station is None or station.link is None:
                return
            await self._steps(station, station.link)
        except _StepRefusedError as refused:
            log.warning("%s: %s (%s)", station_id, refused.setback, refused.answer)
            await self._set_back(station_id, refused.setback, refused.answer)
        except StationUnreachableError:
            self._again_s[station_id] = self._clock.monotonic_s() + AGAIN_S
        finally:
            self._busy.discard(station_id)

    async def _given_up(self, station_id: str) -> bool:
        until_utc = self._keys.of(station_id).until_utc
        if until_utc is None or self._clock.utc_now() < until_utc:
            return False
        await self._set_back(station_id, Setback.NOT_BACK)
        return True

    async def _set_back(self, station_id: str, setback: Setback, detail: str = "") -> None:
        self._asked_s.pop(station_id, None)
        await self._keys.change(station_id, lambda now: now.with_setback(setback, detail))

    # ------------------------------------------------------------ steps

    async def _steps(self, station: StationLive, link: StationLink) -> None:
        station_id = station.station.station_id
        record = self._keys.of(station_id)
        if record.restart_due:
            await self._restart(station, link)
            return
        wanted = record.wanted
        if wanted is not None and self._level_of(station_id) >= wanted:
            await self._keys.change(station_id, lambda now: now.requiring(wanted))
            return
        told = await self._key(record, link)
        if wanted is not None and not record.profile_sent:
            if wanted.has_tls:
                await self._certificates.install_root(station, link)  # it may have it by hand
            if wanted is SecurityProfile.CERTIFICATE and not await self._certificate(station, link):
                return
            told = await self._profile(station_id, wanted, link)
        if told:
            self._tasks.start(self._reconnect(station, link), f"reconnection of {station_id}")

    async def _key(self, record: StationSecurity, link: StationLink) -> bool:
        """Sends the key that the station lacks; whether one was sent."""
        station_id, wanted = record.station_id, record.wanted
        under_way = record.next_key
        lacks = wanted is not None and wanted.has_key and record.key is None
        if lacks and (under_way is None or _is_printed(under_way)):
            # The key on its sheet, if there is one: both ways then lead to the same.
            await self._keys.new_key(station_id, MANAGER)
            record = self._keys.of(station_id)
            under_way = record.next_key
        if under_way is None or under_way.delivery is not Delivery.TO_SEND:
            return False
        text = self._keys.key_to_send(record)
        if text is None:
            raise _StepRefusedError(Setback.KEY_REFUSED, "the key cannot be read any more")
        status, answer = await self._change(link, "AuthorizationKey", text)
        if status not in _TAKEN:
            raise _StepRefusedError(Setback.KEY_REFUSED, answer)
        sent = under_way
        restart = status is ConfigurationStatus.REBOOT_REQUIRED
        await self._keys.change(station_id, lambda now: _key_sent(now, sent, restart=restart))
        return True

    async def _certificate(self, station: StationLive, link: StationLink) -> bool:
        """Whether the station has a certificate; asks it to request one when it has none."""
        station_id = station.station.station_id
        if self._certificates.book.serving(station_id) is not None:
            return True
        now_s = self._clock.monotonic_s()
        asked_s = self._asked_s.get(station_id)
        refused = self._certificates.refused.get(station_id)
        if asked_s is not None:
            if refused is not None:
                raise _StepRefusedError(Setback.CERTIFICATE_REFUSED, refused)
            if now_s - asked_s > REQUEST_WITHIN_S:
                raise _StepRefusedError(Setback.CERTIFICATE_REFUSED, "no request came")
            return False
        self._certificates.refused.pop(station_id, None)
        # Where it cannot be set, the request shall tell what the station was given by hand.
        await self._change(link, "CpoName", self._keys.defaults.organisation)
        self._asked_s[station_id] = now_s
        answer = await self._certificates.ask_to_request(station, link)
        if answer is not None:
            raise _StepRefusedError(Setback.CERTIFICATE_REFUSED, answer)
        return False

    async def _profile(self, station_id: str, wanted: SecurityProfile, link: StationLink) -> bool:
        status, answer = await self._change(link, "SecurityProfile", str(int(wanted)))
        self._asked_s.pop(station_id, None)
        if status is ConfigurationStatus.NOT_SUPPORTED:
            # A key alone makes profile 1. TLS needs another address, which somebody has to set.
            by_hand = None if wanted is SecurityProfile.KEY else Setback.BY_HAND
            until = None if by_hand else self._clock.utc_now() + BACK_WITHIN
            await self._keys.change(
                station_id,
                lambda now: msgspec.structs.replace(
                    now, profile_sent=True, until_utc=until, setback=by_hand
                ),
            )
            return by_hand is None
        if status not in _TAKEN:
            raise _StepRefusedError(Setback.PROFILE_REFUSED, answer)
        until_utc = self._clock.utc_now() + BACK_WITHIN
        restart = status is ConfigurationStatus.REBOOT_REQUIRED
        await self._keys.change(
            station_id,
            lambda now: msgspec.structs.replace(
                now,
                profile_sent=True,
                until_utc=until_utc,
                restart_due=now.restart_due or restart,
            ),
        )
        return True

    async def _restart(self, station: StationLive, link: StationLink) -> None:
        """Restarts the station once no car charges there: a restart ends the charge."""
        station_id = station.station.station_id
        if any(live.transaction is not None for live in station.connectors.values()):
            until = self._keys.of(station_id).until_utc
            if until is not None:  # the time runs only once it could have come back
                later = self._clock.utc_now() + BACK_WITHIN
                await self._keys.change(
                    station_id, lambda now: msgspec.structs.replace(now, until_utc=later)
                )
            self._again_s[station_id] = self._clock.monotonic_s() + AGAIN_S
            return
        await self._keys.change(
            station_id, lambda now: msgspec.structs.replace(now, restart_due=False)
        )
        try:
            await link.call(
                Reset(ResetType.SOFT), priority=Priority.CONTROL, timeout_s=STEP_TIMEOUT_S
            )
        except StationRefusedError:
            log.info("%s: does not restart on demand", station_id)

    async def _reconnect(self, station: StationLive, link: StationLink) -> None:
        await asyncio.sleep(RECONNECTS_BY_ITSELF_S)
        if station.link is link and not self._keys.of(station.station.station_id).restart_due:
            await link.close("to use what it was told")

    async def _change(
        self, link: StationLink, key: str, value: str
    ) -> tuple[ConfigurationStatus, str]:
        """What the station says to a setting. Raises ``StationUnreachableError``."""
        try:
            answer = await link.call(
                ChangeConfiguration(key=key, value=value),
                priority=Priority.CONTROL,
                timeout_s=STEP_TIMEOUT_S,
            )
        except StationRefusedError as refusal:
            return ConfigurationStatus.REJECTED, str(refusal.params.get("answer", ""))
        return answer.status, str(answer.status.value)


_TAKEN = (ConfigurationStatus.ACCEPTED, ConfigurationStatus.REBOOT_REQUIRED)


def _is_printed(key: StationKey) -> bool:
    return bool(key.sealed) and key.delivery is Delivery.BY_HAND


def _key_sent(record: StationSecurity, sent: StationKey, *, restart: bool) -> StationSecurity:
    if record.next_key != sent:  # shown, or withdrawn, while the answer was under way
        return record
    return msgspec.structs.replace(
        record,
        next_key=msgspec.structs.replace(sent, delivery=Delivery.SENT),
        restart_due=record.restart_due or restart,
    )
