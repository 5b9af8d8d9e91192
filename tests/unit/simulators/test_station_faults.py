"""What goes wrong with stations and networks, on purpose."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from simulators.station.config import ConnectorConfig, Faults, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import load_persona
from tests.unit.simulators.station_bench import Bench, set_limit, virtual

FREE = StationConfig(station_id="A-001", free_mode=True)


def faulty(**faults: Any) -> StationConfig:
    return StationConfig(station_id="A-001", free_mode=True, faults=Faults(**faults))


@virtual
async def test_it_accepts_a_profile_and_ignores_it() -> None:
    async with Bench(config=faulty(ignores_profiles=True)) as bench:
        bench.station.plug(1, Car(max_a=16))
        await bench.run(30)
        answer = await bench.central.call("SetChargingProfile", set_limit(6))
        assert answer == {"status": "Accepted"}
        await bench.run(30)
        assert bench.amps == (16.0, 16.0, 16.0)
        bench.station.set_faults(ignores_profiles=False)
        await bench.run(10)
        assert bench.amps == (6.0, 6.0, 6.0)


@virtual
async def test_it_accepts_more_than_16_a_and_stays_there() -> None:
    async with Bench("premium-2024", FREE) as bench:
        bench.station.plug(1, Car(max_a=32))
        await bench.run(3)
        assert await bench.central.call("SetChargingProfile", set_limit(25)) == {
            "status": "Accepted"
        }
        await bench.run(30)
        assert bench.amps == (16.0, 16.0, 16.0)
        bench.station.set_faults(clamps_at_a=10.0)
        await bench.run(5)
        assert bench.amps == (10.0, 10.0, 10.0)


@virtual
async def test_it_accepts_late_and_follows_later_still() -> None:
    async with Bench(config=faulty(accepts_late_s=20.0)) as bench:
        bench.station.plug(1, Car(max_a=32))
        await bench.run(30)
        with pytest.raises(KeyError):
            await bench.central.call("SetChargingProfile", set_limit(6), within_s=19.0)
        assert bench.station.connectors[0].offered_a == 32.0
        await bench.run(3)
        assert bench.station.connectors[0].offered_a == 6.0
        assert [frame[2] for frame in bench.central.results.values()] == [{"status": "Accepted"}]


@virtual
async def test_a_half_open_link_is_replaced_while_the_old_one_looks_alive() -> None:
    async with Bench() as bench:
        bench.station.half_open()
        await bench.run(3)
        assert len(bench.central.links) == 2
        assert not bench.central.links[0].closed
        assert bench.online()
        bench.central.links[0].post('[2,"x","ClearCache",{}]')
        await bench.run(1)
        assert "x" not in bench.central.results


@virtual
async def test_a_power_cut_ends_the_transaction_and_tells_it_after_the_boot() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(30)
        bench.station.power_cut(60)
        assert bench.amps == (0.0, 0.0, 0.0)
        await bench.run(30)
        assert not bench.central.named("StopTransaction")
        assert not bench.central.links[0].closed
        assert not bench.station.swipe("TAG")
        await bench.run(40)
        (stop,) = bench.central.named("StopTransaction")
        assert stop["reason"] == "PowerLoss"
        assert stop["timestamp"] == "2026-06-01T08:00:32.000Z"
        names = [name for name, _ in bench.central.calls]
        assert names.index("StopTransaction") > len(names) - names[::-1].index("BootNotification")
        assert bench.amps[0] > 0.0


@virtual
async def test_some_makes_resume_the_transaction_after_a_power_cut() -> None:
    made = msgspec.structs.replace(load_persona("control-generic"), resumes_after_power_loss=True)
    async with Bench(made, FREE) as bench:
        bench.station.plug(1, Car(max_a=16))
        await bench.run(30)
        bench.station.power_cut(30)
        await bench.run(80)
        assert not bench.central.named("StopTransaction")
        assert bench.amps == (16.0, 16.0, 16.0)
        values = bench.central.named("MeterValues")
        await bench.run(60)
        assert len(bench.central.named("MeterValues")) == len(values) + 1


@virtual
async def test_a_reboot_loop() -> None:
    async with Bench(config=faulty(reboot_loop_s=60.0)) as bench:
        await bench.run(600)
        assert 5 <= len(bench.central.named("BootNotification")) <= 10
        bench.station.set_faults(reboot_loop_s=0.0)
        await bench.run(60)
        boots = len(bench.central.named("BootNotification"))
        await bench.run(600)
        assert len(bench.central.named("BootNotification")) == boots


@virtual
async def test_a_wrong_clock_shows_in_its_times_and_ends_leases_early() -> None:
    async with Bench(config=faulty(clock_skew_s=3600.0)) as bench:
        bench.station.plug(1, Car(max_a=16))
        await bench.run(5)
        start = bench.central.named("StartTransaction")[0]
        assert start["timestamp"].startswith("2026-06-01T09:00:02")
        assert bench.station.records[0].start_utc.hour == 8
        lease = set_limit(6, validTo="2026-06-01T08:30:00Z")
        await bench.central.call("SetChargingProfile", lease)
        await bench.run(20)
        assert bench.amps == (16.0, 16.0, 16.0)


@virtual
async def test_duplicated_messages_carry_the_same_id() -> None:
    async with Bench(config=faulty(duplicates=1.0)) as bench:
        bench.station.plug(1, Car())
        await bench.run(5)
        assert set(Counter(bench.central.ids).values()) == {2}
        assert bench.station.transactions_started == 1


@virtual
async def test_a_stop_that_is_never_sent() -> None:
    async with Bench(config=faulty(never_sends_stop=True)) as bench:
        bench.station.plug(1, Car())
        await bench.run(5)
        bench.station.unplug(1)
        await bench.run(5)
        assert not bench.central.named("StopTransaction")
        assert bench.station.transactions_stopped == 1
        assert not bench.station.records[0].acknowledged_stop


@virtual
async def test_a_frozen_meter_repeats_itself_while_the_truth_goes_on() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car(max_a=16))
        await bench.run(61)
        bench.station.set_faults(frozen_meter=True)
        frozen = bench.central.named("MeterValues")[-1]["meterValue"][0]["sampledValue"]
        await bench.central.call("SetChargingProfile", set_limit(6))
        await bench.run(121)
        latest = bench.central.named("MeterValues")[-1]["meterValue"][0]["sampledValue"]
        assert (
            [v["value"] for v in latest][1:4] == [v["value"] for v in frozen][1:4] == ["16.0"] * 3
        )
        assert bench.amps == (6.0, 6.0, 6.0)
        assert bench.station.records[0].energy_wh > 200
        bench.station.set_faults(frozen_meter=False)
        await bench.run(60)
        latest = bench.central.named("MeterValues")[-1]["meterValue"][0]["sampledValue"]
        assert [v["value"] for v in latest][1:4] == ["6.0"] * 3


@virtual
async def test_phantom_statuses() -> None:
    async with Bench(config=faulty(phantom_status_s=10.0)) as bench:
        await bench.run(100)
        assert len(bench.central.statuses()) >= 10
        assert len(set(bench.central.statuses())) > 1


@pytest.mark.parametrize(
    ("name", "connector_id", "code"),
    [("control-generic", 1, "OtherError"), ("premium-2024", 0, "Error")],
)
@virtual
async def test_a_fault_stops_the_current_and_is_reported_as_the_make_does(
    name: str, connector_id: int, code: str
) -> None:
    async with Bench(name, FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(20)
        bench.station.fail(1)
        await bench.run(5)
        assert bench.amps == (0.0, 0.0, 0.0)
        faults = [p for p in bench.central.named("StatusNotification") if p["status"] == "Faulted"]
        assert [(p["connectorId"], p["errorCode"]) for p in faults] == [(connector_id, code)]
        bench.station.repair(1)
        await bench.run(20)
        assert bench.amps[0] > 0.0
        last = bench.central.named("StatusNotification")[-1]
        assert last["errorCode"] == "NoError"


@virtual
async def test_a_network_that_is_gone_loses_frames_both_ways_and_comes_back() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(61)
        bench.station.go_offline(300)
        heard = len(bench.central.calls)
        bench.central.links[-1].post('[2,"x","ClearCache",{}]')
        await bench.run(295)
        assert len(bench.central.calls) == heard
        assert "x" not in bench.central.results
        assert not bench.online()
        assert bench.amps[0] > 0.0
        await bench.run(100)
        assert bench.online()
        stamps = [p["meterValue"][0]["timestamp"] for p in bench.central.named("MeterValues")]
        assert stamps == sorted(stamps)
        # One a minute, none missing.
        assert len(stamps) == 7


@virtual
async def test_lost_and_late_frames_lose_no_transaction() -> None:
    async with Bench(config=faulty(loss=0.1, delay_s=(0.05, 3.0)), seed=3) as bench:
        await bench.run(120)
        for _ in range(10):
            bench.station.plug(1, Car())
            await bench.run(300)
            bench.station.unplug(1)
            await bench.run(60)
        bench.station.set_faults(loss=0.0, delay_s=(0.0, 0.0))
        await bench.run(600)
        assert bench.station.queued == 0
        assert len(bench.station.records) == 10
        assert all(r.acknowledged_start and r.acknowledged_stop for r in bench.station.records)
        assert bench.station.counters.call_timeouts > 0


@virtual
async def test_the_offline_queue_is_bounded_and_gives_up_meter_values_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulators.station.caller.MAX_QUEUED", 10)
    async with Bench(config=FREE) as bench:
        bench.central.refuses_connections = True
        await bench.central.links[-1].close()
        await bench.run(1)
        bench.station.plug(1, Car())
        await bench.run(3600)
        bench.station.unplug(1)
        assert bench.station.queued == 10
        bench.central.refuses_connections = False
        await bench.run(120)
        assert bench.station.records[0].acknowledged_start
        assert bench.station.records[0].acknowledged_stop


@pytest.mark.parametrize("wrong", [{"rotation": "XYZ"}, {"phases": 2}])
def test_an_outlet_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ConnectorConfig(connector_id=1, **wrong)


@virtual
async def test_it_goes_above_every_limit() -> None:
    async with Bench(config=faulty(overshoot_share=0.25)) as bench:
        bench.station.plug(1, Car(max_a=32))
        await bench.run(3)
        await bench.central.call("SetChargingProfile", set_limit(8))
        await bench.run(30)
        assert bench.amps == (10.0, 10.0, 10.0)
        assert bench.station.accepted_a(1) == 8.0
        await bench.central.call("SetChargingProfile", set_limit(30))
        await bench.run(30)
        assert bench.amps == (32.0, 32.0, 32.0)


@virtual
async def test_it_says_yes_at_once_and_follows_half_a_minute_later() -> None:
    async with Bench(config=faulty(follows_late_s=30.0)) as bench:
        bench.station.plug(1, Car(max_a=16))
        await bench.run(30)
        assert await bench.central.call("SetChargingProfile", set_limit(6)) == {
            "status": "Accepted"
        }
        await bench.run(29)
        assert bench.amps == (16.0, 16.0, 16.0)
        assert bench.station.accepted_a(1) == 6.0
        await bench.run(6)
        assert bench.amps == (6.0, 6.0, 6.0)
