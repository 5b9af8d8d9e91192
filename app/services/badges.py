"""Badges, kept in memory for instant answers and on disk before a change is acknowledged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from app.domain.badge import (
    AuthorizationStatus,
    Badge,
    checked_id_tag,
    normalised_id_tag,
    reversed_id_tag,
)
from app.domain.errors import InvalidInputError, NotFoundError
from app.domain.station import PRIORITIES
from app.services.audit import AuditTrail
from app.services.ports import BadgeRepository, Clock

LAST_SEEN_RESOLUTION = timedelta(minutes=1)
"""Uses closer together than this are written once, to spare the disk."""

WEIGHT_LEAST, WEIGHT_MOST = 100, 10_000
"""Weights of badges, in thousandths."""

SESSIONS_MOST = 200
"""Charges at the same time that may be allowed to one badge."""

MAX_UNKNOWN = 500
"""Tokens seen but not known that are kept for adoption; more are refused without a record."""


class BadgeService:
    """Creates, edits, blocks and deletes badges, and decides who may charge."""

    def __init__(self, repository: BadgeRepository, audit: AuditTrail, clock: Clock) -> None:
        self._repository = repository
        self._audit = audit
        self._clock = clock
        self._badges: dict[str, Badge] = {}
        self.on_change: list[Callable[[bool], None]] = []
        """Called after a change of who may charge; true when somebody no longer may."""

    async def load(self) -> None:
        """Reads all badges from disk; called once at start."""
        self._badges = {badge.key: badge for badge in await self._repository.list()}

    def list(self) -> tuple[Badge, ...]:
        """Known badges by holder, then tokens only seen, newest first."""
        known = [badge for badge in self._badges.values() if badge.known]
        seen = [badge for badge in self._badges.values() if not badge.known]
        known.sort(key=lambda badge: (badge.holder.casefold(), badge.key))
        seen.sort(key=lambda badge: badge.last_seen_utc or _LONG_AGO, reverse=True)
        return (*known, *seen)

    def get(self, key: str) -> Badge:
        """The badge with this number, in any case; ``NotFoundError`` otherwise."""
        badge = self._badges.get(normalised_id_tag(key))
        if badge is None:
            raise NotFoundError("badge-unknown", number=key)
        return badge

    def find(self, id_tag: str, *, reversed_uid: bool = False) -> Badge | None:
        """The badge behind a token, in any case; ``None`` when nobody knows it."""
        badge = self._badges.get(normalised_id_tag(id_tag))
        if badge is None and reversed_uid:
            badge = self._badges.get(reversed_id_tag(id_tag))
        return badge

    def label(self, id_tag: str) -> str:
        """Who holds the token, or the token itself."""
        badge = self._badges.get(normalised_id_tag(id_tag))
        return badge.holder if badge is not None and badge.holder else id_tag

    async def create(self, badge: Badge, actor: str) -> Badge:
        """Adds a badge; refuses a number that another known badge has."""
        badge = _checked(badge)
        existing = self._badges.get(badge.key)
        if existing is not None and existing.known:
            raise InvalidInputError("badge-exists", field="id_tag", number=badge.id_tag)
        if existing is not None:
            badge = msgspec.structs.replace(
                badge,
                id_tag=existing.id_tag,
                last_seen_utc=existing.last_seen_utc,
                last_station_id=existing.last_station_id,
            )
        await self._save(badge)
        await self._audit.record(actor, "badge-created", badge.id_tag, badge.holder)
        return badge

    async def edit(self, key: str, badge: Badge, actor: str) -> Badge:
        """Replaces holder, number, validity and state of the badge ``key``."""
        before = self.get(key)
        badge = _checked(badge)
        if badge.key != before.key and badge.key in self._badges:
            raise InvalidInputError("badge-exists", field="id_tag", number=badge.id_tag)
        badge = msgspec.structs.replace(
            badge, last_seen_utc=before.last_seen_utc, last_station_id=before.last_station_id
        )
        await self._save(badge)
        if badge.key != before.key:
            await self._forget(before.key)
        await self._audit.record(actor, "badge-edited", badge.id_tag, badge.holder)
        return badge

    async def block(self, key: str, blocked: bool, actor: str) -> None:
        """Forbids or allows charging with the badge."""
        badge = self.get(key)
        await self._save(msgspec.structs.replace(badge, active=not blocked))
        await self._audit.record(
            actor, "badge-blocked" if blocked else "badge-unblocked", badge.id_tag, badge.holder
        )

    async def remove(self, key: str, actor: str) -> None:
        """Deletes the badge; its transactions keep the number."""
        badge = self.get(key)
        await self._forget(badge.key)
        await self._audit.record(actor, "badge-removed", badge.id_tag, badge.holder)

    async def authorize(
        self, id_tag: str, station_id: str, *, reversed_uid: bool = False
    ) -> AuthorizationStatus:
        """What a station is told for this token; remembers where and when it was used.

        A token nobody knows is kept as seen, so that it can be adopted in one step. A station with
        ``reversed_uid`` reads the bytes of a number in the other order.
        """
        now = self._clock.utc_now()
        key = normalised_id_tag(id_tag)
        badge = self._badges.get(key)
        if badge is None and reversed_uid:
            badge = self._badges.get(reversed_id_tag(key))
        if badge is None:
            if not key or self._unknown_count() >= MAX_UNKNOWN:
                return AuthorizationStatus.INVALID
            badge = Badge(id_tag=id_tag.strip(), active=False, known=False)
            self._badges[key] = badge
        await self._touch(badge, station_id, now)
        return badge.status(now)

    def status(self, id_tag: str, *, reversed_uid: bool = False) -> AuthorizationStatus:
        """As ``authorize``, without leaving a trace."""
        badge = self.find(id_tag, reversed_uid=reversed_uid)
        if badge is None:
            return AuthorizationStatus.INVALID
        return badge.status(self._clock.utc_now())

    async def import_missing(self, badges: tuple[Badge, ...]) -> int:
        """Adds the badges whose number is not known yet; returns how many."""
        added = 0
        for badge in badges:
            checked = _checked(badge)
            if checked.key not in self._badges:
                await self._save(checked)
                added += 1
        return added

    def _unknown_count(self) -> int:
        return sum(1 for badge in self._badges.values() if not badge.known)

    async def _touch(self, badge: Badge, station_id: str, now: datetime) -> None:
        last = badge.last_seen_utc
        recent = last is not None and now - last < LAST_SEEN_RESOLUTION
        if recent and badge.last_station_id == station_id:
            return
        await self._save(
            msgspec.structs.replace(badge, last_seen_utc=now, last_station_id=station_id)
        )

    async def _save(self, badge: Badge) -> None:
        await self._repository.save(badge)
        before = self._badges.get(badge.key)
        self._badges[badge.key] = badge
        self._tell(before, badge)

    async def _forget(self, key: str) -> None:
        await self._repository.remove(key)
        self._tell(self._badges.pop(key, None), None)

    def _tell(self, before: Badge | None, after: Badge | None) -> None:
        """Tells of a change of who may charge; that a badge was seen is none."""
        now = self._clock.utc_now()
        could = before is not None and before.status(now) is AuthorizationStatus.ACCEPTED
        can = after is not None and after.status(now) is AuthorizationStatus.ACCEPTED
        expiry = None if before is None else before.expires_utc
        if could is can and (after is None or after.expires_utc == expiry):
            return
        for told in self.on_change:
            told(could and not can)


def _checked(badge: Badge) -> Badge:
    if not WEIGHT_LEAST <= badge.weight <= WEIGHT_MOST:
        raise InvalidInputError("badge-weight-range", field="weight")
    if badge.priority is not None and badge.priority not in PRIORITIES:
        raise InvalidInputError("priority-range", field="priority", place=badge.id_tag)
    if badge.max_sessions is not None and not 1 <= badge.max_sessions <= SESSIONS_MOST:
        raise InvalidInputError(
            "number-range", field="max_sessions", least="1", most=str(SESSIONS_MOST)
        )
    return msgspec.structs.replace(
        badge,
        id_tag=checked_id_tag(badge.id_tag),
        holder=badge.holder.strip()[:80],
        parent=checked_id_tag(badge.parent, "parent") if badge.parent.strip() else "",
    )


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
