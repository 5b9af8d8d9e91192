"""Putting the fallback current into a station: what it may draw without news from the manager.

It goes in before any live limit, because a station that loses the manager returns to it. It is
written only where it is not in place already: what a station stores wears its memory, and a hundred
come back at once.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from app.domain.capability import FallbackForm, ModelKey
from app.domain.errors import StationRefusedError
from app.energy.planner import Planner
from app.ocpp16.actions.types import ChargingProfileStatus
from app.ocpp16.composite import ask_composite, tells_limit
from app.ocpp16.profile_forms import fallback_forms, first_fallback
from app.ocpp16.session import Priority
from app.ocpp16.smart_charging import fallback_profile, schedule_limit
from app.services.capabilities import CapabilityBook
from app.services.ports import Clock, StationLink
from app.services.registry import ConnectorLive, StationLive
from app.services.settings_reader import FEATURE_MISSING

log = logging.getLogger(__name__)

STEP_TIMEOUT_S = 20.0

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Start of a fallback that needs one: past by any clock, even one lost in a power cut."""


class FallbackInstaller:
    """Installs fallbacks, and tells the ledger of what may be drawn meanwhile."""

    def __init__(self, planner: Planner, capabilities: CapabilityBook, clock: Clock) -> None:
        self._planner = planner
        self._capabilities = capabilities
        self._clock = clock

    def is_outdated(self, station: StationLive) -> bool:
        """Whether the station holds another fallback than it is configured for now."""
        ceilings, fallback_ma = self._planner.ceilings, station.station.fallback_ma
        keys = [connector.key for connector in station.connectors.values()]
        return any(ceilings.fallback_ma(key) not in (fallback_ma, None) for key in keys)

    async def install(self, station: StationLive, link: StationLink) -> None:
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
