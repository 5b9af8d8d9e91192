"""OCPP 1.6 messages as typed structs, and which of them this manager takes or sends."""

from __future__ import annotations

from typing import Any, Final

from app.ocpp16.actions import (
    access_calls,
    file_calls,
    manager_calls,
    security_calls,
    station_calls,
)
from app.ocpp16.actions.types import Call

FROM_STATION: Final[dict[str, type[Call[Any]]]] = {
    call.action: call
    for call in (
        station_calls.Authorize,
        station_calls.BootNotification,
        station_calls.DataTransfer,
        file_calls.DiagnosticsStatusNotification,
        file_calls.FirmwareStatusNotification,
        station_calls.Heartbeat,
        security_calls.LogStatusNotification,
        station_calls.MeterValues,
        security_calls.SecurityEventNotification,
        security_calls.SignCertificate,
        security_calls.SignedFirmwareStatusNotification,
        station_calls.StartTransaction,
        station_calls.StatusNotification,
        station_calls.StopTransaction,
    )
}
"""Calls that a station may make to us, by action."""

FROM_MANAGER: Final[dict[str, type[Call[Any]]]] = {
    call.action: call
    for call in (
        access_calls.CancelReservation,
        security_calls.CertificateSigned,
        manager_calls.ChangeAvailability,
        manager_calls.ChangeConfiguration,
        access_calls.ClearCache,
        manager_calls.ClearChargingProfile,
        station_calls.DataTransfer,
        security_calls.DeleteCertificate,
        security_calls.ExtendedTriggerMessage,
        manager_calls.GetCompositeSchedule,
        manager_calls.GetConfiguration,
        file_calls.GetDiagnostics,
        security_calls.GetInstalledCertificateIds,
        access_calls.GetLocalListVersion,
        security_calls.GetLog,
        security_calls.InstallCertificate,
        manager_calls.RemoteStartTransaction,
        manager_calls.RemoteStopTransaction,
        access_calls.ReserveNow,
        manager_calls.Reset,
        access_calls.SendLocalList,
        manager_calls.SetChargingProfile,
        security_calls.SignedUpdateFirmware,
        manager_calls.TriggerMessage,
        manager_calls.UnlockConnector,
        file_calls.UpdateFirmware,
    )
}
"""Calls that we make to a station, by action."""

KNOWN_ACTIONS: Final[frozenset[str]] = frozenset({*FROM_STATION, *FROM_MANAGER})
"""Every action of OCPP 1.6 and of its security extension, whoever makes it."""
