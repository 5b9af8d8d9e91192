"""Profiles: the number on the wire never allows more than was granted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.capability import FallbackForm, LeaseForm, LimitKind, LimitPurpose, ProfileForm
from app.domain.station import RateUnit
from app.ocpp16.actions.manager_calls import ClearChargingProfile, SetChargingProfile
from app.ocpp16.actions.types import ChargingProfileKind, ChargingProfilePurpose
from app.ocpp16.frames import encode_call
from app.ocpp16.smart_charging import (
    Lease,
    clear_tx_profile,
    fallback_profile,
    lease_of,
    schedule_limit,
    tx_profile,
)
from tests.unit.ocpp16.schemas import valid

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
AMPERES = ProfileForm()
WATTS = ProfileForm(unit=RateUnit.WATTS)
LEASE = Lease(NOON, 600, NOON + timedelta(minutes=10))


@pytest.mark.parametrize(
    ("limit_ma", "phases", "form", "expected"),
    [
        (16_000, 3, AMPERES, 16.0),
        (21_450, 3, AMPERES, 21.4),
        (6_299, 1, AMPERES, 6.2),
        (99, 1, AMPERES, 0.0),
        (-5_000, 1, AMPERES, 0.0),
        (13_999, 3, ProfileForm(step_ma=1_000), 13.0),
        (13_999, 3, ProfileForm(step_ma=1), 13.9),
        (6_000, 1, WATTS, 1_380.0),
        (6_000, 3, WATTS, 4_140.0),
        (13_550, 3, WATTS, 9_315.0),
        (13_550, 1, ProfileForm(unit=RateUnit.WATTS, step_ma=1_000), 2_990.0),
        (0, 3, WATTS, 0.0),
    ],
)
def test_limits_are_rounded_down(
    limit_ma: int, phases: int, form: ProfileForm, expected: float
) -> None:
    assert schedule_limit(limit_ma, phases, form) == expected


def test_watts_at_another_voltage() -> None:
    assert schedule_limit(10_000, 3, WATTS, voltage_v=220) == 6_600.0


@given(
    st.integers(-1_000, 80_000),
    st.sampled_from([1, 2, 3]),
    st.sampled_from(RateUnit),
    st.sampled_from([1, 100, 250, 1_000]),
    st.booleans(),
)
def test_never_more_than_granted_and_always_to_the_schema(
    limit_ma: int, phases: int, unit: RateUnit, step_ma: int, send_phases: bool
) -> None:
    form = ProfileForm(unit=unit, step_ma=step_ma, send_phases=send_phases)
    limit = schedule_limit(limit_ma, phases, form)
    amperes = limit if unit is RateUnit.AMPERES else limit / 230 / phases
    assert 0 <= amperes <= max(0, limit_ma) / 1000
    for request in (
        tx_profile(1, 7, limit_ma, phases, form, LEASE),
        each_connector(limit_ma, phases, form),
        whole_station(limit_ma, phases, form),
    ):
        frame = encode_call("1", request)
        payload = frame.removeprefix('[2,"1","SetChargingProfile",').removesuffix("]")
        assert valid(payload.encode(), "SetChargingProfile"), payload


def test_a_live_limit_is_leased() -> None:
    request = tx_profile(2, 17, 13_500, 3, ProfileForm(stack_level=3), LEASE)
    profile = request.cs_charging_profiles
    assert request.connector_id == 2
    assert profile.charging_profile_id == 12
    assert profile.transaction_id == 17
    assert profile.stack_level == 3
    assert profile.charging_profile_purpose is ChargingProfilePurpose.TX_PROFILE
    assert profile.charging_profile_kind is ChargingProfileKind.ABSOLUTE
    assert profile.valid_to == LEASE.valid_to_utc
    schedule = profile.charging_schedule
    assert schedule.start_schedule == NOON
    assert schedule.duration == 600
    assert [period.limit for period in schedule.charging_schedule_period] == [13.5]
    assert schedule.charging_schedule_period[0].number_phases is None


def test_without_a_lease_no_clock_is_needed() -> None:
    profile = tx_profile(1, 17, 13_500, 3, AMPERES).cs_charging_profiles
    assert profile.charging_profile_kind is ChargingProfileKind.RELATIVE
    assert profile.valid_to is None
    assert profile.charging_schedule.duration is None
    assert profile.charging_schedule.start_schedule is None


def test_a_lease_may_leave_out_what_a_station_refuses() -> None:
    only_end = tx_profile(1, 17, 6_000, 3, AMPERES, Lease(NOON, valid_to_utc=NOON))
    assert only_end.cs_charging_profiles.charging_schedule.duration is None
    only_length = tx_profile(1, 17, 6_000, 3, AMPERES, Lease(NOON, 60))
    assert only_length.cs_charging_profiles.valid_to is None


def test_the_default_holds_for_all_connectors_and_is_replaced_in_place() -> None:
    first, second = (each_connector(limit, 3, AMPERES) for limit in (0, 6_000))
    assert identity(first) == identity(second)
    assert first.connector_id == 0
    assert first.cs_charging_profiles.stack_level == 0
    assert identity(first) != identity(whole_station(0, 3, AMPERES))


def test_phases_are_sent_to_stations_that_need_them() -> None:
    request = whole_station(32_000, 3, ProfileForm(send_phases=True))
    period = request.cs_charging_profiles.charging_schedule.charging_schedule_period[0]
    assert period.number_phases == 3


def test_what_a_transaction_left_is_cleared_by_its_id() -> None:
    assert clear_tx_profile(2) == ClearChargingProfile(id=12)


def whole_station(limit_ma: int, phases: int, form: ProfileForm) -> SetChargingProfile:
    whole = FallbackForm(LimitPurpose.STATION, unit=form.unit, send_phases=form.send_phases)
    return fallback_profile(limit_ma, phases, whole, NOON)


def each_connector(limit_ma: int, phases: int, form: ProfileForm) -> SetChargingProfile:
    usual = FallbackForm(unit=form.unit, send_phases=form.send_phases)
    return fallback_profile(limit_ma, phases, usual, NOON)


def identity(request: SetChargingProfile) -> tuple[int, int, str]:
    profile = request.cs_charging_profiles
    return profile.charging_profile_id, profile.stack_level, profile.charging_profile_purpose


@pytest.mark.parametrize(
    ("kind", "lease", "duration", "ends"),
    [
        (LimitKind.ABSOLUTE, LeaseForm.DURATION, 600, False),
        (LimitKind.ABSOLUTE, LeaseForm.BOTH, 600, True),
        (LimitKind.ABSOLUTE, LeaseForm.VALID_TO, None, True),
        (LimitKind.RELATIVE, LeaseForm.VALID_TO, None, True),
        (LimitKind.RELATIVE, LeaseForm.DURATION, None, False),
        (LimitKind.ABSOLUTE, LeaseForm.NONE, None, False),
    ],
)
def test_a_lease_goes_into_the_fields_that_a_station_takes(
    kind: LimitKind, lease: LeaseForm, duration: int | None, ends: bool
) -> None:
    form = ProfileForm(kind=kind, lease=lease, stack_level=1)
    made = lease_of(form, NOON, 600)
    assert made.duration_s == duration
    assert made.valid_to_utc == (NOON + timedelta(seconds=600) if ends else None)
    profile = tx_profile(1, 17, 6_000, 3, form, made).cs_charging_profiles
    assert profile.charging_profile_kind == kind.value
    assert (profile.charging_schedule.start_schedule is None) == (kind is LimitKind.RELATIVE)
    assert profile.charging_schedule.duration == duration


def test_a_limit_that_stands_names_no_transaction() -> None:
    form = ProfileForm(purpose=LimitPurpose.DEFAULT, stack_level=1)
    default = tx_profile(2, 17, 6_000, 3, form, LEASE)
    assert default.connector_id == 2
    assert default.cs_charging_profiles.transaction_id is None
    whole = tx_profile(1, 17, 6_000, 3, ProfileForm(purpose=LimitPurpose.STATION), LEASE)
    assert whole.connector_id == 0
    assert identity(whole)[0] == 11
    without = tx_profile(1, 17, 6_000, 3, ProfileForm(send_transaction_id=False), LEASE)
    assert without.cs_charging_profiles.transaction_id is None


def test_an_absolute_fallback_begins_long_ago() -> None:
    form = FallbackForm(LimitPurpose.STATION, LimitKind.ABSOLUTE, 7, RateUnit.WATTS, True)
    profile = fallback_profile(6_000, 3, form, NOON).cs_charging_profiles
    assert profile.charging_profile_id == 2
    assert profile.stack_level == 7
    assert profile.charging_schedule.start_schedule == NOON
    (period,) = profile.charging_schedule.charging_schedule_period
    assert (period.limit, period.number_phases) == (4_140.0, 3)
