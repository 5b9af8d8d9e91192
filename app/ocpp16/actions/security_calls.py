"""Calls of the security extension ("Improved security for OCPP 1.6-J", edition 3)."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from app.ocpp16.actions.types import (
    Call,
    CommandStatus,
    Confirmation,
    Integer,
    Part,
    Text50,
    Text255,
    Timestamp,
    TriggerMessageStatus,
    settle_time,
    settle_whole_second,
)

Certificate = Annotated[str, msgspec.Meta(max_length=5500)]
"""One certificate or signing request, PEM."""

CertificateChain = Annotated[str, msgspec.Meta(max_length=10_000)]
Hash = Annotated[str, msgspec.Meta(max_length=128)]
SerialNumber = Annotated[str, msgspec.Meta(max_length=40)]
Place = Annotated[str, msgspec.Meta(max_length=512)]
Signature = Annotated[str, msgspec.Meta(max_length=800)]


class CertificateUse(enum.StrEnum):
    """CertificateUseEnumType."""

    CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"


class HashAlgorithm(enum.StrEnum):
    """HashAlgorithmEnumType."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class CertificateStatus(enum.StrEnum):
    """CertificateStatusEnumType: the answer to InstallCertificate."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    REJECTED = "Rejected"


class DeleteCertificateStatus(enum.StrEnum):
    """DeleteCertificateStatusEnumType."""

    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"


class InstalledCertificateStatus(enum.StrEnum):
    """GetInstalledCertificateStatusEnumType."""

    ACCEPTED = "Accepted"
    NOT_FOUND = "NotFound"


class LogType(enum.StrEnum):
    """LogEnumType."""

    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


class LogStatus(enum.StrEnum):
    """LogStatusEnumType: the answer to GetLog."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class UploadLogStatus(enum.StrEnum):
    """UploadLogStatusEnumType."""

    BAD_MESSAGE = "BadMessage"
    IDLE = "Idle"
    NOT_SUPPORTED_OPERATION = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    UPLOADING = "Uploading"


class ExtendedTrigger(enum.StrEnum):
    """MessageTriggerEnumType."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    SIGN_CHARGE_POINT_CERTIFICATE = "SignChargePointCertificate"
    STATUS_NOTIFICATION = "StatusNotification"


class SignedFirmwareStatus(enum.StrEnum):
    """FirmwareStatusEnumType."""

    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOAD_PAUSED = "DownloadPaused"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_VERIFIED = "SignatureVerified"


class UpdateFirmwareStatus(enum.StrEnum):
    """UpdateFirmwareStatusEnumType: the answer to SignedUpdateFirmware."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"
    INVALID_CERTIFICATE = "InvalidCertificate"
    REVOKED_CERTIFICATE = "RevokedCertificate"


class CertificateHashData(Part, frozen=True):
    """What identifies an installed certificate without telling it."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: Hash
    issuer_key_hash: Hash
    serial_number: SerialNumber


class LogParameters(Part, frozen=True):
    """Which part of a log, and the URL to upload it to."""

    remote_location: Place
    oldest_timestamp: Timestamp | None = None
    latest_timestamp: Timestamp | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "oldest_timestamp", self.oldest_timestamp)
        settle_whole_second(self, "latest_timestamp", self.latest_timestamp)


class Firmware(Part, frozen=True):
    """A firmware file, and the maker's signature (base64) with the certificate to check it by."""

    location: Place
    retrieve_date_time: Timestamp
    signing_certificate: Certificate
    signature: Signature
    install_date_time: Timestamp | None = None

    def __post_init__(self) -> None:
        settle_whole_second(self, "retrieve_date_time", self.retrieve_date_time)
        settle_whole_second(self, "install_date_time", self.install_date_time)


# ---------------------------------------------------------------- made by the station


class SecurityEventNotificationConfirmation(Confirmation, frozen=True):
    """Message 4.14."""


class SecurityEventNotification(Call[SecurityEventNotificationConfirmation], frozen=True):
    """Message 4.14. ``timestamp`` may be ``UNREADABLE_TIME``."""

    action = "SecurityEventNotification"
    confirmation_type = SecurityEventNotificationConfirmation

    type: Text50
    timestamp: Timestamp
    tech_info: Text255 | None = None

    def __post_init__(self) -> None:
        settle_time(self, "timestamp", self.timestamp)


class SignCertificateConfirmation(Confirmation, frozen=True):
    """Message 4.15."""

    status: CommandStatus


class SignCertificate(Call[SignCertificateConfirmation], frozen=True):
    """Message 4.15. ``csr`` is PKCS#10, PEM."""

    action = "SignCertificate"
    confirmation_type = SignCertificateConfirmation

    csr: Certificate


class LogStatusNotificationConfirmation(Confirmation, frozen=True):
    """Message 4.13."""


class LogStatusNotification(Call[LogStatusNotificationConfirmation], frozen=True):
    """Message 4.13."""

    action = "LogStatusNotification"
    confirmation_type = LogStatusNotificationConfirmation

    status: UploadLogStatus
    request_id: Integer | None = None


class SignedFirmwareStatusNotificationConfirmation(Confirmation, frozen=True):
    """Message 4.16."""


class SignedFirmwareStatusNotification(
    Call[SignedFirmwareStatusNotificationConfirmation], frozen=True
):
    """Message 4.16."""

    action = "SignedFirmwareStatusNotification"
    confirmation_type = SignedFirmwareStatusNotificationConfirmation

    status: SignedFirmwareStatus
    request_id: Integer | None = None


# ---------------------------------------------------------------- made by the manager


class CertificateSignedConfirmation(Confirmation, frozen=True):
    """Whether the station took its new certificate."""

    status: CommandStatus


class CertificateSigned(Call[CertificateSignedConfirmation], frozen=True):
    """The station's new certificate, PEM, its issuers after it."""

    action = "CertificateSigned"
    confirmation_type = CertificateSignedConfirmation

    certificate_chain: CertificateChain


class DeleteCertificateConfirmation(Confirmation, frozen=True):
    """Whether the certificate is gone."""

    status: DeleteCertificateStatus


class DeleteCertificate(Call[DeleteCertificateConfirmation], frozen=True):
    """Removes an installed certificate."""

    action = "DeleteCertificate"
    confirmation_type = DeleteCertificateConfirmation

    certificate_hash_data: CertificateHashData


class ExtendedTriggerMessageConfirmation(Confirmation, frozen=True):
    """Whether the station will send it."""

    status: TriggerMessageStatus


class ExtendedTriggerMessage(Call[ExtendedTriggerMessageConfirmation], frozen=True):
    """Asks for a message, those of the extension included."""

    action = "ExtendedTriggerMessage"
    confirmation_type = ExtendedTriggerMessageConfirmation

    requested_message: ExtendedTrigger
    connector_id: Integer | None = None


class GetInstalledCertificateIdsConfirmation(Confirmation, frozen=True):
    """The certificates of the kind asked for."""

    status: InstalledCertificateStatus
    certificate_hash_data: (
        Annotated[tuple[CertificateHashData, ...], msgspec.Meta(min_length=1)] | None
    ) = None


class GetInstalledCertificateIds(Call[GetInstalledCertificateIdsConfirmation], frozen=True):
    """Which root certificates the station holds."""

    action = "GetInstalledCertificateIds"
    confirmation_type = GetInstalledCertificateIdsConfirmation

    certificate_type: CertificateUse


class GetLogConfirmation(Confirmation, frozen=True):
    """Whether an upload begins, and under which name."""

    status: LogStatus
    filename: Text255 | None = None


class GetLog(Call[GetLogConfirmation], frozen=True):
    """Asks for an upload; ``retry_interval`` is seconds."""

    action = "GetLog"
    confirmation_type = GetLogConfirmation

    log: LogParameters
    log_type: LogType
    request_id: Integer
    retries: Integer | None = None
    retry_interval: Integer | None = None


class InstallCertificateConfirmation(Confirmation, frozen=True):
    """Whether the root certificate is installed."""

    status: CertificateStatus


class InstallCertificate(Call[InstallCertificateConfirmation], frozen=True):
    """A root certificate to trust from now on, PEM."""

    action = "InstallCertificate"
    confirmation_type = InstallCertificateConfirmation

    certificate_type: CertificateUse
    certificate: Certificate


class SignedUpdateFirmwareConfirmation(Confirmation, frozen=True):
    """Whether the station will fetch it."""

    status: UpdateFirmwareStatus


class SignedUpdateFirmware(Call[SignedUpdateFirmwareConfirmation], frozen=True):
    """As UpdateFirmware, with the maker's signature."""

    action = "SignedUpdateFirmware"
    confirmation_type = SignedUpdateFirmwareConfirmation

    request_id: Integer
    firmware: Firmware
    retries: Integer | None = None
    retry_interval: Integer | None = None
