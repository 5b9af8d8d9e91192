"""Feature profile Smart Charging (clauses 3.13, 5.5, 5.7, 5.16): limits, as stations take them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.capability import FallbackForm, LeaseForm, LimitPurpose, ProfileForm
from app.domain.station import RateUnit
from app.ocpp16.actions.manager_calls import (
    ChangeAvailability,
    ChangeAvailabilityConfirmation,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearChargingProfileConfirmation,
    GetCompositeScheduleConfirmation,
    RemoteStopTransaction,
    RemoteStopTransactionConfirmation,
    SetChargingProfileConfirmation,
)
from app.ocpp16.actions.types import (
    AvailabilityStatus,
    AvailabilityType,
    ChargingProfileStatus,
    ClearChargingProfileStatus,
    CommandStatus,
    CompositeScheduleStatus,
)
from app.ocpp16.composite import ask_composite, tells_lease
from app.ocpp16.configuration import StationConfiguration
from app.ocpp16.frames import ErrorCode
from app.ocpp16.profile_forms import first_live, live_forms
from app.ocpp16.session import FailureKind
from app.ocpp16.smart_charging import clear_tx_profile, lease_of, tx_profile
from tests.conversations.book import smart_charging
from tests.conversations.playbook import NOON, CallError, Failed, Playbook
from tests.conversations.standard import EveryManagerCall

ACCEPTED = SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
REJECTED = SetChargingProfileConfirmation(ChargingProfileStatus.REJECTED)
FALLBACK = FallbackForm()


class TestSmartChargingCalls(EveryManagerCall):
    book = smart_charging.MANAGER_CALLS


@pytest.mark.parametrize(
    ("takes", "tries"),
    [
        ({"unit": RateUnit.WATTS}, 2),
        ({"stack_level": 0}, 3),
        ({"stack_level": 8}, 4),
        ({"lease": LeaseForm.NONE}, 8),
        ({"send_transaction_id": False}, 10),
        ({"send_phases": True}, 11),
        ({"purpose": LimitPurpose.DEFAULT}, 12),
        ({"unit": RateUnit.WATTS, "stack_level": 0}, 13),
    ],
    ids=["watts", "level 0", "level 8", "no lease", "no id", "phases", "default", "two at once"],
)
def test_5_16_a_refused_limit_is_offered_in_other_forms(
    takes: dict[str, object], tries: int
) -> None:
    settings = StationConfiguration(max_stack_level=8)
    forms = live_forms(first_live(settings, FALLBACK), settings, FALLBACK, 1)

    def suits(form: ProfileForm) -> bool:
        return all(getattr(form, name) == value for name, value in takes.items())

    heard = 0
    with Playbook() as (station, manager, _after):
        for form in forms:
            limit = tx_profile(1, 17, 13_500, 3, form, lease_of(form, NOON, 600))
            manager >> limit
            station << limit
            heard += 1
            answer = ACCEPTED if suits(form) else REJECTED
            station >> answer
            manager << answer
            if suits(form):
                break
    assert heard == tries


def test_5_16_a_strict_station_refuses_a_field_by_a_call_error() -> None:
    with Playbook() as (station, manager, _after):
        limit = tx_profile(1, 17, 13_500, 3, ProfileForm(send_phases=True))
        manager >> limit
        station << limit
        station >> CallError(ErrorCode.FORMATION_VIOLATION, "numberPhases")
        manager << Failed(FailureKind.REFUSED, "FormationViolation")


def test_5_7_a_lease_is_proven_right_after_the_limit() -> None:
    form = ProfileForm(stack_level=1)
    with Playbook() as (station, manager, _after):
        limit = tx_profile(1, 17, 13_500, 3, form, lease_of(form, NOON, 600))
        manager >> limit
        station << limit
        station >> ACCEPTED
        manager << ACCEPTED
        manager >> ask_composite(1, 600, RateUnit.AMPERES)
        station << ask_composite(1, 600, RateUnit.AMPERES)
        periods = (ChargingSchedulePeriod(0, 13.5), ChargingSchedulePeriod(598, 0.0))
        answer = GetCompositeScheduleConfirmation(
            CompositeScheduleStatus.ACCEPTED,
            1,
            NOON + timedelta(seconds=2),
            ChargingSchedule(RateUnit.AMPERES, periods, 660),
        )
        station >> answer
        manager << answer
    assert tells_lease(answer, 13.5, 0.0, 600, RateUnit.AMPERES) is True


def test_5_12_a_charge_that_defies_its_limit_ends_and_its_outlet_goes_out_of_service() -> None:
    with Playbook() as (station, manager, after):
        stop = RemoteStopTransaction(17)
        manager >> stop
        station << stop
        accepted = RemoteStopTransactionConfirmation(CommandStatus.ACCEPTED)
        station >> accepted
        manager << accepted
        after(30)
        for kind, status in (
            (AvailabilityType.INOPERATIVE, AvailabilityStatus.SCHEDULED),
            (AvailabilityType.OPERATIVE, AvailabilityStatus.ACCEPTED),
        ):
            manager >> ChangeAvailability(1, kind)
            station << ChangeAvailability(1, kind)
            station >> ChangeAvailabilityConfirmation(status)
            manager << ChangeAvailabilityConfirmation(status)


def test_5_5_what_an_ended_charge_left_is_cleared_by_its_id() -> None:
    with Playbook() as (station, manager, _after):
        manager >> clear_tx_profile(1)
        station << clear_tx_profile(1)
        unknown = ClearChargingProfileConfirmation(ClearChargingProfileStatus.UNKNOWN)
        station >> unknown
        manager << unknown
