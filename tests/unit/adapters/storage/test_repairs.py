from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.adapters.storage import SqliteStore
from app.services.journal_ports import RepairCount, RepairedFrame

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def count(name: str, messages: int, minutes: int = 0) -> RepairCount:
    at = NOON + timedelta(minutes=minutes)
    return RepairCount(name, messages, at, at)


def frame(number: int, name: str = "mesurand", station_id: str = "A") -> RepairedFrame:
    return RepairedFrame(station_id, name, NOON + timedelta(minutes=number), f"[{number}]")


async def test_counts_add_up_and_keep_their_first_and_last_time(store: SqliteStore) -> None:
    await store.repairs.record({("A", "mesurand"): count("mesurand", 3)}, [])
    await store.repairs.record(
        {
            ("A", "mesurand"): count("mesurand", 2, 60),
            ("A", "text-cut"): count("text-cut", 9, 60),
            ("B", "text-cut"): count("text-cut", 1, 60),
        },
        [],
    )
    assert await store.repairs.counts("A") == [
        count("text-cut", 9, 60),
        RepairCount("mesurand", 5, NOON, NOON + timedelta(hours=1)),
    ]
    assert await store.repairs.totals() == {"A": 14, "B": 1}


async def test_the_newest_twenty_messages_of_each_kind_are_kept(store: SqliteStore) -> None:
    for first in range(0, 45, 15):
        frames = [frame(first + n) for n in range(15)]
        await store.repairs.record({}, [*frames, frame(first, "text-cut"), frame(first, "x", "B")])
    kept = await store.repairs.frames("A", "mesurand")
    assert [one.frame for one in kept] == [f"[{n}]" for n in range(44, 24, -1)]
    assert len(await store.repairs.frames("A", "text-cut")) == 3
    assert await store.repairs.frames("B", "mesurand") == []


async def test_old_messages_are_pruned(store: SqliteStore) -> None:
    await store.repairs.record({}, [frame(0), frame(10)])
    assert await store.repairs.prune(NOON + timedelta(minutes=5)) == 1
    assert [one.frame for one in await store.repairs.frames("A", "mesurand")] == ["[10]"]


async def test_quirks_are_replaced_and_removed(store: SqliteStore) -> None:
    await store.quirks.save("station", "A", {"pings": False})
    await store.quirks.save("station", "A", {"zone": "site"})
    await store.quirks.save("model", "m", {"connectors": [[1, 2]]})
    assert await store.quirks.load() == {
        ("station", "A"): {"zone": "site"},
        ("model", "m"): {"connectors": [[1, 2]]},
    }
    await store.quirks.save("station", "A", {})
    assert await store.quirks.load() == {("model", "m"): {"connectors": [[1, 2]]}}
