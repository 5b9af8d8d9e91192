"""The building behind the meter: what is planned with, and what the guard assumes."""

from __future__ import annotations

import pytest

from app.domain.meter import MeterPlacement, MeterReading, Quality
from app.energy.background import Background, CircuitMeter, Sums
from app.energy.bounds import limits_in_force
from app.energy.plan import BalanceSource
from app.energy.settings import EnergySettings
from tests.support.energy_site import amps, circuit, model_of

SETTINGS = EnergySettings(stale_freeze_s=5.0, stale_static_s=15.0)


class Meter:
    """One circuit of 100 A with a margin of 10 A, and a clock."""

    def __init__(
        self,
        placement: MeterPlacement = MeterPlacement.SUPPLY,
        settings: EnergySettings = SETTINGS,
        worst: float | None = None,
    ) -> None:
        model = model_of([circuit(limit=100, margin=10, worst=worst)], [], {"supply": placement})
        self.model = model
        self.meter = CircuitMeter(model, 0, settings, 0.0)
        self.now_s = 0.0

    def read(
        self,
        total: float | None,
        *,
        low: float = 0,
        held: float = 0,
        likely: float | None = None,
        tight: float | None = None,
        falling: float = 0,
        seconds: float = 1.0,
        quality: Quality = Quality.GOOD,
    ) -> Background:
        """The meter shows ``total``; the stations draw between ``low`` and ``held`` (A)."""
        self.now_s += seconds
        sums = Sums(
            held=[round(held * 1000)] * 3,
            low=[round(low * 1000)] * 3,
            likely=[round((held if likely is None else likely) * 1000)] * 3,
            tight=[round((held if tight is None else tight) * 1000)] * 3,
            ceiling=[round(held * 1000)] * 3,
            falling=[round(falling * 1000)] * 3,
        )
        reading = None
        if total is not None:
            reading = MeterReading("m", self.now_s, amps(total), quality)
        if self.meter.take(reading, self.now_s):
            self.meter.update(sums, limits_in_force(self.model, (), {}), self.now_s)
        return self.meter.background(sums, self.now_s)


def plan(background: Background) -> float:
    return background.plan[0] / 1000


def upper(background: Background) -> float:
    return background.upper[0] / 1000


def test_a_certain_draw_tells_the_building() -> None:
    seen = Meter().read(50, low=20, held=20)
    assert (plan(seen), upper(seen)) == (30, 30)
    assert seen.source is BalanceSource.MEASURED
    assert seen.age_s == 0.0


def test_cars_ramping_down_do_not_look_like_building() -> None:
    meter = Meter()
    meter.read(80, low=50, held=50)
    for total in (80, 75, 65, 55, 50):
        seen = meter.read(total, low=20, held=50, likely=50)
        assert plan(seen) == 30
        assert upper(seen) == total - 20
    assert plan(meter.read(50, low=20, held=20)) == 30


def test_cars_ramping_up_do_not_look_like_building() -> None:
    meter = Meter()
    meter.read(50, low=20, held=20)
    for total in (50, 60, 70, 80):
        assert plan(meter.read(total, low=20, held=50, likely=50)) == 30


def test_a_rise_of_the_building_is_taken_at_once() -> None:
    meter = Meter()
    meter.read(50, low=20, held=20)
    assert plan(meter.read(60, low=20, held=20)) == 40


def test_a_fall_of_the_building_is_believed_after_a_while() -> None:
    meter = Meter()
    meter.read(50, low=20, held=20)
    for _ in range(15):
        assert plan(meter.read(40, low=20, held=20)) == 30
    assert plan(meter.read(40, low=20, held=20)) == 20


def test_a_dip_of_the_upper_end_leaves_no_trace() -> None:
    """A car stops by itself: until its next sample the building seems smaller."""
    meter = Meter()
    meter.read(50, low=20, held=20)
    for _ in range(10):
        seen = meter.read(40, low=20, held=20)
        assert (plan(seen), upper(seen)) == (30, 20)
    for _ in range(20):
        assert plan(meter.read(40, low=10, held=20, likely=20)) == 30


def test_a_settled_draw_moves_the_plan_slowly() -> None:
    meter = Meter()
    meter.read(50, low=20, held=20)
    # The cars hold 50 A of limits, but their samples have settled at 20 A: 40 A is building.
    first = plan(meter.read(60, low=20, held=50, likely=20))
    assert 30.4 < first < 30.6
    for _ in range(120):
        last = plan(meter.read(60, low=20, held=50, likely=20))
    assert last > 39.9


def test_above_the_usable_limit_fresh_samples_count_more_than_ceilings() -> None:
    meter = Meter()
    meter.read(60, low=30, held=60)
    assert plan(meter.read(89, low=30, held=60, tight=31)) == 29
    assert plan(meter.read(91, low=30, held=60, tight=31)) == 60


def test_an_overload_that_lasts_unexplained_is_met_with_the_worst_case() -> None:
    meter = Meter()
    meter.read(90, low=10, held=80)
    for _ in range(4):
        assert plan(meter.read(104, low=10, held=80)) == 24
    assert plan(meter.read(104, low=10, held=80)) == 94


def test_an_overload_that_a_decrease_will_cure_is_waited_for() -> None:
    meter = Meter()
    meter.read(90, low=10, held=80)
    for _ in range(10):
        assert plan(meter.read(104, low=10, held=80, falling=4)) == 24
    assert plan(meter.read(99, low=10, held=80)) == 24
    # The next one has its own patience.
    assert plan(meter.read(104, low=10, held=80)) == 24


@pytest.mark.parametrize(("counted", "expected"), [(False, 0), (True, -20)])
def test_export_is_room_only_by_choice(counted: bool, expected: float) -> None:
    settings = EnergySettings(count_export=counted)
    assert plan(Meter(settings=settings).read(-10, low=10, held=10)) == expected
    building = Meter(MeterPlacement.BUILDING, settings)
    assert plan(building.read(-20)) == expected


def test_a_meter_of_the_building_is_the_background() -> None:
    meter = Meter(MeterPlacement.BUILDING)
    seen = meter.read(40, low=10, held=30)
    assert (plan(seen), upper(seen), seen.source) == (40, 40, BalanceSource.BUILDING)
    seen = meter.read(35)
    assert (plan(seen), upper(seen)) == (40, 35)


@pytest.mark.parametrize(
    ("total", "held", "tight", "expected"),
    [(20, 30, 30, 40), (35, 30, 30, 45), (55, 60, 50, 45)],
)
def test_a_meter_of_the_stations_shows_what_no_limit_explains(
    total: float, held: float, tight: float, expected: float
) -> None:
    meter = Meter(MeterPlacement.CHARGING, worst=40)
    seen = meter.read(total, held=held, tight=tight)
    assert plan(seen) == upper(seen) == expected
    assert seen.source is BalanceSource.CHARGING


def test_ages_freeze_then_lose_then_recover() -> None:
    meter = Meter(worst=70)
    meter.read(50, low=20, held=20)
    seen = meter.read(None, seconds=5.0)
    assert (plan(seen), seen.frozen, seen.age_s) == (30, False, 5.0)
    seen = meter.read(None, seconds=0.5)
    assert (plan(seen), seen.frozen, seen.source) == (30, True, BalanceSource.FROZEN)
    seen = meter.read(None, seconds=10.0)
    assert (plan(seen), upper(seen), seen.frozen) == (70, 70, False)
    assert seen.source is BalanceSource.STATIC
    for _ in range(2):
        assert meter.read(50, low=20, held=20).source is BalanceSource.STATIC
    # One doubtful reading starts the count anew.
    meter.read(50, quality=Quality.IMPLAUSIBLE)
    for _ in range(2):
        assert meter.read(50, low=20, held=20).source is BalanceSource.STATIC
    seen = meter.read(50, low=20, held=20)
    assert (plan(seen), seen.source) == (30, BalanceSource.MEASURED)
    assert meter.meter.live_at_s(meter.now_s) == meter.now_s
    assert meter.meter.live_at_s(meter.now_s + 6) is None


def test_a_meter_that_is_distrusted_is_lost_at_once() -> None:
    meter = Meter(worst=70)
    assert meter.read(50, held=0).source is BalanceSource.MEASURED
    seen = meter.read(10, quality=Quality.DISTRUSTED)
    assert (seen.source, plan(seen)) == (BalanceSource.STATIC, 70)


def test_a_doubtful_reading_freezes_at_once() -> None:
    meter = Meter()
    meter.read(50, low=20, held=20)
    seen = meter.read(10, quality=Quality.IMPLAUSIBLE)
    assert (plan(seen), seen.frozen) == (30, True)
    assert not meter.read(50, low=20, held=20).frozen


def test_the_same_reading_twice_is_one() -> None:
    meter = Meter()
    meter.read(50, low=20, held=20)
    good = MeterReading("m", meter.now_s, amps(50))
    assert not meter.meter.take(good, meter.now_s + 1)


def test_before_the_first_reading_what_is_in_force_stays() -> None:
    meter = Meter(worst=70)
    seen = meter.read(None, held=30)
    assert (plan(seen), upper(seen), seen.frozen, seen.age_s) == (60, 90, True, None)
    assert meter.meter.live_at_s(meter.now_s) is None
    assert plan(meter.read(None, held=120)) == 0
    assert meter.read(None, seconds=20.0).source is BalanceSource.STATIC


def test_a_lost_meter_without_a_worst_case_counts_as_full() -> None:
    meter = Meter()
    meter.read(50)
    assert plan(meter.read(None, seconds=20.0)) == 90
