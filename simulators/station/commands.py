"""What a station does when the central system calls it (OCPP 1.6, clause 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from simulators.station.charging_profiles import ChargingProfile, RunningTransaction, epoch_s
from simulators.station.connector import Connector
from simulators.station.core import Core
from simulators.station.sessions import CLOCK_KEY, SAMPLE_KEY, Sessions

Payload = dict[str, Any]


class CallRefusedError(Exception):
    """Answered with a CALLERROR: code and description."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description


class Lifecycle(Protocol):
    """What a command may ask of the station as a whole."""

    def send_boot(self) -> None:
        """Send BootNotification."""
        ...

    def send_heartbeat(self) -> None:
        """Send Heartbeat."""
        ...

    def arm_heartbeat(self) -> None:
        """Follow a new HeartbeatInterval."""
        ...

    def reboot(self, reason: str) -> None:
        """Stop transactions for that reason, go down and come back."""
        ...


class Commands:
    """Answers the calls of the central system for one station."""

    def __init__(self, core: Core, sessions: Sessions, lifecycle: Lifecycle) -> None:
        self._core = core
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._afterwards: list[Callable[[], None]] = []
        self._handlers: dict[str, tuple[Callable[[Payload], Payload], frozenset[str]]] = {
            "CancelReservation": (self._cancel_reservation, _fields("reservationId")),
            "ChangeAvailability": (self._change_availability, _fields("connectorId type")),
            "ChangeConfiguration": (self._change_configuration, _fields("key value")),
            "ClearCache": (self._clear_cache, frozenset()),
            "ClearChargingProfile": (
                self._clear_profile,
                _fields("id connectorId chargingProfilePurpose stackLevel"),
            ),
            "DataTransfer": (_data_transfer, _fields("vendorId messageId data")),
            "GetCompositeSchedule": (
                self._composite_schedule,
                _fields("connectorId duration chargingRateUnit"),
            ),
            "GetConfiguration": (self._get_configuration, _fields("key")),
            "GetLocalListVersion": (self._local_list_version, frozenset()),
            "RemoteStartTransaction": (
                self._remote_start,
                _fields("connectorId idTag chargingProfile"),
            ),
            "RemoteStopTransaction": (self._remote_stop, _fields("transactionId")),
            "ReserveNow": (
                self._reserve,
                _fields("connectorId expiryDate idTag parentIdTag reservationId"),
            ),
            "Reset": (self._reset, _fields("type")),
            "SendLocalList": (
                self._send_local_list,
                _fields("listVersion localAuthorizationList updateType"),
            ),
            "SetChargingProfile": (self._set_profile, _fields("connectorId csChargingProfiles")),
            "TriggerMessage": (self._trigger, _fields("requestedMessage connectorId")),
            "UnlockConnector": (self._unlock, _fields("connectorId")),
        }

    def delay_s(self, action: str) -> float:
        """How long the station thinks about this call before it acts and answers."""
        return self._core.faults.accepts_late_s if action == "SetChargingProfile" else 0.0

    def answer(self, action: str, payload: Payload) -> Payload:
        """Act on a call; its CALLRESULT payload. Raises ``CallRefusedError`` for a CALLERROR."""
        received = self._core.counters.received
        received[action] = received.get(action, 0) + 1
        entry = self._handlers.get(action)
        if entry is None:
            raise CallRefusedError("NotImplemented", action)
        if action in self._core.persona.unsupported_actions:
            raise CallRefusedError("NotSupported", action)
        handler, known = entry
        if self._core.persona.strict and not known.issuperset(payload):
            raise CallRefusedError("FormationViolation", "unknown field")
        try:
            return handler(payload)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CallRefusedError("FormationViolation", repr(error)) from error

    def after_answer(self) -> None:
        """Do what the last call asked for beyond its answer; call it once that was sent."""
        pending, self._afterwards = self._afterwards, []
        for action in pending:
            action()

    # ------------------------------------------------------------------ configuration

    def _get_configuration(self, payload: Payload) -> Payload:
        return self._core.keys.answer(payload.get("key") or [])

    def _change_configuration(self, payload: Payload) -> Payload:
        key = payload["key"]
        status = self._core.keys.change(key, payload["value"])
        if status == "Accepted":
            if key == "HeartbeatInterval":
                self._lifecycle.arm_heartbeat()
            elif key in (SAMPLE_KEY, CLOCK_KEY):
                for connector in self._core.connectors:
                    self._sessions.arm(connector)
                self._sessions.arm_clock()
        return {"status": status}

    # ------------------------------------------------------------------ smart charging

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

    # ------------------------------------------------------------------ transactions

    def _remote_start(self, payload: Payload) -> Payload:
        core = self._core
        id_tag = str(payload["idTag"])
        wanted = payload.get("connectorId")
        candidates = [
            c
            for c in core.connectors
            if (wanted is None or c.connector_id == wanted)
            and self._sessions.free_to_start(c, id_tag)
        ]
        candidates.sort(key=lambda connector: connector.car is None)
        if not candidates:
            return {"status": "Rejected"}
        connector = candidates[0]
        start = partial(self._start_remotely, connector, id_tag, payload.get("chargingProfile"))
        if core.keys.boolean("AuthorizeRemoteTxRequests"):
            self._afterwards.append(partial(self._sessions.authorize, id_tag, start))
        else:
            self._afterwards.append(start)
        return {"status": "Accepted"}

    def _start_remotely(self, connector: Connector, id_tag: str, content: Payload | None) -> None:
        core = self._core
        if not self._sessions.free_to_start(connector, id_tag):
            return
        if connector.car is None:
            connector.remote_tag = id_tag
            wait_s = core.keys.integer("ConnectionTimeOut")
            core.loop.call_later(wait_s, self._give_up_waiting, connector, id_tag)
            core.tell_statuses()
            return
        self._sessions.start(connector, id_tag)
        if content is not None:
            now_s = core.clock().timestamp()
            profile = ChargingProfile(connector.connector_id, content, now_s)
            # Not checked against the transaction: nobody knows its number yet.
            core.profiles.adopt(profile)
            core.refresh_offers()

    def _give_up_waiting(self, connector: Connector, id_tag: str) -> None:
        if connector.remote_tag == id_tag:
            connector.remote_tag = None
            self._core.tell_statuses()

    def _remote_stop(self, payload: Payload) -> Payload:
        connector = self._core.of_transaction(int(payload["transactionId"]))
        if connector is None:
            return {"status": "Rejected"}
        self._afterwards.append(partial(self._sessions.stop, connector, "Remote"))
        return {"status": "Accepted"}

    def _unlock(self, payload: Payload) -> Payload:
        connector = self._core.connector(int(payload["connectorId"]))
        if connector is None:
            return {"status": "NotSupported"}
        self._afterwards.append(partial(self._sessions.stop, connector, "UnlockCommand"))
        return {"status": "Unlocked"}

    # ------------------------------------------------------------------ the station as a whole

    def _reset(self, payload: Payload) -> Payload:
        kind = payload["type"]
        if kind not in ("Soft", "Hard"):
            raise ValueError(kind)
        self._afterwards.append(partial(self._lifecycle.reboot, f"{kind}Reset"))
        return {"status": "Accepted"}

    def _change_availability(self, payload: Payload) -> Payload:
        core = self._core
        connector_id, operative = int(payload["connectorId"]), payload["type"] == "Operative"
        outlets = [c for c in core.connectors if connector_id in (0, c.connector_id)]
        if not outlets:
            return {"status": "Rejected"}
        status = "Accepted"
        for connector in outlets:
            connector.inoperative_later = False
            if operative or connector.record is None:
                connector.available = operative
            else:
                connector.inoperative_later = True
                status = "Scheduled"
        self._afterwards.append(core.tell_statuses)
        return {"status": status}

    def _trigger(self, payload: Payload) -> Payload:
        core = self._core
        wanted = payload["requestedMessage"]
        connector_id = payload.get("connectorId")
        if connector_id is not None and core.connector(connector_id) is None:
            return {"status": "Rejected"}
        outlets = [c for c in core.connectors if connector_id in (None, c.connector_id)]
        match wanted:
            case "BootNotification":
                self._afterwards.append(self._lifecycle.send_boot)
            case "Heartbeat":
                self._afterwards.append(self._lifecycle.send_heartbeat)
            case "StatusNotification":
                for connector in outlets:
                    self._afterwards.append(partial(self._tell_status, connector))
            case "MeterValues":
                measurands = core.keys.measurands("MeterValuesSampledData")
                for connector in outlets:
                    self._afterwards.append(
                        partial(self._sessions.send_meter_values, connector, measurands, "Trigger")
                    )
            case _:
                return {"status": "NotImplemented"}
        return {"status": "Accepted"}

    def _tell_status(self, connector: Connector) -> None:
        self._core.notify(connector.connector_id, connector.status())

    # ------------------------------------------------------------------ local list, reservations

    def _clear_cache(self, _payload: Payload) -> Payload:
        self._sessions.known.cache.clear()
        return {"status": "Accepted"}

    def _local_list_version(self, _payload: Payload) -> Payload:
        return {"listVersion": self._sessions.known.version}

    def _send_local_list(self, payload: Payload) -> Payload:
        known = self._sessions.known
        version, update = int(payload["listVersion"]), payload["updateType"]
        if update == "Full":
            known.entries.clear()
        elif version <= known.version:
            return {"status": "VersionMismatch"}
        for entry in payload.get("localAuthorizationList", []):
            tag = str(entry["idTag"]).lower()
            if "idTagInfo" in entry:
                known.entries[tag] = entry["idTagInfo"]
            else:
                known.entries.pop(tag, None)
        known.version = version
        return {"status": "Accepted"}

    def _reserve(self, payload: Payload) -> Payload:
        core = self._core
        connector = core.connector(int(payload["connectorId"]))
        if connector is None:
            return {"status": "Rejected"}
        if connector.fault:
            return {"status": "Faulted"}
        if not connector.available:
            return {"status": "Unavailable"}
        if connector.car is not None or connector.reserved_for is not None:
            return {"status": "Occupied"}
        reservation = (int(payload["reservationId"]), str(payload["idTag"]))
        wait_s = max(epoch_s(payload["expiryDate"]) - core.clock().timestamp(), 0.0)
        connector.reserved_for = reservation
        core.loop.call_later(wait_s, self._end_reservation, connector, reservation)
        self._afterwards.append(core.tell_statuses)
        return {"status": "Accepted"}

    def _cancel_reservation(self, payload: Payload) -> Payload:
        for connector in self._core.connectors:
            reservation = connector.reserved_for
            if reservation is not None and reservation[0] == payload["reservationId"]:
                self._afterwards.append(partial(self._end_reservation, connector, reservation))
                return {"status": "Accepted"}
        return {"status": "Rejected"}

    def _end_reservation(self, connector: Connector, reservation: tuple[int, str]) -> None:
        if connector.reserved_for == reservation:
            connector.reserved_for = None
            self._core.tell_statuses()


def _data_transfer(_payload: Payload) -> Payload:
    return {"status": "UnknownVendorId"}


def _fields(names: str) -> frozenset[str]:
    return frozenset(names.split())
