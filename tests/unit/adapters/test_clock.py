from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.adapters.clock import SystemClock
from app.services.ports import Clock


def test_the_system_clock_is_the_port_and_tells_aware_utc() -> None:
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    now = clock.utc_now()
    assert before <= now <= datetime.now(UTC)
    assert now.utcoffset() == timedelta(0)


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()
    instants = [clock.monotonic_s() for _ in range(1000)]
    assert instants == sorted(instants)
