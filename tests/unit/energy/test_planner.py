"""Decision tables: given tree, readings and stations; then amperes per connector and the reason."""

from __future__ import annotations

import pytest

from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.domain.station import ConnectorStatus
from app.domain.units import PhaseCurrents, Rotation
from app.energy.plan import BalanceSource
from app.energy.settings import EnergySettings
from tests.support.energy_site import Desk, amps, circuit, key, station

SLOW_METER = EnergySettings(stale_freeze_s=5.0, stale_static_s=15.0)


# ----------------------------------------------------------------- sharing


def test_a_lone_car_climbs_to_its_rating() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A")])
    desk.plug("A")
    desk.run(1)
    assert desk.amps("A") == 10
    desk.run(40)
    assert desk.amps("A") == 32
    assert desk.why("A") == "connector"


def test_three_cars_share_what_the_building_leaves() -> None:
    desk = Desk.of([circuit(limit=60)], [station(n) for n in "ABC"], building=amps(30))
    desk.plug("A", "B", "C")
    desk.run(60)
    assert [desk.amps(n) for n in "ABC"] == [10, 10, 10]
    assert desk.why("A").startswith("circuit supply")


def test_weights_share_what_is_above_the_least_current() -> None:
    desk = Desk.of([circuit(limit=48)], [station("A"), station("B")])
    desk.plug("A", weight=1_000)
    desk.plug("B", weight=2_000)
    desk.run(80)
    assert [desk.amps("A"), desk.amps("B")] == [18, 30]


def test_a_busy_phase_holds_only_the_cars_on_it() -> None:
    stations = [
        station("A", phases=1),
        station("B", phases=1, rotation=Rotation.SRT),
        station("C"),
    ]
    desk = Desk.of([circuit(limit=40)], stations, building=amps(28, 0, 0))
    desk.plug("A", "B", "C")
    desk.run(80)
    assert (desk.amps("A"), desk.amps("C")) == (6, 6)
    assert desk.amps("B") == 32
    assert desk.why("A") == "circuit supply L1"


def test_the_last_to_come_waits_when_the_least_current_does_not_fit() -> None:
    desk = Desk.of([circuit(limit=13)], [station(n) for n in "ABC"])
    for name in "ABC":
        desk.plug(name)
        desk.run(2)
    desk.run(60)
    assert [desk.amps(n) for n in "ABC"] == [7, 6, 0]
    assert desk.why("C") == "waiting supply L1"


def test_a_feeder_binds_before_the_supply() -> None:
    circuits = [circuit(limit=100), circuit("feeder", 20, parent="supply")]
    desk = Desk.of(circuits, [station("A", "feeder"), station("B", "feeder"), station("C")])
    desk.plug("A", "B", "C")
    desk.run(80)
    assert [desk.amps(n) for n in "ABC"] == [10, 10, 32]
    assert desk.why("A").startswith("circuit feeder")


def test_two_outlets_share_their_station() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A", outlets=2, station_max=32)])
    desk.plug("A")
    desk.change("A", 2, transaction_id=9, status=ConnectorStatus.CHARGING)
    desk.run(60)
    assert (desk.amps("A", 1), desk.amps("A", 2)) == (16, 16)
    assert desk.why("A").startswith("connector")


def test_a_session_keeps_to_its_own_cap() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A"), station("B")])
    desk.plug("A", cap_ma=13_500)
    desk.plug("B", cap_ma=0)
    desk.run(30)
    assert desk.amps("A") == 13
    assert (desk.amps("B"), desk.why("B")) == (0, "connector")


def test_a_higher_class_is_served_first() -> None:
    desk = Desk.of([circuit(limit=44)], [station("A"), station("B")])
    desk.plug("A", priority=1)
    desk.plug("B", priority=0)
    desk.run(80)
    assert (desk.amps("A"), desk.amps("B")) == (12, 32)


def test_the_margin_is_kept_free() -> None:
    desk = Desk.of([circuit(limit=30, margin=5)], [station("A")])
    desk.plug("A")
    desk.run(40)
    assert desk.amps("A") == 25


# ----------------------------------------------------------------- what has no session


def test_reasons_of_connectors_without_a_session() -> None:
    stations = [
        station("idle"),
        station("away"),
        station("plain", controllable=False),
        station("gone"),
    ]
    desk = Desk.of([circuit()], stations)
    desk.change("away", online=False)
    desk.plug("plain")
    del desk.states[key("gone")]
    desk.run(1, follow=False)
    assert desk.why("idle") == "no-car"
    assert desk.why("away") == "offline"
    assert (desk.why("plain"), desk.amps("plain")) == ("not-controllable", 32)
    assert desk.why("gone") == "offline"


def test_a_station_that_never_took_its_fallback_reserves_its_rating() -> None:
    desk = Desk.of([circuit(limit=50)], [station("A"), station("B")])
    desk.planner.ceilings.fallback_lost(key("B"))
    desk.plug("A")
    desk.run(60)
    assert (desk.amps("B"), desk.why("B")) == (32, "not-controllable")
    assert desk.amps("A") == 18


def test_a_session_whose_limit_is_unknown_is_told_one_at_once() -> None:
    desk = Desk.of([circuit(limit=20)], [station("A")])
    desk.planner.ceilings.fallback_lost(key("A"))
    desk.plug("A")
    plan = desk.run(1, follow=False)
    assert [(c.limit_ma, c.is_decrease) for c in plan.changes] == [(20_000, True)]


def test_a_limit_nobody_knows_is_shown_as_such() -> None:
    desk = Desk.of([circuit(limit=20)], [station("A")])
    desk.planner.ceilings.fallback_lost(key("A"))
    desk.answer = "refused"
    desk.plug("A")
    desk.run(2, follow=False)
    assert (desk.amps("A"), desk.why("A")) == (32, "unknown")


def test_an_offline_station_keeps_its_reservation() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A"), station("B")])
    desk.plug("A", "B")
    desk.run(60)
    assert (desk.amps("A"), desk.amps("B")) == (20, 20)
    desk.change("A", online=False)
    desk.run(100)
    assert desk.why("A") == "offline"
    assert desk.balance().ceilings.l1 >= 20_000 + desk.amps("B") * 1000
    assert desk.amps("B") <= 20


def test_a_known_uncontrollable_station_is_reserved_at_its_rating() -> None:
    desk = Desk.of([circuit(limit=50)], [station("A"), station("B")])
    desk.plug("A", controllable=False)
    desk.plug("B")
    desk.run(60, follow=False)
    desk.meter(amps(0))
    desk.run(1, follow=False)
    assert desk.amps("A") == 32
    assert desk.amps("B") <= 18


def test_a_station_that_refuses_is_tried_again_later_and_rarely() -> None:
    desk = Desk.of([circuit(limit=50)], [station("A")])
    desk.answer = "refused"
    desk.plug("A")
    desk.run(600)
    assert 4 <= len(desk.sent) <= 9
    assert desk.why("A") == "not-controllable"
    desk.answer = "accepted"
    desk.run(400)
    assert desk.amps("A") == 32


# ----------------------------------------------------------------- time


def test_an_increase_waits_until_the_other_has_really_gone_down() -> None:
    desk = Desk.of([circuit(limit=20)], [station("A"), station("B")])
    desk.plug("A")
    desk.run(60)
    assert desk.amps("A") == 20
    desk.plug("B")
    desk.run(1)
    assert (desk.amps("A"), desk.amps("B")) == (10, 0)
    assert desk.why("B") == "holding supply L1"
    desk.run(7)
    assert desk.amps("B") == 0
    desk.run(30)
    assert (desk.amps("A"), desk.amps("B")) == (10, 10)


def test_a_rise_of_the_building_is_answered_in_the_same_cycle() -> None:
    desk = Desk.of([circuit(limit=60)], [station(n) for n in "ABC"], building=amps(0))
    desk.plug("A", "B", "C")
    desk.run(60)
    assert [desk.amps(n) for n in "ABC"] == [20, 20, 20]
    desk.building = amps(30)
    desk.run(1)
    assert [desk.amps(n) for n in "ABC"] == [10, 10, 10]
    # While the cars ramp down nothing more is taken away.
    desk.run(40)
    assert [desk.amps(n) for n in "ABC"] == [10, 10, 10]


def test_a_fall_of_the_building_is_used_after_a_while() -> None:
    desk = Desk.of([circuit(limit=60)], [station(n) for n in "ABC"], building=amps(30))
    desk.plug("A", "B", "C")
    desk.run(60)
    desk.building = amps(0)
    desk.run(10)
    assert [desk.amps(n) for n in "ABC"] == [10, 10, 10]
    desk.run(40)
    assert [desk.amps(n) for n in "ABC"] == [20, 20, 20]


def test_nothing_is_sent_twice() -> None:
    """Property 13: the same inputs again, no messages."""
    desk = Desk.of([circuit(limit=60)], [station(n) for n in "ABC"], building=amps(11))
    desk.plug("A", "B", "C")
    desk.run(60)
    count = len(desk.sent)
    desk.cycle()
    desk.cycle()
    desk.run(200)
    assert len(desk.sent) == count


def test_leases_are_renewed_at_half_life_and_not_before() -> None:
    desk = Desk.of([circuit(limit=60)], [station("A")])
    desk.plug("A")
    desk.run(60)
    count = len(desk.sent)
    lease = desk.sent[-1].lease_until_s
    desk.run(200)
    assert len(desk.sent) == count
    desk.run(200)
    assert len(desk.sent) == count + 1
    assert desk.sent[-1].is_decrease
    assert desk.sent[-1].limit_ma == 32_000
    assert desk.sent[-1].lease_until_s > lease


def test_a_new_car_starts_from_the_fallback() -> None:
    desk = Desk.of([circuit(limit=60)], [station("A", fallback=6)])
    desk.plug("A")
    desk.run(40)
    assert desk.amps("A") == 32
    desk.unplug("A")
    desk.run(1)
    assert (desk.amps("A"), desk.why("A")) == (6, "no-car")


# ----------------------------------------------------------------- the meter


def test_a_late_meter_freezes_and_a_lost_one_leaves_the_static_budget() -> None:
    desk = Desk.of(
        [circuit(limit=60, worst=45)],
        [station(n) for n in "AB"],
        building=amps(20),
        settings=SLOW_METER,
    )
    desk.plug("A")
    desk.run(60)
    assert desk.amps("A") == 32
    desk.metered = None
    desk.run(6)
    desk.plug("B")
    desk.run(1)
    assert desk.balance().source is BalanceSource.FROZEN
    assert (desk.amps("B"), desk.why("B")) == (0, "meter-lost supply")
    desk.run(10)
    assert desk.balance().source is BalanceSource.STATIC
    desk.run(40)
    assert [desk.amps("A"), desk.amps("B")] == [8, 7]
    assert desk.why("A").startswith("meter-lost supply")
    desk.metered = "supply"
    desk.run(2)
    assert desk.balance().source is BalanceSource.STATIC
    desk.run(60)
    assert desk.balance().source is BalanceSource.MEASURED
    assert desk.amps("A") + desk.amps("B") == 40


def test_a_lost_meter_without_a_known_worst_case_stops_charging() -> None:
    desk = Desk.of([circuit(limit=60)], [station("A")], building=amps(20))
    desk.plug("A")
    desk.run(60)
    desk.metered = None
    desk.run(17)
    assert (desk.amps("A"), desk.why("A")) == (0, "meter-lost supply L1")


def test_an_implausible_reading_is_no_reading() -> None:
    stations, settings = [station("A")], SLOW_METER
    desk = Desk.of([circuit(limit=60, worst=45)], stations, settings=settings, building=amps(20))
    desk.plug("A")
    desk.run(5)
    limit = desk.amps("A")
    desk.metered = None
    for _ in range(10):
        desk.now_s += 1
        desk.meter(amps(0), quality=Quality.IMPLAUSIBLE)
        desk.cycle()
    assert desk.balance().source is BalanceSource.FROZEN
    assert desk.amps("A") == limit
    assert desk.why("A") == "meter-lost supply"


def test_before_the_first_reading_nothing_moves() -> None:
    desk = Desk.of([circuit(limit=60, worst=30)], [station("A", fallback=6)])
    desk.plug("A")
    desk.run(5, follow=False)
    assert desk.sent == []
    assert desk.amps("A") == 6
    desk.run(12, follow=False)
    assert desk.amps("A") == 16


@pytest.mark.parametrize(
    ("placement", "reading", "expected", "source"),
    [
        (MeterPlacement.SUPPLY, amps(25), 32, BalanceSource.MEASURED),
        (MeterPlacement.BUILDING, amps(45), 15, BalanceSource.BUILDING),
        (MeterPlacement.CHARGING, amps(0), 20, BalanceSource.CHARGING),
    ],
)
def test_the_meter_counts_as_the_installer_placed_it(
    placement: MeterPlacement, reading: PhaseCurrents, expected: int, source: BalanceSource
) -> None:
    desk = Desk.of([circuit(limit=60, worst=40)], [station("A")], {"supply": placement})
    desk.plug("A")
    for _ in range(60):
        desk.now_s += 1
        limit = desk.planner.ceilings.limit_in_force(key("A"), desk.now_s) or 0
        drawn = PhaseCurrents.uniform(limit)
        desk.draw("A", limit / 1000)
        with_cars = reading if placement is MeterPlacement.BUILDING else reading + drawn
        desk.meter(with_cars)
        desk.cycle()
    assert desk.amps("A") == expected
    assert desk.balance().source is source


@pytest.mark.parametrize(("worst", "expected"), [(None, 0), (10, 20)])
def test_an_unmetered_root_counts_with_its_worst_background(
    worst: float | None, expected: int
) -> None:
    desk = Desk.of([circuit(limit=30, worst=worst)], [station("A")], {})
    desk.plug("A")
    desk.run(40)
    assert desk.amps("A") == expected
    assert desk.balance().source is BalanceSource.UNMETERED


# ----------------------------------------------------------------- demand and phases


def test_what_a_car_does_not_take_goes_to_another() -> None:
    desk = Desk.of([circuit(limit=40)], [station("A"), station("B")])
    desk.plug("A", "B")
    for _ in range(120):
        desk.now_s += 1
        b = (desk.planner.ceilings.limit_in_force(key("B"), desk.now_s) or 0) / 1000
        a = min(9.0, (desk.planner.ceilings.limit_in_force(key("A"), desk.now_s) or 0) / 1000)
        if int(desk.now_s) % 10 == 0:
            desk.draw("A", a)
            desk.draw("B", b)
        desk.meter(amps(a + b))
        desk.cycle()
    assert desk.amps("A") == 10
    assert desk.why("A") == "demand"
    assert desk.amps("B") == 30


def test_a_single_phase_car_frees_the_other_phases() -> None:
    desk = Desk.of([circuit(limit=20)], [station("A"), station("B", rotation=Rotation.SRT)])
    desk.plug("A", "B")
    for _ in range(120):
        desk.now_s += 1
        ledger = desk.planner.ceilings
        a = (ledger.limit_in_force(key("A"), desk.now_s) or 0) / 1000
        b = (ledger.limit_in_force(key("B"), desk.now_s) or 0) / 1000
        if int(desk.now_s) % 10 == 0:
            desk.draw("A", a, 0, 0)
            desk.draw("B", b, 0, 0)
        desk.meter(amps(a, b, 0))
        desk.cycle()
    assert (desk.amps("A"), desk.amps("B")) == (20, 20)


def test_sleeping_cars_give_way() -> None:
    desk = Desk.of([circuit(limit=16)], [station("A"), station("B")])
    desk.plug("A", status=ConnectorStatus.SUSPENDED_EV)
    desk.plug("B")
    desk.metered = None
    for _ in range(200):
        desk.now_s += 1
        b = (desk.planner.ceilings.limit_in_force(key("B"), desk.now_s) or 0) / 1000
        if int(desk.now_s) % 10 == 0:
            desk.draw("A", 0)
            desk.draw("B", b)
        desk.meter(amps(b))
        desk.cycle()
    assert (desk.amps("A"), desk.amps("B")) == (0, 16)


def test_under_shortage_everyone_has_a_turn() -> None:
    settings = EnergySettings(rotation_s=100.0, min_on_s=50.0, min_off_s=30.0, asleep_idle_s=1e9)
    desk = Desk.of([circuit(limit=13)], [station(n) for n in "ABCD"], settings=settings)
    desk.plug(*"ABCD")
    served: set[str] = set()
    for _ in range(40):
        desk.run(10)
        served |= {name for name in "ABCD" if desk.amps(name)}
    assert served == set("ABCD")


# ----------------------------------------------------------------- what cannot wait


@pytest.mark.parametrize(
    ("placement", "seen", "urgent"),
    [
        (MeterPlacement.SUPPLY, amps(50, 98.1, 50), True),
        (MeterPlacement.SUPPLY, amps(98, 98, 98), False),
        (MeterPlacement.BUILDING, amps(40, 42, 40), True),
        (MeterPlacement.BUILDING, amps(41.9, 30, 41.9), False),
    ],
)
def test_a_reading_over_the_usable_current_or_a_rising_building_is_urgent(
    placement: MeterPlacement, seen: PhaseCurrents, *, urgent: bool
) -> None:
    desk = Desk.of([circuit(limit=100, margin=2)], [station("A")], {"supply": placement})
    planner = desk.planner
    reading = MeterReading("m", desk.now_s + 2, seen)
    assert not planner.is_urgent("supply", reading)  # before the first cycle nothing is known
    desk.cycle()
    assert planner.is_urgent("supply", reading) is (urgent and placement is MeterPlacement.SUPPLY)
    desk.now_s += 1
    desk.meter(amps(40))
    desk.cycle()
    assert planner.is_urgent("supply", reading) is urgent
    doubtful = MeterReading("m", desk.now_s + 2, seen, Quality.IMPLAUSIBLE)
    assert not planner.is_urgent("supply", doubtful)
    assert not planner.is_urgent("gone", reading)
