"""OCPP 1.6 messages as typed structs, and which of them this manager takes or sends."""

from __future__ import annotations

from typing import Any, Final

from app.ocpp16.actions import manager_calls, station_calls
from app.ocpp16.actions.types import Call

FROM_STATION: Final[dict[str, type[Call[Any]]]] = {
    call.action: call
    for call in (
        station_calls.Authorize,
        station_calls.BootNotification,
        station_calls.DataTransfer,
        station_calls.Heartbeat,
        station_calls.MeterValues,
        station_calls.StartTransaction,
        station_calls.StatusNotification,
        station_calls.StopTransaction,
    )
}
"""Calls that a station may make to us, by action."""

FROM_MANAGER: Final[dict[str, type[Call[Any]]]] = {
    call.action: call
    for call in (
        manager_calls.ChangeAvailability,
        manager_calls.ChangeConfiguration,
        manager_calls.ClearChargingProfile,
        station_calls.DataTransfer,
        manager_calls.GetCompositeSchedule,
        manager_calls.GetConfiguration,
        manager_calls.RemoteStartTransaction,
        manager_calls.RemoteStopTransaction,
        manager_calls.Reset,
        manager_calls.SetChargingProfile,
        manager_calls.TriggerMessage,
        manager_calls.UnlockConnector,
    )
}
"""Calls that we make to a station, by action."""

KNOWN_ACTIONS: Final[frozenset[str]] = frozenset(
    {
        *FROM_STATION,
        *FROM_MANAGER,
        "CancelReservation",
        "ClearCache",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "GetDiagnostics",
        "GetLocalListVersion",
        "ReserveNow",
        "SendLocalList",
        "UpdateFirmware",
        # Improved security for OCPP 1.6-J, edition 3.
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "LogStatusNotification",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "SignedUpdateFirmware",
    }
)
"""Every action of OCPP 1.6 and of its security extension, supported here or not."""
