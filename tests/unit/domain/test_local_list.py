"""What a station's own list should hold, and how it gets there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.badge import AuthorizationStatus, Badge
from app.domain.local_list import ListEntry, OfflineBadges, Portion, portions, wanted_list

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ACCEPTED, BLOCKED = AuthorizationStatus.ACCEPTED, AuthorizationStatus.BLOCKED

BADGES = (
    Badge("AAAA"),
    Badge("bbbb", expires_utc=NOW + DAY, last_seen_utc=NOW),
    Badge("CCCC", active=False),
    Badge("DDDD", expires_utc=NOW - DAY),
    Badge("EEEE", known=False, active=False),
)


def tags(entries: tuple[ListEntry, ...]) -> list[str]:
    return [entry.id_tag for entry in entries]


def test_only_who_may_charge_is_listed() -> None:
    entries, left_out = wanted_list(BADGES, OfflineBadges(), NOW, None)
    assert entries == (ListEntry("AAAA", ACCEPTED), ListEntry("bbbb", ACCEPTED, NOW + DAY))
    assert left_out == 0


def test_where_unknown_ones_may_charge_the_barred_are_listed() -> None:
    entries, _ = wanted_list(BADGES, OfflineBadges(unknown=True), NOW, None)
    assert tags(entries) == ["AAAA", "CCCC", "DDDD", "bbbb"]
    assert {entry.status for entry in entries if entry.id_tag in ("CCCC", "DDDD")} == {
        BLOCKED,
        AuthorizationStatus.EXPIRED,
    }


def test_nobody_is_listed_where_it_is_not_allowed() -> None:
    assert wanted_list(BADGES, OfflineBadges(allowed=False), NOW, None) == ((), 0)


def test_a_short_list_keeps_who_was_seen_last() -> None:
    entries, left_out = wanted_list(BADGES, OfflineBadges(), NOW, 1)
    assert (tags(entries), left_out) == (["bbbb"], 1)


def test_a_difference_removes_first() -> None:
    held = (ListEntry("A", ACCEPTED), ListEntry("b", ACCEPTED), ListEntry("C", ACCEPTED))
    wanted = (ListEntry("A", ACCEPTED), ListEntry("B", BLOCKED), ListEntry("D", ACCEPTED))
    assert portions(held, wanted, 2) == [
        Portion(False, (ListEntry("B", BLOCKED),), ("C",)),
        Portion(False, (ListEntry("D", ACCEPTED),)),
    ]


def test_nothing_is_sent_where_nothing_differs() -> None:
    held = (ListEntry("A", ACCEPTED),)
    assert portions(held, held, 10) == []
    assert portions((), (), 10) == []


def test_an_unknown_list_is_replaced() -> None:
    wanted = tuple(ListEntry(str(n), ACCEPTED) for n in range(5))
    assert portions(None, wanted, 2) == [
        Portion(True, wanted[:2]),
        Portion(False, wanted[2:4]),
        Portion(False, wanted[4:]),
    ]
    assert portions(None, (), 2) == [Portion(True, ())]


def test_a_difference_longer_than_the_whole_is_the_whole() -> None:
    held = tuple(ListEntry(str(n), ACCEPTED) for n in range(9))
    assert portions(held, held[:2], 50) == [Portion(True, held[:2])]


def applied(held: dict[str, ListEntry], parts: list[Portion]) -> dict[str, ListEntry]:
    """What a station that follows clause 5.15 holds then."""
    for part in parts:
        if part.full:
            held = {}
        held = {tag: entry for tag, entry in held.items() if tag not in part.removed}
        held |= {entry.id_tag: entry for entry in part.entries}
    return held


_entries = st.lists(
    st.builds(ListEntry, st.sampled_from("ABCDEFGH"), st.sampled_from([ACCEPTED, BLOCKED])),
    unique_by=lambda entry: entry.id_tag,
).map(lambda entries: tuple(sorted(entries)))


@given(_entries, _entries, st.integers(1, 4), st.booleans())
def test_the_station_ends_up_with_the_wanted_list(
    held: tuple[ListEntry, ...], wanted: tuple[ListEntry, ...], most: int, known: bool
) -> None:
    parts = portions(held if known else None, wanted, most)
    assert applied({entry.id_tag: entry for entry in held}, parts) == {
        entry.id_tag: entry for entry in wanted
    }
    assert all(len(part.entries) + len(part.removed) <= most for part in parts)
