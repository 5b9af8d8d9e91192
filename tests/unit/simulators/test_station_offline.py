"""Meter values, and what a station keeps and replays when nobody listens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from simulators.station.config import StationConfig
from simulators.station.ev import Car
from simulators.station.persona import load_persona
from tests.unit.simulators.station_bench import Bench, set_limit, virtual

FREE = StationConfig(station_id="A-001", free_mode=True)


def actions(bench: Bench) -> list[str]:
    return [action for action, _ in bench.central.calls]


# ---------------------------------------------------------------------- meter values


def sampled(payload: dict[str, Any]) -> list[dict[str, str]]:
    values: list[dict[str, str]] = payload["meterValue"][0]["sampledValue"]
    return values


@virtual
async def test_meter_values_follow_the_interval_and_its_changes() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(181)
        assert len(bench.central.named("MeterValues")) == 3
        request = {"key": "MeterValueSampleInterval", "value": "10"}
        await bench.central.call("ChangeConfiguration", request)
        await bench.run(60)
        assert len(bench.central.named("MeterValues")) == 9
        await bench.central.call("ChangeConfiguration", {**request, "value": "0"})
        await bench.run(60)
        assert len(bench.central.named("MeterValues")) == 9


@virtual
async def test_the_measurands_can_be_chosen() -> None:
    async with Bench(config=FREE) as bench:
        request = {
            "key": "MeterValuesSampledData",
            "value": "Voltage,Current.Offered,Power.Offered,Energy.Active.Import.Interval",
        }
        await bench.central.call("ChangeConfiguration", request)
        bench.station.plug(1, Car(phases=3, max_a=16, ramp_up_s=4, resume_s=1))
        await bench.run(121)
        first, second = bench.central.named("MeterValues")
        assert [v["measurand"] for v in sampled(first)] == ["Voltage"] * 3 + [
            "Current.Offered",
            "Power.Offered",
            "Energy.Active.Import.Interval",
        ]
        values = [v["value"] for v in sampled(second)]
        assert values == ["230.0"] * 3 + ["32.0", "22080.0", "184.0"]


@virtual
async def test_clock_aligned_values_come_on_the_clock_without_a_transaction() -> None:
    async with Bench() as bench:
        request = {"key": "ClockAlignedDataInterval", "value": "60"}
        await bench.run(5)
        await bench.central.call("ChangeConfiguration", request)
        await bench.run(180)
        values = bench.central.named("MeterValues")
        assert [v["meterValue"][0]["timestamp"][11:19] for v in values] == [
            "08:01:00",
            "08:02:00",
            "08:03:00",
        ]
        assert sampled(values[0])[0]["context"] == "Sample.Clock"


@virtual
async def test_the_2019_firmware_takes_the_clock_interval_for_a_plain_period() -> None:
    async with Bench("premium-2019", FREE) as bench:
        await bench.run(100)
        assert not bench.central.named("MeterValues")
        bench.station.plug(1, Car(phases=1, max_a=10, resume_s=0, ramp_up_s=1))
        await bench.run(61)
        first, second = bench.central.named("MeterValues")
        assert [v["mesurand"] for v in sampled(second)] == [
            "Current.Import",
            "Energy.Active.Import.Interval",
            "Power.Active.Export",
        ]
        # 2300 W for 30 s
        assert [v["value"] for v in sampled(second)] == ["10", "19.166667", "2300"]
        assert sampled(first)[0]["context"] == "Sample.Clock"
        assert bench.central.named("StartTransaction")[0]["meterStart"] == 0
        assert bench.central.named("StartTransaction")[0]["reservationId"] == 0


@virtual
async def test_whole_amperes_are_truncated_and_energies_may_be_in_kilowatt_hours() -> None:
    async with Bench("strict-generic", FREE) as bench:
        bench.station.plug(1, Car(phases=1, max_a=9.9))
        await bench.run(61)
        energy, current = sampled(bench.central.named("MeterValues")[0])
        assert (current["value"], "phase" in current) == ("9", False)
        assert energy["unit"] == "kWh"
        reported_wh = bench.station.connectors[0].reported_wh()
        assert float(energy["value"]) == pytest.approx(reported_wh / 1000, abs=0.01)


# ---------------------------------------------------------------------- offline


@virtual
async def test_an_outage_is_replayed_in_order_with_the_original_times() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(30)
        bench.central.refuses_connections = True
        await bench.central.links[-1].close()
        await bench.run(120)
        bench.station.unplug(1)
        bench.station.plug(1, Car())
        await bench.run(90)
        before = len(bench.central.calls)
        bench.central.refuses_connections = False
        await bench.run(120)
        replay = bench.central.calls[before:]
        names = [name for name, _ in replay if name in ("StartTransaction", "StopTransaction",
                                                        "MeterValues")]  # fmt: skip
        assert names[:5] == ["MeterValues", "MeterValues", "StopTransaction", "StartTransaction",
                             "MeterValues"]  # fmt: skip
        (stop,) = bench.central.named("StopTransaction")
        second = bench.central.named("StartTransaction")[1]
        assert stop["timestamp"] == second["timestamp"] == "2026-06-01T08:02:32.000Z"
        assert stop["transactionId"] == 101
        # The number of the second transaction was unknown when its first values were measured.
        assert [p["transactionId"] for p in bench.central.named("MeterValues")][2:4] == [102, 102]
        registers = [int(sampled(p)[0]["value"]) for p in bench.central.named("MeterValues")]
        assert registers == sorted(set(registers))
        replayed = [
            p["status"]
            for p in bench.central.named("StatusNotification")
            if p["timestamp"] == "2026-06-01T08:02:32.000Z"
        ]
        assert replayed == ["Finishing", "Available", "Preparing", "Charging"]


@virtual
async def test_charging_goes_on_by_the_profiles_while_offline_and_the_lease_ends() -> None:
    async with Bench(config=FREE) as bench:
        await bench.central.call(
            "SetChargingProfile", set_limit(6, purpose="TxDefaultProfile", profile_id=9)
        )
        bench.station.plug(1, Car(phases=3, max_a=32))
        await bench.run(30)
        assert bench.amps == (6.0, 6.0, 6.0)
        lease = set_limit(20, validTo="2026-06-01T08:10:00Z")
        await bench.central.call("SetChargingProfile", lease)
        await bench.run(30)
        bench.station.go_offline(3600)
        await bench.run(480)
        assert bench.amps == (20.0, 20.0, 20.0)
        await bench.run(120)
        assert bench.amps == (6.0, 6.0, 6.0)


@virtual
async def test_unknown_tags_wait_for_the_network_unless_the_station_may_trust_them() -> None:
    async with Bench() as bench:
        bench.station.plug(1, Car(), "KNOWN")
        await bench.run(10)
        bench.station.unplug(1)
        await bench.run(1)
        bench.central.refuses_connections = True
        await bench.central.links[-1].close()
        await bench.run(1)
        bench.station.plug(1, Car(), "STRANGER")
        await bench.run(1)
        assert bench.station.transactions_started == 1
        bench.station.swipe("known")
        assert bench.station.transactions_started == 2
        bench.station.unplug(1)
        bench.central.refuses_connections = False
        await bench.run(20)
        request = {"key": "AllowOfflineTxForUnknownId", "value": "true"}
        await bench.central.call("ChangeConfiguration", request)
        bench.central.refuses_connections = True
        await bench.central.links[-1].close()
        await bench.run(1)
        bench.station.plug(1, Car(), "STRANGER")
        assert bench.station.transactions_started == 3


@virtual
async def test_a_silent_central_system_is_left_after_two_time_outs_and_nothing_is_lost() -> None:
    async with Bench(config=FREE) as bench:
        bench.central.answers["StartTransaction"] = None
        bench.central.answers["StatusNotification"] = None
        bench.station.plug(1, Car())
        await bench.run(70)
        assert bench.station.counters.call_timeouts >= 2
        assert bench.station.counters.connections >= 2
        bench.central.answers.clear()
        await bench.run(70)
        # Each attempt carries the same message id: it is the same message.
        ids = {i for i, (a, _) in zip(bench.central.ids, bench.central.calls, strict=True)
               if a == "StartTransaction"}  # fmt: skip
        assert len(ids) == 1
        assert bench.station.records[0].acknowledged_start


@virtual
async def test_a_refused_transaction_message_is_tried_again_a_few_times() -> None:
    async with Bench(config=FREE) as bench:
        bench.central.answers["StartTransaction"] = "InternalError"
        bench.station.plug(1, Car())
        await bench.run(15)
        assert len(bench.central.named("StartTransaction")) == 1
        await bench.run(10)
        assert len(bench.central.named("StartTransaction")) == 2
        await bench.run(41)
        assert len(bench.central.named("StartTransaction")) == 3
        await bench.run(200)
        assert len(bench.central.named("StartTransaction")) == 3
        bench.station.unplug(1)
        await bench.run(1)
        assert bench.central.named("StopTransaction")[0]["transactionId"] == -1
        assert not bench.station.records[0].acknowledged_start
        assert bench.station.records[0].acknowledged_stop


@virtual
async def test_what_follows_a_refused_message_waits_behind_it() -> None:
    async with Bench(config=FREE) as bench:
        bench.central.answers["StartTransaction"] = "InternalError"
        bench.station.plug(1, Car())
        bench.station.unplug(1)
        await bench.run(5)
        del bench.central.answers["StartTransaction"]
        await bench.run(30)
        names = [a for a in actions(bench) if a in ("StartTransaction", "StopTransaction")]
        assert names == ["StartTransaction", "StartTransaction", "StopTransaction"]
        assert bench.central.named("StopTransaction")[0]["transactionId"] == 101


@virtual
async def test_messages_in_flight_return_to_the_queue_in_order() -> None:
    persona = msgspec.structs.replace(load_persona("control-generic"), pipelines_calls=True)
    async with Bench(persona, FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(30)
        bench.central.answers.update(StopTransaction=None, StartTransaction=None)
        bench.central.answers["StatusNotification"] = {}
        bench.station.unplug(1)
        bench.station.plug(1, Car())
        await bench.run(5)
        assert actions(bench)[-1] == "StartTransaction"
        bench.central.answers.clear()
        before = len(bench.central.calls)
        bench.station.drop_socket()
        await bench.run(10)
        again = [a for a in actions(bench)[before:] if a.endswith("Transaction")]
        assert again == ["StopTransaction", "StartTransaction"]


@virtual
async def test_one_call_is_outstanding_at_a_time_unless_the_make_does_not_care() -> None:
    for pipelines, sent in ((False, 1), (True, 2)):
        persona = msgspec.structs.replace(
            load_persona("control-generic"), pipelines_calls=pipelines
        )
        async with Bench(persona) as bench:
            before = len(bench.central.calls)
            bench.central.answers.update(StatusNotification=None, Authorize=None)
            bench.station.plug(1, Car(), "TAG")
            await bench.run(5)
            assert len(bench.central.calls) - before == sent


@virtual
async def test_messages_are_numbered_as_the_make_does() -> None:
    async with Bench("premium-2024") as bench:
        assert all(i.isdigit() and len(i) in (19, 20) for i in bench.central.ids)
        assert len(set(bench.central.ids)) == len(bench.central.ids)
    async with Bench("control-generic") as bench:
        assert {len(i) for i in bench.central.ids} == {36}


@virtual
async def test_the_same_seed_makes_the_same_conversation() -> None:
    runs = []
    for _ in range(2):
        async with Bench(config=FREE, seed=7) as bench:
            bench.station.plug(1, Car())
            bench.station.set_faults(loss=0.2, delay_s=(0.1, 2.0))
            await bench.run(600)
            runs.append(list(bench.central.texts))
    assert runs[0] == runs[1]
    assert json.loads(runs[0][0])[2] == "BootNotification"


@virtual
async def test_stopping_leaves_nothing_behind() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(10)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
    sent = len(bench.central.calls)
    await asyncio.sleep(1000)
    assert len(bench.central.calls) == sent
