"""Dialogues of OCPP 1.6, chapters 4 and 5, with what real firmware makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from app.domain.badge import AuthorizationStatus
from app.domain.capability import FallbackForm, ProfileForm
from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    ChangeConfigurationConfirmation,
    RemoteStartTransaction,
    RemoteStartTransactionConfirmation,
    SetChargingProfileConfirmation,
)
from app.ocpp16.actions.station_calls import (
    Authorize,
    AuthorizeConfirmation,
    BootNotification,
    DataTransfer,
    DataTransferConfirmation,
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
    UNREADABLE_TIME,
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfileStatus,
    CommandStatus,
    ConfigurationStatus,
    DataTransferStatus,
    Location,
    Measurand,
    ReadingContext,
    StopReason,
    UnitOfMeasure,
    ValueFormat,
)
from app.ocpp16.registration import BootIntervals, Standing, boot_answer
from app.ocpp16.session import FailureKind
from app.ocpp16.smart_charging import Lease, fallback_profile, tx_profile
from tests.conversations.playbook import NOON, CallError, Failed, Playbook, Wire

ACCEPTED = IdTagInfo(AuthorizationStatus.ACCEPTED)


def test_4_1_authorize() -> None:
    with Playbook() as (station, manager, _after):
        station >> Authorize("04A1B2C3")
        manager << Authorize("04A1B2C3")
        answer = AuthorizeConfirmation(
            IdTagInfo(
                AuthorizationStatus.EXPIRED,
                expiry_date=NOON.astimezone(timezone(timedelta(hours=1))),
                parent_id_tag="FLEET",
            )
        )
        manager >> answer
        station << answer


def test_4_1_a_token_too_long_never_becomes_another_ones() -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire('[2,"1","Authorize",{"idTag":"0123456789012345678901"}]')
        manager << Authorize("0123456789012345678~")


def test_4_2_boot_of_a_2019_station() -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire(
            '[2,"1234567890123456789","BootNotification",{"chargePointVendor":"Legrand",'
            '"chargePointModel":"059004","chargeBoxSerialNumber":"260988",'
            '"firmwareVersion":"V01.01.65/V01.01.08","meterType":"internal"}]'
        )
        manager << BootNotification(
            "Legrand",
            "059004",
            charge_box_serial_number="260988",
            firmware_version="V01.01.65/V01.01.08",
            meter_type="internal",
        )
        answer = boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON)
        manager >> answer
        station << answer


def test_4_2_an_unknown_station_waits_and_boots_again() -> None:
    with Playbook() as (station, manager, after):
        for standing in (Standing.WAITING, Standing.ADOPTED):
            station >> BootNotification("Legrand", "059004")
            manager << BootNotification("Legrand", "059004")
            answer = boot_answer(standing, BootIntervals(), 0.5, NOON)
            manager >> answer
            station << answer
            after(answer.interval)


def test_4_3_data_transfer() -> None:
    with Playbook() as (station, manager, _after):
        station >> DataTransfer("maker", "hello", "{}")
        manager << DataTransfer("maker", "hello", "{}")
        manager >> DataTransferConfirmation(DataTransferStatus.UNKNOWN_VENDOR_ID)
        station << DataTransferConfirmation(DataTransferStatus.UNKNOWN_VENDOR_ID)


def test_4_6_heartbeat_is_answered_in_whole_seconds_of_utc() -> None:
    with Playbook() as (station, manager, _after):
        station >> Heartbeat()
        manager << Heartbeat()
        local = timezone(timedelta(hours=1))
        manager >> HeartbeatConfirmation(datetime(2026, 3, 2, 13, 0, 0, 123456, tzinfo=local))
        station << HeartbeatConfirmation(NOON)


def test_4_6_heartbeat_with_no_payload_at_all() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        for text in ('[2,"1","Heartbeat"]', '[2,"2","Heartbeat",null]', '[2,"3","Heartbeat",[]]'):
            station >> Wire(text)
            manager << Heartbeat()
            manager >> HeartbeatConfirmation(NOON)
            station << HeartbeatConfirmation(NOON)
    assert play.session.repairs == {"payload-missing": 3}


def test_4_7_meter_values_of_a_2019_station() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(
            '[2,"1234567890123456789","MeterValues",{"connectorId":2,"transactionId":17,'
            '"meterValue":[{"timestamp":"2019-06-12T14:23:44.277+02:00","sampledValue":['
            '{"value":"1.64","context":"Sample.Clock","format":"Raw","mesurand":"Current.Import",'
            '"location":"Outlet","unit":"A"},'
            '{"value":"3.1816661","context":"Sample.Clock","format":"Raw",'
            '"mesurand":"Energy.Active.Import.Interval","unit":"Wh"}]}]}]'
        )
        common = (ReadingContext.SAMPLE_CLOCK, ValueFormat.RAW)
        values = (
            SampledValue(
                "1.64", *common, Measurand.CURRENT_IMPORT, None, Location.OUTLET, UnitOfMeasure.A
            ),
            SampledValue(
                "3.1816661",
                *common,
                Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL,
                unit=UnitOfMeasure.WH,
            ),
        )
        at = datetime(2019, 6, 12, 12, 23, 44, 277000, tzinfo=UTC)
        manager << MeterValues(2, (MeterValue(at, values),), 17)
        manager >> MeterValuesConfirmation()
        station << MeterValuesConfirmation()
    assert play.session.repairs == {"mesurand": 1}


def test_4_7_a_sample_that_means_nothing_costs_only_itself() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(
            '[2,"1","MeterValues",{"connectorId":"1","meterValue":{"timestamp":'
            '"2026-03-02T12:00:00","sampledValue":[{"value":16,"unit":"amps"},'
            '{"value":"3","measurand":"Humidity"},{"value":"3","unit":"furlong"},'
            '{"value":"230","measurand":"Voltage","phase":"L9"},'
            '{"value":"7","measurand":"Power.Active.Import","context":"Now","location":"Roof"}]}}]'
        )
        manager << MeterValues(
            1,
            (
                MeterValue(
                    NOON,
                    (
                        SampledValue("16", unit=UnitOfMeasure.A),
                        SampledValue("7", measurand=Measurand.POWER_ACTIVE_IMPORT),
                    ),
                ),
            ),
        )
    assert set(play.session.repairs) == {
        "text-as-number",
        "single-as-list",
        "time-zone",
        "number-as-text",
        "enum-spelling",
        "item-dropped",
        "field-dropped",
    }


def test_4_8_start_and_stop_of_a_2019_station() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(
            '[2,"1","StartTransaction",{"connectorId":2,"idTag":"04A1B2C3","meterStart":0,'
            '"reservationId":0,"timestamp":"2019-06-12T14:22:14.277+02:00"}]'
        )
        started = datetime(2019, 6, 12, 12, 22, 14, 277000, tzinfo=UTC)
        manager << StartTransaction(2, "04A1B2C3", 0, started, 0)
        manager >> StartTransactionConfirmation(ACCEPTED, 17)
        station << StartTransactionConfirmation(ACCEPTED, 17)
        station >> Wire(
            '[2,"2","StopTransaction",{"idTag":"04A1B2C3","meterStop":16,"reason":"Local",'
            '"timestamp":"2019-06-12T14:24:53.000+02:00","transactionId":17,"transactionData":[{'
            '"timestamp":"2019-06-12T14:24:53.000+02:00","sampledValue":[{"value":"0.5",'
            '"context":"Interruption.End","mesurand":"Energy.Active.Import.Interval"}]}]}]'
        )
        stopped = datetime(2019, 6, 12, 12, 24, 53, tzinfo=UTC)
        reading = SampledValue(
            "0.5",
            ReadingContext.INTERRUPTION_END,
            measurand=Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL,
        )
        manager << StopTransaction(
            17, 16, stopped, "04A1B2C3", StopReason.LOCAL, (MeterValue(stopped, (reading,)),)
        )
        manager >> StopTransactionConfirmation()
        station << StopTransactionConfirmation()
    assert play.session.repairs == {"mesurand": 1}


def test_4_8_a_transaction_is_recorded_whatever_small_faults_it_has() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(
            '[2,"1","StartTransaction",{"connectorID":"1","idTag":12345678,'
            '"meterStart":"1500.7","timestamp":"yesterday","firmware":{"a":1}}]'
        )
        manager << StartTransaction(1, "12345678", 1501, UNREADABLE_TIME)
        manager >> StartTransactionConfirmation(ACCEPTED, 1)
        station << StartTransactionConfirmation(ACCEPTED, 1)
        station >> Wire(
            '[2,"2","StopTransaction",{"transactionId":1,"meterStop":null,'
            '"reason":"CableCutByHedgehog","idTag":null,"transactionData":[{"sampledValue":3},7]}]'
        )
        manager << StopTransaction(
            1, 0, UNREADABLE_TIME, None, StopReason.OTHER, (MeterValue(UNREADABLE_TIME, ()),)
        )


def test_4_9_the_fault_of_a_2024_station_is_taken() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(
            '[2,"1","StatusNotification",{"connectorId":0,"errorCode":"Error","info":"No failure",'
            '"status":"Faulted","timestamp":"2024-08-06T10:11:12Z","vendorId":"Legrand"}]'
        )
        manager << StatusNotification(
            0,
            ChargePointErrorCode.OTHER_ERROR,
            ChargePointStatus.FAULTED,
            "Error: No failure",
            datetime(2024, 8, 6, 10, 11, 12, tzinfo=UTC),
            "Legrand",
        )
        manager >> StatusNotificationConfirmation()
        station << StatusNotificationConfirmation()
    assert play.session.repairs == {"error-code": 1}


def test_5_3_a_setting_is_changed() -> None:
    with Playbook() as (station, manager, _after):
        manager >> ChangeConfiguration("MeterValueSampleInterval", "10")
        station << ChangeConfiguration("MeterValueSampleInterval", "10")
        station >> ChangeConfigurationConfirmation(ConfigurationStatus.REBOOT_REQUIRED)
        manager << ChangeConfigurationConfirmation(ConfigurationStatus.REBOOT_REQUIRED)


def test_5_11_a_remote_start_is_answered_before_the_start_itself() -> None:
    with Playbook() as (station, manager, _after):
        manager >> RemoteStartTransaction("04A1B2C3", 1)
        station << RemoteStartTransaction("04A1B2C3", 1)
        station >> StartTransaction(1, "04A1B2C3", 0, NOON)  # some do it the wrong way round
        station >> RemoteStartTransactionConfirmation(CommandStatus.ACCEPTED)
        manager << StartTransaction(1, "04A1B2C3", 0, NOON)
        manager << RemoteStartTransactionConfirmation(CommandStatus.ACCEPTED)
        manager >> StartTransactionConfirmation(ACCEPTED, 3)
        station << StartTransactionConfirmation(ACCEPTED, 3)


def test_5_16_a_default_and_a_leased_limit() -> None:
    lease = Lease(NOON, 600, NOON + timedelta(seconds=600))
    default = fallback_profile(0, 3, FallbackForm(), NOON)
    live = tx_profile(1, 17, 13_500, 3, ProfileForm(), lease)
    with Playbook() as (station, manager, _after):
        for request in (default, live):
            manager >> request
            station << request
            station >> SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
            manager << SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)


def test_5_16_a_station_that_knows_no_profiles() -> None:
    with Playbook() as (station, manager, _after):
        manager >> fallback_profile(0, 3, FallbackForm(), NOON)
        station << fallback_profile(0, 3, FallbackForm(), NOON)
        station >> CallError("NotSupported")
        manager << Failed(FailureKind.REFUSED, "NotSupported")


def test_5_16_a_station_that_takes_twenty_seconds_to_accept() -> None:
    request = tx_profile(1, 17, 13_500, 3, ProfileForm())
    with Playbook() as (station, manager, after):
        manager >> request
        station << request
        after(20)
        station >> SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
        manager << SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
