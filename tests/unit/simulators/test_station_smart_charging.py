"""Charging profiles over the wire, and the sharing of a post's feed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import load_persona
from tests.unit.simulators.station_bench import Bench, set_limit, virtual

FREE = StationConfig(station_id="A-001", free_mode=True)
TWO = StationConfig(
    station_id="A-001",
    feed_limit_a=32,
    connectors=(ConnectorConfig(connector_id=1), ConnectorConfig(connector_id=2)),
)


def persona(**changes: Any) -> Any:
    return msgspec.structs.replace(load_persona("control-generic"), **changes)


# ---------------------------------------------------------------------- smart charging


@virtual
async def test_a_limit_is_followed_after_a_moment() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car(phases=3, max_a=32))
        await bench.run(30)
        answer = await bench.central.call("SetChargingProfile", set_limit(10))
        assert answer == {"status": "Accepted"}
        assert bench.station.connectors[0].offered_a == 32.0
        await bench.run(3)
        assert bench.amps == (10.0, 10.0, 10.0)
        assert bench.station.counters.profile_messages == 1


@virtual
async def test_the_limit_of_the_post_is_shared_between_its_outlets() -> None:
    async with Bench(config=TWO) as bench:
        bench.station.plug(1, Car(phases=3, max_a=32), "ONE")
        await bench.run(1)
        bench.station.plug(2, Car(phases=1, max_a=32), "TWO")
        await bench.run(40)
        assert [c.current_a for c in bench.station.connectors] == [
            (16.0, 16.0, 16.0),
            (16.0, 0.0, 0.0),
        ]
        post = set_limit(14, connector_id=0, purpose="ChargePointMaxProfile")
        await bench.central.call("SetChargingProfile", post)
        await bench.run(10)
        assert [c.offered_a for c in bench.station.connectors] == [7.0, 7.0]
        await bench.central.call(
            "SetChargingProfile",
            set_limit(10, connector_id=0, purpose="ChargePointMaxProfile"),
        )
        await bench.run(10)
        # Not enough for two: the first come is served.
        assert [c.offered_a for c in bench.station.connectors] == [10.0, 0.0]
        answer = await bench.central.call("ClearChargingProfile", {"connectorId": 0})
        assert answer == {"status": "Accepted"}
        await bench.run(1)
        assert [c.offered_a for c in bench.station.connectors] == [16.0, 16.0]


@pytest.mark.parametrize(("connector_id", "offered_a"), [(1, [8.0, 24.0]), (2, [24.0, 8.0])])
@virtual
async def test_what_one_car_cannot_have_goes_to_the_other(
    connector_id: int, offered_a: list[float]
) -> None:
    async with Bench(config=TWO) as bench:
        bench.station.plug(1, Car(phases=3, max_a=32), "ONE")
        bench.station.plug(2, Car(phases=3, max_a=32), "TWO")
        await bench.run(2)
        limit = set_limit(8, connector_id=connector_id, transaction_id=100 + connector_id)
        await bench.central.call("SetChargingProfile", limit)
        await bench.run(2)
        assert [c.offered_a for c in bench.station.connectors] == offered_a


@virtual
async def test_the_next_transaction_is_free_of_the_limit_of_the_last() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(2)
        await bench.central.call("SetChargingProfile", set_limit(8))
        await bench.run(2)
        assert bench.station.connectors[0].offered_a == 8.0
        bench.station.unplug(1)
        bench.station.plug(1, Car())
        await bench.run(2)
        assert bench.station.connectors[0].offered_a == 32.0


@pytest.mark.parametrize(
    ("below", "offered_a", "status"),
    [("pause", 0.0, "SuspendedEVSE"), ("clamp", 6.0, "Charging"), ("follow", 4.0, "Charging")],
)
@virtual
async def test_a_limit_below_6_a(below: str, offered_a: float, status: str) -> None:
    made = persona(below_minimum=msgspec.convert(below, type(persona().below_minimum)))
    async with Bench(made, FREE) as bench:
        bench.station.plug(1, Car(phases=1, min_a=4))
        await bench.run(20)
        await bench.central.call("SetChargingProfile", set_limit(4))
        await bench.run(5)
        assert bench.station.connectors[0].offered_a == offered_a
        assert bench.amps == (offered_a, 0.0, 0.0)
        assert bench.central.statuses()[-1] == status


@virtual
async def test_some_makes_stay_charging_at_zero() -> None:
    async with Bench(persona(charging_at_zero=True), FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(20)
        await bench.central.call("SetChargingProfile", set_limit(0))
        await bench.run(5)
        assert bench.amps == (0.0, 0.0, 0.0)
        assert bench.central.statuses()[-1] == "Charging"


@virtual
async def test_a_make_for_watts_refuses_amperes() -> None:
    async with Bench("strict-generic", FREE) as bench:
        bench.station.plug(1, Car(phases=3, max_a=32))
        await bench.run(2)
        answer = await bench.central.call("SetChargingProfile", set_limit(10))
        assert answer == {"status": "Rejected"}
        answer = await bench.central.call("SetChargingProfile", set_limit(6900, unit="W"))
        assert answer == {"status": "Accepted"}
        await bench.run(30)
        assert bench.amps == pytest.approx((10.0, 10.0, 10.0))


@virtual
async def test_a_profile_for_an_outlet_that_is_not_there_is_refused() -> None:
    async with Bench() as bench:
        request = set_limit(10, connector_id=3, purpose="TxDefaultProfile")
        assert await bench.central.call("SetChargingProfile", request) == {"status": "Rejected"}
        answer = await bench.central.call("ClearChargingProfile", {"id": 77})
        assert answer == {"status": "Unknown"}


@virtual
async def test_profiles_survive_a_reconnection_and_a_reboot_where_the_make_keeps_them() -> None:
    default = set_limit(8, purpose="TxDefaultProfile", connector_id=0)
    for keeps, expected_a in ((True, 8.0), (False, 32.0)):
        async with Bench(persona(keeps_profiles_over_reboot=keeps), FREE) as bench:
            await bench.central.call("SetChargingProfile", default)
            bench.station.drop_socket()
            await bench.run(5)
            bench.station.plug(1, Car(max_a=32))
            await bench.run(5)
            assert bench.station.connectors[0].offered_a == 8.0
            await bench.central.call("Reset", {"type": "Hard"})
            await bench.run(30)
            assert bench.station.connectors[0].offered_a == expected_a


@virtual
async def test_the_composite_schedule_tells_the_limits_to_come() -> None:
    async with Bench(config=FREE) as bench:
        bench.station.plug(1, Car())
        await bench.run(3)
        await bench.central.call(
            "SetChargingProfile", set_limit(6, purpose="TxDefaultProfile", profile_id=5)
        )
        lease = set_limit(20, validTo="2026-06-01T08:05:00Z")
        await bench.central.call("SetChargingProfile", lease)
        post = set_limit(16, connector_id=0, purpose="ChargePointMaxProfile", profile_id=6)
        await bench.central.call("SetChargingProfile", post)
        answer = await bench.central.call(
            "GetCompositeSchedule", {"connectorId": 1, "duration": 600}
        )
        assert answer["status"] == "Accepted"
        assert answer["chargingSchedule"]["chargingRateUnit"] == "A"
        assert answer["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 16.0},
            {"startPeriod": 295, "limit": 6.0},
        ]
        whole = await bench.central.call(
            "GetCompositeSchedule",
            {"connectorId": 0, "duration": 60, "chargingRateUnit": "W"},
        )
        assert whole["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": 11040.0}
        ]
        refused = await bench.central.call(
            "GetCompositeSchedule", {"connectorId": 4, "duration": 60}
        )
        assert refused == {"status": "Rejected"}


@virtual
async def test_some_makes_say_unlimited_in_the_unit_that_they_do_not_use() -> None:
    async with Bench("strict-generic", FREE) as bench:
        request = {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
        answer = await bench.central.call("GetCompositeSchedule", request)
        assert answer["chargingSchedule"]["chargingSchedulePeriod"] == [
            {"startPeriod": 0, "limit": -1.0}
        ]


@virtual
async def test_some_makes_give_all_they_have_for_a_moment_at_each_new_limit() -> None:
    async with Bench(persona(spike_s=3.0), FREE) as bench:
        bench.station.plug(1, Car(max_a=32, ramp_up_s=1.0))
        await bench.run(3)
        await bench.central.call("SetChargingProfile", set_limit(10))
        await bench.run(10)
        assert bench.amps == (10.0, 10.0, 10.0)
        await bench.central.call("SetChargingProfile", set_limit(8))
        await bench.run(2)
        assert bench.amps == (32.0, 32.0, 32.0)
        await bench.run(6)
        assert bench.amps == (8.0, 8.0, 8.0)


@virtual
async def test_some_makes_change_to_one_phase_under_a_low_limit_in_watts() -> None:
    made = persona(rate_units=("W",), switches_phases=True)
    config = StationConfig(
        station_id="A-001",
        free_mode=True,
        connectors=(ConnectorConfig(connector_id=1, rotation="STR"),),
    )
    async with Bench(made, config) as bench:
        bench.station.plug(1, Car(max_a=32))
        await bench.run(3)
        await bench.central.call("SetChargingProfile", set_limit(3 * 230 * 8, unit="W"))
        await bench.run(30)
        assert bench.amps == (8.0, 8.0, 8.0)
        await bench.central.call("SetChargingProfile", set_limit(3 * 230 * 4, unit="W"))
        await bench.run(30)
        assert bench.amps == (0.0, 12.0, 0.0)
        assert bench.station.accepted_a(1) == 12.0
        before_wh = bench.station.records[0].energy_wh
        await bench.run(60)
        assert bench.station.records[0].energy_wh - before_wh == pytest.approx(46, abs=0.1)
        await bench.central.call("SetChargingProfile", set_limit(230 * 5, unit="W"))
        await bench.run(30)
        assert bench.amps == (0.0, 0.0, 0.0)
        await bench.central.call("SetChargingProfile", set_limit(3 * 230 * 7, unit="W"))
        await bench.run(40)
        assert bench.amps == (7.0, 7.0, 7.0)


@virtual
async def test_the_accepted_limit_is_the_lower_of_outlet_and_post() -> None:
    async with Bench(config=FREE) as bench:
        assert bench.station.accepted_a(1) == 32.0
        bench.station.plug(1, Car())
        await bench.run(3)
        await bench.central.call("SetChargingProfile", set_limit(10))
        post = set_limit(7, connector_id=0, purpose="ChargePointMaxProfile")
        assert bench.station.accepted_a(1) == 10.0
        await bench.central.call("SetChargingProfile", post)
        assert bench.station.accepted_a(1) == 7.0
