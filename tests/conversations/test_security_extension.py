"""The security extension: use cases of "Improved security for OCPP 1.6-J"."""

from __future__ import annotations

import pytest

from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    ChangeConfigurationConfirmation,
    Reset,
    ResetConfirmation,
)
from app.ocpp16.actions.security_calls import (
    CertificateHashData,
    CertificateSigned,
    CertificateSignedConfirmation,
    CertificateStatus,
    CertificateUse,
    DeleteCertificate,
    DeleteCertificateConfirmation,
    DeleteCertificateStatus,
    ExtendedTrigger,
    ExtendedTriggerMessage,
    ExtendedTriggerMessageConfirmation,
    Firmware,
    GetInstalledCertificateIds,
    GetInstalledCertificateIdsConfirmation,
    GetLog,
    GetLogConfirmation,
    HashAlgorithm,
    InstallCertificate,
    InstallCertificateConfirmation,
    InstalledCertificateStatus,
    LogParameters,
    LogStatus,
    LogStatusNotification,
    LogStatusNotificationConfirmation,
    LogType,
    SecurityEventNotification,
    SecurityEventNotificationConfirmation,
    SignCertificate,
    SignCertificateConfirmation,
    SignedFirmwareStatus,
    SignedFirmwareStatusNotification,
    SignedFirmwareStatusNotificationConfirmation,
    SignedUpdateFirmware,
    SignedUpdateFirmwareConfirmation,
    UpdateFirmwareStatus,
    UploadLogStatus,
)
from app.ocpp16.actions.station_calls import Heartbeat, HeartbeatConfirmation
from app.ocpp16.actions.types import (
    CommandStatus,
    ConfigurationStatus,
    ResetType,
    TriggerMessageStatus,
)
from tests.conversations.book import security
from tests.conversations.playbook import NOON, Playbook
from tests.conversations.standard import (
    EveryManagerCall,
    EveryStationCall,
    manager_asks,
    station_asks,
)

SIGNED = CertificateSigned(security.PEM)
FIRMWARE = Firmware("http://box:8080/files/fw.bin", NOON, security.PEM, "c2ln")
UPDATE = SignedUpdateFirmware(9, FIRMWARE)
OK = SignedUpdateFirmwareConfirmation(UpdateFirmwareStatus.ACCEPTED)
HASHES = CertificateHashData(HashAlgorithm.SHA256, "a1", "b2", "4f")


def event(play: Playbook, kind: str) -> None:
    told = SecurityEventNotification(kind, NOON)
    station_asks(play, told, SecurityEventNotificationConfirmation())


def firmware_is(play: Playbook, *statuses: SignedFirmwareStatus) -> None:
    for status in statuses:
        told = SignedFirmwareStatusNotification(status, 9)
        station_asks(play, told, SignedFirmwareStatusNotificationConfirmation())


def log_is(play: Playbook, request_id: int, *statuses: UploadLogStatus) -> None:
    for status in statuses:
        told = LogStatusNotification(status, request_id)
        station_asks(play, told, LogStatusNotificationConfirmation())


def asks_to_sign(play: Playbook) -> None:
    request = SignCertificate(security.CSR)
    station_asks(play, request, SignCertificateConfirmation(CommandStatus.ACCEPTED))


class TestSecurityStationCalls(EveryStationCall):
    book = security.STATION_CALLS


class TestSecurityManagerCalls(EveryManagerCall):
    book = security.MANAGER_CALLS


def test_a01_a_new_password_is_proved_by_the_next_connection() -> None:
    play = Playbook()
    with play:
        manager_asks(
            play,
            ChangeConfiguration("AuthorizationKey", "4F" * 20),
            ChangeConfigurationConfirmation(ConfigurationStatus.ACCEPTED),
        )
        play.hang_up()
        play.connect_again()
        station_asks(play, Heartbeat(), HeartbeatConfirmation(NOON))


def test_a02_a_station_is_asked_to_renew_its_certificate() -> None:
    play = Playbook()
    with play:
        manager_asks(
            play,
            ExtendedTriggerMessage(ExtendedTrigger.SIGN_CHARGE_POINT_CERTIFICATE),
            ExtendedTriggerMessageConfirmation(TriggerMessageStatus.ACCEPTED),
        )
        asks_to_sign(play)
        manager_asks(play, SIGNED, CertificateSignedConfirmation(CommandStatus.ACCEPTED))
        play.hang_up()
        play.connect_again()
        station_asks(play, Heartbeat(), HeartbeatConfirmation(NOON))


def test_a02_a_certificate_that_the_station_does_not_take_is_told_as_an_event() -> None:
    play = Playbook()
    with play:
        asks_to_sign(play)
        manager_asks(play, SIGNED, CertificateSignedConfirmation(CommandStatus.REJECTED))
        event(play, "InvalidChargePointCertificate")


def test_a03_a_station_renews_its_certificate_by_itself() -> None:
    play = Playbook()
    with play as (_station, _manager, after):
        asks_to_sign(play)
        after(120)  # whoever signs takes time
        asks_to_sign(play)  # under another id: the station grew impatient
        manager_asks(play, SIGNED, CertificateSignedConfirmation(CommandStatus.ACCEPTED))


def test_a03_a_request_to_sign_may_be_refused() -> None:
    play = Playbook()
    with play:
        request = SignCertificate(security.CSR)
        station_asks(play, request, SignCertificateConfirmation(CommandStatus.REJECTED))


def test_a04_events_of_the_time_offline_come_in_order() -> None:
    kinds = (
        "FailedToAuthenticateAtCentralSystem",
        "TamperDetectionActivated",
        "StartupOfTheDevice",
    )
    play = Playbook()
    with play as (station, manager, _after):
        for kind in kinds:
            station >> SecurityEventNotification(kind, NOON)
        for kind in kinds:
            manager << SecurityEventNotification(kind, NOON)
            manager >> SecurityEventNotificationConfirmation()
        for _ in kinds:
            station << SecurityEventNotificationConfirmation()


def test_a05_a_higher_security_profile_takes_effect_with_the_next_connection() -> None:
    play = Playbook()
    with play:
        manager_asks(
            play,
            ChangeConfiguration("SecurityProfile", "2"),
            ChangeConfigurationConfirmation(ConfigurationStatus.REBOOT_REQUIRED),
        )
        manager_asks(play, Reset(ResetType.HARD), ResetConfirmation(CommandStatus.ACCEPTED))
        play.hang_up()
        play.connect_again()
        station_asks(play, Heartbeat(), HeartbeatConfirmation(NOON))


def test_a05_a_lower_security_profile_is_rejected_by_the_station() -> None:
    play = Playbook()
    with play:
        manager_asks(
            play,
            ChangeConfiguration("SecurityProfile", "0"),
            ChangeConfigurationConfirmation(ConfigurationStatus.REJECTED),
        )


def test_l01_a_signed_update_runs_over_its_reboot() -> None:
    play = Playbook()
    with play:
        manager_asks(play, UPDATE, OK)
        firmware_is(
            play,
            SignedFirmwareStatus.DOWNLOAD_SCHEDULED,
            SignedFirmwareStatus.DOWNLOADING,
            SignedFirmwareStatus.DOWNLOADED,
            SignedFirmwareStatus.SIGNATURE_VERIFIED,
            SignedFirmwareStatus.INSTALLING,
            SignedFirmwareStatus.INSTALL_REBOOTING,
        )
        play.hang_up()
        play.connect_again()
        firmware_is(play, SignedFirmwareStatus.INSTALLED)
        event(play, "FirmwareUpdated")


def test_l01_a_file_with_a_wrong_signature_is_not_installed() -> None:
    play = Playbook()
    with play:
        manager_asks(play, UPDATE, OK)
        firmware_is(play, SignedFirmwareStatus.DOWNLOADED, SignedFirmwareStatus.INVALID_SIGNATURE)
        event(play, "InvalidFirmwareSignature")


def test_l01_a_signing_certificate_that_is_not_trusted_is_refused_at_once() -> None:
    play = Playbook()
    with play:
        answer = SignedUpdateFirmwareConfirmation(UpdateFirmwareStatus.INVALID_CERTIFICATE)
        manager_asks(play, UPDATE, answer)
        event(play, "InvalidFirmwareSigningCertificate")


def test_m03_to_m05_a_root_is_installed_listed_and_removed() -> None:
    play = Playbook()
    with play:
        use = CertificateUse.CENTRAL_SYSTEM_ROOT
        manager_asks(
            play,
            InstallCertificate(use, security.PEM),
            InstallCertificateConfirmation(CertificateStatus.ACCEPTED),
        )
        found = GetInstalledCertificateIdsConfirmation(
            InstalledCertificateStatus.ACCEPTED, (HASHES,)
        )
        manager_asks(play, GetInstalledCertificateIds(use), found)
        for status in (DeleteCertificateStatus.ACCEPTED, DeleteCertificateStatus.NOT_FOUND):
            manager_asks(play, DeleteCertificate(HASHES), DeleteCertificateConfirmation(status))
        nothing = GetInstalledCertificateIdsConfirmation(InstalledCertificateStatus.NOT_FOUND)
        manager_asks(play, GetInstalledCertificateIds(use), nothing)


@pytest.mark.parametrize(
    "end",
    [
        UploadLogStatus.UPLOADED,
        UploadLogStatus.UPLOAD_FAILURE,
        UploadLogStatus.PERMISSION_DENIED,
        UploadLogStatus.BAD_MESSAGE,
        UploadLogStatus.NOT_SUPPORTED_OPERATION,
    ],
)
def test_n01_a_log_is_uploaded_or_not(end: UploadLogStatus) -> None:
    play = Playbook()
    with play:
        log = GetLog(LogParameters("http://box:8080/files/in"), LogType.SECURITY_LOG, 9)
        manager_asks(play, log, GetLogConfirmation(LogStatus.ACCEPTED, "security.log"))
        log_is(play, 9, UploadLogStatus.UPLOADING, end)


def test_n01_a_second_request_cancels_the_upload_of_the_first() -> None:
    play = Playbook()
    with play:
        place = LogParameters("http://box:8080/files/in")
        first = GetLog(place, LogType.DIAGNOSTICS_LOG, 9)
        manager_asks(play, first, GetLogConfirmation(LogStatus.ACCEPTED, "one.log"))
        log_is(play, 9, UploadLogStatus.UPLOADING)
        second = GetLog(place, LogType.DIAGNOSTICS_LOG, 10)
        manager_asks(play, second, GetLogConfirmation(LogStatus.ACCEPTED_CANCELED, "two.log"))
        log_is(play, 10, UploadLogStatus.UPLOADING, UploadLogStatus.UPLOADED)
