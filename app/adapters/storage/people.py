"""Badges, accounts, signed-in browsers, and the audit log."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from peewee import fn

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, optional_instant, optional_us, to_us
from app.adapters.storage.models import AccountRow, AuditRow, BadgeRow, WebSessionRow, upsert
from app.domain.badge import Badge
from app.services.ports import AuditRecord, User, WebSession

_SESSION_KEPT = timedelta(days=60)
"""Sessions this old have expired by any rule; a sign-in sweeps them away."""


class SqliteBadgeRepository:
    """Implements ``BadgeRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, badge: Badge) -> None:
        """Inserts or replaces, by the badge's key."""
        row = {
            "key": badge.key,
            "id_tag": badge.id_tag,
            "holder": badge.holder,
            "active": badge.active,
            "expires_us": optional_us(badge.expires_utc),
            "last_seen_us": optional_us(badge.last_seen_utc),
            "last_station_id": badge.last_station_id,
            "known": badge.known,
            "weight": badge.weight,
            "priority": badge.priority,
            "parent": badge.parent,
            "max_sessions": badge.max_sessions,
        }
        await self._engine.write(lambda database: upsert(database, BadgeRow, row, "key"))

    async def remove(self, key: str) -> None:
        """Deletes the badge; its transactions stay."""
        query = BadgeRow.delete().where(BadgeRow.key == key)
        await self._engine.write(query.execute)

    async def list(self) -> Sequence[Badge]:
        """All badges, by holder then number."""
        query = BadgeRow.select().order_by(fn.LOWER(BadgeRow.holder), BadgeRow.key)

        def read(database: Database) -> builtins.list[Badge]:
            return [
                Badge(
                    id_tag=row.id_tag,
                    holder=row.holder,
                    active=row.active,
                    expires_utc=optional_instant(row.expires_us),
                    last_seen_utc=optional_instant(row.last_seen_us),
                    last_station_id=row.last_station_id,
                    known=row.known,
                    weight=row.weight,
                    priority=row.priority,
                    parent=row.parent,
                    max_sessions=row.max_sessions,
                )
                for row in query.execute(database)
            ]

        return await self._engine.read(read)


class SqliteAccessRepository:
    """Implements ``AccessRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def users(self) -> Sequence[User]:
        """All accounts, by name."""
        query = AccountRow.select().order_by(AccountRow.name)

        def read(database: Database) -> list[User]:
            return [
                User(row.name, row.password_hash, row.must_change, row.language)
                for row in query.execute(database)
            ]

        return await self._engine.read(read)

    async def save_user(self, user: User) -> None:
        """Inserts or replaces; the account's sessions stay."""
        row = msgspec.structs.asdict(user)
        await self._engine.write(lambda database: upsert(database, AccountRow, row, "name"))

    async def save_session(self, session: WebSession) -> None:
        """Inserts or replaces, and sweeps away the sessions that nobody can use any more."""
        row = {
            "token_hash": session.token_hash,
            "user_name": session.user_name,
            "csrf_token": session.csrf_token,
            "created_us": to_us(session.created_utc),
            "last_seen_us": to_us(session.last_seen_utc),
        }
        oldest_us = to_us(session.last_seen_utc - _SESSION_KEPT)
        sweep = WebSessionRow.delete().where(WebSessionRow.last_seen_us < oldest_us)

        def write(database: Database) -> None:
            sweep.execute(database)
            upsert(database, WebSessionRow, row, "token_hash")

        await self._engine.write(write)

    async def session(self, token_hash: str) -> WebSession | None:
        """The session with this token, if any."""
        query = WebSessionRow.select().where(WebSessionRow.token_hash == token_hash)

        def read(database: Database) -> WebSession | None:
            row = query.get_or_none(database)
            if row is None:
                return None
            return WebSession(
                token_hash=row.token_hash,
                user_name=row.user_name,
                csrf_token=row.csrf_token,
                created_utc=from_us(row.created_us),
                last_seen_utc=from_us(row.last_seen_us),
            )

        return await self._engine.read(read)

    async def remove_sessions(self, user_name: str, *, keep: str | None = None) -> None:
        """Signs a user out everywhere, but for the session whose hash is ``keep``."""
        query = WebSessionRow.delete().where(WebSessionRow.user_name == user_name)
        if keep is not None:
            query = query.where(WebSessionRow.token_hash != keep)
        await self._engine.write(query.execute)

    async def remove_session(self, token_hash: str) -> None:
        """Signs one browser out."""
        query = WebSessionRow.delete().where(WebSessionRow.token_hash == token_hash)
        await self._engine.write(query.execute)


class SqliteAuditRepository:
    """Implements ``AuditRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def append(self, record: AuditRecord) -> None:
        """Durable when it returns."""
        query = AuditRow.insert(
            at_us=to_us(record.at_utc),
            actor=record.actor,
            action=record.action,
            subject=record.subject,
            detail=record.detail,
        )
        await self._engine.write(query.execute)

    async def recent(self, limit: int = 100) -> Sequence[AuditRecord]:
        """Newest first."""
        query = AuditRow.select().order_by(AuditRow.id.desc()).limit(limit)

        def read(database: Database) -> list[AuditRecord]:
            return [
                AuditRecord(from_us(row.at_us), row.actor, row.action, row.subject, row.detail)
                for row in query.execute(database)
            ]

        return await self._engine.read(read)
