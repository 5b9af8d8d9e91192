"""Smart charging: what a station does with the calls that carry limits (OCPP 1.6, clause 5)."""

from __future__ import annotations

import math

from simulators.station.calls import Handlers, Payload, fields
from simulators.station.charging_profiles import ChargingProfile, RunningTransaction
from simulators.station.connector import Connector
from simulators.station.core import Core


class LimitCalls:
    """Answers the calls of the SmartCharging profile."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> Handlers:
        """What it answers."""
        return {
            "ClearChargingProfile": (
                self._clear_profile,
                fields("id connectorId chargingProfilePurpose stackLevel"),
            ),
            "GetCompositeSchedule": (
                self._composite_schedule,
                fields("connectorId duration chargingRateUnit"),
            ),
            "SetChargingProfile": (self._set_profile, fields("connectorId csChargingProfiles")),
        }

    def _set_profile(self, payload: Payload) -> Payload:
        core = self._core
        core.counters.profile_messages += 1
        connector_id = int(payload["connectorId"])
        now_s = core.clock().timestamp()
        profile = ChargingProfile(connector_id, payload["csChargingProfiles"], now_s)
        connector = core.connector(connector_id)
        running = None if connector is None else core.running(connector)
        known = connector_id == 0 or connector is not None
        if not core.profiles.install(profile, running, known=known):
            return {"status": "Rejected"}
        core.spike()
        self._follow()
        return {"status": "Accepted"}

    def _clear_profile(self, payload: Payload) -> Payload:
        core = self._core
        core.counters.profile_messages += 1
        cleared = core.profiles.clear(
            payload.get("id"),
            payload.get("connectorId"),
            payload.get("chargingProfilePurpose"),
            payload.get("stackLevel"),
        )
        self._follow()
        return {"status": "Accepted" if cleared else "Unknown"}

    def _follow(self) -> None:
        core = self._core
        delay_s = core.persona.apply_delay_s + core.faults.follows_late_s
        if delay_s:
            core.loop.call_later(delay_s, core.refresh_offers)
        else:
            core.refresh_offers()

    def _composite_schedule(self, payload: Payload) -> Payload:
        core = self._core
        connector_id, duration_s = int(payload["connectorId"]), int(payload["duration"])
        connector = core.connector(connector_id)
        if connector is None and connector_id != 0:
            return {"status": "Rejected"}
        own_unit = core.persona.rate_units[0]
        unit = payload.get("chargingRateUnit", own_unit)
        now = core.clock()
        start_s = moment_s = now.timestamp()
        periods: list[Payload] = []
        while moment_s < start_s + duration_s and len(periods) < core.persona.max_periods:
            limit_a, until_s = self._limit(connector, moment_s)
            limit = limit_a
            if unit == "W":
                limit *= core.config.voltage_v * core.config.connectors[0].phases
            if unit not in core.persona.rate_units and core.persona.composite_other_unit:
                limit = core.persona.composite_other_unit
            offset_s = math.ceil(moment_s - start_s)
            if not periods or periods[-1]["limit"] != limit:
                periods.append({"startPeriod": offset_s, "limit": round(limit, 1)})
            moment_s = until_s
        return {
            "status": "Accepted",
            "connectorId": connector_id,
            "scheduleStart": core.meter.timestamp(now),
            "chargingSchedule": {
                "duration": duration_s,
                "chargingRateUnit": unit,
                "chargingSchedulePeriod": periods,
            },
        }

    def _limit(self, connector: Connector | None, now_s: float) -> tuple[float, float]:
        core = self._core
        most_a = max(c.max_a for c in core.config.connectors)
        station_a, station_until_s = core.profiles.station_limit_a(now_s, 3)
        station_a = most_a if station_a is None else min(station_a, most_a)
        if connector is None:
            return station_a, station_until_s
        wired = connector.config.phases
        running = core.running(connector) or RunningTransaction(None, now_s, wired, wired)
        own_a, until_s = core.profiles.connector_limit_a(connector.connector_id, now_s, running)
        own_a = connector.config.max_a if own_a is None else min(own_a, connector.config.max_a)
        return min(own_a, station_a), min(until_s, station_until_s)
