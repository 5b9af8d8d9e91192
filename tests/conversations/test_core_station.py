"""Feature profile Core, what the station begins: OCPP 1.6 ed. 2, chapter 4."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.manager_calls import GetConfiguration, GetConfigurationConfirmation
from app.ocpp16.actions.station_calls import (
    Authorize,
    BootNotification,
    Heartbeat,
    HeartbeatConfirmation,
    IdTagInfo,
    MeterValue,
    MeterValues,
    MeterValuesConfirmation,
    SampledValue,
    StartTransaction,
    StartTransactionConfirmation,
    StatusNotification,
    StatusNotificationConfirmation,
    StopTransaction,
    StopTransactionConfirmation,
)
from app.ocpp16.actions.types import (
    ChargePointErrorCode,
    ChargePointStatus,
    ReadingContext,
    StopReason,
)
from app.ocpp16.frames import ErrorCode
from app.ocpp16.registration import BootIntervals, Standing, boot_answer
from tests.conversations.book import core
from tests.conversations.playbook import NOON, SILENCE, CallError, Playbook, Wire
from tests.conversations.standard import EveryStationCall, manager_asks, station_asks

ACCEPTED = IdTagInfo(AuthorizationStatus.ACCEPTED)
BOOT = BootNotification("Legrand", "059004")
START = StartTransaction(1, "04A1B2C3", 1000, NOON)
STARTED = StartTransactionConfirmation(ACCEPTED, 17)


class TestCoreStationCalls(EveryStationCall):
    book = core.STATION_CALLS


@pytest.mark.parametrize("standing", [Standing.WAITING, Standing.IGNORED])
def test_4_2_who_is_not_accepted_may_be_asked_and_is_answered(standing: Standing) -> None:
    play = Playbook()
    with play:
        station_asks(play, BOOT, boot_answer(standing, BootIntervals(), 0.0, NOON))
        manager_asks(play, GetConfiguration(), GetConfigurationConfirmation())
        station_asks(play, Heartbeat(), HeartbeatConfirmation(NOON))
        station_asks(play, BOOT, boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON))


def test_4_2_a_station_that_restarts_on_the_same_connection_is_served() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> START
        manager << START
        station >> BOOT  # the reboot was faster than our answer
        manager >> STARTED
        manager << BOOT
        manager >> boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON)
        station << STARTED
        station << boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON)


def test_4_2_ids_that_begin_again_after_a_restart_are_new_calls() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        for tag in ("04A1", "04A2"):
            station >> Wire(f'[2,"1","Authorize",{{"idTag":"{tag}"}}]')
            manager << Authorize(tag)
            manager >> CallError(ErrorCode.INTERNAL_ERROR)
            station << CallError("InternalError")
    assert play.session.counts == {"reused-id": 1}


def test_4_6_an_id_that_never_changes_still_brings_the_time() -> None:
    play = Playbook()
    with play as (station, manager, after):
        for minute in range(3):
            now = NOON + timedelta(minutes=minute)
            station >> Wire('[2,"0","Heartbeat",{}]')
            manager << Heartbeat()
            manager >> HeartbeatConfirmation(now)
            station << HeartbeatConfirmation(now)
            after(60)


def test_4_8_what_happened_offline_is_replayed_in_order_with_its_own_times() -> None:
    hour = timedelta(hours=1)
    sample = MeterValue(NOON - hour, (SampledValue("1500", ReadingContext.SAMPLE_PERIODIC),))
    replayed = (
        (StartTransaction(1, "04A1B2C3", 1000, NOON - 2 * hour), STARTED),
        (MeterValues(1, (sample,), 17), MeterValuesConfirmation()),
        (StopTransaction(17, 2000, NOON, "04A1B2C3"), StopTransactionConfirmation(ACCEPTED)),
    )
    play = Playbook()
    with play as (station, manager, _after):
        for request, _ in replayed:
            station >> request  # without waiting for an answer
        for request, answer in replayed:
            manager << request
            manager >> answer
        for _, answer in replayed:
            station << answer


def test_4_8_a_start_that_found_us_out_of_order_is_tried_again_until_it_is_recorded() -> None:
    play = Playbook()
    with play as (_station, _manager, after):
        for _ in range(3):
            station_asks(play, START, CallError(ErrorCode.INTERNAL_ERROR))
            after(60)
        station_asks(play, START, STARTED)


def test_4_9_a_station_says_how_all_its_connectors_are_while_it_waits_for_an_answer() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> START
        manager << START
        status = StatusNotification(1, ChargePointErrorCode.NO_ERROR, ChargePointStatus.CHARGING)
        station >> status
        manager << SILENCE
        manager >> STARTED
        manager << status
        manager >> StatusNotificationConfirmation()
        station << STARTED
        station << StatusNotificationConfirmation()


@pytest.mark.parametrize("transaction_id", [-1, 0, 2**31 - 1])
def test_4_10_a_stop_is_taken_whatever_number_its_transaction_has(transaction_id: int) -> None:
    play = Playbook()
    with play:
        stop = StopTransaction(transaction_id, 2000, NOON, reason=StopReason.POWER_LOSS)
        station_asks(play, stop, StopTransactionConfirmation())
