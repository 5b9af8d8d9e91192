"""What GetCompositeSchedule tells: whether a limit is in force, and whether it ends by itself.

Stations answer much that means little (-1 in the unit that they do not use, a schedule without
periods, no change within the time asked for): what is not understood proves nothing, and is never
taken for a refusal.
"""

from __future__ import annotations

from typing import Final

from app.domain.station import RateUnit
from app.ocpp16.actions.manager_calls import (
    ChargingSchedule,
    GetCompositeSchedule,
    GetCompositeScheduleConfirmation,
)
from app.ocpp16.actions.types import CompositeScheduleStatus

TOLERANCE: Final[dict[RateUnit, float]] = {RateUnit.AMPERES: 0.15, RateUnit.WATTS: 25.0}
"""Two limits this near are the same: stations round, and turn watts into tenths of an ampere."""

LOOK_BEYOND_S: Final = 60
"""How far past the end of a lease the station is asked to look."""

EARLY_S: Final = 20
LATE_S: Final = 30
"""How much before or after its time the end of a lease may be announced: the schedule began a
moment before it was sent, and the ledger allows this grace."""


def ask_composite(connector_id: int, lease_s: int, unit: RateUnit) -> GetCompositeSchedule:
    """What the connector may draw from now until a while after the end of a lease."""
    return GetCompositeSchedule(connector_id, lease_s + LOOK_BEYOND_S, unit)


def tells_limit(
    answer: GetCompositeScheduleConfirmation, limit: float, unit: RateUnit
) -> bool | None:
    """Whether ``limit`` is in force now; ``None`` when the answer says nothing usable."""
    schedule = _usable(answer, unit)
    if schedule is None:
        return None
    return _same(schedule.charging_schedule_period[0].limit, limit, unit)


def tells_lease(
    answer: GetCompositeScheduleConfirmation,
    limit: float,
    fallback: float,
    lease_s: int,
    unit: RateUnit,
) -> bool | None:
    """Whether the station says that ``limit`` holds now and gives way to ``fallback`` in time.

    ``None`` when the answer says nothing usable, or cannot tell the two apart.
    """
    schedule = _usable(answer, unit)
    if schedule is None or limit <= fallback + 2 * TOLERANCE[unit]:
        return None
    first, *later = schedule.charging_schedule_period
    if not _same(first.limit, limit, unit):
        return None
    for period in later:
        if period.start_period > lease_s + LATE_S:
            break
        if period.start_period >= lease_s - EARLY_S:
            return period.limit <= fallback + TOLERANCE[unit]
    return False


def _usable(answer: GetCompositeScheduleConfirmation, unit: RateUnit) -> ChargingSchedule | None:
    schedule = answer.charging_schedule
    if answer.status is not CompositeScheduleStatus.ACCEPTED or schedule is None:
        return None
    if schedule.charging_rate_unit is not unit or not schedule.charging_schedule_period:
        return None
    if any(period.limit < 0 for period in schedule.charging_schedule_period):
        return None
    return schedule


def _same(a: float, b: float, unit: RateUnit) -> bool:
    return abs(a - b) <= TOLERANCE[unit]
