"""Feature profile Firmware Management (clauses 4.4, 4.5, 5.9 and 5.19)."""

from __future__ import annotations

from typing import Final

from app.ocpp16.actions.file_calls import (
    DiagnosticsStatusNotification,
    FirmwareStatusNotification,
    GetDiagnostics,
    UpdateFirmware,
)
from tests.conversations.entries import FromManager, FromStation

STATION_CALLS: Final = (
    FromStation(
        "4.4",
        DiagnosticsStatusNotification,
        least={"status": "Uploading"},
        fullest={"status": "Uploaded"},
        answers=({},),
        vital=frozenset({"status"}),
    ),
    FromStation(
        "4.5",
        FirmwareStatusNotification,
        least={"status": "Downloading"},
        fullest={"status": "Installed"},
        answers=({},),
        vital=frozenset({"status"}),
    ),
)

MANAGER_CALLS: Final = (
    FromManager(
        "5.9",
        GetDiagnostics,
        least={"location": "ftp://box:2121/in"},
        fullest={
            "location": "http://box:8080/files/in",
            "retries": 3,
            "retryInterval": 60,
            "startTime": "2026-03-01T12:00:00Z",
            "stopTime": "2026-03-02T12:00:00Z",
        },
        done=({"fileName": "diagnostics.tgz"},),
        refusals=({},),
    ),
    FromManager(
        "5.19",
        UpdateFirmware,
        least={"location": "ftp://box:2121/fw.bin", "retrieveDate": "2026-03-02T12:00:00Z"},
        fullest={
            "location": "http://box:8080/files/fw.bin",
            "retrieveDate": "2026-03-02T12:00:00Z",
            "retries": 3,
            "retryInterval": 60,
        },
        done=({},),
    ),
)
