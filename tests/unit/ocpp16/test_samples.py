"""Meter values as stations send them, and the samples they mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.transaction import Sample
from app.ocpp16.actions.station_calls import MeterValue, SampledValue
from app.ocpp16.actions.types import (
    UNREADABLE_TIME,
    Location,
    Measurand,
    Phase,
    UnitOfMeasure,
    ValueFormat,
)
from app.ocpp16.samples import IntervalRegister, Scales, read_samples

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


def value(
    number: str,
    measurand: str | None = None,
    unit: str | None = None,
    phase: str | None = None,
    location: str | None = None,
) -> SampledValue:
    return SampledValue(
        number,
        measurand=None if measurand is None else Measurand(measurand),
        unit=None if unit is None else UnitOfMeasure(unit),
        phase=None if phase is None else Phase(phase),
        location=None if location is None else Location(location),
    )


def read(*values: SampledValue) -> Sample:
    (sample,) = read_samples([MeterValue(NOON, values)], 5.0)
    return sample


def test_three_phases_of_current() -> None:
    sample = read(
        value("16.02", "Current.Import", "A", "L1"),
        value("15.98", "Current.Import", "A", "L2-N"),
        value("0", "Current.Import", None, "L3"),
        value("0.3", "Current.Import", "A", "N"),
    )
    assert sample == Sample(NOON, 5.0, current_ma=(16_020, 15_980, 0))


def test_a_current_without_phase_stays_so() -> None:
    sample = read(value("1.64", "Current.Import", "A"))
    assert sample.current_ma == (None, None, None)
    assert sample.current_unphased_ma == 1_640


def test_a_current_loads_the_conductor_whatever_its_sign() -> None:
    assert read(value("-6.5", "Current.Import", "A", "L1")).current_ma[0] == 6_500


@pytest.mark.parametrize(
    ("number", "unit", "expected"),
    [("3680.4", "W", 3680), ("3.6804", "kW", 3680), ("3680", None, 3680), ("3,68", "kW", 3680)],
)
def test_power(number: str, unit: str | None, expected: int) -> None:
    assert read(value(number, "Power.Active.Import", unit)).power_w == expected


def test_power_by_phase_adds_up_unless_the_total_is_there() -> None:
    phases = [value("1000", "Power.Active.Import", "W", phase) for phase in ("L1", "L2", "L3")]
    assert read(*phases).power_w == 3000
    assert read(*phases, value("2990", "Power.Active.Import", "W")).power_w == 2990


def test_the_2019_station_means_import_by_export() -> None:
    sample = read(
        value("1.64", "Current.Import", "A", location="Outlet"),
        value("3.1816661", "Energy.Active.Import.Interval", "Wh"),
        value("381.79993", "Power.Active.Export", "W", location="Outlet"),
    )
    assert (sample.current_unphased_ma, sample.power_w, sample.energy_wh) == (1640, 382, None)


def test_export_is_not_taken_where_import_is_given() -> None:
    sample = read(value("0", "Power.Active.Import"), value("5000", "Power.Active.Export"))
    assert sample.power_w == 0


@pytest.mark.parametrize(("unit", "expected"), [("Wh", 12345), ("kWh", 12_345_000), (None, 12345)])
def test_energy_register(unit: str | None, expected: int) -> None:
    assert read(value("12345", "Energy.Active.Import.Register", unit)).energy_wh == expected


@pytest.mark.parametrize(
    ("unit", "field", "expected"),
    [
        (None, "energy_wh", 16),
        ("Wh", "energy_wh", 16),
        ("kWh", "energy_wh", 16_000),
        ("A", "current_unphased_ma", 16_000),
        ("W", "power_w", 16),
        ("kW", "power_w", 16_000),
        ("Percent", "soc_percent", 16),
    ],
)
def test_without_measurand_the_unit_decides(unit: str | None, field: str, expected: int) -> None:
    sample = read(value("16", None, unit))
    assert getattr(sample, field) == expected
    assert sum(each is not None for each in values_of(sample)) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        value("16", None, "V"),
        value("230", "Voltage", "V", "L1"),
        value("16", "Current.Import", "W"),
        value("", "Current.Import", "A"),
        value("NaN", "Current.Import", "A"),
        value("inf", "Current.Import", "A"),
        value("sixteen", "Current.Import", "A"),
        value("5000", "Current.Import", "A"),
        value("120", "SoC", "Percent"),
        value("16", "Current.Import", "A", "L1-L2"),
        SampledValue("16", measurand=Measurand.CURRENT_IMPORT, format=ValueFormat.SIGNED_DATA),
    ],
)
def test_what_is_no_measurement_is_left_out(nonsense: SampledValue) -> None:
    assert read(nonsense) == Sample(NOON, 5.0)


def test_the_outlet_wins_over_elsewhere() -> None:
    inlet = value("32", "Current.Import", "A", "L1", "Inlet")
    outlet = value("16", "Current.Import", "A", "L1", "Outlet")
    assert read(inlet, outlet).current_ma[0] == 16_000
    assert read(outlet, inlet).current_ma[0] == 16_000
    assert read(inlet).current_ma[0] == 32_000


def test_offered_is_the_least_of_the_phases() -> None:
    offered = [value(n, "Current.Offered", "A", p) for n, p in (("16", "L1"), ("10", "L2"))]
    assert read(*offered).offered_ma == 10_000
    assert read(value("13.5", "Current.Offered")).offered_ma == 13_500


def test_one_sample_for_each_instant() -> None:
    later = NOON + timedelta(seconds=10)
    values = [MeterValue(NOON, (value("1"),)), MeterValue(later, ())]
    assert [sample.at_utc for sample in read_samples(values, 5.0)] == [NOON, later]


def interval(seconds: int, energy: str) -> MeterValue:
    at = NOON + timedelta(seconds=seconds)
    return MeterValue(at, (value(energy, "Energy.Active.Import.Interval", "Wh"),))


def test_intervals_become_a_register() -> None:
    register = IntervalRegister(100.0)
    values = [interval(0, "3.2"), interval(30, "3.2"), interval(60, "3.2")]
    samples = read_samples(values, 5.0, register)
    assert [sample.energy_wh for sample in samples] == [103, 106, 110]
    assert [s.energy_wh for s in read_samples(values, 6.0, register)] == [110, 110, 110]
    assert read_samples([interval(90, "-5")], 7.0, register)[0].energy_wh == 110
    register.restart()
    assert read_samples([interval(30, "7")], 8.0, register)[0].energy_wh == 7


def test_intervals_go_on_when_the_stations_clock_is_set_back() -> None:
    register = IntervalRegister()
    assert read_samples([interval(7200, "3")], 5.0, register)[0].energy_wh == 3
    assert read_samples([interval(0, "3")], 5.0, register)[0].energy_wh == 6
    timeless = msgspec.structs.replace(interval(0, "3"), timestamp=UNREADABLE_TIME)
    assert [s.energy_wh for s in read_samples([timeless, timeless], 5.0, register)] == [9, 12]


def test_a_true_register_wins_over_intervals() -> None:
    register = IntervalRegister()
    both = MeterValue(
        NOON,
        (value("500"), value("3", "Energy.Active.Import.Interval")),
    )
    assert read_samples([both], 5.0, register)[0].energy_wh == 500
    assert read_samples([MeterValue(NOON, ())], 5.0, register)[0].energy_wh is None


@given(
    st.lists(
        st.builds(
            SampledValue,
            st.text(max_size=6) | st.floats().map(str),
            measurand=st.none() | st.sampled_from(Measurand),
            phase=st.none() | st.sampled_from(Phase),
            unit=st.none() | st.sampled_from(UnitOfMeasure),
            location=st.none() | st.sampled_from(Location),
        ),
        max_size=8,
    )
)
def test_never_raises(values: list[SampledValue]) -> None:
    (sample,) = read_samples([MeterValue(NOON, tuple(values))], 5.0, IntervalRegister())
    assert all(current is None or 0 <= current <= 1_000_000 for current in sample.current_ma)


def values_of(sample: Sample) -> list[int | None]:
    return [
        *sample.current_ma,
        sample.current_unphased_ma,
        sample.power_w,
        sample.energy_wh,
        sample.offered_ma,
        sample.soc_percent,
    ]


def test_a_station_that_says_the_wrong_unit_is_converted_and_told() -> None:
    values = (
        SampledValue("361", measurand=Measurand.ENERGY_ACTIVE_IMPORT_REGISTER),
        SampledValue("9,4", measurand=Measurand.POWER_ACTIVE_IMPORT, unit=UnitOfMeasure.W),
    )
    repaired: dict[str, None] = {}
    (sample,) = read_samples(
        [MeterValue(NOON, values)], 5.0, scales=Scales(1000.0, 1000.0), repaired=repaired
    )
    assert (sample.energy_wh, sample.power_w) == (361_000, 9_400)
    assert list(repaired) == ["energy-scale", "decimal-comma", "power-scale"]


@pytest.mark.parametrize(
    ("text", "unit", "power_w", "names"),
    [
        ("7400", UnitOfMeasure.KW, 7_400, ["unit-impossible"]),
        ("7.4", UnitOfMeasure.KW, 7_400, []),
        ("7400", UnitOfMeasure.W, 7_400, []),
        ("9000000", UnitOfMeasure.KW, None, ["unit-impossible"]),
    ],
)
def test_a_power_that_no_station_has_is_in_watts(
    text: str, unit: UnitOfMeasure, power_w: int | None, names: list[str]
) -> None:
    value = SampledValue(text, measurand=Measurand.POWER_ACTIVE_IMPORT, unit=unit)
    repaired: dict[str, None] = {}
    (sample,) = read_samples([MeterValue(NOON, (value,))], 5.0, repaired=repaired)
    assert sample.power_w == power_w
    assert list(repaired) == names
