"""What a station does when the central system calls it (OCPP 1.6, clause 5)."""

from __future__ import annotations

from functools import partial

from simulators.station.access_calls import AccessCalls
from simulators.station.calls import (
    Afterwards,
    CallRefusedError,
    Handlers,
    Lifecycle,
    Payload,
    fields,
)
from simulators.station.charging_profiles import ChargingProfile
from simulators.station.connector import Connector
from simulators.station.core import Core
from simulators.station.files import Files
from simulators.station.firmware import Firmware
from simulators.station.limit_calls import LimitCalls
from simulators.station.logs import Logs
from simulators.station.security_calls import SecurityCalls
from simulators.station.sessions import CLOCK_KEY, SAMPLE_KEY, Sessions
from simulators.station.vault import Vault


class Commands:
    """Answers the calls of the central system for one station."""

    def __init__(
        self,
        core: Core,
        sessions: Sessions,
        lifecycle: Lifecycle,
        vault: Vault,
        files: Files,
        serial: str,
    ) -> None:
        self._core = core
        self._sessions = sessions
        self._lifecycle = lifecycle
        self._afterwards: Afterwards = []
        self.logs = Logs(core, files)
        self.firmware = Firmware(core, lifecycle, vault, files)
        self.security = SecurityCalls(core, vault, lifecycle, self._afterwards, serial)
        self._handlers: Handlers = {
            "ChangeAvailability": (self._change_availability, fields("connectorId type")),
            "ChangeConfiguration": (self._change_configuration, fields("key value")),
            "DataTransfer": (self._data_transfer, fields("vendorId messageId data")),
            "ExtendedTriggerMessage": (
                self._extended_trigger,
                fields("requestedMessage connectorId"),
            ),
            "GetConfiguration": (self._get_configuration, fields("key")),
            "RemoteStartTransaction": (
                self._remote_start,
                fields("connectorId idTag chargingProfile"),
            ),
            "RemoteStopTransaction": (self._remote_stop, fields("transactionId")),
            "Reset": (self._reset, fields("type")),
            "TriggerMessage": (self._trigger, fields("requestedMessage connectorId")),
            "UnlockConnector": (self._unlock, fields("connectorId")),
            **LimitCalls(core).handlers(),
            **AccessCalls(core, sessions, self._afterwards).handlers(),
            **self.logs.handlers(),
            **self.firmware.handlers(),
            **self.security.handlers(),
        }

    def delay_s(self, action: str) -> float:
        """How long the station thinks about this call before it acts and answers."""
        return self._core.faults.accepts_late_s if action == "SetChargingProfile" else 0.0

    def ignores(self, action: str) -> bool:
        """Count a call that arrived; whether that is all that comes of it."""
        received = self._core.counters.received
        received[action] = received.get(action, 0) + 1
        return action in self._core.persona.unanswered_actions

    def answer(self, action: str, payload: Payload) -> Payload:
        """Act on a call; its CALLRESULT payload. Raises ``CallRefusedError`` for a CALLERROR."""
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
        pending = self._afterwards.copy()
        self._afterwards.clear()
        for action in pending:
            action()

    # ------------------------------------------------------------------ configuration

    def _get_configuration(self, payload: Payload) -> Payload:
        return self._core.keys.answer(payload.get("key") or [])

    def _change_configuration(self, payload: Payload) -> Payload:
        key, value = payload["key"], payload["value"]
        status = self.security.change(key, value)
        if status is None:
            status = self._core.keys.change(key, value)
        if status == "Accepted":
            if key == "HeartbeatInterval":
                self._lifecycle.arm_heartbeat()
            elif key in (SAMPLE_KEY, CLOCK_KEY):
                for connector in self._core.connectors:
                    self._sessions.arm(connector)
                self._sessions.arm_clock()
        return {"status": status}

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
            self._afterwards.append(partial(self._sessions.tokens.authorize, id_tag, start))
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
        status = self._core.persona.unlock_status
        if status == "Unlocked":
            self._afterwards.append(partial(self._sessions.stop, connector, "UnlockCommand"))
            self._afterwards.append(partial(self._sessions.release_cable, connector))
        return {"status": status}

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

    def _data_transfer(self, payload: Payload) -> Payload:
        vendor = str(payload["vendorId"])
        if vendor != self._core.persona.data_vendor:
            return {"status": "UnknownVendorId"}
        match payload.get("messageId"):
            case "Echo":
                return {"status": "Accepted", "data": str(payload.get("data", ""))}
            case "Refuse":
                return {"status": "Rejected"}
            case _:
                return {"status": "UnknownMessageId"}

    # ------------------------------------------------------------------ triggers

    def _trigger(self, payload: Payload) -> Payload:
        match payload["requestedMessage"]:
            case "DiagnosticsStatusNotification":
                self._afterwards.append(self.logs.trigger)
            case "FirmwareStatusNotification":
                self._afterwards.append(self.firmware.trigger)
            case wanted:
                return self._trigger_core(wanted, payload.get("connectorId"))
        return {"status": "Accepted"}

    def _extended_trigger(self, payload: Payload) -> Payload:
        if not self._core.persona.security_extension:
            raise CallRefusedError("NotImplemented", "security extension")
        match payload["requestedMessage"]:
            case "LogStatusNotification":
                self._afterwards.append(self.logs.trigger_log)
            case "FirmwareStatusNotification":
                self._afterwards.append(self.firmware.trigger_signed)
            case "SignChargePointCertificate":
                self._afterwards.append(self.security.request_certificate)
            case wanted:
                return self._trigger_core(wanted, payload.get("connectorId"))
        return {"status": "Accepted"}

    def _trigger_core(self, wanted: str, connector_id: int | None) -> Payload:
        core = self._core
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
