"""Orders of outside limits, and the tokens that may give them."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import msgspec
from peewee import ModelDelete

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, to_us
from app.adapters.storage.models import OutsideOrderRow, SiteTokenRow, insert_all
from app.domain.outside_limit import OutsideOrder, SiteToken
from app.domain.rules import Bound


class SqliteOutsideLimitRepository:
    """Implements ``OutsideLimitRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, order: OutsideOrder) -> None:
        """Inserts, or replaces the order of the same source on the same circuit."""
        row = {
            "circuit_id": order.circuit_id,
            "source": order.source,
            "by": order.by,
            "bound": msgspec.json.encode(order.bound).decode(),
            "set_us": to_us(order.set_utc),
            "until_us": to_us(order.until_utc),
            "lapsed": order.lapsed,
        }
        former = _of(order.circuit_id, order.source)

        def write(database: Database) -> None:
            former.execute(database)
            insert_all(database, OutsideOrderRow, [row])

        await self._engine.write(write)

    async def remove(self, circuit_id: str, source: str) -> None:
        """Forgets the order."""
        await self._engine.write(_of(circuit_id, source).execute)

    async def list(self) -> Sequence[OutsideOrder]:
        """All orders, by circuit and source."""
        query = OutsideOrderRow.select().order_by(
            OutsideOrderRow.circuit_id, OutsideOrderRow.source
        )

        def read(database: Database) -> builtins.list[OutsideOrder]:
            return [
                OutsideOrder(
                    circuit_id=row.circuit_id,
                    source=row.source,
                    by=row.by,
                    bound=msgspec.json.decode(row.bound, type=Bound),
                    set_utc=from_us(row.set_us),
                    until_utc=from_us(row.until_us),
                    lapsed=row.lapsed,
                )
                for row in query.execute(database)
            ]

        return await self._engine.read(read)

    async def save_token(self, token: SiteToken) -> None:
        """Inserts a token."""
        row = {
            "token_id": token.token_id,
            "name": token.name,
            "secret_hash": token.secret_hash,
            "created_us": to_us(token.created_utc),
            "created_by": token.created_by,
        }
        await self._engine.write(lambda database: insert_all(database, SiteTokenRow, [row]))

    async def remove_token(self, token_id: str) -> None:
        """Revokes a token; its orders stay."""
        query = SiteTokenRow.delete().where(SiteTokenRow.token_id == token_id)
        await self._engine.write(query.execute)

    async def tokens(self) -> Sequence[SiteToken]:
        """All tokens, oldest first."""
        query = SiteTokenRow.select().order_by(SiteTokenRow.created_us, SiteTokenRow.token_id)

        def read(database: Database) -> builtins.list[SiteToken]:
            return [
                SiteToken(
                    token_id=row.token_id,
                    name=row.name,
                    secret_hash=row.secret_hash,
                    created_utc=from_us(row.created_us),
                    created_by=row.created_by,
                )
                for row in query.execute(database)
            ]

        return await self._engine.read(read)


def _of(circuit_id: str, source: str) -> ModelDelete:
    """Deletes the order of one source on one circuit."""
    return OutsideOrderRow.delete().where(
        OutsideOrderRow.circuit_id == circuit_id, OutsideOrderRow.source == source
    )
