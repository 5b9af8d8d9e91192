"""The stock ``ocpp`` client, an implementation that is not ours, against the real port."""

# mypy: disable-error-code="misc,untyped-decorator"
# (the package declares no types)

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result, enums

from app.adapters.ocpp_server import OcppListener
from app.domain.capability import FallbackForm, ProfileForm
from app.domain.station import StationIdentity
from app.ocpp16.actions import manager_calls as ours
from app.ocpp16.actions.station_calls import (
    DataTransfer,
    DataTransferConfirmation,
    MeterValues,
)
from app.ocpp16.actions.types import (
    AvailabilityStatus,
    AvailabilityType,
    ChargingProfileStatus,
    ClearChargingProfileStatus,
    CommandStatus,
    ConfigurationStatus,
    DataTransferStatus,
    MessageTrigger,
    ResetType,
    TriggerMessageStatus,
    UnlockStatus,
)
from app.ocpp16.configuration import interpret
from app.ocpp16.registration import identity_of
from app.ocpp16.samples import read_samples
from app.ocpp16.smart_charging import Lease, fallback_profile, tx_profile
from tests.integration.ocpp_listener import listening, station


class StockStation(ChargePoint):
    """A station on the ``ocpp`` package, which checks every message against the OCA's schemas."""

    received: list[tuple[str, dict[str, Any]]]

    @on("GetConfiguration")
    def on_get_configuration(self, **_fields: Any) -> call_result.GetConfiguration:
        setting = {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
        return call_result.GetConfiguration(configuration_key=[setting])

    @on("ChangeConfiguration")
    def on_change_configuration(self, **_fields: Any) -> call_result.ChangeConfiguration:
        return call_result.ChangeConfiguration(enums.ConfigurationStatus.accepted)

    @on("SetChargingProfile")
    def on_set_charging_profile(self, **fields: Any) -> call_result.SetChargingProfile:
        self.received.append(("SetChargingProfile", fields))
        return call_result.SetChargingProfile(enums.ChargingProfileStatus.accepted)

    @on("ClearChargingProfile")
    def on_clear_charging_profile(self, **_fields: Any) -> call_result.ClearChargingProfile:
        return call_result.ClearChargingProfile(enums.ClearChargingProfileStatus.unknown)

    @on("RemoteStartTransaction")
    def on_remote_start(self, **_fields: Any) -> call_result.RemoteStartTransaction:
        return call_result.RemoteStartTransaction(enums.RemoteStartStopStatus.accepted)

    @on("RemoteStopTransaction")
    def on_remote_stop(self, **_fields: Any) -> call_result.RemoteStopTransaction:
        return call_result.RemoteStopTransaction(enums.RemoteStartStopStatus.rejected)

    @on("TriggerMessage")
    def on_trigger(self, **_fields: Any) -> call_result.TriggerMessage:
        return call_result.TriggerMessage(enums.TriggerMessageStatus.not_implemented)

    @on("Reset")
    def on_reset(self, **_fields: Any) -> call_result.Reset:
        return call_result.Reset(enums.ResetStatus.accepted)

    @on("ChangeAvailability")
    def on_change_availability(self, **_fields: Any) -> call_result.ChangeAvailability:
        return call_result.ChangeAvailability(enums.AvailabilityStatus.scheduled)

    @on("UnlockConnector")
    def on_unlock(self, **_fields: Any) -> call_result.UnlockConnector:
        return call_result.UnlockConnector(enums.UnlockStatus.unlocked)

    @on("DataTransfer")
    def on_data_transfer(self, **_fields: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer(enums.DataTransferStatus.accepted, data="pong")


@asynccontextmanager
async def stock_station(listener: OcppListener) -> AsyncIterator[StockStation]:
    async with station(listener) as socket_:
        stock = StockStation("A-001", socket_)
        stock.received = []
        task = asyncio.get_running_loop().create_task(stock.start())
        try:
            yield stock
        finally:
            task.cancel()
            await asyncio.wait({task})


async def test_a_session_of_the_stock_client() -> None:
    async with listening() as (listener, recorder), stock_station(listener) as stock:
        boot = await stock.call(
            call.BootNotification("059004", "Legrand", firmware_version="V01"), suppress=False
        )
        assert (boot.status, boot.interval) == ("Accepted", 60)
        heartbeat = await stock.call(call.Heartbeat(), suppress=False)
        assert datetime.fromisoformat(heartbeat.current_time).tzinfo is not None
        await stock.call(call.StatusNotification(1, "NoError", "Preparing"), suppress=False)
        authorised = await stock.call(call.Authorize("04A1B2C3"), suppress=False)
        assert authorised.id_tag_info == {"status": "Accepted"}
        now = datetime.now(UTC).isoformat()
        started = await stock.call(call.StartTransaction(1, "04A1B2C3", 100, now), suppress=False)
        assert started.transaction_id == 17
        samples = [
            {"value": str(current), "measurand": "Current.Import", "phase": phase, "unit": "A"}
            for current, phase in ((16.0, "L1"), (15.9, "L2"), (0, "L3"))
        ]
        values = [{"timestamp": now, "sampledValue": samples}]
        await stock.call(call.MeterValues(1, values, 17), suppress=False)
        transferred = await stock.call(call.DataTransfer("maker"), suppress=False)
        assert transferred.status == "UnknownVendorId"
        stopped = await stock.call(
            call.StopTransaction(5100, now, 17, "Local", "04A1B2C3", values), suppress=False
        )
        assert stopped.id_tag_info == {"status": "Accepted"}

        assert identity_of(recorder.handled[0]) == StationIdentity("Legrand", "059004", "", "V01")
        (reading,) = [each for each in recorder.handled if isinstance(each, MeterValues)]
        (sample,) = read_samples(reading.meter_value, 0.0)
        assert sample.current_ma == (16_000, 15_900, 0)
        assert [type(each).__name__ for each in recorder.handled] == [
            "BootNotification",
            "Heartbeat",
            "StatusNotification",
            "Authorize",
            "StartTransaction",
            "MeterValues",
            "DataTransfer",
            "StopTransaction",
        ]
        assert recorder.links["A-001"].repairs == {}


async def test_every_call_of_ours_is_understood_by_the_stock_client() -> None:
    now = datetime.now(UTC)
    live = tx_profile(1, 17, 21_450, 3, ProfileForm(), Lease(now, 600, now))
    async with listening() as (listener, recorder), stock_station(listener) as stock:
        await recorder.until(lambda: "A-001" in recorder.links)
        link = recorder.links["A-001"]
        answer = await link.call(ours.GetConfiguration())
        assert interpret(answer).connectors == 2
        accepted = ChargingProfileStatus.ACCEPTED
        assert await link.call(live) == ours.SetChargingProfileConfirmation(accepted)
        await link.call(fallback_profile(0, 3, FallbackForm(send_phases=True), datetime.now(UTC)))
        (_name, first), (_name, second) = stock.received
        schedule = first["cs_charging_profiles"]["charging_schedule"]
        assert schedule["charging_schedule_period"] == [
            {"start_period": 0, "limit": Decimal("21.4")}
        ]
        assert first["cs_charging_profiles"]["transaction_id"] == 17
        assert second["connector_id"] == 0
        expected: list[tuple[Any, Any]] = [
            (
                ours.ChangeConfiguration("HeartbeatInterval", "60"),
                ours.ChangeConfigurationConfirmation(ConfigurationStatus.ACCEPTED),
            ),
            (
                ours.ClearChargingProfile(id=11),
                ours.ClearChargingProfileConfirmation(ClearChargingProfileStatus.UNKNOWN),
            ),
            (
                ours.RemoteStartTransaction("04A1B2C3", 1, live.cs_charging_profiles),
                ours.RemoteStartTransactionConfirmation(CommandStatus.ACCEPTED),
            ),
            (
                ours.RemoteStopTransaction(17),
                ours.RemoteStopTransactionConfirmation(CommandStatus.REJECTED),
            ),
            (
                ours.TriggerMessage(MessageTrigger.METER_VALUES, 1),
                ours.TriggerMessageConfirmation(TriggerMessageStatus.NOT_IMPLEMENTED),
            ),
            (ours.Reset(ResetType.HARD), ours.ResetConfirmation(CommandStatus.ACCEPTED)),
            (
                ours.ChangeAvailability(0, AvailabilityType.INOPERATIVE),
                ours.ChangeAvailabilityConfirmation(AvailabilityStatus.SCHEDULED),
            ),
            (
                ours.UnlockConnector(1),
                ours.UnlockConnectorConfirmation(UnlockStatus.UNLOCKED),
            ),
            (
                DataTransfer("maker", "ping"),
                DataTransferConfirmation(DataTransferStatus.ACCEPTED, "pong"),
            ),
        ]
        for request, confirmation in expected:
            assert await link.call(request) == confirmation
