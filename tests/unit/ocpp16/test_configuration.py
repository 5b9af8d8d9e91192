"""Settings of a station, as it lists them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.station import RateUnit
from app.domain.units import Rotation
from app.ocpp16.actions.manager_calls import GetConfigurationConfirmation, KeyValue
from app.ocpp16.configuration import StationConfiguration, interpret


def read(**settings: str | None) -> StationConfiguration:
    keys = tuple(KeyValue(key, False, value) for key, value in settings.items())
    return interpret(GetConfigurationConfirmation(keys))


def test_a_full_answer() -> None:
    answer = GetConfigurationConfirmation(
        (
            KeyValue("NumberOfConnectors", True, "2"),
            KeyValue("HeartbeatInterval", False, "86400"),
            KeyValue("MeterValueSampleInterval", False, "10"),
            KeyValue("ClockAlignedDataInterval", False, "0"),
            KeyValue("MeterValuesSampledData", False, "Current.Import, SoC"),
            KeyValue("ChargingScheduleAllowedChargingRateUnit", True, "Current"),
            KeyValue("ChargeProfileMaxStackLevel", True, "100"),
            KeyValue("ChargingScheduleMaxPeriods", True, "24"),
            KeyValue("MaxChargingProfilesInstalled", True, "10"),
            KeyValue("SupportedFeatureProfiles", True, "Core,SmartCharging"),
            KeyValue("ConnectorPhaseRotation", False, "0.RST,1.RST,2.str"),
            KeyValue("MakersOwn", False),
        ),
        ("ClockTicks",),
    )
    configuration = interpret(answer)
    assert configuration.connectors == 2
    assert configuration.heartbeat_interval_s == 86400
    assert configuration.sample_interval_s == 10
    assert configuration.clock_aligned_interval_s == 0
    assert configuration.measurands == ("Current.Import", "SoC")
    assert configuration.rate_units == (RateUnit.AMPERES,)
    assert configuration.max_stack_level == 100
    assert configuration.max_periods == 24
    assert configuration.max_profiles == 10
    assert configuration.smart_charging
    assert configuration.rotations == {0: Rotation.RST, 1: Rotation.RST, 2: Rotation.STR}
    assert configuration.values["MakersOwn"] == ""
    assert configuration.writable("HeartbeatInterval")
    assert not configuration.writable("NumberOfConnectors")
    assert not configuration.writable("ClockTicks")


def test_an_empty_answer_tells_nothing() -> None:
    configuration = interpret(GetConfigurationConfirmation())
    assert configuration == StationConfiguration()
    assert configuration.smart_charging
    assert configuration.writable("anything")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Current", (RateUnit.AMPERES,)),
        ("Power", (RateUnit.WATTS,)),
        ("Power, Current", (RateUnit.WATTS, RateUnit.AMPERES)),
        ("A,W,A", (RateUnit.AMPERES, RateUnit.WATTS)),
        ("horses", ()),
        ("", ()),
    ],
)
def test_units(text: str, units: tuple[RateUnit, ...]) -> None:
    assert read(ChargingScheduleAllowedChargingRateUnit=text).rate_units == units


def test_keys_in_other_case() -> None:
    assert read(chargeprofilemaxstacklevel=" 8 ").max_stack_level == 8


@pytest.mark.parametrize("text", ["", "many", "-1", "1.5", None])
def test_a_number_that_is_none(text: str | None) -> None:
    assert read(NumberOfConnectors=text).connectors is None


@pytest.mark.parametrize(
    ("text", "rotations"),
    [
        ("RTS", {0: Rotation.RTS}),
        ("1:TSR", {1: Rotation.TSR}),
        ("NotApplicable", {}),
        ("1.RRR,2.Unknown", {}),
        ("0.Unknown,1.SRT", {1: Rotation.SRT}),
    ],
)
def test_rotations(text: str, rotations: dict[int, Rotation]) -> None:
    assert read(ConnectorPhaseRotation=text).rotations == rotations


def test_without_the_smart_charging_profile() -> None:
    assert not read(SupportedFeatureProfiles="Core,Reservation").smart_charging


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "NumberOfConnectors",
                "ConnectorPhaseRotation",
                "ChargingScheduleAllowedChargingRateUnit",
                "SupportedFeatureProfiles",
            ]
        ),
        st.text(),
    )
)
def test_never_raises(settings: dict[str, str]) -> None:
    assert set(read(**settings).values) == set(settings)
