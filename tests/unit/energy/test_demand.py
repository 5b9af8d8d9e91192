"""What a car wants, from what it draws."""

from __future__ import annotations

from app.domain.station import ConnectorStatus
from app.domain.units import PhaseCurrents
from app.energy.demand import Demand, DemandTracker
from app.energy.settings import EnergySettings
from app.energy.site_state import ConnectorSample
from tests.support.energy_site import circuit, model_of, station

NODE = model_of([circuit()], [station("A")]).connectors[0]


class Car:
    """A tracker and a clock."""

    def __init__(self, settings: EnergySettings | None = None) -> None:
        self.tracker = DemandTracker(settings or EnergySettings())
        self.now_s = 0.0
        self.sample: ConnectorSample | None = None
        self.raised_s = -1e9
        self.limit_ma: int | None = 32_000
        self.status = ConnectorStatus.CHARGING
        self.transaction_id: int | None = 1

    def wants(self, seconds: float = 0.0, draw: float | None = None) -> Demand:
        """Time passes; a draw in amperes is reported every 10 s."""
        result = self._update(draw)
        for _ in range(round(seconds)):
            self.now_s += 1.0
            result = self._update(draw)
        return result

    def _update(self, draw: float | None) -> Demand:
        if draw is not None and self.now_s % 10 == 0:
            current = PhaseCurrents(round(draw * 1000))
            self.sample = ConnectorSample(self.now_s, current, current)
        return self.tracker.update(
            NODE,
            self.transaction_id,
            self.status,
            self.sample,
            self.limit_ma,
            self.raised_s,
            self.now_s,
        )


def test_a_new_car_may_want_everything() -> None:
    assert Car().wants() == Demand(32_000)


def test_no_session_no_demand_of_its_own() -> None:
    car = Car()
    car.wants(40, draw=10)
    car.transaction_id = None
    assert car.wants() == Demand(32_000)


def test_another_session_starts_anew() -> None:
    car = Car()
    assert car.wants(60, draw=10) == Demand(11_000)
    car.transaction_id = 2
    assert car.wants() == Demand(32_000)


def test_a_steady_lower_draw_becomes_the_demand() -> None:
    car = Car()
    assert car.wants(29, draw=9.3) == Demand(32_000)
    assert car.wants(1, draw=9.3) == Demand(11_000)


def test_the_demand_is_never_below_what_a_car_can_use() -> None:
    assert Car().wants(60, draw=3.0) == Demand(6_000)


def test_a_rising_limit_proves_nothing() -> None:
    car = Car()
    car.raised_s = 0.0
    assert car.wants(59, draw=9) == Demand(32_000)
    assert car.wants(21, draw=9) == Demand(10_000)


def test_a_draw_at_the_limit_is_not_low() -> None:
    car = Car()
    car.limit_ma = 10_000
    assert car.wants(100, draw=9.2) == Demand(32_000)


def test_a_car_that_follows_climbs_by_doubling_steps() -> None:
    car = Car()
    car.wants(40, draw=9)
    assert car.wants(10, draw=9.6) == Demand(12_000)
    car.limit_ma = 12_000
    assert car.wants(10, draw=12) == Demand(16_000)
    assert car.wants(10, draw=16) == Demand(24_000)
    assert car.wants(10, draw=24) == Demand(32_000)


def test_the_greatest_draw_of_the_window_counts() -> None:
    car = Car()
    car.wants(9, draw=12)
    car.now_s = 10.0
    assert car.wants(30, draw=9) == Demand(13_000)


def test_a_demand_does_not_rise_by_being_measured_lower_later() -> None:
    car = Car()
    assert car.wants(40, draw=9) == Demand(10_000)
    assert car.wants(200, draw=8.9) == Demand(10_000)
    assert car.wants(60, draw=7) == Demand(8_000)


def test_demand_is_probed_now_and_then() -> None:
    car = Car(EnergySettings(asleep_idle_s=1e9))
    assert car.wants(599, draw=9) == Demand(10_000)
    car.now_s = 600.0
    assert car.wants(0) == Demand(12_000)
    assert Car(EnergySettings(demand_probe_s=5.0)).wants(20) == Demand(32_000)


def test_a_suspended_car_keeps_warm_then_sleeps_and_gives_way() -> None:
    car = Car(EnergySettings(keep_warm_s=100.0))
    car.status = ConnectorStatus.SUSPENDED_EV
    assert car.wants(9) == Demand(32_000)
    assert car.wants(1) == Demand(6_000)
    assert car.wants(149) == Demand(6_000)
    assert car.wants(1) == Demand(6_000, yields=True)


def test_a_sleeping_car_wakes_when_it_says_so() -> None:
    car = Car()
    car.status = ConnectorStatus.SUSPENDED_EV
    assert car.wants(61).yields
    car.status = ConnectorStatus.CHARGING
    assert car.wants(1) == Demand(6_000)
    assert car.wants(10, draw=6) == Demand(8_000)
    assert car.wants(10, draw=8) == Demand(12_000)


def test_a_sleeping_car_wakes_when_it_draws() -> None:
    car = Car()
    car.status = ConnectorStatus.SUSPENDED_EV
    assert car.wants(61).yields
    car.now_s = 70.0
    assert car.wants(0, draw=6) == Demand(8_000)


def test_a_car_that_is_offered_current_and_takes_none_sleeps() -> None:
    car = Car()
    assert not car.wants(179, draw=0).yields
    assert car.wants(1, draw=0) == Demand(6_000, yields=True)
    assert car.wants(100, draw=0).yields


def test_drawing_starts_the_idle_time_anew() -> None:
    car = Car()
    car.limit_ma = 7_000
    car.wants(170, draw=0)
    car.wants(9, draw=0)
    car.now_s = 179.0
    car.wants(1, draw=7)
    assert not car.wants(170, draw=0).yields


def test_a_paused_sleeper_gets_another_chance() -> None:
    car = Car()
    car.status = ConnectorStatus.SUSPENDED_EV
    car.wants(61)
    car.limit_ma = 0
    car.status = ConnectorStatus.SUSPENDED_EVSE
    assert car.wants(1799).yields
    assert car.wants(1) == Demand(6_000)


def test_a_sleeper_that_draws_while_paused_is_awake() -> None:
    car = Car()
    car.status = ConnectorStatus.SUSPENDED_EV
    car.wants(61)
    car.limit_ma = 0
    assert car.wants(8).yields
    assert car.wants(1, draw=7) == Demand(9_000)


def test_an_unknown_limit_teaches_nothing() -> None:
    car = Car()
    car.limit_ma = None
    assert car.wants(60, draw=9) == Demand(32_000)
