"""A station that calls its energy or power by the wrong unit is found out by what it measures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.transaction import Sample
from app.ocpp16.plausibility import UnitWatch
from app.ocpp16.samples import TRUE_SCALES, Scales

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
POWER_W = 9_400


def played(
    watch: UnitWatch,
    *,
    energy: float = 1.0,
    power: float = 1.0,
    current: bool = True,
    unphased: bool = False,
    minutes: int = 180,
    step_s: int = 60,
) -> list[Scales]:
    """Verdicts over a charge at 9.4 kW whose figures are wrong by these factors."""
    found = []
    each_ma = round(POWER_W / 230 / 3 * 1000)
    for second in range(0, minutes * 60, step_s):
        sample = Sample(
            NOON + timedelta(seconds=second),
            float(second),
            current_ma=(each_ma, each_ma, each_ma) if current and not unphased else (None,) * 3,
            current_unphased_ma=each_ma if unphased else None,
            power_w=round(POWER_W * power),
            energy_wh=int(361_000 * energy + POWER_W * second / 3600 * energy),
        )
        verdict = watch.add(sample, 3)
        if verdict is not None:
            found.append(verdict)
    return found


@pytest.mark.parametrize("current", [True, False])
def test_a_register_in_kwh_is_found_out_within_the_first_session(current: bool) -> None:
    assert played(UnitWatch(), energy=1 / 1000, current=current)[0] == Scales(1000.0, 1.0)


@pytest.mark.parametrize("current", [True, False])
def test_a_power_in_kw_is_found_out(current: bool) -> None:
    assert played(UnitWatch(), power=1 / 1000, current=current)[0] == Scales(1.0, 1000.0)


def test_a_register_in_thousandths_is_found_out_by_the_current() -> None:
    assert played(UnitWatch(), energy=1000, unphased=True)[0] == Scales(0.001, 1.0)


def test_what_is_right_is_said_to_be_right() -> None:
    assert set(played(UnitWatch())) == {TRUE_SCALES}


@pytest.mark.parametrize(("energy", "power"), [(0.0, 1.0), (0.03, 1.0), (1.0, 0.0)])
def test_any_other_ratio_is_no_verdict(energy: float, power: float) -> None:
    assert played(UnitWatch(), energy=energy, power=power) == []


def test_one_window_is_no_verdict_and_gaps_begin_anew() -> None:
    assert played(UnitWatch(), minutes=25) == []
    assert played(UnitWatch(), step_s=1_800) == []


def test_windows_that_disagree_are_none() -> None:
    watch = UnitWatch()
    played(watch, minutes=25)
    watch.restart()
    assert played(watch, energy=1 / 1000, minutes=25) == []


def test_a_register_that_goes_back_begins_anew() -> None:
    watch = UnitWatch()
    sample = Sample(NOON, 0.0, power_w=POWER_W, energy_wh=5_000)
    assert watch.add(sample, 3) is None
    back = Sample(NOON + timedelta(minutes=1), 60.0, power_w=POWER_W, energy_wh=10)
    assert watch.add(back, 3) is None


def test_samples_without_power_or_energy_tell_nothing() -> None:
    watch = UnitWatch()
    for n, (power_w, energy_wh) in enumerate([(None, 5), (5_000, None), (5_000, 9)]):
        at = NOON + timedelta(minutes=n)
        assert watch.add(Sample(at, 0.0, power_w=power_w, energy_wh=energy_wh), 1) is None
