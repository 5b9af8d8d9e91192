"""Badges: what may be entered, who may charge, and what survives a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.adapters.storage.store import SqliteStore, open_store
from app.domain.badge import AuthorizationStatus, Badge
from app.domain.errors import InvalidInputError, NotFoundError
from app.services.audit import AuditTrail
from app.services.badges import MAX_UNKNOWN, BadgeService
from tests.support.clock import HandClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "db.sqlite3", inline=True)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def badges(store: SqliteStore, clock: HandClock) -> BadgeService:
    return BadgeService(store.badges, AuditTrail(store.audit, clock), clock)


async def test_a_created_badge_may_charge_whatever_the_case(badges: BadgeService) -> None:
    await badges.create(Badge("04a1b2", "Claire"), "admin")
    assert await badges.authorize("04A1B2", "S1") is AuthorizationStatus.ACCEPTED
    assert badges.label("04A1b2") == "Claire"
    assert badges.get("04A1B2").last_station_id == "S1"


async def test_a_number_belongs_to_one_badge(badges: BadgeService) -> None:
    await badges.create(Badge("A"), "admin")
    await badges.create(Badge("B"), "admin")
    with pytest.raises(InvalidInputError, match="badge-exists"):
        await badges.create(Badge("a"), "admin")
    with pytest.raises(InvalidInputError, match="badge-exists"):
        await badges.edit("B", Badge("A"), "admin")


async def test_blocking_and_removing(badges: BadgeService, store: SqliteStore) -> None:
    await badges.create(Badge("A", "Claire"), "admin")
    await badges.block("a", True, "admin")
    assert badges.status("A") is AuthorizationStatus.BLOCKED
    await badges.block("A", False, "admin")
    assert badges.status("A") is AuthorizationStatus.ACCEPTED
    await badges.remove("A", "admin")
    assert badges.status("A") is AuthorizationStatus.INVALID
    with pytest.raises(NotFoundError):
        badges.get("A")
    actions = [record.action for record in await store.audit.recent()]
    assert actions == ["badge-removed", "badge-unblocked", "badge-blocked", "badge-created"]


async def test_an_unknown_token_is_refused_and_can_be_adopted(badges: BadgeService) -> None:
    assert await badges.authorize("NEW", "S2") is AuthorizationStatus.INVALID
    seen = badges.list()[-1]
    assert (seen.id_tag, seen.known, seen.last_station_id) == ("NEW", False, "S2")
    await badges.create(Badge("new", "Paul"), "admin")
    assert await badges.authorize("NEW", "S2") is AuthorizationStatus.ACCEPTED
    assert len(badges.list()) == 1


async def test_a_flood_of_unknown_tokens_is_bounded(badges: BadgeService) -> None:
    for number in range(MAX_UNKNOWN + 5):
        await badges.authorize(f"T{number}", "S")
    assert len(badges.list()) == MAX_UNKNOWN
    assert await badges.authorize("", "S") is AuthorizationStatus.INVALID


async def test_last_use_is_written_at_most_once_a_minute(
    badges: BadgeService, clock: HandClock
) -> None:
    await badges.create(Badge("A"), "admin")
    await badges.authorize("A", "S")
    first = badges.get("A").last_seen_utc
    clock.advance(30)
    await badges.authorize("A", "S")
    assert badges.get("A").last_seen_utc == first
    clock.advance(31)
    await badges.authorize("A", "S")
    assert badges.get("A").last_seen_utc == clock.utc_now()


async def test_expiry(badges: BadgeService, clock: HandClock) -> None:
    await badges.create(Badge("A", expires_utc=clock.utc_now() + timedelta(hours=1)), "admin")
    assert badges.status("A") is AuthorizationStatus.ACCEPTED
    clock.advance(3_600)
    assert badges.status("A") is AuthorizationStatus.EXPIRED


async def test_editing_the_number_keeps_when_it_was_seen(
    badges: BadgeService, store: SqliteStore, clock: HandClock
) -> None:
    await badges.create(Badge("A", "Claire"), "admin")
    await badges.authorize("A", "S")
    await badges.edit("A", Badge("B", "Claire M."), "admin")
    again = BadgeService(store.badges, AuditTrail(store.audit, clock), clock)
    await again.load()
    assert [badge.id_tag for badge in again.list()] == ["B"]
    assert again.get("B").last_seen_utc == clock.utc_now()
    assert again.label("zz") == "zz"


async def test_an_import_adds_what_is_missing(badges: BadgeService) -> None:
    await badges.create(Badge("A", "Claire"), "admin")
    assert await badges.import_missing((Badge("a", "other"), Badge("C"))) == 1
    assert badges.get("A").holder == "Claire"
