"""Decision tables of the policies, and of the limits that bind more than one phase."""

from __future__ import annotations

import pytest

from app.domain.limits import CircuitCap, LimitSource
from app.domain.rules import SharingPolicy
from app.domain.units import Rotation
from app.energy.policies import share
from tests.support.energy_site import Desk, amps, circuit, station


def settled(desk: Desk, seconds: int = 120) -> list[float]:
    """Amperes of A, B, C... once nothing changes any more."""
    desk.run(seconds)
    return [desk.amps(key.station_id) for key in desk.states]


# ----------------------------------------------------------------- policies


@pytest.mark.parametrize(
    ("policy", "shares"),
    [
        (SharingPolicy.WEIGHTED, [12, 18, 18]),
        (SharingPolicy.EQUAL_AMPS, [16, 16, 16]),
        (SharingPolicy.FIRST_COME, [32, 16, 0]),
    ],
)
def test_one_current_three_policies(policy: SharingPolicy, shares: list[float]) -> None:
    desk = Desk.of([circuit(limit=48)], [station(name) for name in "ABC"])
    desk.policy = policy
    for name, weight in zip("ABC", (500, 1_000, 1_000), strict=True):
        desk.plug(name, weight=weight)
        desk.run(1)
    assert settled(desk) == shares


def test_equal_power_gives_one_phase_more_amperes() -> None:
    """12 A on three phases and 36 A, but for the outlet's 32 A, on one: 8.3 and 7.4 kW."""
    desk = Desk.of([circuit(limit=44)], [station("A"), station("B", phases=1)])
    desk.policy = SharingPolicy.EQUAL_POWER
    desk.plug("A", "B")
    assert settled(desk) == [12, 32]


def test_equal_power_starts_all_with_the_least_current() -> None:
    desk = Desk.of([circuit(limit=14)], [station("A"), station("B", phases=1)])
    desk.policy = SharingPolicy.EQUAL_POWER
    desk.plug("A", "B")
    assert settled(desk) == [6, 8]


def test_a_class_is_served_before_the_next_whatever_the_policy() -> None:
    for policy in SharingPolicy:
        desk = Desk.of([circuit(limit=40)], [station("A"), station("B")])
        desk.policy = policy
        desk.plug("A", priority=1)
        desk.plug("B", priority=0)
        assert settled(desk) == [8, 32]


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_an_equal_share_of_power_counts_the_phases(phases: int) -> None:
    one = share(SharingPolicy.EQUAL_POWER, 4_000, 6_000, phases)
    assert one.weight * phases == 3_000
    assert one.start_ma * 3 == 6_000 * phases


# ----------------------------------------------------------------- total power


def test_a_total_power_is_shared() -> None:
    """23 kW are 100 A at 230 V: three phases of the building's 10 A, and 70 A for two cars."""
    desk = Desk.of([circuit(limit=100, kw=23)], [station("A"), station("B")], building=amps(10))
    desk.plug("A", "B")
    assert settled(desk) == [12, 11]
    assert desk.why("A") == desk.why("B") == "power supply"


def test_a_single_phase_car_counts_once() -> None:
    desk = Desk.of([circuit(limit=100, kw=23)], [station("A"), station("B", phases=1)])
    desk.plug("A", "B")
    # 100 A in all: both climb together to 25 A (75 + 25).
    assert settled(desk) == [25, 25]


@pytest.mark.parametrize(
    ("voltages", "amperes"), [((240.0, 241.0, 250.0), 30), ((20.0, 0.0, 0.0), 32)]
)
def test_the_measured_voltage_turns_watts_into_amperes(
    voltages: tuple[float, float, float], amperes: float
) -> None:
    """22.5 kW: 90 A at 250 V; nobody believes 20 V, and 230 V leave more than the outlet takes."""
    desk = Desk.of([circuit(limit=100, kw=22.5)], [station("A")])
    desk.voltages = voltages
    desk.plug("A")
    assert settled(desk) == [amperes]


def test_a_feeder_takes_the_voltage_of_the_meter_above() -> None:
    desk = Desk.of([circuit(), circuit("f", 100, parent="supply", kw=15)], [station("A", "f")])
    desk.voltages = (250.0, 250.0, 250.0)
    desk.plug("A")
    assert settled(desk) == [20]
    assert desk.why("A") == "power f"


def test_the_margin_is_kept_on_every_phase_of_a_power() -> None:
    desk = Desk.of([circuit(limit=100, margin=2, kw=23)], [station("A")])
    desk.plug("A")
    assert settled(desk) == [31]


def test_who_finds_no_power_waits_for_it() -> None:
    desk = Desk.of([circuit(limit=100, kw=6.9)], [station("A"), station("B")])
    desk.plug("A", "B")
    assert settled(desk) == [10, 0]
    assert desk.why("B") == "power supply"


# ----------------------------------------------------------------- unbalance


def test_single_phase_cars_may_not_exceed_the_other_phases() -> None:
    stations = [station(name, phases=1) for name in "AB"] + [station("C")]
    desk = Desk.of([circuit(unbalance=20)], stations)
    desk.plug("A", "B", "C")
    assert settled(desk) == [10, 10, 32]
    assert desk.why("A") == "unbalance supply L1"
    assert desk.why("C") == "connector"


def test_the_building_counts_in_the_difference() -> None:
    stations = [station("A", phases=1), station("B", phases=1, rotation=Rotation.SRT)]
    desk = Desk.of([circuit(unbalance=20)], stations, building=amps(5, 0, 10))
    desk.plug("A", "B")
    # L2 carries least at first, then L1 and L2 rise until they exceed L3 by 20 A.
    assert settled(desk) == [25, 30]


def test_a_lowest_phase_that_falls_again_does_not_let_the_others_exceed_it() -> None:
    """What a car on the lowest phase would draw cannot be counted on for ever."""
    stations = [station(name, phases=1) for name in "ABCD"]
    stations += [station("E", phases=1, rotation=Rotation.SRT)]
    desk = Desk.of([circuit(limit=60, unbalance=10)], stations)
    desk.plug(*"ABCDE")
    shares = settled(desk)
    assert sum(shares[:4]) <= 10
    assert shares[4] <= 10


def test_an_unbalance_of_the_building_alone_leaves_its_lower_phases_free() -> None:
    stations = [station("A", phases=1), station("B", phases=1, rotation=Rotation.SRT)]
    desk = Desk.of([circuit(unbalance=10)], stations, building=amps(40, 0, 30))
    desk.plug("A", "B")
    assert settled(desk)[0] == 0
    assert desk.why("A") == "unbalance supply L1"
    assert desk.amps("B") == 32


def test_a_lower_unbalance_lowers_what_is_held() -> None:
    desk = Desk.of([circuit(unbalance=30)], [station("A", phases=1)])
    desk.plug("A")
    assert settled(desk) == [30]
    desk.building = amps(0, 0, 0)
    desk.building = amps(8, 0, 0)
    assert settled(desk, 60) == [22]


# ----------------------------------------------------------------- caps in force


def cap(**values: object) -> CircuitCap:
    return CircuitCap("supply", LimitSource.SCHEDULE, **values)  # type: ignore[arg-type]


def test_a_cap_narrows_and_says_so() -> None:
    desk = Desk.of([circuit(limit=100, margin=2)], [station("A")])
    desk.plug("A")
    desk.run(60)
    desk.caps = (cap(limit=amps(20)), cap(limit=amps(25)))
    desk.run(2)
    assert desk.amps("A") == 18
    allocation = desk.allocation("A")
    assert allocation.reason.source is LimitSource.SCHEDULE
    assert desk.why("A") == "circuit supply L1"
    balance = desk.balance()
    assert balance.limit == amps(20)
    assert balance.usable == amps(18)
    assert balance.limit_source is LimitSource.SCHEDULE
    desk.caps = ()
    assert settled(desk) == [32]
    assert desk.balance().limit_source is LimitSource.INSTALLATION


def test_a_cap_never_widens() -> None:
    desk = Desk.of([circuit(limit=20, kw=6.9)], [station("A")])
    desk.caps = (cap(limit=amps(200), power_w=100_000),)
    desk.plug("A")
    assert settled(desk) == [10]
    assert desk.allocation("A").reason.source is LimitSource.INSTALLATION


def test_a_cap_on_charging_leaves_the_building_alone() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A"), station("B")], building=amps(50))
    desk.caps = (cap(charging=amps(16)), cap(charging=amps(20)))
    desk.plug("A", "B")
    assert settled(desk) == [8, 8]
    assert desk.allocation("A").reason.source is LimitSource.SCHEDULE
    desk.building = amps(70)
    assert settled(desk, 30) == [8, 8]
    desk.caps = (cap(charging=amps(0)),)
    desk.run(2)
    assert [desk.amps("A"), desk.amps("B")] == [0, 0]


def test_a_cap_of_power_on_charging() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A")], building=amps(50))
    desk.caps = (cap(charging_power_w=6_900),)
    desk.plug("A")
    assert settled(desk) == [10]
    assert desk.why("A") == "power supply"
    assert desk.allocation("A").reason.source is LimitSource.SCHEDULE


def test_the_guard_holds_the_cap_too() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A")])
    desk.plug("A")
    desk.run(1)
    assert desk.plan is not None
    (change,) = desk.plan.changes
    desk.planner.ceilings.refused(change.key, 1, desk.now_s)
    desk.caps = (cap(power_w=2_300),)
    desk.cycle()
    assert not desk.planner.permits(change, desk.now_s)


def test_caps_of_circuits_that_are_gone_are_ignored() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A")])
    desk.caps = (CircuitCap("gone", LimitSource.EXTERNAL, limit=amps(0)),)
    desk.plug("A")
    assert settled(desk) == [32]


def test_a_cap_of_the_session_says_who_set_it() -> None:
    desk = Desk.of([circuit(limit=100)], [station("A")])
    desk.plug("A", cap_ma=10_000, cap_source=LimitSource.OPERATOR)
    assert settled(desk) == [10]
    assert desk.why("A") == "connector"
    assert desk.allocation("A").reason.source is LimitSource.OPERATOR
