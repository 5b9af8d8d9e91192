"""Cars that take their time to follow a lower pilot."""

from __future__ import annotations

import random

import pytest

from simulators.fleet import make_car
from simulators.scenario import CarHabits
from simulators.site.cars import HesitantCar
from simulators.site.tables import CarModel
from simulators.site.workload import Visit


def car(lag_s: float = 3.0) -> HesitantCar:
    made = HesitantCar(
        lag_s=lag_s, phases=3, max_a=16, soc0=0.3, ramp_down_s=1.0, ramp_up_s=1.0, resume_s=0.0
    )
    made.plug_in(3)
    return made


def steps(which: HesitantCar, offers: list[float]) -> list[float]:
    return [which.step(1.0, offered_a) for offered_a in offers]


def test_a_lower_pilot_is_followed_only_after_the_lag() -> None:
    assert steps(car(), [16, 16, 8, 8, 8, 8, 8]) == [16, 16, 16, 16, 16, 8, 8]


def test_a_higher_pilot_is_followed_at_once() -> None:
    assert steps(car(), [8, 8, 16, 16]) == [8, 8, 16, 16]


def test_a_second_decrease_within_the_lag_does_not_start_it_anew() -> None:
    assert steps(car(), [16, 12, 10, 8, 6, 6]) == [16, 16, 16, 16, 6, 6]


def test_a_decrease_that_is_taken_back_is_never_seen() -> None:
    assert steps(car(), [16, 8, 8, 16, 16]) == [16, 16, 16, 16, 16]


def test_a_pause_too_comes_late() -> None:
    assert steps(car(), [16, 0, 0, 0, 0]) == [16, 16, 16, 16, 0]


def test_plugging_in_again_forgets_the_old_pilot() -> None:
    made = car()
    steps(made, [16, 8])
    made.plug_in(3)
    assert steps(made, [6, 6]) == [6, 6]


def test_cars_of_a_site_have_the_habits_of_their_scenario() -> None:
    model = CarModel("any", 1, 60.0, 3, 16)
    visit = Visit(0.0, 3600.0, 0, model, 20.0, 0)
    habits = CarHabits(lag_s=(2.0, 3.0), ramp_down_s=(4.0, 4.0), sleepy_share=1.0)
    made = make_car(visit, habits, random.Random(1))
    assert isinstance(made, HesitantCar)
    assert 2.0 <= made.lag_s <= 3.0
    assert made.down_a_per_s == pytest.approx(4.0)
    assert made.asleep_after_pauses is not None
    wanted_kwh = (1 - made.soc) * made.battery_kwh / made.efficiency
    assert wanted_kwh == pytest.approx(20.0)
    awake = make_car(visit, CarHabits(), random.Random(1))
    assert awake.asleep_after_pauses is None


def test_a_share_of_the_three_phase_cars_uses_two_phases() -> None:
    habits = CarHabits(two_phase_share=0.3)
    phases = []
    for number in range(200):
        model = CarModel("car", 1, 60.0, 1 if number % 2 else 3, 16)
        visit = Visit(0.0, 1e9, 0, model, 20.0, driver=number)
        phases.append(make_car(visit, habits, random.Random(number)).phases)
    assert phases.count(1) == 100
    assert 20 <= phases.count(2) <= 40
