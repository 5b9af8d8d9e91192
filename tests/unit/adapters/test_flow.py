"""What one station may send at once, and over time."""

from __future__ import annotations

import pytest

from app.adapters.flow import Flow, FlowLimits

LIMITS = FlowLimits(messages_per_s=10, messages_at_once=100, bytes_per_s=1000, bytes_at_once=50_000)


def test_what_comes_at_once_within_the_bound_waits_for_nothing() -> None:
    flow = Flow(LIMITS, 5.0)
    assert [flow.taken(100, 5.0) for _ in range(100)] == [0.0] * 100


def test_messages_beyond_wait_as_long_as_the_rate_says() -> None:
    flow = Flow(LIMITS, 0.0)
    for _ in range(100):
        flow.taken(1, 0.0)
    assert flow.taken(1, 0.0) == pytest.approx(0.1)
    assert flow.taken(1, 0.0) == pytest.approx(0.2)
    assert flow.taken(1, 0.3) == 0.0


def test_bytes_count_on_their_own() -> None:
    flow = Flow(LIMITS, 0.0)
    assert flow.taken(50_000, 0.0) == 0.0
    assert flow.taken(2_000, 0.0) == pytest.approx(2.0)
    assert flow.taken(500, 2.0) == pytest.approx(0.5)


def test_rest_fills_the_buckets_and_no_more() -> None:
    flow = Flow(LIMITS, 0.0)
    for _ in range(50):
        flow.taken(1000, 0.0)
    flow.taken(0, 1e6)
    assert [flow.taken(0, 1e6) for _ in range(99)] == [0.0] * 99
    assert flow.taken(0, 1e6) > 0.0


def test_a_debt_too_small_to_wait_for_is_not_forgotten() -> None:
    flow = Flow(FlowLimits(messages_per_s=1000, messages_at_once=1), 0.0)
    waits = [flow.taken(0, 0.0) for _ in range(11)]
    assert waits[:10] == [0.0] * 10
    assert waits[10] == pytest.approx(0.01)
