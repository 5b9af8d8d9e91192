"""The list of badges that a station keeps itself, so that they work without the manager.

OCPP 1.6, clauses 3.5.2 and 5.15. A list is compared with the one that a station is known to hold; the
difference, or the whole, goes out in portions that the station can take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from app.domain.badge import AuthorizationStatus, Badge

T = TypeVar("T")

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ListEntry(msgspec.Struct, frozen=True, order=True):
    """A badge as a station shall know it."""

    id_tag: str
    status: AuthorizationStatus
    expires_utc: datetime | None = None
    parent: str = ""


class OfflineBadges(msgspec.Struct, frozen=True):
    """What stations do without the manager."""

    allowed: bool = True
    """Known badges may charge."""
    unknown: bool = False
    """So may any other."""


class ListTrouble(msgspec.Struct, frozen=True):
    """Why a station does not hold what it should; ``detail`` quotes it."""

    key: str
    detail: str = ""


class HeldList(msgspec.Struct, frozen=True):
    """What a station is known to hold: the list with this digest; empty when nobody knows."""

    station_id: str
    version: int = 0
    digest: str = ""
    entries: int = 0
    sent_utc: datetime | None = None
    left_out: int = 0
    """Badges that found no place."""
    trouble: ListTrouble | None = None
    supported: bool = True


class Portion(msgspec.Struct, frozen=True):
    """What one SendLocalList carries; ``removed`` only in a difference."""

    full: bool
    entries: tuple[ListEntry, ...]
    removed: tuple[str, ...] = ()


def wanted_list(
    badges: Iterable[Badge], policy: OfflineBadges, now_utc: datetime, most: int | None
) -> tuple[tuple[ListEntry, ...], int]:
    """What a station that can keep ``most`` entries should hold, and how many found no place.

    Badges used last come first when there is not room for all. Blocked ones are listed where
    anything unknown may charge, so that they may not.
    """
    if not policy.allowed:
        return (), 0
    known = [badge for badge in badges if badge.known]
    valid = [badge for badge in known if badge.status(now_utc) is AuthorizationStatus.ACCEPTED]
    barred = [badge for badge in known if badge.status(now_utc) is not AuthorizationStatus.ACCEPTED]
    valid.sort(key=lambda badge: badge.key)
    valid.sort(key=lambda badge: badge.last_seen_utc or _LONG_AGO, reverse=True)
    ranked = [*(sorted(barred, key=lambda badge: badge.key) if policy.unknown else ()), *valid]
    kept = ranked if most is None else ranked[:most]
    entries = (
        ListEntry(each.id_tag, each.status(now_utc), each.expires_utc, each.parent) for each in kept
    )
    return tuple(sorted(entries)), len(ranked) - len(kept)


def difference(held: Sequence[ListEntry], wanted: Sequence[ListEntry]) -> Portion:
    """What turns one list into the other; tags are compared without regard to case."""
    before: Mapping[str, ListEntry] = {entry.id_tag.upper(): entry for entry in held}
    after = {entry.id_tag.upper() for entry in wanted}
    changed = [entry for entry in wanted if before.get(entry.id_tag.upper()) != entry]
    gone = [entry.id_tag for key, entry in before.items() if key not in after]
    return Portion(False, tuple(changed), tuple(gone))


def portions(
    held: Sequence[ListEntry] | None, wanted: Sequence[ListEntry], most: int
) -> list[Portion]:
    """The messages, of at most ``most`` entries each; none where nothing differs.

    ``held`` ``None`` is an unknown list: it is replaced, the first message being the full one. So
    is a list where the difference would be longer than the whole.
    """
    if held is not None:
        change = difference(held, wanted)
        # Removed ones first: they make room.
        steps: list[str | ListEntry] = [*change.removed, *change.entries]
        if len(steps) <= max(1, len(wanted)):
            return [
                Portion(
                    False,
                    tuple(step for step in part if isinstance(step, ListEntry)),
                    tuple(step for step in part if isinstance(step, str)),
                )
                for part in _cut(steps, most)
            ]
    first, *others = _cut(wanted, most) or [()]
    return [Portion(True, tuple(first)), *(Portion(False, tuple(part)) for part in others)]


def _cut(items: Sequence[T], most: int) -> list[Sequence[T]]:
    return [items[at : at + most] for at in range(0, len(items), most)]
