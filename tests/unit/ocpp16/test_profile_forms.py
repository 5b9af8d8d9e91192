"""The order in which forms of a limit are tried."""

from __future__ import annotations

import pytest

from app.domain.capability import (
    FallbackForm,
    LeaseForm,
    LimitKind,
    LimitPurpose,
    ModelKey,
    ProfileForm,
)
from app.domain.station import RateUnit, StationIdentity
from app.ocpp16.configuration import StationConfiguration
from app.ocpp16.profile_forms import (
    MOST_FALLBACK_FORMS,
    MOST_FORMS,
    fallback_forms,
    first_fallback,
    first_live,
    live_forms,
)

SILENT = StationConfiguration()
FALLBACK = FallbackForm()


def differences(form: ProfileForm | FallbackForm, first: ProfileForm | FallbackForm) -> int:
    of, other = (
        {name: getattr(each, name) for name in each.__struct_fields__} for each in (form, first)
    )
    if isinstance(form, ProfileForm):
        of["schedule"], other["schedule"] = (
            (each.pop("kind"), each.pop("lease")) for each in (of, other)
        )
    return sum(1 for name, value in of.items() if other[name] != value)


@pytest.mark.parametrize(
    ("units", "highest", "unit", "level"),
    [
        ((), None, RateUnit.AMPERES, 1),
        ((RateUnit.WATTS,), 8, RateUnit.WATTS, 1),
        ((RateUnit.WATTS, RateUnit.AMPERES), 0, RateUnit.AMPERES, 0),
    ],
)
def test_the_first_form_is_what_the_station_says(
    units: tuple[RateUnit, ...], highest: int | None, unit: RateUnit, level: int
) -> None:
    settings = StationConfiguration(rate_units=units, max_stack_level=highest)
    fallback = first_fallback(settings)
    assert fallback == FallbackForm(unit=unit)
    assert first_live(settings, fallback) == ProfileForm(unit=unit, stack_level=level)


def test_fewer_differences_come_first_and_no_form_comes_twice() -> None:
    settings = StationConfiguration(max_stack_level=100)
    first = first_live(settings, FALLBACK)
    forms = live_forms(first, settings, FALLBACK, 1)
    assert forms[0] == first
    assert len(set(map(str, forms))) == len(forms) == MOST_FORMS
    counts = [differences(form, first) for form in forms]
    assert counts == sorted(counts)
    singles = [form for form in forms if differences(form, first) == 1]
    assert {form.unit for form in singles} == set(RateUnit)
    assert {form.stack_level for form in singles} == {0, 1, 100}
    assert {form.lease for form in singles} == set(LeaseForm)
    assert {form.kind for form in singles} == set(LimitKind)
    assert {form.send_transaction_id for form in singles} == {True, False}
    assert {form.send_phases for form in singles} == {True, False}


@pytest.mark.parametrize("outlets", [1, 2])
def test_a_standing_limit_ends_by_itself_and_lies_above_the_fallback(outlets: int) -> None:
    base = FallbackForm(purpose=LimitPurpose.STATION)
    forms = live_forms(ProfileForm(stack_level=1), SILENT, base, outlets)
    standing = [form for form in forms if form.purpose is not LimitPurpose.TRANSACTION]
    assert bool(standing) == (outlets == 1)
    assert all(form.lease is not LeaseForm.NONE and form.stack_level > 0 for form in standing)
    assert all(form.purpose is LimitPurpose.STATION for form in standing)


def test_without_a_fallback_only_the_transaction_carries_limits() -> None:
    forms = live_forms(ProfileForm(), SILENT, None, 1)
    assert {form.purpose for form in forms} == {LimitPurpose.TRANSACTION}


def test_a_form_learned_elsewhere_is_the_first() -> None:
    learned = ProfileForm(RateUnit.WATTS, stack_level=7, lease=LeaseForm.VALID_TO)
    forms = live_forms(learned, StationConfiguration(max_stack_level=7), FALLBACK, 1)
    assert forms[0] == learned
    known = FallbackForm(LimitPurpose.STATION, LimitKind.ABSOLUTE, 3, RateUnit.WATTS, True)
    assert fallback_forms(known, SILENT, 1)[0] == known


@pytest.mark.parametrize(("outlets", "purposes"), [(1, 2), (2, 1)])
def test_the_whole_station_is_bounded_only_where_it_has_one_outlet(
    outlets: int, purposes: int
) -> None:
    forms = fallback_forms(FALLBACK, SILENT, outlets)
    assert forms[0] == FALLBACK
    assert len(forms) == MOST_FALLBACK_FORMS
    assert len({form.purpose for form in forms}) == purposes


def test_a_model_is_what_the_station_calls_itself() -> None:
    assert ModelKey.of(StationIdentity()) is None
    assert ModelKey.of(StationIdentity(serial="1", firmware="2")) is None
    known = StationIdentity("Legrand", "059004", "260988", "V1")
    assert ModelKey.of(known) == ("Legrand", "059004", "V1")


def test_a_station_with_one_level_has_few_forms() -> None:
    assert len(fallback_forms(FALLBACK, StationConfiguration(max_stack_level=0), 2)) == 8
