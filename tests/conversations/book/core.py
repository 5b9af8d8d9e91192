"""Feature profile Core (OCPP 1.6 ed. 2, clauses 4.1 to 4.10, 5.2 to 5.4, 5.6, 5.8, 5.11 to 5.18)."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.access_calls import ClearCache
from app.ocpp16.actions.manager_calls import (
    ChangeAvailability,
    ChangeConfiguration,
    GetConfiguration,
    RemoteStartTransaction,
    RemoteStopTransaction,
    Reset,
    UnlockConnector,
)
from app.ocpp16.actions.station_calls import (
    Authorize,
    BootNotification,
    DataTransfer,
    Heartbeat,
    MeterValues,
    StartTransaction,
    StatusNotification,
    StopTransaction,
)
from tests.conversations.book.profiles import CHARGING_PROFILE
from tests.conversations.entries import FromManager, FromStation, Payload

NOON: Final = "2026-03-02T12:00:00Z"

SAMPLE: Final[Payload] = {
    "value": "15.9",
    "context": "Sample.Periodic",
    "format": "Raw",
    "measurand": "Current.Import",
    "phase": "L1",
    "location": "Outlet",
    "unit": "A",
}
METER_VALUE: Final[Payload] = {"timestamp": NOON, "sampledValue": [SAMPLE, {"value": "1042"}]}

VERDICTS: Final = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
TAG_INFOS: Final[tuple[Payload, ...]] = (
    *({"status": status} for status in VERDICTS),
    {"status": "Accepted", "expiryDate": NOON, "parentIdTag": "FLEET"},
)

DATA_TRANSFER: Final[Payload] = {"vendorId": "maker"}
DATA_TRANSFER_FULL: Final[Payload] = {"vendorId": "maker", "messageId": "hello", "data": "{}"}
DATA_TRANSFERRED: Final[tuple[Payload, ...]] = (
    {"status": "Accepted"},
    {"status": "Accepted", "data": "{}"},
)
DATA_NOT_TRANSFERRED: Final[tuple[Payload, ...]] = (
    {"status": "Rejected"},
    {"status": "UnknownMessageId"},
    {"status": "UnknownVendorId"},
)

STATION_CALLS: Final = (
    FromStation(
        "4.1",
        Authorize,
        least={"idTag": "04A1B2C3"},
        fullest={"idTag": "04A1B2C3"},
        answers=tuple({"idTagInfo": info} for info in TAG_INFOS),
        vital=frozenset({"idTag"}),
    ),
    FromStation(
        "4.2",
        BootNotification,
        least={"chargePointVendor": "Legrand", "chargePointModel": "059004"},
        fullest={
            "chargePointVendor": "Legrand",
            "chargePointModel": "059004",
            "chargePointSerialNumber": "260988",
            "chargeBoxSerialNumber": "260988",
            "firmwareVersion": "V01.01.65",
            "iccid": "8933150319",
            "imsi": "208201234567890",
            "meterType": "internal",
            "meterSerialNumber": "7",
        },
        answers=tuple(
            {"status": status, "currentTime": NOON, "interval": 60}
            for status in ("Accepted", "Pending", "Rejected")
        ),
    ),
    FromStation(
        "4.3",
        DataTransfer,
        least=DATA_TRANSFER,
        fullest=DATA_TRANSFER_FULL,
        answers=DATA_TRANSFERRED + DATA_NOT_TRANSFERRED,
        vital=frozenset({"vendorId"}),
    ),
    FromStation("4.6", Heartbeat, least={}, fullest={}, answers=({"currentTime": NOON},)),
    FromStation(
        "4.7",
        MeterValues,
        least={
            "connectorId": 1,
            "meterValue": [{"timestamp": NOON, "sampledValue": [{"value": "1042"}]}],
        },
        fullest={"connectorId": 1, "transactionId": 17, "meterValue": [METER_VALUE]},
        answers=({},),
        vital=frozenset({"connectorId", "meterValue"}),
    ),
    FromStation(
        "4.8",
        StartTransaction,
        least={"connectorId": 1, "idTag": "04A1B2C3", "meterStart": 1000, "timestamp": NOON},
        fullest={
            "connectorId": 1,
            "idTag": "04A1B2C3",
            "meterStart": 1000,
            "timestamp": NOON,
            "reservationId": 3,
        },
        answers=tuple({"idTagInfo": info, "transactionId": 17} for info in TAG_INFOS),
        vital=frozenset({"connectorId"}),
    ),
    FromStation(
        "4.9",
        StatusNotification,
        least={"connectorId": 1, "errorCode": "NoError", "status": "Available"},
        fullest={
            "connectorId": 1,
            "errorCode": "OtherError",
            "status": "Faulted",
            "info": "fan",
            "timestamp": NOON,
            "vendorId": "maker",
            "vendorErrorCode": "E12",
        },
        answers=({},),
        vital=frozenset({"connectorId", "status"}),
    ),
    FromStation(
        "4.10",
        StopTransaction,
        least={"transactionId": 17, "meterStop": 9000, "timestamp": NOON},
        fullest={
            "transactionId": 17,
            "meterStop": 9000,
            "timestamp": NOON,
            "idTag": "04A1B2C3",
            "reason": "Local",
            "transactionData": [METER_VALUE],
        },
        answers=({}, *({"idTagInfo": info} for info in TAG_INFOS)),
        vital=frozenset({"transactionId"}),
    ),
)

MANAGER_CALLS: Final = (
    FromManager(
        "5.2",
        ChangeAvailability,
        least={"connectorId": 0, "type": "Operative"},
        fullest={"connectorId": 1, "type": "Inoperative"},
        done=({"status": "Accepted"}, {"status": "Scheduled"}),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.3",
        ChangeConfiguration,
        least={"key": "HeartbeatInterval", "value": "60"},
        fullest={"key": "MeterValuesSampledData", "value": "Current.Import,Voltage"},
        done=({"status": "Accepted"}, {"status": "RebootRequired"}),
        refusals=({"status": "Rejected"}, {"status": "NotSupported"}),
    ),
    FromManager(
        "5.4",
        ClearCache,
        least={},
        fullest={},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.6",
        DataTransfer,
        least=DATA_TRANSFER,
        fullest=DATA_TRANSFER_FULL,
        done=DATA_TRANSFERRED,
        refusals=DATA_NOT_TRANSFERRED,
    ),
    FromManager(
        "5.8",
        GetConfiguration,
        least={},
        fullest={"key": ["HeartbeatInterval", "VendorSecret"]},
        done=(
            {},
            {
                "configurationKey": [
                    {"key": "HeartbeatInterval", "readonly": False, "value": "60"},
                    {"key": "AuthorizationKey", "readonly": False},
                ],
                "unknownKey": ["VendorSecret"],
            },
        ),
    ),
    FromManager(
        "5.11",
        RemoteStartTransaction,
        least={"idTag": "04A1B2C3"},
        fullest={"idTag": "04A1B2C3", "connectorId": 1, "chargingProfile": CHARGING_PROFILE},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.12",
        RemoteStopTransaction,
        least={"transactionId": 17},
        fullest={"transactionId": 17},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.14",
        Reset,
        least={"type": "Soft"},
        fullest={"type": "Hard"},
        done=({"status": "Accepted"},),
        refusals=({"status": "Rejected"},),
    ),
    FromManager(
        "5.18",
        UnlockConnector,
        least={"connectorId": 1},
        fullest={"connectorId": 1},
        done=({"status": "Unlocked"},),
        refusals=({"status": "UnlockFailed"}, {"status": "NotSupported"}),
    ),
)
