"""Setting a station up after it has booted: a sequence in which every step may fail.

A failed step lowers what the station can do and nothing else. The fallback current goes in before
any live limit, because a station that loses the manager returns to it. It is written only where it
is not in place already: what a station stores wears its memory, and a hundred come back at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from app.domain.capability import FallbackForm, ModelKey
from app.domain.errors import StationRefusedError, StationUnreachableError
from app.domain.station import ConnectorStatus
from app.energy.planner import Planner
from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    GetConfiguration,
    GetConfigurationConfirmation,
    TriggerMessage,
)
from app.ocpp16.actions.types import ChargingProfileStatus, ConfigurationStatus, MessageTrigger
from app.ocpp16.composite import ask_composite, tells_limit
from app.ocpp16.configuration import StationConfiguration, interpret
from app.ocpp16.profile_forms import fallback_forms, first_fallback, first_live
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import clear_tx_profile, fallback_profile, schedule_limit
from app.services.capabilities import CapabilityBook
from app.services.ports import Clock, StationLink
from app.services.registry import ConnectorLive, StationLive

log = logging.getLogger(__name__)

BOOT_PATIENCE_S = 5.0
"""How long a station that has connected may take to send BootNotification by itself."""

STEP_TIMEOUT_S = 20.0

CONCURRENT_SETUPS = 20
"""Stations set up at the same time after a power cut; the others wait their turn."""

SETUP_AGAIN_S = 30.0
"""A station that stayed silent in the middle of its set-up is set up again after this long."""

HEARTBEAT_SLACK = 1.25
"""A station may send its heartbeat this much less often than wanted: not worth a write."""

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Start of a fallback that needs one: past by any clock, even one lost in a power cut."""

FEATURE_MISSING = ("NotImplemented", "NotSupported")
"""Errors by which a station says that it has no smart charging at all: no other form will help."""

SAMPLED_DATA = "Current.Import,Power.Active.Import,Energy.Active.Import.Register"


class Commissioning:
    """Runs the set-up sequence of one station at a time per station, many stations at once."""

    def __init__(
        self,
        planner: Planner,
        capabilities: CapabilityBook,
        clock: Clock,
        *,
        sample_interval_s: int,
        heartbeat_interval_s: int,
        after_boot: Callable[[StationLive], None],
    ) -> None:
        """Take ``after_boot``, called once a station that has booted is ready for its limits."""
        self._planner = planner
        self._capabilities = capabilities
        self._clock = clock
        self._after_boot = after_boot
        self._turns = asyncio.Semaphore(CONCURRENT_SETUPS)
        self._wanted = {
            "HeartbeatInterval": str(heartbeat_interval_s),
            "MeterValueSampleInterval": str(sample_interval_s),
            "MeterValuesSampledData": SAMPLED_DATA,
        }
        self._sample_interval_s = float(sample_interval_s)

    async def after_connect(self, station: StationLive, link: StationLink) -> None:
        """For a station that may stay silent: waits for its boot, then sets it up without one."""
        await asyncio.sleep(BOOT_PATIENCE_S)
        if station.link is link and not station.set_up and station.setup_link is not link:
            await self.run(station, link)

    async def run(self, station: StationLive, link: StationLink) -> None:
        """The whole sequence, again while the station stays silent; ends when the link drops."""
        station.setup_link = link
        try:
            while station.link is link:
                try:
                    async with self._turns:
                        await self._steps(station, link)
                    return
                except StationUnreachableError:
                    log.info("%s: set-up interrupted", station.station.station_id)
                if station.set_up:
                    return
                await asyncio.sleep(SETUP_AGAIN_S)
        finally:
            if station.setup_link is link:
                station.setup_link = None

    async def renew_fallbacks(self, stations: Iterable[StationLive]) -> None:
        """Brings fallbacks up to date after a change of configuration, where stations are set up."""
        for station in stations:
            link = station.link
            if link is None or not station.set_up or not self._is_outdated(station):
                continue
            try:
                await self.install_fallback(station, link)
            except StationUnreachableError:
                log.info("%s: keeps its old fallback for now", station.station.station_id)
                station.set_up = False
                await self.run(station, link)

    def _is_outdated(self, station: StationLive) -> bool:
        ceilings, fallback_ma = self._planner.ceilings, station.station.fallback_ma
        keys = [connector.key for connector in station.connectors.values()]
        return any(ceilings.fallback_ma(key) not in (fallback_ma, None) for key in keys)

    async def _steps(self, station: StationLive, link: StationLink) -> None:
        capability, booted = station.capability, station.booted
        capability.settings = await self._read(link) or StationConfiguration()
        await self.install_fallback(station, link)
        if station.link is not link:
            return
        known = self._capabilities.of(station)
        usual = capability.fallback or first_fallback(capability.settings)
        capability.form = known.live or first_live(capability.settings, usual)
        capability.form_proven = False
        capability.follows = True
        station.set_up = True
        if booted:
            self._after_boot(station)
        if any(
            connector.status is ConnectorStatus.UNKNOWN for connector in station.connectors.values()
        ):
            await self._trigger(link, MessageTrigger.STATUS_NOTIFICATION)
        await self._configure(station, link, capability.settings)
        await self._clear_leftovers(station, link)

    async def _read(self, link: StationLink) -> StationConfiguration | None:
        try:
            answer = await link.call(
                GetConfiguration(), priority=Priority.CONTROL, timeout_s=STEP_TIMEOUT_S
            )
        except StationRefusedError:
            return None
        except StationUnreachableError:
            return None
        assert isinstance(answer, GetConfigurationConfirmation)
        return interpret(answer)

    async def install_fallback(self, station: StationLive, link: StationLink) -> None:
        """Puts the fallback on the whole station (clause 3.13.1), in the first form it takes.

        Writes nothing where the station is known to hold it.
        """
        fallback_ma = station.station.fallback_ma
        station_id = station.station.station_id
        known = await self._known_form(station, link)
        if known is None:
            await self._capabilities.forget_held(station_id)
            known = await self._write_fallback(station, link)
        keys = [connector.key for connector in station.connectors.values()]
        ceilings, now_s = self._planner.ceilings, self._clock.monotonic_s()
        station.capability.fallback = known
        station.booted = False
        if known is None:
            for key in keys:
                ceilings.fallback_lost(key)
            log.warning("%s: refuses a fallback current", station_id)
            return
        for key in keys:
            ceilings.fallback_installed(key, fallback_ma, now_s)

    async def _known_form(self, station: StationLive, link: StationLink) -> FallbackForm | None:
        """The form of the fallback in place; ``None`` when it is another, or nobody knows.

        Profiles are kept over a loss of the network; after a boot the station is asked, if it is of
        a kind whose answers have proved true.
        """
        held = self._capabilities.held(station.station.station_id)
        if held is None or held.fallback_ma != station.station.fallback_ma:
            return None
        if held.model != ModelKey.of(station.identity):
            return None
        if not station.booted:
            return held.form
        idle = next((one for one in station.connectors.values() if one.transaction is None), None)
        if idle is None or not self._capabilities.of(station).composite:
            return None
        holds = await self._tells(link, idle, held.fallback_ma, held.form)
        return held.form if holds else None

    async def _tells(
        self, link: StationLink, idle: ConnectorLive, fallback_ma: int, form: FallbackForm
    ) -> bool:
        request = ask_composite(idle.key.connector_id, 0, form.unit)
        try:
            answer = await link.call(request, timeout_s=STEP_TIMEOUT_S)
        except StationRefusedError:
            return False
        limit = schedule_limit(fallback_ma, idle.connector.phases, form)
        return tells_limit(answer, limit, form.unit) is True

    async def _write_fallback(self, station: StationLive, link: StationLink) -> FallbackForm | None:
        """The form in which the station took the fallback; ``None`` when it refuses every one."""
        fallback_ma, settings = station.station.fallback_ma, station.capability.settings
        outlets = station.station.connectors
        phases = max(connector.phases for connector in outlets)
        for connector in station.connectors.values():
            self._planner.ceilings.fallback_sent(connector.key, fallback_ma)
        first = self._capabilities.of(station).fallback or first_fallback(settings)
        for form in fallback_forms(first, settings, len(outlets)):
            request = fallback_profile(fallback_ma, phases, form, LONG_AGO)
            try:
                answer = await link.call(
                    request, priority=Priority.SAFETY, timeout_s=STEP_TIMEOUT_S
                )
            except StationRefusedError as refusal:
                if str(refusal.params.get("answer", "")).startswith(FEATURE_MISSING):
                    return None
                continue
            if answer.status is ChargingProfileStatus.ACCEPTED:
                station.profile_writes += 1
                self._capabilities.learn(station, fallback=form)
                station_id = station.station.station_id
                await self._capabilities.holds(station_id, station.identity, fallback_ma, form)
                return form
        return None

    async def _configure(
        self, station: StationLive, link: StationLink, present: StationConfiguration
    ) -> None:
        for key, value in self._wanted.items():
            if _is_set(present.values.get(key), key, value):
                accepted = True
            elif not present.writable(key):
                accepted = False
            else:
                accepted = await self._change(link, key, value)
            if key == "MeterValueSampleInterval" and accepted:
                station.capability.sample_interval_s = self._sample_interval_s

    async def _clear_leftovers(self, station: StationLive, link: StationLink) -> None:
        """Removes the limits of transactions that are over; a running one's is replaced in place."""
        for live in station.connectors.values():
            if live.transaction is not None or not live.may_hold_limit:
                continue
            try:
                await link.call(
                    clear_tx_profile(live.key.connector_id),
                    priority=Priority.BACKGROUND,
                    timeout_s=STEP_TIMEOUT_S,
                )
                station.profile_writes += 1
            except StationRefusedError:
                log.info("%s: does not clear profiles", live.key)
            live.may_hold_limit = False

    async def _change(self, link: StationLink, key: str, value: str) -> bool:
        try:
            answer = await link.call(
                ChangeConfiguration(key=key, value=value),
                priority=Priority.BACKGROUND,
                timeout_s=STEP_TIMEOUT_S,
            )
        except StationRefusedError:
            return False
        return answer.status in (ConfigurationStatus.ACCEPTED, ConfigurationStatus.REBOOT_REQUIRED)

    async def _trigger(self, link: StationLink, message: MessageTrigger) -> None:
        try:
            await link.call(
                TriggerMessage(requested_message=message),
                priority=Priority.BACKGROUND,
                timeout_s=STEP_TIMEOUT_S,
            )
        except StationRefusedError:
            return


def _is_set(present: str | None, key: str, wanted: str) -> bool:
    """Whether a setting is as wanted; the heartbeat's interval is told by the boot's answer, where
    it differs a little from station to station.
    """
    if key == "HeartbeatInterval" and present is not None and present.isdecimal():
        return 0 < int(present) <= HEARTBEAT_SLACK * int(wanted)
    return present == wanted
