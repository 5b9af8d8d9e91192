"""Orders to stations and what becomes of them, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain.remote import (
    BulkJob,
    KeyReading,
    Outage,
    Outcome,
    OutcomeState,
    Reading,
    Reservation,
)
from app.domain.station import ConnectorKey

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_an_outage_covers_one_connector_or_the_whole_station() -> None:
    whole = Outage(1, "A", 0, NOON, None, "admin")
    one = Outage(2, "A", 2, NOON, None, "admin")
    assert whole.covers(ConnectorKey("A", 2))
    assert not whole.covers(ConnectorKey("B", 2))
    assert one.covers(ConnectorKey("A", 2))
    assert not one.covers(ConnectorKey("A", 1))


def test_an_outage_holds_from_its_beginning_and_not_at_its_end() -> None:
    for_an_hour = Outage(1, "A", 0, NOON, NOON + HOUR, "admin")
    assert not for_an_hour.holds(NOON - HOUR)
    assert for_an_hour.holds(NOON)
    assert not for_an_hour.holds(NOON + HOUR)
    assert Outage(1, "A", 0, NOON, None, "admin").holds(NOON + 1_000 * HOUR)


def test_a_reservation_is_of_one_connector() -> None:
    kept = Reservation(1, "A", 2, "AAAA", NOON, NOON + HOUR, "admin")
    assert kept.key == ConnectorKey("A", 2)


def test_a_reading_gives_the_values_that_there_are() -> None:
    keys = (KeyReading("A", "1"), KeyReading("B", None), KeyReading("C", None, secret=True))
    assert Reading("A", NOON, "V1", keys).values() == {"A": "1"}


def test_what_failed_can_be_tried_again() -> None:
    job = BulkJob(
        1, "restart", {}, "admin", NOON, tuple(Outcome(str(one), one) for one in OutcomeState)
    )
    assert job.failures == ("refused", "unreachable", "cancelled", "interrupted")
    assert job.count(OutcomeState.DONE) == 1
