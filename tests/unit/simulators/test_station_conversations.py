"""What a station says by itself: boot, badges, transactions, meter values, the offline queue."""

from __future__ import annotations

import msgspec
import pytest

from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import load_persona
from tests.unit.simulators.station_bench import Bench, set_limit, virtual

FREE = StationConfig(station_id="A-001", free_mode=True)


def actions(bench: Bench) -> list[str]:
    return [action for action, _ in bench.central.calls]


# ---------------------------------------------------------------------- boot


@virtual
async def test_it_boots_then_tells_its_statuses_then_beats() -> None:
    async with Bench() as bench:
        assert actions(bench) == ["BootNotification", "StatusNotification"]
        assert bench.central.statuses() == ["Available"]
        assert bench.online()
        await bench.run(620)
        assert actions(bench)[2:] == ["Heartbeat", "Heartbeat"]


@pytest.mark.parametrize(("status", "interval", "wait_s"), [("Pending", 7, 7), ("Rejected", 0, 20)])
@virtual
async def test_a_boot_that_is_not_accepted_is_sent_again(
    status: str, interval: int, wait_s: int
) -> None:
    bench = Bench()
    refusal = {"status": status, "interval": interval, "currentTime": "2026-06-01T08:00:00Z"}
    bench.central.answers["BootNotification"] = refusal
    async with bench:
        await bench.run(wait_s - 3)
        assert actions(bench) == ["BootNotification"]
        assert not bench.online()
        await bench.run(2)
        assert actions(bench) == ["BootNotification"] * 2
        del bench.central.answers["BootNotification"]
        await bench.run(wait_s)
        assert bench.online()


@virtual
async def test_an_unanswered_boot_is_tried_again_on_the_same_link() -> None:
    bench = Bench()
    bench.central.answers["BootNotification"] = None
    async with bench:
        await bench.run(47)
        assert actions(bench) == ["BootNotification"]
        del bench.central.answers["BootNotification"]
        await bench.run(5)
        assert bench.online()
        assert bench.station.counters.connections == 1


@virtual
async def test_it_keeps_trying_to_connect_and_backs_off() -> None:
    bench = Bench()
    bench.central.refuses_connections = True
    async with bench:
        await bench.run(600)
        assert not bench.central.calls
        bench.central.refuses_connections = False
        await bench.run(91)
        assert bench.online()


@virtual
async def test_after_a_reconnection_a_clean_station_does_not_boot_again() -> None:
    async with Bench() as bench:
        bench.station.drop_socket()
        await bench.run(3)
        assert actions(bench).count("BootNotification") == 1
        assert bench.central.statuses() == ["Available", "Available"]
        assert bench.station.counters.connections == 2


@virtual
async def test_the_2019_firmware_boots_at_each_connection() -> None:
    async with Bench("premium-2019") as bench:
        bench.station.drop_socket()
        await bench.run(3)
        assert actions(bench).count("BootNotification") == 2


@virtual
async def test_a_drop_before_the_boot_answer_leaves_it_silent_for_a_minute() -> None:
    bench = Bench()
    bench.central.answers["BootNotification"] = None
    async with bench:
        await bench.central.links[-1].close()
        del bench.central.answers["BootNotification"]
        await bench.run(50)
        assert len(bench.central.links) == 2
        assert actions(bench) == ["BootNotification"]
        await bench.central.call("TriggerMessage", {"requestedMessage": "BootNotification"})
        await bench.run(1)
        assert bench.online()
        await bench.run(60)
        assert actions(bench).count("BootNotification") == 2


# ---------------------------------------------------------------------- badges and transactions


@virtual
async def test_a_transaction_from_plug_to_unplug() -> None:
    async with Bench() as bench:
        bench.station.plug(1, Car(phases=3, max_a=16, ramp_up_s=5), "TAG")
        await bench.run(30)
        assert bench.amps == (16.0, 16.0, 16.0)
        bench.station.unplug(1)
        assert bench.amps == (0.0, 0.0, 0.0)
        await bench.run(1)
        assert actions(bench)[2:] == [
            "StatusNotification",
            "Authorize",
            "StartTransaction",
            "StatusNotification",
            "StopTransaction",
            "StatusNotification",
            "StatusNotification",
        ]
        seen = bench.central.statuses()
        assert seen == ["Available", "Preparing", "Charging", "Finishing", "Available"]
        (start,) = bench.central.named("StartTransaction")
        (stop,) = bench.central.named("StopTransaction")
        (record,) = bench.station.records
        assert start["idTag"] == "TAG"
        assert stop["transactionId"] == record.transaction_id == 101
        assert stop["reason"] == "EVDisconnected"
        assert stop["meterStop"] - start["meterStart"] == pytest.approx(record.energy_wh, abs=1)
        assert record.acknowledged_start
        assert record.acknowledged_stop
        assert bench.station.transactions_started == bench.station.transactions_stopped == 1


@virtual
async def test_the_same_badge_ends_the_transaction_whatever_its_case() -> None:
    async with Bench() as bench:
        bench.station.plug(1, Car(), "0a1b")
        await bench.run(20)
        assert bench.station.swipe("0A1B")
        await bench.run(20)
        assert bench.central.statuses()[-1] == "Finishing"
        assert bench.central.named("StopTransaction")[0]["reason"] == "Local"
        assert bench.amps == (0.0, 0.0, 0.0)
        assert bench.station.unplug(1) is not None
        await bench.run(1)
        assert bench.central.statuses()[-1] == "Available"


@virtual
async def test_a_badge_may_come_before_the_cable() -> None:
    async with Bench() as bench:
        bench.station.swipe("TAG")
        await bench.run(30)
        bench.station.plug(1, Car())
        await bench.run(1)
        assert bench.central.named("StartTransaction")[0]["idTag"] == "TAG"


@virtual
async def test_a_badge_is_forgotten_when_no_cable_comes() -> None:
    async with Bench() as bench:
        bench.station.swipe("TAG")
        await bench.run(61)
        bench.station.plug(1, Car())
        await bench.run(30)
        assert not bench.central.named("StartTransaction")


@virtual
async def test_a_refused_badge_starts_nothing() -> None:
    async with Bench() as bench:
        bench.central.answers["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
        bench.station.plug(1, Car(), "TAG")
        await bench.run(30)
        assert bench.central.statuses()[-1] == "Preparing"
        assert not bench.central.named("StartTransaction")
        assert bench.amps == (0.0, 0.0, 0.0)


@virtual
async def test_a_tag_that_is_refused_at_the_start_ends_the_transaction() -> None:
    async with Bench() as bench:
        bench.central.answers["StartTransaction"] = {
            "transactionId": 9,
            "idTagInfo": {"status": "Invalid"},
        }
        bench.station.plug(1, Car(), "TAG")
        await bench.run(5)
        (stop,) = bench.central.named("StopTransaction")
        assert (stop["transactionId"], stop["reason"]) == (9, "DeAuthorized")


@virtual
async def test_free_mode_asks_nobody() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(1)
        assert not bench.central.named("Authorize")
        assert bench.central.named("StartTransaction")[0]["idTag"] == "FREE"


@virtual
async def test_without_a_reader_there_is_no_badge() -> None:
    persona = msgspec.structs.replace(load_persona("control-generic"), reader=False)
    async with Bench(persona) as bench:
        assert not bench.station.swipe("TAG")
        bench.station.plug(1, Car(), "TAG")
        await bench.run(10)
        assert not bench.central.named("Authorize")


@virtual
async def test_a_car_that_leaves_before_the_authorisation_starts_nothing() -> None:
    async with Bench() as bench:
        bench.station.plug(1, Car(), "TAG")
        bench.station.unplug(1)
        await bench.run(5)
        assert bench.central.named("Authorize")
        assert not bench.central.named("StartTransaction")


@virtual
async def test_two_cars_do_not_fit_in_one_outlet() -> None:
    async with Bench() as bench:
        bench.station.plug(1, Car())
        with pytest.raises(ValueError, match="outlet 1"):
            bench.station.plug(1, Car())
        with pytest.raises(KeyError):
            bench.station.plug(2, Car())


@virtual
async def test_a_transaction_may_outlive_the_cable() -> None:
    async with Bench() as bench:
        request = {"key": "StopTransactionOnEVSideDisconnect", "value": "false"}
        await bench.central.call("ChangeConfiguration", request)
        bench.station.plug(1, Car(), "TAG")
        await bench.run(30)
        bench.station.unplug(1)
        await bench.run(5)
        assert bench.central.statuses()[-1] == "SuspendedEV"
        assert not bench.central.named("StopTransaction")
        bench.station.swipe("TAG")
        await bench.run(1)
        assert bench.central.named("StopTransaction")


# ---------------------------------------------------------------------- statuses and currents


@virtual
async def test_a_limit_of_zero_pauses_and_a_full_car_suspends() -> None:
    async with Bench(config=FREE) as bench:
        car = Car(phases=1, max_a=16, soc0=0.5, battery_kwh=10)
        bench.station.plug(1, car)
        await bench.run(30)
        await bench.central.call("SetChargingProfile", set_limit(0))
        await bench.run(10)
        assert bench.amps == (0.0, 0.0, 0.0)
        await bench.central.call("SetChargingProfile", set_limit(16))
        await bench.run(3600 * 3)
        assert car.full
        seen = bench.central.statuses()
        assert seen == ["Available", "Preparing", "Charging", "SuspendedEVSE", "Charging",
                        "SuspendedEV"]  # fmt: skip


@pytest.mark.parametrize(
    ("rotation", "phases", "amps"),
    [
        ("RST", 1, (10.0, 0.0, 0.0)),
        ("STR", 1, (0.0, 10.0, 0.0)),
        ("TRS", 1, (0.0, 0.0, 10.0)),
        ("STR", 2, (0.0, 10.0, 10.0)),
        ("TSR", 2, (0.0, 10.0, 10.0)),
        ("TRS", 2, (10.0, 0.0, 10.0)),
        ("SRT", 3, (10.0, 10.0, 10.0)),
    ],
)
@virtual
async def test_the_rotation_decides_which_phases_of_the_site_are_loaded(
    rotation: str, phases: int, amps: tuple[float, float, float]
) -> None:
    config = StationConfig(
        station_id="A-001",
        free_mode=True,
        connectors=(ConnectorConfig(connector_id=1, rotation=rotation),),
    )
    async with Bench(config=config) as bench:
        bench.station.plug(1, Car(phases=phases, max_a=10))
        await bench.run(40)
        assert bench.amps == amps
        # Its own meter sees its own L1.
        assert bench.station.connectors[0].measured_a()[0] == 10.0


@virtual
async def test_a_second_outlet_is_a_socket_on_the_same_feed() -> None:
    config = StationConfig(
        station_id="A-001",
        free_mode=True,
        feed_limit_a=32,
        connectors=(
            ConnectorConfig(connector_id=1),
            ConnectorConfig(connector_id=2, phases=1, socket=True, max_a=16),
        ),
    )
    async with Bench(config=config) as bench:
        bench.station.plug(1, Car(phases=3, max_a=32))
        bench.station.plug(2, Car(phases=1, max_a=32))
        await bench.run(60)
        post, socket = bench.station.connectors
        assert socket.current_a == (13.0, 0.0, 0.0)
        assert post.current_a == (19.0, 19.0, 19.0)
        await bench.central.call(
            "SetChargingProfile", set_limit(5, connector_id=2, transaction_id=102)
        )
        await bench.run(30)
        assert socket.current_a == (0.0, 0.0, 0.0)
        assert post.current_a == (32.0, 32.0, 32.0)
        assert bench.central.statuses(2)[-1] == "SuspendedEVSE"
