"""Calls about files: new firmware for a station, and diagnostics from it (Firmware Management)."""

from __future__ import annotations

import enum

from app.ocpp16.actions.types import (
    Call,
    Confirmation,
    Integer,
    Text255,
    Timestamp,
    settle_whole_second,
)


class DiagnosticsStatus(enum.StrEnum):
    """DiagnosticsStatus of chapter 7."""

    IDLE = "Idle"
    UPLOADED = "Uploaded"
    UPLOAD_FAILED = "UploadFailed"
    UPLOADING = "Uploading"


class FirmwareStatus(enum.StrEnum):
    """FirmwareStatus of chapter 7."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"


class GetDiagnosticsConfirmation(Confirmation, frozen=True):
    """Clause 6.28. Without a name there is nothing to upload."""

    file_name: Text255 | None = None


class GetDiagnostics(Call[GetDiagnosticsConfirmation], frozen=True):
    """Clause 6.27. ``location`` is the folder to upload to, as a URL; ``retry_interval`` seconds."""

    action = "GetDiagnostics"
    confirmation_type = GetDiagnosticsConfirmation

    location: str
    retries: Integer | None = None
    retry_interval: Integer | None = None
    start_time: Timestamp | None = None
    stop_time: Timestamp | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "start_time", self.start_time)
        settle_whole_second(self, "stop_time", self.stop_time)


class UpdateFirmwareConfirmation(Confirmation, frozen=True):
    """Clause 6.56. Says only that the order was understood."""


class UpdateFirmware(Call[UpdateFirmwareConfirmation], frozen=True):
    """Clause 6.55. ``location`` is the file, as a URL; fetched not before ``retrieve_date``."""

    action = "UpdateFirmware"
    confirmation_type = UpdateFirmwareConfirmation

    location: str
    retrieve_date: Timestamp
    retries: Integer | None = None
    retry_interval: Integer | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "retrieve_date", self.retrieve_date)


class DiagnosticsStatusNotificationConfirmation(Confirmation, frozen=True):
    """Clause 6.18."""


class DiagnosticsStatusNotification(Call[DiagnosticsStatusNotificationConfirmation], frozen=True):
    """Clause 6.17; made by the station."""

    action = "DiagnosticsStatusNotification"
    confirmation_type = DiagnosticsStatusNotificationConfirmation

    status: DiagnosticsStatus


class FirmwareStatusNotificationConfirmation(Confirmation, frozen=True):
    """Clause 6.20."""


class FirmwareStatusNotification(Call[FirmwareStatusNotificationConfirmation], frozen=True):
    """Clause 6.19; made by the station."""

    action = "FirmwareStatusNotification"
    confirmation_type = FirmwareStatusNotificationConfirmation

    status: FirmwareStatus
