"""Tokens of programs: shown once, kept as a hash, revocable, and slow to guess."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.errors import AccessDeniedError, InvalidInputError, NotFoundError
from app.services.audit import AuditTrail
from app.services.site_tokens import MOST_TOKENS, SiteTokens
from tests.support.clock import HandClock

ADDRESS = "192.0.2.7"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "bornier.sqlite3", inline=True)
    yield opened
    await opened.close()


def service(store: SqliteStore, clock: HandClock) -> SiteTokens:
    return SiteTokens(store.outside_limits, AuditTrail(store.audit, clock), clock)


async def test_a_token_opens_until_it_is_revoked(store: SqliteStore, tmp_path: Path) -> None:
    clock = HandClock()
    tokens = service(store, clock)
    token, secret = await tokens.create(" Enedis ", "admin")
    assert token.name == "Enedis"
    assert len(secret) == 43  # 256 bits
    assert tokens.authenticate(secret, ADDRESS) == token
    again = service(store, clock)
    await again.load()
    assert again.authenticate(secret, ADDRESS) == token
    assert secret.encode() not in (tmp_path / "bornier.sqlite3").read_bytes()
    await again.revoke(token.token_id, "admin")
    assert again.list() == ()
    with pytest.raises(AccessDeniedError):
        again.authenticate(secret, ADDRESS)
    with pytest.raises(NotFoundError):
        await again.revoke(token.token_id, "admin")
    actions = [record.action for record in await store.audit.recent()]
    assert actions == ["token-revoked", "token-created"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("", "token-name-invalid"),
        ("x" * 41, "token-name-invalid"),
        ("a\nb", "token-name-invalid"),
        ("ENEDIS", "token-name-taken"),
    ],
)
async def test_a_token_needs_a_name_of_its_own(store: SqliteStore, name: str, key: str) -> None:
    tokens = service(store, HandClock())
    await tokens.create("Enedis", "admin")
    with pytest.raises(InvalidInputError) as refused:
        await tokens.create(name, "admin")
    assert refused.value.key == key


async def test_there_is_an_end_to_tokens(store: SqliteStore) -> None:
    tokens = service(store, HandClock())
    for number in range(MOST_TOKENS):
        await tokens.create(f"t{number}", "admin")
    with pytest.raises(InvalidInputError) as refused:
        await tokens.create("one more", "admin")
    assert refused.value.key == "too-many-tokens"


async def test_guessing_is_slowed_down_by_address(store: SqliteStore) -> None:
    clock = HandClock()
    tokens = service(store, clock)
    _, secret = await tokens.create("Enedis", "admin")
    for _ in range(6):
        with pytest.raises(AccessDeniedError) as refused:
            tokens.authenticate("wrong", ADDRESS)
        assert refused.value.key == "token-refused"
    with pytest.raises(AccessDeniedError) as refused:
        tokens.authenticate(secret, ADDRESS)
    assert refused.value.key == "token-too-many"
    assert tokens.authenticate(secret, "192.0.2.8").name == "Enedis"
    clock.advance(1)
    assert tokens.authenticate(secret, ADDRESS).name == "Enedis"
