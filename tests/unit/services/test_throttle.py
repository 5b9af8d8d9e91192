from __future__ import annotations

import pytest

from app.services.throttle import Throttle, ThrottleRule
from tests.support.clock import HandClock

RULE = ThrottleRule(free_attempts=3, first_wait_s=2.0, most_wait_s=10.0, forget_s=60.0, most_keys=3)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def throttle(clock: HandClock) -> Throttle:
    return Throttle(clock, RULE)


def test_a_few_are_free_then_each_waits_twice_as_long_up_to_a_bound(throttle: Throttle) -> None:
    waits = []
    for _ in range(8):
        throttle.begin("key")
        waits.append(throttle.wait_s("key"))
    assert waits == [0, 0, 0, 2, 4, 8, 10, 10]


def test_time_opens_the_door(throttle: Throttle, clock: HandClock) -> None:
    for _ in range(4):
        throttle.begin("key")
    clock.advance(1.5)
    assert throttle.wait_s("key") == 0.5
    clock.advance(1.5)
    assert throttle.wait_s("key") == 0


def test_success_and_long_quiet_forget(throttle: Throttle, clock: HandClock) -> None:
    for _ in range(4):
        throttle.begin("lucky")
        throttle.begin("quiet")
    throttle.succeeded("lucky")
    throttle.succeeded("never seen")
    assert throttle.wait_s("lucky") == 0
    clock.advance(60)
    throttle.begin("quiet")
    assert throttle.wait_s("quiet") == 4
    clock.advance(61)
    throttle.begin("quiet")
    assert throttle.wait_s("quiet") == 0


def test_keys_are_counted_apart_and_the_longest_quiet_is_forgotten(throttle: Throttle) -> None:
    for key in ("a", "b", "c"):
        for _ in range(4):
            throttle.begin(key)
    throttle.begin("a")
    throttle.begin("d")
    assert [throttle.wait_s(key) for key in "abcd"] == [4, 0, 2, 0]


def test_a_million_attempts_are_only_a_long_wait(throttle: Throttle) -> None:
    for _ in range(2000):
        throttle.begin("key")
    assert throttle.wait_s("key") == 10
