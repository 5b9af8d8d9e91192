"""Feature profile Firmware Management: OCPP 1.6 ed. 2, clauses 4.4, 4.5, 5.9 and 5.19."""

from __future__ import annotations

import pytest

from app.ocpp16.actions.file_calls import (
    DiagnosticsStatus,
    DiagnosticsStatusNotification,
    DiagnosticsStatusNotificationConfirmation,
    FirmwareStatus,
    FirmwareStatusNotification,
    FirmwareStatusNotificationConfirmation,
    GetDiagnostics,
    GetDiagnosticsConfirmation,
    UpdateFirmware,
    UpdateFirmwareConfirmation,
)
from app.ocpp16.actions.station_calls import BootNotification
from app.ocpp16.registration import BootIntervals, Standing, boot_answer
from tests.conversations.book import firmware
from tests.conversations.playbook import NOON, Playbook
from tests.conversations.standard import (
    EveryManagerCall,
    EveryStationCall,
    manager_asks,
    station_asks,
)

DIAGNOSTICS = GetDiagnostics("http://box:8080/files/in", start_time=NOON)
UPDATE = UpdateFirmware("http://box:8080/files/fw.bin", NOON)


def uploads(play: Playbook, *statuses: DiagnosticsStatus) -> None:
    for status in statuses:
        told = DiagnosticsStatusNotification(status)
        station_asks(play, told, DiagnosticsStatusNotificationConfirmation())


def goes_on(play: Playbook, *statuses: FirmwareStatus) -> None:
    for status in statuses:
        told = FirmwareStatusNotification(status)
        station_asks(play, told, FirmwareStatusNotificationConfirmation())


class TestFirmwareStationCalls(EveryStationCall):
    book = firmware.STATION_CALLS


class TestFirmwareManagerCalls(EveryManagerCall):
    book = firmware.MANAGER_CALLS


@pytest.mark.parametrize("end", [DiagnosticsStatus.UPLOADED, DiagnosticsStatus.UPLOAD_FAILED])
def test_5_9_diagnostics_are_uploaded_or_not(end: DiagnosticsStatus) -> None:
    play = Playbook()
    with play:
        manager_asks(play, DIAGNOSTICS, GetDiagnosticsConfirmation("diagnostics.tgz"))
        uploads(play, DiagnosticsStatus.UPLOADING, end, DiagnosticsStatus.IDLE)


def test_5_9_an_upload_that_a_reboot_cuts_off_is_asked_for_again() -> None:
    play = Playbook()
    with play:
        manager_asks(play, DIAGNOSTICS, GetDiagnosticsConfirmation("diagnostics.tgz"))
        uploads(play, DiagnosticsStatus.UPLOADING)
        play.hang_up()
        play.connect_again()
        manager_asks(play, DIAGNOSTICS, GetDiagnosticsConfirmation("diagnostics.tgz"))
        uploads(play, DiagnosticsStatus.UPLOADING, DiagnosticsStatus.UPLOADED)


def test_5_19_an_update_runs_over_the_reboot_that_it_needs() -> None:
    play = Playbook()
    with play:
        manager_asks(play, UPDATE, UpdateFirmwareConfirmation())
        goes_on(
            play,
            FirmwareStatus.DOWNLOADING,
            FirmwareStatus.DOWNLOADED,
            FirmwareStatus.INSTALLING,
        )
        play.hang_up()
        play.connect_again()
        boot = BootNotification("Legrand", "059004", firmware_version="V02")
        station_asks(play, boot, boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON))
        goes_on(play, FirmwareStatus.INSTALLED)


@pytest.mark.parametrize(
    "statuses",
    [
        (FirmwareStatus.DOWNLOADING, FirmwareStatus.DOWNLOAD_FAILED),
        (FirmwareStatus.DOWNLOADED, FirmwareStatus.INSTALLING, FirmwareStatus.INSTALLATION_FAILED),
        (FirmwareStatus.INSTALLED, FirmwareStatus.DOWNLOADED),  # told late, in the wrong order
    ],
    ids=["not fetched", "not installed", "told in the wrong order"],
)
def test_5_19_an_update_may_fail_or_be_told_oddly(statuses: tuple[FirmwareStatus, ...]) -> None:
    play = Playbook()
    with play:
        manager_asks(play, UPDATE, UpdateFirmwareConfirmation())
        goes_on(play, *statuses)
