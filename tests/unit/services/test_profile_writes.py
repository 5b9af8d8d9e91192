"""Counting what wears a station's memory, over restarts, and what a year of it would be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.station import ChargingStation, Connector
from app.services.profile_writes import FLUSH_S, WriteBook, WriteCount
from app.services.registry import Registry
from tests.support.clock import HandClock

DAY_S = 86_400.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "bornier.sqlite3", inline=True)
    yield opened
    await opened.close()


def registry() -> Registry:
    made = Registry()
    made.configure((ChargingStation("A", "A", "supply", (Connector(1),)),))
    return made


def write(made: Registry, count: int) -> None:
    station = made.station("A")
    assert station is not None
    station.profile_writes += count


async def test_counts_are_flushed_once_an_hour_and_survive(store: SqliteStore) -> None:
    clock, site = HandClock(), registry()
    book = WriteBook(site, store.conduct, clock)
    await book.load()
    assert book.count("A") == WriteCount()
    write(site, 3)
    assert not book.take()
    assert book.count("A").last_year == 3
    clock.advance(FLUSH_S)
    assert book.take()
    await book.flush()
    assert not book.take()
    write(site, 2)
    await book.flush()
    again = WriteBook(registry(), store.conduct, clock)
    await again.load()
    assert again.count("A").last_year == 5


async def test_a_year_is_projected_from_the_last_week_once_enough_is_seen(
    store: SqliteStore,
) -> None:
    clock, site = HandClock(), registry()
    book = WriteBook(site, store.conduct, clock)
    write(site, 100)
    clock.advance(DAY_S / 8)
    book.take()
    assert book.count("A").per_year is None
    for _ in range(20):
        clock.advance(DAY_S)
        write(site, 200)
        book.take()
    per_year = book.count("A").per_year
    assert per_year is not None
    assert 200 * 365 <= per_year <= 200 * 365 * 8 / 7 + 1
    await book.flush()
    assert book.worn == ()


async def test_too_many_writes_are_told(store: SqliteStore) -> None:
    clock, site = HandClock(), registry()
    book = WriteBook(site, store.conduct, clock)
    for _ in range(3):
        clock.advance(DAY_S)
        write(site, 2_000)
        book.take()
    await book.flush()
    assert book.worn == ("A",)
    assert book.count("A").wears


async def test_what_could_not_be_written_waits(store: SqliteStore, tmp_path: Path) -> None:
    clock, site = HandClock(), registry()
    broken = open_store(tmp_path / "other.sqlite3", inline=True)
    book = WriteBook(site, broken.conduct, clock)
    write(site, 4)
    broken.abandon()
    await book.flush()
    book._repository = store.conduct
    await book.flush()
    assert await store.conduct.writes(0) == {"A": {int(clock.utc_now().timestamp() // DAY_S): 4}}


async def test_a_station_that_was_taken_out_counts_on_from_nothing(store: SqliteStore) -> None:
    clock, site = HandClock(), registry()
    book = WriteBook(site, store.conduct, clock)
    write(site, 4)
    book.take()
    site.configure(())
    book.take()
    site.configure((ChargingStation("A", "A", "supply", (Connector(1),)),))
    book.take()
    write(site, 1)
    book.take()
    assert book.count("A").last_year == 5
