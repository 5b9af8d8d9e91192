"""Whatever order starts, stops, repeats, crashes and restarts come in, the journal keeps its word."""

from __future__ import annotations

import tempfile
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from app.adapters.storage import SqliteStore, open_store
from app.domain.transaction import Transaction
from app.services.ports import NewTransaction, TransactionStop

T = TypeVar("T")
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)

starts = st.builds(
    NewTransaction,
    station_id=st.sampled_from(["A", "B"]),
    connector_id=st.integers(1, 2),
    id_tag=st.sampled_from(["04A1", "04B2"]),
    started_utc=st.integers(0, 20).map(lambda minutes: BEGIN + timedelta(minutes=minutes)),
    received_utc=st.just(BEGIN + timedelta(hours=1)),
    meter_start_wh=st.integers(0, 3).map(lambda n: n * 500),
)


class Journal(RuleBasedStateMachine):
    """Against a model in plain dictionaries."""

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "bornier.sqlite3"
        self._store = self._open()
        self._by_start: dict[tuple[object, ...], int] = {}
        self._told_stops: dict[int, TransactionStop] = {}
        self._open_numbers: dict[tuple[str, int], int] = {}
        self._parked_at: set[str] = set()
        self._newest = 0

    def _open(self) -> SqliteStore:
        return open_store(self._path, inline=True)

    def teardown(self) -> None:
        at_once(self._store.close())
        self._folder.cleanup()

    @rule(target=known, new=starts)
    def start(self, new: NewTransaction) -> Any:
        running = self._open_numbers.get((new.station_id, new.connector_id))
        held_back = running is not None and self._recorded(running).started_utc > new.started_utc
        transaction, is_new = at_once(self._store.transactions.start(new))
        identity = msgspec.structs.astuple(msgspec.structs.replace(new, received_utc=BEGIN))
        if identity in self._by_start:
            assert not is_new
            assert transaction.transaction_id == self._by_start[identity]
            return multiple()
        assert is_new
        assert self._newest < transaction.transaction_id < 2**31
        self._newest = self._by_start[identity] = transaction.transaction_id
        if not held_back:
            self._open_numbers.pop(transaction.key, None)
        if transaction.is_open:
            assert not held_back
            self._open_numbers[transaction.key] = transaction.transaction_id
        else:
            assert held_back or new.station_id in self._parked_at
        return transaction

    @rule(started=known, minutes=st.integers(0, 60), energy_wh=st.integers(0, 9000))
    def stop(self, started: Transaction, minutes: int, energy_wh: int) -> None:
        number = started.transaction_id
        stop = TransactionStop(
            transaction_id=number,
            stopped_utc=started.started_utc + timedelta(minutes=minutes),
            received_utc=BEGIN,
            meter_stop_wh=started.meter_start_wh + energy_wh,
            reason="Local",
        )
        first_told = self._told_stops.setdefault(number, stop)
        stopped = at_once(self._store.transactions.take_stop(started.station_id, stop))
        assert stopped is not None
        assert stopped.is_sure
        assert stopped.stopped_utc == first_told.stopped_utc
        assert stopped.meter_stop_wh == first_told.meter_stop_wh
        if self._open_numbers.get(started.key) == number:
            del self._open_numbers[started.key]

    @rule(
        station_id=st.sampled_from(["A", "B"]),
        number=st.sampled_from([-1, 0, None]),
        minutes=st.integers(0, 60),
        meter_wh=st.integers(0, 4000),
        id_tag=st.sampled_from([None, "04A1", "04b2"]),
    )
    def stop_that_does_not_say_of_what(
        self,
        station_id: str,
        number: int | None,
        minutes: int,
        meter_wh: int,
        id_tag: str | None,
    ) -> None:
        stop = TransactionStop(
            transaction_id=self._newest + 1_000 if number is None else number,
            stopped_utc=BEGIN + timedelta(minutes=minutes),
            received_utc=BEGIN + timedelta(hours=1),
            meter_stop_wh=meter_wh,
            reason=None,
            id_tag=id_tag,
        )
        self._stop_somewhere(station_id, stop)

    @rule(started=known, energy_wh=st.integers(0, 500))
    def stop_under_another_stations_number(self, started: Transaction, energy_wh: int) -> None:
        before = self._recorded(started.transaction_id)
        stop = TransactionStop(
            transaction_id=started.transaction_id,
            stopped_utc=BEGIN + timedelta(minutes=30),
            received_utc=BEGIN + timedelta(hours=1),
            meter_stop_wh=energy_wh,
            reason=None,
        )
        self._stop_somewhere("B" if started.station_id == "A" else "A", stop)
        assert self._recorded(started.transaction_id) == before

    def _stop_somewhere(self, station_id: str, stop: TransactionStop) -> None:
        """Acknowledged twice alike; ends nothing but an open transaction of this station."""
        found = at_once(self._store.transactions.take_stop(station_id, stop))
        assert at_once(self._store.transactions.take_stop(station_id, stop)) == found
        if found is None:
            self._parked_at.add(station_id)
            return
        assert found.station_id == station_id
        assert not found.is_open
        number = self._open_numbers.get(found.key)
        if number == found.transaction_id:
            del self._open_numbers[found.key]

    @rule(started=known)
    def it_goes_on(self, started: Transaction) -> None:
        number = started.transaction_id
        was_open = self._open_numbers.get(started.key) == number
        resumed = at_once(
            self._store.transactions.resume(started.station_id, number, BEGIN + timedelta(hours=2))
        )
        if resumed is None:
            assert was_open or number in self._told_stops
            return
        assert resumed.is_open
        self._open_numbers[started.key] = number

    def _recorded(self, number: int) -> Transaction:
        found = at_once(self._store.transactions.get(number))
        assert found is not None
        return found

    @rule(crash=st.booleans())
    def restart(self, crash: bool) -> None:
        if crash:
            self._store.abandon()
        else:
            at_once(self._store.close())
        self._store = self._open()

    @invariant()
    def only_the_newest_of_a_connector_is_open(self) -> None:
        open_now = at_once(self._store.transactions.open_transactions())
        assert {each.key: each.transaction_id for each in open_now} == self._open_numbers
        assert len(open_now) == len(self._open_numbers)

    @invariant()
    def nothing_acknowledged_is_lost_and_no_energy_is_negative(self) -> None:
        recorded = at_once(self._store.transactions.recent(limit=1000))
        assert {each.transaction_id for each in recorded} == set(self._by_start.values())
        for each in recorded:
            if each.is_open:
                continue
            assert each.is_sure == (each.transaction_id in self._told_stops)
            assert each.stopped_utc is not None
            assert each.stopped_utc >= each.started_utc
            assert each.meter_stop_wh is not None
            assert each.meter_stop_wh >= each.meter_start_wh


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Runs what does not suspend: the store without threads never does."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it suspended")


Journal.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestJournal = Journal.TestCase
