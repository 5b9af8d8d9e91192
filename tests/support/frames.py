"""Made-up conversations for the pages of recorded frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from app.adapters.frame_recorder import FrameRecorder


class Talk:
    """One connection of a station, both sides of it."""

    def __init__(self, recorder: FrameRecorder, station_id: str) -> None:
        self._tap = recorder.connection(station_id)
        self._ids = 0

    def ask(self, action: str, answer: dict[str, Any] | None, *notes: str, **payload: Any) -> None:
        """The station asks; the manager answers, or not (``None``)."""
        self._ids += 1
        tallies = dict.fromkeys(notes, self._ids)
        self._tap.received(json.dumps([2, str(self._ids), action, payload]), tallies)
        if answer is not None:
            self._tap.sent(json.dumps([3, str(self._ids), answer]))

    def tell(self, action: str, answer: str | dict[str, Any] | None, **payload: Any) -> None:
        """The manager asks; the station answers, by a CALLERROR (its code) or not at all."""
        self._ids += 1
        self._tap.sent(json.dumps([2, f"m{self._ids}", action, payload]))
        if isinstance(answer, str):
            self._tap.received(json.dumps([4, f"m{self._ids}", answer, "", {}]))
        elif answer is not None:
            self._tap.received(json.dumps([3, f"m{self._ids}", answer]))

    def say(self, text: str, *notes: str) -> None:
        """Whatever the station sends."""
        self._ids += 1
        self._tap.received(text, dict.fromkeys(notes, self._ids))


ACCEPTED = {"status": "Accepted"}
NOW = "2026-03-02T12:00:00.000Z"


def a_charge(recorder: FrameRecorder, station_id: str, after: Callable[[], None]) -> None:
    """A station comes, a car charges, and some things go wrong; ``after`` moves the clock."""
    talk = Talk(recorder, station_id)
    talk.ask(
        "BootNotification", {"status": "Accepted", "currentTime": NOW, "interval": 300},
        chargePointVendor="Legrand", chargePointModel="Green'up Premium", firmwareVersion="4.2.1",
        chargePointSerialNumber="21G0456",
    )  # fmt: skip
    after()
    talk.tell("GetConfiguration", {"configurationKey": [], "unknownKey": []})
    talk.tell("GetConfiguration", {"unknownKey": ["X"]}, key=["HeartbeatInterval", "X"])
    talk.tell("ChangeConfiguration", ACCEPTED, key="AuthorizationKey", value="c0ffee")
    after()
    talk.ask("StatusNotification", {}, connectorId=1, errorCode="NoError", status="Preparing")
    talk.ask("Authorize", {"idTagInfo": ACCEPTED}, idTag="04A1B2C3")
    start = {"connectorId": 1, "idTag": "04A1B2C3", "meterStart": 1000, "timestamp": NOW}
    talk.ask("StartTransaction", {"transactionId": 17, "idTagInfo": ACCEPTED}, **start)
    after()
    profile = {
        "chargingProfilePurpose": "TxProfile",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 13.0}],
        },
    }
    talk.tell(
        "SetChargingProfile", {"status": "Rejected"}, connectorId=1, csChargingProfiles=profile
    )
    talk.tell("SetChargingProfile", "NotSupported", connectorId=1, csChargingProfiles=profile)
    samples = [
        {"value": f"1{n}.5", "measurand": "Current.Import", "phase": f"L{n}", "unit": "A"}
        for n in (1, 2, 3)
    ]
    samples += [{"value": "8600", "measurand": "Power.Active.Import"}, {"value": "1200"}]
    talk.ask(
        "MeterValues", {}, "mesurand",
        connectorId=1, meterValue=[{"timestamp": NOW, "sampledValue": samples}],
    )  # fmt: skip
    after()
    talk.ask("StatusNotification", None, connectorId=0, errorCode="GroundFailure", status="Faulted",
             info="overheated", vendorErrorCode="E17")  # fmt: skip
    talk.tell("RemoteStopTransaction", None, transactionId=17)
    talk.say("this is no frame", "rejected")
    talk.ask("StopTransaction", {}, transactionId=17, meterStop=9000, reason="Local", timestamp=NOW)
    after()
    talk.ask("Heartbeat", {"currentTime": NOW})
    talk.ask("DataTransfer", {"status": "UnknownVendorId"}, vendorId="Legrand", data="x" * 200)
    talk.tell("RemoteStartTransaction", ACCEPTED, idTag="04A1B2C3", connectorId=1)
    talk.tell("RemoteStartTransaction", ACCEPTED, idTag="04A1B2C3")
    talk.tell("TriggerMessage", ACCEPTED, requestedMessage="Heartbeat")
    talk.tell("TriggerMessage", ACCEPTED, requestedMessage="MeterValues", connectorId=1)
    talk.tell("ChangeAvailability", {"status": "Scheduled"}, connectorId=0, type="Inoperative")
    talk.tell("UnlockConnector", {"status": "UnlockFailed"}, connectorId=1)
    talk.tell("ClearCache", ACCEPTED)
