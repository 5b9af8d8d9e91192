"""Charging profiles: limits in milliamperes to SetChargingProfile and its kin (clause 3.13).

A profile is always replaced in place, by sending the same id, purpose and stack level again
(clause 5.16): clearing first would let the car jump to full current in between.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

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
"""The TxProfile of connector n has this id plus n."""

FINEST_STEP_MA: Final = 100
"""Limits are multiples of 0.1 in OCPP 1.6 (ChargingSchedulePeriod)."""


class ProfileForm(msgspec.Struct, frozen=True):
    """How one station takes its profiles; found out at commissioning.

    ``step_ma`` is the finest step it follows. ``send_phases`` adds numberPhases, which some
    stations need and others refuse.
    """

    unit: RateUnit = RateUnit.AMPERES
    step_ma: int = FINEST_STEP_MA
    tx_stack_level: int = 0
    send_phases: bool = False


class Lease(msgspec.Struct, frozen=True):
    """How long a limit holds without news.

    The schedule runs from ``start_utc`` and ends after ``duration_s``; the profile is invalid from
    ``valid_to_utc`` on. A station that honours either falls back by itself; leave out the one that
    a station refuses.
    """

    start_utc: datetime
    duration_s: int | None = None
    valid_to_utc: datetime | None = None


def schedule_limit(
    limit_ma: int, phases: int, form: ProfileForm, voltage_v: int = NOMINAL_VOLTAGE_V
) -> float:
    """The number to put in a schedule so that no conductor gets more than ``limit_ma``.

    Amperes rounded down to the station's step (never finer than 0.1 A); or whole watts, rounded
    down, for ``phases`` conductors at ``voltage_v``. Never negative.
    """
    stepped_ma = floor_to_step(max(0, limit_ma), max(form.step_ma, FINEST_STEP_MA))
    if form.unit is RateUnit.WATTS:
        return float(stepped_ma * voltage_v * phases // 1000)
    return round(stepped_ma // FINEST_STEP_MA / 10, 1)


def _schedule(
    limit_ma: int, phases: int, form: ProfileForm, lease: Lease | None = None
) -> ChargingSchedule:
    period = ChargingSchedulePeriod(
        start_period=0,
        limit=schedule_limit(limit_ma, phases, form),
        number_phases=phases if form.send_phases else None,
    )
    return ChargingSchedule(
        charging_rate_unit=form.unit,
        charging_schedule_period=(period,),
        duration=None if lease is None else lease.duration_s,
        start_schedule=None if lease is None else lease.start_utc,
    )


def tx_default_profile(
    limit_ma: int, phases: int, form: ProfileForm, connector_id: int = 0
) -> SetChargingProfile:
    """What every transaction may draw without news from the manager (mA per conductor).

    On ``connector_id`` 0 it holds for each connector of the station. Relative: no clock needed.
    """
    return SetChargingProfile(
        connector_id=connector_id,
        cs_charging_profiles=ChargingProfile(
            charging_profile_id=TX_DEFAULT_PROFILE_ID,
            stack_level=0,
            charging_profile_purpose=ChargingProfilePurpose.TX_DEFAULT_PROFILE,
            charging_profile_kind=ChargingProfileKind.RELATIVE,
            charging_schedule=_schedule(limit_ma, phases, form),
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
    """The live limit of one transaction (mA per conductor).

    With a ``lease`` the schedule is Absolute and starts now: the duration of a Relative one runs
    from the start of the transaction, and would be over at once in a long session.
    """
    return SetChargingProfile(
        connector_id=connector_id,
        cs_charging_profiles=ChargingProfile(
            charging_profile_id=tx_profile_id(connector_id),
            transaction_id=transaction_id,
            stack_level=form.tx_stack_level,
            charging_profile_purpose=ChargingProfilePurpose.TX_PROFILE,
            charging_profile_kind=(
                ChargingProfileKind.RELATIVE if lease is None else ChargingProfileKind.ABSOLUTE
            ),
            valid_to=None if lease is None else lease.valid_to_utc,
            charging_schedule=_schedule(limit_ma, phases, form, lease),
        ),
    )


def charge_point_max_profile(limit_ma: int, phases: int, form: ProfileForm) -> SetChargingProfile:
    """What the whole station may draw (mA per conductor), transaction or not."""
    return SetChargingProfile(
        connector_id=0,
        cs_charging_profiles=ChargingProfile(
            charging_profile_id=CHARGE_POINT_MAX_PROFILE_ID,
            stack_level=0,
            charging_profile_purpose=ChargingProfilePurpose.CHARGE_POINT_MAX_PROFILE,
            charging_profile_kind=ChargingProfileKind.RELATIVE,
            charging_schedule=_schedule(limit_ma, phases, form),
        ),
    )


def tx_profile_id(connector_id: int) -> int:
    """Id of the TxProfile of this connector; the same for every transaction."""
    return TX_PROFILE_ID_BASE + connector_id


def clear_tx_profile(connector_id: int) -> ClearChargingProfile:
    """Removes what an earlier transaction may have left on the connector."""
    return ClearChargingProfile(id=tx_profile_id(connector_id))
