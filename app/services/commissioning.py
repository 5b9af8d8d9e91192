"""Setting a station up after it has booted: a sequence in which every step may fail.

A failed step lowers what the station can do and nothing else. The fallback current goes in before
any live limit, because a station that loses the manager returns to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import msgspec

from app.domain.errors import StationRefusedError, StationUnreachableError
from app.domain.station import ConnectorStatus, RateUnit
from app.energy.planner import Planner
from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    GetConfiguration,
    GetConfigurationConfirmation,
    TriggerMessage,
)
from app.ocpp16.actions.types import ChargingProfileStatus, ConfigurationStatus, MessageTrigger
from app.ocpp16.configuration import StationConfiguration, interpret
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import ProfileForm, clear_tx_profile, tx_default_profile
from app.services.ports import Clock, StationLink
from app.services.registry import StationLive

log = logging.getLogger(__name__)

BOOT_PATIENCE_S = 5.0
"""How long a station that has connected may take to send BootNotification by itself."""

STEP_TIMEOUT_S = 20.0

CONCURRENT_SETUPS = 20
"""Stations set up at the same time after a power cut; the others wait their turn."""

SAMPLED_DATA = "Current.Import,Power.Active.Import,Energy.Active.Import.Register"


class Commissioning:
    """Runs the set-up sequence of one station at a time per station, many stations at once."""

    def __init__(
        self, planner: Planner, clock: Clock, *, sample_interval_s: int, heartbeat_interval_s: int
    ) -> None:
        self._planner = planner
        self._clock = clock
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
        """The whole sequence; ends quietly when the link drops in the middle."""
        station.setup_link = link
        try:
            async with self._turns:
                await self._steps(station, link)
        except StationUnreachableError:
            log.info("%s: set-up interrupted", station.station.station_id)
        finally:
            if station.setup_link is link:
                station.setup_link = None

    async def _steps(self, station: StationLive, link: StationLink) -> None:
        settings = await self._read(link)
        if settings is not None:
            station.capability.form = profile_form(settings)
        await self.install_fallback(station, link)
        if station.link is not link:
            return
        station.set_up = True
        if any(
            connector.status is ConnectorStatus.UNKNOWN for connector in station.connectors.values()
        ):
            await self._trigger(link, MessageTrigger.STATUS_NOTIFICATION)
        await self._configure(station, link, settings or StationConfiguration())
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
        """TxDefaultProfile on the whole station (clause 3.13.1), tried in A, then in W."""
        fallback_ma = station.station.fallback_ma
        form = station.capability.form
        first = form.unit
        other = RateUnit.WATTS if first is RateUnit.AMPERES else RateUnit.AMPERES
        phases = max(connector.phases for connector in station.station.connectors)
        keys = [connector.key for connector in station.connectors.values()]
        ceilings = self._planner.ceilings
        for key in keys:
            ceilings.fallback_sent(key, fallback_ma)
        for unit in (first, other):
            form = msgspec.structs.replace(form, unit=unit)
            request = tx_default_profile(fallback_ma, phases, form)
            try:
                answer = await link.call(
                    request, priority=Priority.SAFETY, timeout_s=STEP_TIMEOUT_S
                )
            except StationRefusedError:
                continue
            if answer.status is ChargingProfileStatus.ACCEPTED:
                station.capability.form = form
                now_s = self._clock.monotonic_s()
                for key in keys:
                    ceilings.fallback_installed(key, fallback_ma, now_s)
                return
        for key in keys:
            ceilings.fallback_lost(key)
        log.warning("%s: refuses a fallback current", station.station.station_id)

    async def _configure(
        self, station: StationLive, link: StationLink, present: StationConfiguration
    ) -> None:
        for key, value in self._wanted.items():
            if present.values.get(key) == value:
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
            if live.transaction is None:
                with contextlib.suppress(StationRefusedError):
                    await link.call(
                        clear_tx_profile(live.key.connector_id),
                        priority=Priority.BACKGROUND,
                        timeout_s=STEP_TIMEOUT_S,
                    )

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


def profile_form(settings: StationConfiguration) -> ProfileForm:
    """How the station takes its profiles, from what it says of itself; amperes where it can.

    The live limit goes above whatever the fallback's level is, when the station has room for it.
    """
    units = settings.rate_units
    watts_only = bool(units) and RateUnit.AMPERES not in units
    highest = settings.max_stack_level
    return ProfileForm(
        unit=RateUnit.WATTS if watts_only else RateUnit.AMPERES,
        tx_stack_level=0 if highest is None else min(1, highest),
    )
