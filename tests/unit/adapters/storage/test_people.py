from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.adapters.storage import SqliteStore
from app.domain.badge import Badge
from app.domain.errors import StorageError
from app.domain.station import ConnectorKey
from app.services.ports import AuditRecord, StoredLimit, User, WebSession

NOON = datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=UTC)
BADGE = Badge(
    id_tag="04a1B2c3",
    holder="Claire Martin",
    active=False,
    expires_utc=NOON,
    last_seen_utc=NOON + timedelta(hours=1),
    last_station_id="A-001",
    known=False,
)
ANNA = User("anna", "hash", must_change=False, language="en")


def session(token_hash: str, user_name: str = "anna", at: datetime = NOON) -> WebSession:
    return WebSession(token_hash, user_name, "csrf-" + token_hash, at, at)


async def test_badges_come_back_by_holder_then_number(store: SqliteStore) -> None:
    others = [Badge("04B", "bruno"), Badge("04A", "Bruno"), Badge("04C")]
    for badge in [BADGE, *others]:
        await store.badges.save(badge)
    assert await store.badges.list() == [others[2], others[1], others[0], BADGE]


async def test_a_badge_is_one_whatever_the_case_of_its_number(store: SqliteStore) -> None:
    await store.badges.save(BADGE)
    renamed = Badge(id_tag="04A1B2C3 ", holder="Claire Durand")
    await store.badges.save(renamed)
    assert await store.badges.list() == [renamed]
    await store.badges.remove(BADGE.key)
    await store.badges.remove(BADGE.key)
    assert await store.badges.list() == []


async def test_accounts_are_replaced_by_name(store: SqliteStore) -> None:
    assert await store.access.users() == []
    await store.access.save_user(User("zoe", "h", must_change=True))
    await store.access.save_user(msgspec.structs.replace(ANNA, password_hash="old"))
    await store.access.save_user(ANNA)
    assert await store.access.users() == [ANNA, User("zoe", "h", must_change=True)]


async def test_sessions_are_found_by_hash_and_outlive_a_change_of_account(
    store: SqliteStore,
) -> None:
    await store.access.save_user(ANNA)
    await store.access.save_session(session("a"))
    refreshed = msgspec.structs.replace(session("a"), last_seen_utc=NOON + timedelta(hours=1))
    await store.access.save_session(refreshed)
    await store.access.save_user(msgspec.structs.replace(ANNA, language="fr"))
    assert await store.access.session("a") == refreshed
    assert await store.access.session("b") is None


async def test_a_session_needs_its_account(store: SqliteStore) -> None:
    with pytest.raises(StorageError) as refused:
        await store.access.save_session(session("a", "nobody"))
    assert refused.value.key == "storage-rejected"


async def test_sessions_end_one_by_one_or_all_but_one(store: SqliteStore) -> None:
    zoe = User("zoe", "h", must_change=False)
    for user in (ANNA, zoe):
        await store.access.save_user(user)
    for name in ("a", "b", "c", "d"):
        await store.access.save_session(session(name))
    await store.access.save_session(session("z", "zoe"))

    async def alive() -> str:
        return "".join([n for n in "abcdz" if await store.access.session(n) is not None])

    await store.access.remove_session("a")
    assert await alive() == "bcdz"
    await store.access.remove_sessions("anna", keep="c")
    assert await alive() == "cz"
    await store.access.remove_sessions("anna")
    assert await alive() == "z"


async def test_a_sign_in_sweeps_away_what_expired_long_ago(store: SqliteStore) -> None:
    await store.access.save_user(ANNA)
    await store.access.save_session(session("old"))
    await store.access.save_session(session("new", at=NOON + timedelta(days=61)))
    assert await store.access.session("old") is None


async def test_the_audit_log_is_newest_first_and_append_only(store: SqliteStore) -> None:
    records = [
        AuditRecord(NOON + timedelta(seconds=n), "anna", "edited", f"A-{n}", "10 A")
        for n in range(5)
    ]
    for record in records:
        await store.audit.append(record)
    assert await store.audit.recent(3) == records[:1:-1]
    assert len(await store.audit.recent()) == 5
    with pytest.raises(StorageError) as refused:
        await store._engine.write(
            lambda database: database.raw.execute("UPDATE audit SET actor = 'nobody'")
        )
    assert "append-only" in str(refused.value)


async def test_limits_are_replaced_together(store: SqliteStore) -> None:
    first = [
        StoredLimit(ConnectorKey("A", 1), 6_000, NOON),
        StoredLimit(ConnectorKey("A", 2), 0, None),
    ]
    await store.limits.save(first)
    await store.limits.save([])
    assert await store.limits.load() == first
    risen = StoredLimit(ConnectorKey("A", 2), 32_000, NOON + timedelta(seconds=1))
    await store.limits.save([risen])
    assert await store.limits.load() == [first[0], risen]
