"""Charging profiles: limits in milliamperes to SetChargingProfile and its kin (clause 3.13).

A profile is always replaced in place, by sending the same id, purpose and stack level again
(clause 5.16): clearing first would let the car jump to full current in between.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from app.domain.capability import (
    FINEST_STEP_MA,
    FallbackForm,
    LeaseForm,
    LimitKind,
    LimitPurpose,
    ProfileForm,
)
from app.domain.station import RateUnit
from app.domain.units import NOMINAL_VOLTAGE_V, floor_to_step
from app.ocpp16.actions.manager_calls import (
    ChargingProfile,
    ChargingSchedule,
    ChargingSchedulePeriod,
    ClearChargingProfile,
    SetChargingProfile,
)
from app.ocpp16.actions.types import ChargingProfileKind, ChargingProfilePurpose

TX_DEFAULT_PROFILE_ID: Final = 1
CHARGE_POINT_MAX_PROFILE_ID: Final = 2
TX_PROFILE_ID_BASE: Final = 10
"""The live limit of connector n has this id plus n."""

_BY_DURATION = (LeaseForm.DURATION, LeaseForm.BOTH)
_BY_END = (LeaseForm.VALID_TO, LeaseForm.BOTH)


class Lease(msgspec.Struct, frozen=True):
    """How long a limit holds without news.

    The schedule runs from ``start_utc`` and ends after ``duration_s``; the profile is invalid from
    ``valid_to_utc`` on. A station that honours either falls back by itself; leave out the one that
    a station refuses.
    """

    start_utc: datetime
    duration_s: int | None = None
    valid_to_utc: datetime | None = None


def lease_of(form: ProfileForm, start_utc: datetime, duration_s: int) -> Lease:
    """The lease of ``duration_s`` from ``start_utc`` in the fields that the station takes.

    A Relative schedule counts from the start of the transaction, where a duration would be over at
    once in a long session: only ``validTo`` ends it.
    """
    by_duration = form.kind is LimitKind.ABSOLUTE and form.lease in _BY_DURATION
    by_end = form.lease in _BY_END
    return Lease(
        start_utc=start_utc,
        duration_s=duration_s if by_duration else None,
        valid_to_utc=start_utc + timedelta(seconds=duration_s) if by_end else None,
    )


def schedule_limit(
    limit_ma: int,
    phases: int,
    form: ProfileForm | FallbackForm,
    voltage_v: int = NOMINAL_VOLTAGE_V,
) -> float:
    """The number to put in a schedule so that no conductor gets more than ``limit_ma``.

    Amperes rounded down to the station's step (never finer than 0.1 A); or whole watts, rounded
    down, for ``phases`` conductors at ``voltage_v``. Never negative.
    """
    step_ma = form.step_ma if isinstance(form, ProfileForm) else FINEST_STEP_MA
    stepped_ma = floor_to_step(max(0, limit_ma), max(step_ma, FINEST_STEP_MA))
    if form.unit is RateUnit.WATTS:
        return float(stepped_ma * voltage_v * phases // 1000)
    return round(stepped_ma // FINEST_STEP_MA / 10, 1)


def _schedule(
    limit_ma: int,
    phases: int,
    form: ProfileForm | FallbackForm,
    start_utc: datetime | None = None,
    duration_s: int | None = None,
) -> ChargingSchedule:
    period = ChargingSchedulePeriod(
        start_period=0,
        limit=schedule_limit(limit_ma, phases, form),
        number_phases=phases if form.send_phases else None,
    )
    return ChargingSchedule(
        charging_rate_unit=form.unit,
        charging_schedule_period=(period,),
        duration=duration_s,
        start_schedule=start_utc,
    )


def fallback_profile(
    limit_ma: int, phases: int, form: FallbackForm, start_utc: datetime
) -> SetChargingProfile:
    """What may be drawn without news from the manager (mA per conductor), on the whole station.

    A TxDefaultProfile on connector 0 holds for each connector. Relative needs no clock; an Absolute
    one starts at ``start_utc``, which should be long past by any clock.
    """
    is_default = form.purpose is LimitPurpose.DEFAULT
    absolute = form.kind is LimitKind.ABSOLUTE
    return SetChargingProfile(
        connector_id=0,
        cs_charging_profiles=ChargingProfile(
            charging_profile_id=TX_DEFAULT_PROFILE_ID
            if is_default
            else CHARGE_POINT_MAX_PROFILE_ID,
            stack_level=form.stack_level,
            charging_profile_purpose=ChargingProfilePurpose(form.purpose),
            charging_profile_kind=ChargingProfileKind(form.kind),
            charging_schedule=_schedule(limit_ma, phases, form, start_utc if absolute else None),
        ),
    )


def tx_profile(
    connector_id: int,
    transaction_id: int,
    limit_ma: int,
    phases: int,
    form: ProfileForm,
    lease: Lease | None = None,
) -> SetChargingProfile:
    """The live limit of one transaction (mA per conductor), in the station's form.

    Without a ``lease`` the schedule is Relative and needs no clock; with one it has the form's kind,
    and an Absolute one starts when the lease does. A limit that does not belong to the transaction
    (TxDefaultProfile, ChargePointMaxProfile) goes to where its purpose belongs.
    """
    absolute = lease is not None and form.kind is LimitKind.ABSOLUTE
    of_transaction = form.purpose is LimitPurpose.TRANSACTION
    start_utc = lease.start_utc if lease is not None and absolute else None
    duration_s = lease.duration_s if lease is not None and absolute else None
    return SetChargingProfile(
        connector_id=0 if form.purpose is LimitPurpose.STATION else connector_id,
        cs_charging_profiles=ChargingProfile(
            charging_profile_id=tx_profile_id(connector_id),
            transaction_id=(
                transaction_id if of_transaction and form.send_transaction_id else None
            ),
            stack_level=form.stack_level,
            charging_profile_purpose=ChargingProfilePurpose(form.purpose),
            charging_profile_kind=(
                ChargingProfileKind.ABSOLUTE if absolute else ChargingProfileKind.RELATIVE
            ),
            valid_to=None if lease is None else lease.valid_to_utc,
            charging_schedule=_schedule(limit_ma, phases, form, start_utc, duration_s),
        ),
    )


def tx_profile_id(connector_id: int) -> int:
    """Id of the live limit of this connector; the same for every transaction."""
    return TX_PROFILE_ID_BASE + connector_id


def clear_tx_profile(connector_id: int) -> ClearChargingProfile:
    """Removes what an earlier transaction may have left on the connector."""
    return ClearChargingProfile(id=tx_profile_id(connector_id))
