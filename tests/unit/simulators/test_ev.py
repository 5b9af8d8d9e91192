from __future__ import annotations

import pytest

from simulators.station.ev import Car


def draw(car: Car, offered_a: float, seconds: int) -> list[float]:
    return [car.step(1.0, offered_a) for _ in range(seconds)]


def test_a_car_waits_then_ramps_up_to_what_it_is_offered_and_no_further() -> None:
    car = Car(max_a=16, ramp_up_s=8, resume_s=3)
    drawn = draw(car, 10.0, 20)
    assert drawn[:3] == [0.0, 0.0, 0.0]
    assert drawn[3:8] == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert set(drawn[8:]) == {10.0}


def test_a_car_never_draws_more_than_its_own_charger_takes() -> None:
    assert max(draw(Car(max_a=16), 32.0, 60)) == 16.0


@pytest.mark.parametrize("ramp_down_s", [1.0, 2.0, 3.0])
def test_a_car_follows_a_decrease_within_its_ramp(ramp_down_s: float) -> None:
    car = Car(max_a=32, ramp_down_s=ramp_down_s, ramp_up_s=5)
    draw(car, 32.0, 30)
    drawn = draw(car, 6.0, 5)
    needed_s = (32 - 6) / 32 * ramp_down_s
    for second, current_a in enumerate(drawn, start=1):
        assert (current_a == 6.0) == (second >= needed_s)


@pytest.mark.parametrize("offered_a", [0.0, 1.0, 5.9])
def test_a_car_draws_nothing_below_6_a(offered_a: float) -> None:
    car = Car()
    draw(car, 16.0, 30)
    assert draw(car, offered_a, 10)[-1] == 0.0
    assert car.pauses == 1
    assert car.requests


def test_a_car_that_needs_8_a_declines_7_a_and_says_so() -> None:
    car = Car(min_a=8)
    assert draw(car, 7.0, 30)[-1] == 0.0
    assert not car.requests
    assert draw(car, 8.0, 30)[-1] == 8.0
    assert car.requests


def test_a_car_resumes_after_a_pause_in_its_own_time() -> None:
    car = Car(resume_s=5, ramp_up_s=5)
    draw(car, 16.0, 30)
    draw(car, 0.0, 30)
    drawn = draw(car, 16.0, 30)
    assert drawn[:5] == [0.0] * 5
    assert drawn[-1] == 16.0


def test_some_cars_fall_asleep_when_they_are_paused() -> None:
    car = Car(asleep_after_pauses=1)
    draw(car, 16.0, 30)
    draw(car, 0.0, 5)
    assert draw(car, 16.0, 60)[-1] == 0.0
    assert car.asleep
    assert not car.requests
    assert not car.wants_more(0.0)
    car.wake()
    assert draw(car, 16.0, 60)[-1] == 16.0


def test_some_cars_forgive_a_number_of_pauses() -> None:
    car = Car(asleep_after_pauses=3)
    for pause in range(1, 4):
        assert draw(car, 16.0, 30)[-1] == 16.0
        draw(car, 0.0, 5)
        assert car.pauses == pause
    assert draw(car, 16.0, 60)[-1] == 0.0


def test_plugging_in_again_wakes_a_car() -> None:
    car = Car(asleep_after_pauses=1)
    draw(car, 16.0, 30)
    draw(car, 0.0, 5)
    car.plug_in(3)
    assert draw(car, 16.0, 30)[-1] == 16.0


def test_the_energy_is_current_times_voltage_times_phases() -> None:
    car = Car(phases=3, max_a=16, battery_kwh=100, soc0=0.1)
    drawn = draw(car, 16.0, 3600)
    assert car.energy_wh == pytest.approx(sum(drawn) * 3 * 230 / 3600)
    assert car.soc == pytest.approx(0.1 + car.energy_wh * 0.9 / 100_000)


@pytest.mark.parametrize(("phases", "wired", "used"), [(3, 1, 1), (2, 3, 2), (1, 3, 1), (3, 3, 3)])
def test_a_car_uses_the_phases_that_are_wired(phases: int, wired: int, used: int) -> None:
    car = Car(phases=phases)
    car.plug_in(wired)
    assert car.used_phases == used
    draw(car, 16.0, 30)
    car.energy_wh = 0.0
    draw(car, 16.0, 3600)
    assert car.energy_wh == pytest.approx(16 * 230 * used)


def test_the_current_tapers_near_full_and_ends_idle() -> None:
    car = Car(phases=1, max_a=16, battery_kwh=10, soc0=0.9, taper_soc=0.95, idle_a=0.3)
    drawn = draw(car, 16.0, 4000)
    assert max(drawn) == 16.0
    peak = drawn.index(16.0)
    tapered = drawn[peak:]
    assert tapered == sorted(tapered, reverse=True)
    assert car.full
    assert not car.requests
    assert not car.wants_more(6.0)
    assert drawn[-1] == 0.3
    assert 3.0 < min(value for value in drawn[peak:] if value > 0.3) < 4.0


def test_a_full_car_asks_for_nothing() -> None:
    car = Car(soc0=1.0)
    assert not car.requests
    assert draw(car, 16.0, 30) == [0.0] * 30


@pytest.mark.parametrize("wanted_kwh", [5.0, 30.0, 120.0])
def test_the_energy_that_was_wanted_fills_the_car(wanted_kwh: float) -> None:
    car = Car(phases=3, max_a=32, battery_kwh=60, energy_wanted_kwh=wanted_kwh)
    while not car.full:
        car.step(10.0, 32.0)
    assert car.energy_wh == pytest.approx(wanted_kwh * 1000, rel=0.005)


@pytest.mark.parametrize(
    ("offered_a", "wants"), [(0.0, True), (5.0, True), (6.0, True), (15.0, True), (15.5, False)]
)
def test_wanting_more_is_having_room_for_one_more_ampere(offered_a: float, wants: bool) -> None:
    assert Car(max_a=16).wants_more(offered_a) is wants


def test_a_car_has_one_two_or_three_phases() -> None:
    with pytest.raises(ValueError, match="phases"):
        Car(phases=4)
