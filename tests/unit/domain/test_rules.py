"""Windows of the week and bounds."""

from __future__ import annotations

import pytest

from app.domain.limits import CircuitCap, LimitSource
from app.domain.rules import Bound, LimitScope, WeekWindow
from app.domain.units import PhaseCurrents

SIXTEEN = PhaseCurrents.uniform(16_000)


@pytest.mark.parametrize(
    ("window", "day", "minute", "expected"),
    [
        (WeekWindow((1,), 60, 120), 1, 60, True),
        (WeekWindow((1,), 60, 120), 1, 120, False),
        (WeekWindow((1,), 60, 120), 2, 60, False),
        (WeekWindow((1,), 60, 60), 1, 60, True),
        (WeekWindow((1,), 60, 60), 2, 59, True),
        (WeekWindow((1,), 60, 60), 2, 60, False),
        (WeekWindow((6,), 1_320, 360), 0, 0, True),
        (WeekWindow(), 3, 1_439, True),
    ],
)
def test_a_window_covers_its_minutes(
    window: WeekWindow, day: int, minute: int, expected: bool
) -> None:
    assert window.covers(day, minute) is expected


def test_a_bound_becomes_a_limit_in_force() -> None:
    assert not Bound().binds
    assert Bound(power_w=0).binds
    everything = Bound(SIXTEEN, 9_000)
    assert everything.cap("p1", LimitSource.EXTERNAL) == CircuitCap(
        "p1", LimitSource.EXTERNAL, limit=SIXTEEN, power_w=9_000
    )
    charging = Bound(SIXTEEN, 9_000, LimitScope.CHARGING)
    assert charging.cap("p1", LimitSource.SCHEDULE) == CircuitCap(
        "p1", LimitSource.SCHEDULE, charging=SIXTEEN, charging_power_w=9_000
    )
