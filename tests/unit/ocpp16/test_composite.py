"""What an answer to GetCompositeSchedule proves, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.station import RateUnit
from app.ocpp16.actions.manager_calls import (
    ChargingSchedule,
    ChargingSchedulePeriod,
    GetCompositeSchedule,
    GetCompositeScheduleConfirmation,
)
from app.ocpp16.actions.types import CompositeScheduleStatus
from app.ocpp16.composite import ask_composite, tells_lease, tells_limit

A, W = RateUnit.AMPERES, RateUnit.WATTS
ACCEPTED = CompositeScheduleStatus.ACCEPTED


def answer(*periods: tuple[int, float], unit: RateUnit = A) -> GetCompositeScheduleConfirmation:
    listed = tuple(ChargingSchedulePeriod(start, limit) for start, limit in periods)
    return GetCompositeScheduleConfirmation(ACCEPTED, 1, None, ChargingSchedule(unit, listed, 660))


def test_the_station_is_asked_to_look_past_the_end_of_the_lease() -> None:
    assert ask_composite(2, 600, W) == GetCompositeSchedule(2, 660, W)


@pytest.mark.parametrize(
    "said",
    [
        GetCompositeScheduleConfirmation(CompositeScheduleStatus.REJECTED),
        GetCompositeScheduleConfirmation(ACCEPTED),
        answer(),
        answer((0, -1.0)),
        answer((0, 16.0), (600, -1.0)),
        answer((0, 16.0), (600, 0.0), unit=W),
    ],
    ids=["rejected", "nothing", "no period", "-1", "-1 later", "other unit"],
)
def test_what_is_not_understood_proves_nothing(said: Any) -> None:
    assert tells_lease(said, 16.0, 0.0, 600, A) is None
    assert tells_limit(said, 16.0, A) is None


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        (((0, 16.0), (600, 0.0)), True),
        (((0, 16.1), (595, 0.0)), True),
        (((0, 16.0), (300, 16.0), (605, 0.0)), True),
        (((0, 16.0), (600, 6.0)), False),
        (((0, 16.0),), False),
        (((0, 16.0), (640, 0.0)), False),
        (((0, 16.0), (30, 0.0)), False),
        (((0, 32.0), (600, 0.0)), None),
    ],
)
def test_a_lease_is_proven_by_the_fallback_in_time(
    periods: tuple[tuple[int, float], ...], expected: bool | None
) -> None:
    assert tells_lease(answer(*periods), 16.0, 0.0, 600, A) is expected


def test_a_limit_no_higher_than_the_fallback_cannot_be_seen_to_end() -> None:
    assert tells_lease(answer((0, 6.0), (600, 6.0)), 6.0, 6.0, 600, A) is None


def test_watts_are_compared_with_their_own_tolerance() -> None:
    assert tells_limit(answer((0, 4_130.0), unit=W), 4_140.0, W) is True
    assert tells_limit(answer((0, 4_080.0), unit=W), 4_140.0, W) is False
    assert tells_limit(answer((0, 6.0)), 6.0, A) is True
