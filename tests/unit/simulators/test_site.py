"""Currents add up the tree, the meter reads what it should, capacity is counted as defined."""

from __future__ import annotations

import pytest

from simulators.site.building import Building, ConstantLoad, StepLoad
from simulators.site.capacity import CapacityUse
from simulators.site.electrical import CircuitSpec, Site


class FixedOutlet:
    def __init__(
        self,
        current_a: tuple[float, float, float],
        *,
        site_phases: tuple[int, ...] = (0, 1, 2),
        wants_more: bool = True,
    ) -> None:
        self.current_a = current_a
        self.site_phases = site_phases
        self.wants_more = wants_more


def limits(amperes: float) -> tuple[float, float, float]:
    return (amperes, amperes, amperes)


TREE = [
    CircuitSpec("group", "feeder", limits(40)),
    CircuitSpec("supply", None, limits(100)),
    CircuitSpec("feeder", "supply", limits(63)),
]


def make_site(outlets: list[tuple[str, FixedOutlet]]) -> Site:
    return Site(
        TREE,
        {
            "supply": Building([ConstantLoad((10, 20, 30))]),
            "feeder": Building([StepLoad((5, 0, 0), at_s=2)]),
        },
        list(outlets),
    )


def test_currents_flow_from_the_outlet_to_the_supply() -> None:
    site = make_site([("group", FixedOutlet((16, 16, 16))), ("feeder", FixedOutlet((0, 0, 20)))])
    site.step(1.0)
    by_id = {circuit.id: row for circuit, row in zip(site.circuits, site.total_a, strict=True)}
    assert by_id == {"supply": [26, 36, 66], "feeder": [16, 16, 36], "group": [16, 16, 16]}
    site.step(1.0)
    assert site.total_a[site.number("feeder")] == [21, 16, 36]
    assert site.total_a[site.number("supply")] == [31, 36, 66]


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ("supply", (26.0, 20.0, 30.0)),
        ("charging", (16.0, 0.0, 0.0)),
        ("building", (10.0, 20.0, 30.0)),
    ],
)
def test_the_meter_reads_what_its_place_sees(
    placement: str, expected: tuple[float, float, float]
) -> None:
    site = make_site([("group", FixedOutlet((16, 0, 0)))])
    site.step(1.0)
    assert site.metered_a("supply", placement) == expected


def test_an_unknown_placement_is_refused() -> None:
    with pytest.raises(ValueError, match="attic"):
        make_site([]).metered_a("supply", "attic")


def test_the_oracle_sees_every_circuit() -> None:
    site = make_site([("group", FixedOutlet((45, 0, 0)))])
    for _ in range(5):
        site.step(1.0)
    site.oracle.finish(site.now_s)
    assert [(o.circuit_id, o.duration_s) for o in site.oracle.overloads] == [("group", 5.0)]


@pytest.mark.parametrize(
    "circuits",
    [
        [CircuitSpec("a", None, limits(10)), CircuitSpec("b", None, limits(10))],
        [CircuitSpec("a", None, limits(10)), CircuitSpec("b", "nobody", limits(10))],
        [CircuitSpec("a", None, limits(10)), CircuitSpec("a", "a", limits(10))],
        [],
    ],
)
def test_circuits_that_are_not_one_tree_are_refused(circuits: list[CircuitSpec]) -> None:
    with pytest.raises(ValueError):
        Site(circuits, {}, [])


def test_capacity_counts_the_fullest_phase_that_binds_a_car() -> None:
    # group: 16/40 on each phase; supply: 26, 36 and 46 of 100.
    outlet = FixedOutlet((16, 16, 16))
    site = make_site([("group", outlet)])
    use = CapacityUse(site, [("group", outlet)])
    site.step(1.0)
    use.observe(1.0)
    assert use.ratio == pytest.approx(0.46)


def test_capacity_looks_only_at_the_cars_own_phases() -> None:
    outlet = FixedOutlet((16, 0, 0), site_phases=(0,))
    site = make_site([("group", outlet)])
    use = CapacityUse(site, [("group", outlet)])
    site.step(1.0)
    use.observe(1.0)
    assert use.ratio == pytest.approx(0.40)


def test_capacity_skips_the_seconds_in_which_nobody_wants_more() -> None:
    outlet = FixedOutlet((36, 0, 0), site_phases=(0,))
    site = make_site([("group", outlet)])
    use = CapacityUse(site, [("group", outlet)])
    site.step(1.0)
    use.observe(1.0)
    outlet.wants_more = False
    outlet.current_a = (0, 0, 0)
    for _ in range(10):
        site.step(1.0)
        use.observe(1.0)
    assert use.seconds == 1.0
    assert use.ratio == pytest.approx(0.9)


def test_an_overload_never_counts_as_more_than_all() -> None:
    outlet = FixedOutlet((80, 0, 0), site_phases=(0,))
    site = make_site([("group", outlet)])
    use = CapacityUse(site, [("group", outlet)])
    site.step(1.0)
    use.observe(1.0)
    assert use.ratio == 1.0


def test_capacity_is_the_mean_over_the_cars_that_want_more() -> None:
    full = FixedOutlet((40, 0, 0), site_phases=(0,))
    free = FixedOutlet((0, 0, 0), site_phases=(1,))
    content = FixedOutlet((0, 0, 0), site_phases=(2,), wants_more=False)
    site = make_site([("group", full), ("group", free), ("group", content)])
    use = CapacityUse(site, [("group", full), ("group", free), ("group", content)])
    site.step(1.0)
    use.observe(1.0)
    assert use.ratio == pytest.approx((1.0 + 0.2) / 2)


def test_no_figure_when_nobody_ever_wanted_more() -> None:
    assert CapacityUse(make_site([]), []).ratio is None


def test_steady_use_leaves_out_the_seconds_that_are_not() -> None:
    outlet = FixedOutlet((20, 0, 0), site_phases=(0,))
    site = make_site([("group", outlet)])
    use = CapacityUse(site, [("group", outlet)])
    site.step(1.0)
    use.observe(1.0, steady=False)
    assert use.steady_ratio is None
    outlet.current_a = (40, 0, 0)
    site.step(1.0)
    use.observe(1.0)
    assert use.steady_ratio == pytest.approx(1.0)
    assert use.ratio == pytest.approx(0.75)


def test_a_limit_of_the_hour_counts_for_overload_and_room_but_not_for_the_breaker() -> None:
    outlet = FixedOutlet((36, 36, 36))
    site = make_site([("group", outlet)])
    site.lower_limits({"group": (10, 200, 36)})
    for _ in range(600):
        site.step(1.0)
    assert site.fullest[site.number("group")] == pytest.approx([3.6, 0.9, 1.0])
    site.lower_limits({})
    site.step(1.0)
    site.oracle.finish(site.now_s)
    (overload,) = site.oracle.overloads
    assert (overload.circuit_id, overload.phase, overload.duration_s) == ("group", 0, 600.0)
    assert overload.peak_ratio == pytest.approx(3.6)
    assert not site.oracle.trips


def test_power_above_the_contract_is_timed_and_fills_the_circuit() -> None:
    outlet = FixedOutlet((20, 0, 0))
    site = Site(
        [CircuitSpec("supply", None, limits(100), max_power_kw=9.2)], {}, [("supply", outlet)]
    )
    watch = site.power[0]
    site.step(1.0)
    assert site.fullest == [[0.5, 0.5, 0.5]]
    for current_a, seconds in ((41.9, 5), (42.1, 3), (40.0, 5), (50.0, 2)):
        outlet.current_a = (current_a, 0, 0)
        for _ in range(seconds):
            site.step(1.0)
    assert watch.longest_s == 3.0
