"""Old records go, and a disk in trouble does not end it."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.errors import StorageError
from app.services.retention import Retention
from tests.support.clock import HandClock


async def test_each_kind_is_kept_for_its_own_time() -> None:
    clock = HandClock()
    asked: list[datetime] = []

    async def full(before_utc: datetime) -> int:
        raise StorageError("storage-full")

    async def prune(before_utc: datetime) -> int:
        asked.append(before_utc)
        return 0

    kept = ((full, timedelta(days=1)), (prune, timedelta(days=2)))
    await Retention(clock, kept).prune()
    assert asked == [clock.utc_now() - timedelta(days=2)]
