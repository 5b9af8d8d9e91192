"""Feature profile Core, what the manager begins: OCPP 1.6 ed. 2, chapter 5."""

from __future__ import annotations

import pytest

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.manager_calls import (
    ChangeAvailability,
    ChangeAvailabilityConfirmation,
    ChangeConfiguration,
    ChangeConfigurationConfirmation,
    GetConfiguration,
    GetConfigurationConfirmation,
    KeyValue,
    RemoteStartTransaction,
    RemoteStartTransactionConfirmation,
    RemoteStopTransaction,
    RemoteStopTransactionConfirmation,
    Reset,
    ResetConfirmation,
    UnlockConnector,
    UnlockConnectorConfirmation,
)
from app.ocpp16.actions.station_calls import (
    Authorize,
    AuthorizeConfirmation,
    BootNotification,
    IdTagInfo,
    StartTransaction,
    StartTransactionConfirmation,
    StatusNotification,
    StatusNotificationConfirmation,
    StopTransaction,
    StopTransactionConfirmation,
)
from app.ocpp16.actions.types import (
    AvailabilityStatus,
    AvailabilityType,
    ChargePointErrorCode,
    ChargePointStatus,
    CommandStatus,
    ConfigurationStatus,
    ResetType,
    StopReason,
    UnlockStatus,
)
from app.ocpp16.registration import BootIntervals, Standing, boot_answer
from app.ocpp16.session import FailureKind
from tests.conversations.book import core
from tests.conversations.playbook import NOON, SILENCE, Failed, Playbook, Wire
from tests.conversations.standard import EveryManagerCall, manager_asks, station_asks

ACCEPTED = IdTagInfo(AuthorizationStatus.ACCEPTED)
BOOT = BootNotification("Legrand", "059004")
BOOTED = boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON)
NOTED = StatusNotificationConfirmation()


def status(connector_id: int, value: ChargePointStatus) -> StatusNotification:
    return StatusNotification(connector_id, ChargePointErrorCode.NO_ERROR, value)


class TestCoreManagerCalls(EveryManagerCall):
    book = core.MANAGER_CALLS


def test_5_2_a_connector_in_use_goes_out_of_service_after_its_transaction() -> None:
    play = Playbook()
    with play as (_station, _manager, after):
        manager_asks(
            play,
            ChangeAvailability(1, AvailabilityType.INOPERATIVE),
            ChangeAvailabilityConfirmation(AvailabilityStatus.SCHEDULED),
        )
        after(3600)
        station_asks(play, StopTransaction(17, 9000, NOON), StopTransactionConfirmation())
        station_asks(play, status(1, ChargePointStatus.UNAVAILABLE), NOTED)


def test_5_3_a_setting_that_needs_a_restart_gets_one() -> None:
    play = Playbook()
    with play as (station, _manager, _after):
        manager_asks(
            play,
            ChangeConfiguration("ClockAlignedDataInterval", "30"),
            ChangeConfigurationConfirmation(ConfigurationStatus.REBOOT_REQUIRED),
        )
        manager_asks(play, Reset(ResetType.SOFT), ResetConfirmation(CommandStatus.ACCEPTED))
        play.hang_up()
        play.connect_again()
        station_asks(play, BOOT, BOOTED)
        manager_asks(
            play,
            GetConfiguration(("ClockAlignedDataInterval",)),
            GetConfigurationConfirmation((KeyValue("ClockAlignedDataInterval", False, "30"),)),
        )
        assert station.heard_ids[-1] == "m3"


def test_5_8_a_station_may_list_more_settings_than_it_says_it_can() -> None:
    settings = tuple(KeyValue(f"Vendor.Key{number}", True, "x" * 600) for number in range(400))
    play = Playbook()
    with play:
        manager_asks(play, GetConfiguration(), GetConfigurationConfirmation(settings))


def test_5_8_a_station_that_never_answers_does_not_hold_up_the_rest() -> None:
    play = Playbook()
    with play as (station, manager, after):
        manager >> GetConfiguration()
        station << GetConfiguration()
        manager >> UnlockConnector(1)
        after(59)
        station << SILENCE
        after(1)
        manager << Failed(FailureKind.TIMEOUT)
        station << UnlockConnector(1)  # in the moment in which it would have waited too long
        station >> Wire('[3,"m2",{"status":"Unlocked"}]')
        manager << UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)


@pytest.mark.parametrize("asks_first", [True, False], ids=["authorizes", "starts at once"])
def test_5_11_a_remote_start_with_and_without_authorize_remote_tx_requests(
    asks_first: bool,
) -> None:
    play = Playbook()
    with play:
        manager_asks(
            play,
            RemoteStartTransaction("04A1B2C3", 1),
            RemoteStartTransactionConfirmation(CommandStatus.ACCEPTED),
        )
        if asks_first:
            station_asks(play, Authorize("04A1B2C3"), AuthorizeConfirmation(ACCEPTED))
        station_asks(play, status(1, ChargePointStatus.PREPARING), NOTED)
        station_asks(
            play,
            StartTransaction(1, "04A1B2C3", 0, NOON),
            StartTransactionConfirmation(ACCEPTED, 17),
        )


def test_5_12_a_remote_stop_is_followed_by_the_stop_itself() -> None:
    play = Playbook()
    with play:
        manager_asks(
            play,
            RemoteStopTransaction(17),
            RemoteStopTransactionConfirmation(CommandStatus.ACCEPTED),
        )
        stop = StopTransaction(17, 9000, NOON, reason=StopReason.REMOTE)
        station_asks(play, stop, StopTransactionConfirmation())


def test_5_12_a_stop_that_crosses_the_remote_stop_is_taken() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> RemoteStopTransaction(17)
        station >> StopTransaction(17, 9000, NOON)
        manager << StopTransaction(17, 9000, NOON)
        manager >> StopTransactionConfirmation()
        station << RemoteStopTransaction(17)
        station << StopTransactionConfirmation()
        station >> RemoteStopTransactionConfirmation(CommandStatus.REJECTED)
        manager << RemoteStopTransactionConfirmation(CommandStatus.REJECTED)


def test_5_14_a_soft_reset_stops_what_charges_before_the_station_goes() -> None:
    play = Playbook()
    with play:
        manager_asks(play, Reset(ResetType.SOFT), ResetConfirmation(CommandStatus.ACCEPTED))
        stop = StopTransaction(17, 9000, NOON, reason=StopReason.SOFT_RESET)
        station_asks(play, stop, StopTransactionConfirmation())
        play.hang_up()
        play.connect_again()
        station_asks(play, BOOT, BOOTED)


def test_5_14_a_station_that_resets_before_it_answers_has_not_refused() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> Reset(ResetType.HARD)
        station << Reset(ResetType.HARD)
        play.hang_up()
        manager << Failed(FailureKind.DROPPED)
        play.connect_again()
        station_asks(play, BOOT, BOOTED)
        stop = StopTransaction(17, 9000, NOON, reason=StopReason.HARD_RESET)
        station_asks(play, stop, StopTransactionConfirmation())


def test_5_18_an_unlock_during_a_transaction_ends_it() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> UnlockConnector(1)
        station << UnlockConnector(1)
        stop = StopTransaction(17, 9000, NOON, reason=StopReason.UNLOCK_COMMAND)
        station_asks(play, stop, StopTransactionConfirmation())
        station >> UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)
        manager << UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)
