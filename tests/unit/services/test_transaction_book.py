"""What is remembered of transactions, and a station's clock by what it dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from app.domain.station import ConnectorKey
from app.domain.transaction import Transaction
from app.services.station_clock import WINDOW_S, StationClock
from app.services.transaction_book import KEPT, TransactionBook

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUNNING = Transaction(1, "A", 1, "T", NOON, NOON, 0)
KEY = ConnectorKey("A", 1)


def test_the_oldest_is_forgotten_and_the_newest_word_counts() -> None:
    book = TransactionBook()
    for number in range(1, KEPT + 2):
        book.note(msgspec.structs.replace(RUNNING, transaction_id=number))
    assert book.key(1) is None
    assert book.key(None) is None
    assert book.key(2) == KEY


def test_only_what_is_measured_twice_in_a_row_goes_on() -> None:
    book = TransactionBook()
    guessed = msgspec.structs.replace(RUNNING, stopped_utc=NOON, estimated_stop=True)
    other = msgspec.structs.replace(guessed, transaction_id=2)
    told = msgspec.structs.replace(RUNNING, transaction_id=3, stopped_utc=NOON)
    for each in (guessed, other, told):
        book.note(each)
    assert [book.goes_on(3), book.goes_on(3)] == [False, False]
    assert [book.goes_on(1), book.goes_on(2), book.goes_on(1)] == [False, False, False]
    book.is_present(KEY)
    assert [book.goes_on(1), book.goes_on(1)] == [False, True]


def test_the_newest_time_is_the_clocks_until_nothing_supports_it() -> None:
    clock = StationClock()
    assert clock.skew_s(0.0) is None
    clock.note(NOON + timedelta(seconds=9), NOON, 0.0)
    clock.note(NOON - timedelta(hours=5), NOON, 1.0)
    assert clock.skew_s(2.0) == 9.0
    clock.note(NOON - timedelta(seconds=60), NOON, WINDOW_S)
    assert clock.skew_s(WINDOW_S + 5) == -60.0
    assert clock.skew_s(9 * WINDOW_S) == -60.0
