"""Sessions follow the recorded distributions and are the same for the same seed."""

from __future__ import annotations

import itertools
import random

import pytest

from simulators.site import tables, workload
from simulators.site.tables import CarModel, phases_and_current
from simulators.site.workload import OutletSpec, Wish

MANY = 20_000


@pytest.mark.parametrize(
    ("power_kw", "expected"),
    [(3.7, (1, 16)), (3.6, (1, 16)), (7.4, (1, 32)), (11, (3, 16)), (22, (3, 32)), (17, (3, 32))],
)
def test_phases_and_current_from_power(power_kw: float, expected: tuple[int, int]) -> None:
    assert phases_and_current(power_kw) == expected


def test_every_car_of_the_table_is_there_with_a_sensible_charger() -> None:
    cars = tables.car_models()
    assert len(cars) == 21
    assert all(3.6 < car.max_kw < 22.2 for car in cars)
    assert cars[0] == CarModel("Tesla Model 3", 49_955, 57.5, 3, 16)


def test_tables_are_complete() -> None:
    for place in tables.PLACES:
        assert len(tables.arrivals(place)) == 96
        assert sum(tables.arrivals(place)) == pytest.approx(1)
        for table in (tables.stays_h(place), tables.energies_kwh(place)):
            assert len(table) == 101
            assert sorted(table, reverse=True) == list(table)


def test_between_two_steps_of_a_table_the_value_is_between() -> None:
    table = (10.0, 4.0, 0.0)
    assert [tables.exceeded_by(table, share) for share in (0, 0.25, 0.5, 0.75, 1)] == [
        10, 7, 4, 2, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("place", tables.PLACES)
def test_a_big_day_has_the_recorded_median_and_spread(place: str) -> None:
    wishes = workload.draw_day(random.Random(7), place, MANY)
    stays = sorted(wish.stay_s / 3600 for wish in wishes)
    energies = sorted(wish.energy_kwh for wish in wishes)
    for share in (10, 50, 90):
        of_that_rank = -share * MANY // 100
        assert stays[of_that_rank] == pytest.approx(
            tables.stays_h(place)[share], rel=0.06, abs=0.05
        )
        assert energies[of_that_rank] == pytest.approx(
            tables.energies_kwh(place)[share], rel=0.06, abs=0.05
        )


def test_arrivals_follow_the_recorded_morning_peak() -> None:
    wishes = workload.draw_day(random.Random(7), "workplace", MANY)
    expected = sum(tables.arrivals("workplace")[28:40])
    seen = sum(7 * 3600 <= wish.arrival_s < 10 * 3600 for wish in wishes) / MANY
    assert seen == pytest.approx(expected, abs=0.02)
    assert [wish.arrival_s for wish in wishes] == sorted(wish.arrival_s for wish in wishes)


def test_a_day_that_starts_at_noon_has_its_morning_peak_later() -> None:
    wishes = workload.draw_day(random.Random(7), "workplace", 1000, start_of_day_s=12 * 3600)
    assert all(0 <= wish.arrival_s < workload.DAY_S for wish in wishes)
    morning = sum(19 * 3600 <= wish.arrival_s < 22 * 3600 for wish in wishes)
    assert morning > 300


def test_no_car_is_asked_to_take_more_than_its_battery() -> None:
    for wish in workload.draw_day(random.Random(3), "private", 2000):
        assert 0 <= wish.energy_kwh <= workload.usable_kwh(wish.car)


def test_the_same_seed_gives_the_same_day() -> None:
    assert workload.draw_day(random.Random(5), "public", 50) == workload.draw_day(
        random.Random(5), "public", 50
    )
    assert workload.draw_day(random.Random(5), "public", 50) != workload.draw_day(
        random.Random(6), "public", 50
    )


CAR = CarModel("any", 1, 60.0, 3, 16)


def wish(arrival_s: float, stay_s: float, energy_kwh: float = 10.0) -> Wish:
    return Wish(arrival_s, stay_s, CAR, energy_kwh)


def test_two_cars_never_share_an_outlet_at_the_same_time() -> None:
    outlets = [OutletSpec(3, 32.0)] * 30
    wishes = workload.draw_day(random.Random(2), "workplace", 200)
    visits, turned_away = workload.park(random.Random(2), wishes, outlets)
    assert len(visits) + turned_away == 200
    for number in range(30):
        stays = sorted(
            (visit.arrival_s, visit.departure_s) for visit in visits if visit.outlet == number
        )
        for (_, until_s), (from_s, _) in itertools.pairwise(stays):
            assert from_s >= until_s + 60


def test_a_full_car_park_turns_cars_away() -> None:
    visits, turned_away = workload.park(
        random.Random(1), [wish(0, 1000), wish(10, 1000), wish(2000, 10)], [OutletSpec(3, 32.0)]
    )
    assert [visit.arrival_s for visit in visits] == [0, 2000]
    assert turned_away == 1


def test_a_visit_asks_for_no_more_than_its_outlet_could_give() -> None:
    visits, _ = workload.park(
        random.Random(1), [wish(0, 3600, energy_kwh=50)], [OutletSpec(1, 32.0)]
    )
    assert visits[0].energy_kwh == pytest.approx(16 * 0.230)


def test_occupied_outlets_are_as_many_as_asked_and_stay_to_the_end() -> None:
    outlets = [OutletSpec(3, 32.0)] * 100
    visits = workload.occupy(random.Random(4), outlets, 0.667, energy_kwh=(40, 60))
    assert len(visits) == 67
    assert len({visit.outlet for visit in visits}) == 67
    for visit in visits:
        assert visit.arrival_s == 0
        assert visit.departure_s == float("inf")
        assert 40 <= visit.energy_kwh <= 60
        assert workload.usable_kwh(visit.car) >= visit.energy_kwh
    assert {visit.car.phases for visit in visits} == {1, 3}


def test_unmanaged_current_is_each_cars_full_current_until_it_has_its_energy() -> None:
    visits, _ = workload.park(
        random.Random(1), [wish(0, 7200, energy_kwh=16 * 3 * 0.230)], [OutletSpec(3, 32.0)]
    )
    drawn = workload.unmanaged_a(
        visits, [(OutletSpec(3, 32.0), (1, 2, 0))], duration_s=7200, step_s=60
    )
    assert drawn[:60] == [(16, 16, 16)] * 60
    assert drawn[60:] == [(0, 0, 0)] * 60


def test_unmanaged_current_falls_on_the_phases_as_wired() -> None:
    visits, _ = workload.park(random.Random(1), [wish(0, 600)], [OutletSpec(1, 10.0)])
    drawn = workload.unmanaged_a(
        visits, [(OutletSpec(1, 10.0), (1, 2, 0))], duration_s=600, step_s=60
    )
    assert set(drawn) == {(0, 10, 0)}
