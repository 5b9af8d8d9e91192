"""Orders of outside limits and tokens survive, one order for each source and circuit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from app.adapters.storage import SqliteStore, open_store
from app.domain.errors import StorageError
from app.domain.outside_limit import PAGE, OutsideOrder, SiteToken
from app.domain.rules import Bound, LimitScope
from app.domain.units import PhaseCurrents

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ORDER = OutsideOrder(
    "supply",
    PAGE,
    "admin",
    Bound(PhaseCurrents(1, 2, 3), 4_000, LimitScope.CHARGING),
    NOON,
    NOON + timedelta(hours=1),
)
TOKEN = SiteToken("t1", "Enedis", "hash", NOON, "admin")


async def test_a_new_order_takes_the_place_of_the_same_sources(store: SqliteStore) -> None:
    repository = store.outside_limits
    other = msgspec.structs.replace(ORDER, source="t1", by="Enedis", bound=Bound())
    lapsed = msgspec.structs.replace(ORDER, lapsed=True)
    for order in (ORDER, other, lapsed):
        await repository.save(order)
    assert await repository.list() == [lapsed, other]
    await repository.remove("supply", PAGE)
    assert await repository.list() == [other]


async def test_tokens_are_kept_until_revoked(store: SqliteStore) -> None:
    repository = store.outside_limits
    later = msgspec.structs.replace(
        TOKEN, token_id="t0", secret_hash="other", created_utc=NOON + timedelta(seconds=1)
    )
    await repository.save_token(later)
    await repository.save_token(TOKEN)
    assert await repository.tokens() == [TOKEN, later]
    with pytest.raises(StorageError):
        await repository.save_token(msgspec.structs.replace(TOKEN, token_id="t2"))
    await repository.remove_token("t1")
    assert await repository.tokens() == [later]


async def test_they_are_there_after_a_restart(path: Path) -> None:
    first = open_store(path)
    await first.outside_limits.save(ORDER)
    await first.outside_limits.save_token(TOKEN)
    first.abandon()
    again = open_store(path)
    assert await again.outside_limits.list() == [ORDER]
    assert await again.outside_limits.tokens() == [TOKEN]
    await again.close()
