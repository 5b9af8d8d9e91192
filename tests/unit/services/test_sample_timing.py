"""A station's own times tell which measurements come late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.services.sample_timing import SampleTiming

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def delays(*samples: tuple[float, float]) -> list[float]:
    """Delays (s) of samples measured at the first instant and received at the second."""
    timing = SampleTiming()
    return [
        round(timing.delay_s(NOON + timedelta(seconds=at), received), 1) for at, received in samples
    ]


def test_usual_delays_are_none() -> None:
    assert delays((0, 0.1), (10, 10.4), (20, 22.0), (30, 30.0)) == [0, 0, 0, 0]


def test_a_wrong_clock_is_a_clock() -> None:
    assert delays((3_600, 0.1), (3_610, 10.1), (3_620, 45.1)) == [0, 0, 25]


def test_what_was_sent_again_is_late_by_as_much() -> None:
    assert delays((0, 0), (10, 40), (20, 40), (30, 40), (40, 40)) == [0, 30, 20, 10, 0]


def test_a_clock_that_was_set_back_is_believed_the_third_time() -> None:
    late = ((-290, 10), (-280, 20), (-270, 30), (-260, 40))
    assert delays((0, 0), *late) == [0, 300, 300, 0, 0]


def test_a_clock_that_was_set_forward_is_believed_at_once() -> None:
    assert delays((0, 0), (310, 10), (320, 20)) == [0, 0, 0]


@pytest.mark.parametrize("drift", [0.9999, 1.0])
def test_a_slow_clock_does_not_make_everything_late(drift: float) -> None:
    samples = [(second * drift, float(second)) for second in range(0, 86_400, 60)]
    assert set(delays(*samples)) == {0}
