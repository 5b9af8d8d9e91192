"""Which transaction a stop without one can belong to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.domain.parked import Candidate, ParkedStop, stop_of, transaction_of
from app.domain.transaction import Transaction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUNNING = Transaction(7, "A", 1, "04A1", NOON, NOON, 1_000)
STOP = ParkedStop(1, "A", -1, NOON + HOUR, NOON + HOUR, 8_000, "Local", "04a1")


def stop(**changes: Any) -> ParkedStop:
    return msgspec.structs.replace(STOP, **changes)


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"id_tag": None}, True),
        ({"id_tag": "04 A1"}, True),
        ({"id_tag": "04B2"}, False),
        ({"station_id": "B"}, False),
        ({"stopped_utc": NOON - timedelta(seconds=1)}, False),
        ({"meter_stop_wh": 999}, False),
        ({"meter_stop_wh": 90_000}, False),
        ({"stopped_utc": NOON, "meter_stop_wh": 1_500}, True),
    ],
)
def test_time_register_and_badge_must_agree(changes: dict[str, Any], fits: bool) -> None:
    assert stop(**changes).fits(RUNNING) is fits


def test_without_a_badge_nobody_has_ended_it() -> None:
    assert not stop(id_tag=None).is_of(RUNNING)


def test_the_only_one_that_fits_is_meant() -> None:
    other = msgspec.structs.replace(RUNNING, transaction_id=8, connector_id=2, id_tag="04B2")
    assert transaction_of(STOP, [Candidate(other), Candidate(RUNNING)]) == RUNNING
    assert transaction_of(STOP, [Candidate(other)]) is None


def test_the_register_tells_two_apart_when_it_can() -> None:
    other = msgspec.structs.replace(RUNNING, transaction_id=8, connector_id=2)
    near, far = Candidate(RUNNING, NOON, 7_900), Candidate(other, NOON, 3_000)
    assert transaction_of(STOP, [far, near]) == RUNNING
    assert transaction_of(STOP, [near, Candidate(other, NOON, 7_000)]) is None
    assert transaction_of(STOP, [Candidate(RUNNING), Candidate(other)]) is None


def test_what_is_still_measured_has_not_ended() -> None:
    later = NOON + HOUR + timedelta(minutes=2)
    assert transaction_of(STOP, [Candidate(RUNNING, later, 7_900)]) is None


def test_the_earliest_stop_that_fits_is_that_of_a_late_start() -> None:
    first, second = stop(key=2), stop(key=3, stopped_utc=NOON + 2 * HOUR)
    second = msgspec.structs.replace(second, received_utc=NOON + 2 * HOUR)
    assert stop_of(RUNNING, [second, first]) == first
    assert stop_of(RUNNING, []) is None


def test_a_stop_from_the_future_proves_nothing() -> None:
    ahead = stop(stopped_utc=NOON + 2 * HOUR)
    assert stop_of(RUNNING, [ahead]) is None
