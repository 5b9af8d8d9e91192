"""So many a second and no more."""

from __future__ import annotations

from app.services.pace import Pace


def test_a_burst_then_the_rate() -> None:
    pace = Pace(50, 5)
    assert pace.take(10, 100.0) == 5
    assert pace.take(10, 100.0) == 0
    assert pace.take(10, 100.125) == 5
    assert pace.take(1, 100.2) == 1
    assert pace.take(10, 1_000.0) == 5


def test_no_second_sees_more_than_the_rate_and_a_burst() -> None:
    pace = Pace(50, 5)
    assert sum(pace.take(9, 10 + n / 1000) for n in range(1000)) <= 55
