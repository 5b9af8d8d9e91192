"""Stations expected before they call, and the commissioning window."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

import msgspec
from peewee import fn

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.models import (
    CommissioningWindowRow,
    PlannedStationRow,
    insert_all,
)
from app.domain.adoption import CommissioningWindow, PlannedStation


class SqlitePlanRepository:
    """Implements ``PlanRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save(self, plans: Sequence[PlannedStation]) -> None:
        """Inserts or replaces, all or none; new ones come last."""
        records = {plan.plan_id: msgspec.json.encode(plan).decode() for plan in plans}

        def write(database: Database) -> None:
            known = {row.plan_id for row in PlannedStationRow.select().execute(database)}
            last = PlannedStationRow.select(fn.MAX(PlannedStationRow.position)).scalar(database)
            for plan_id in known & records.keys():
                PlannedStationRow.update(record=records[plan_id]).where(
                    PlannedStationRow.plan_id == plan_id
                ).execute(database)
            added = [plan_id for plan_id in records if plan_id not in known]
            insert_all(
                database,
                PlannedStationRow,
                (
                    {"plan_id": plan_id, "position": position, "record": records[plan_id]}
                    for position, plan_id in enumerate(added, (last or 0) + 1)
                ),
            )

        await self._engine.write(write)

    async def remove(self, plan_ids: Sequence[str]) -> None:
        """Forgets these, all or none."""
        query = PlannedStationRow.delete().where(PlannedStationRow.plan_id.in_(list(plan_ids)))
        await self._engine.write(query.execute)

    async def list(self) -> Sequence[PlannedStation]:
        """In the order of their first import."""
        query = PlannedStationRow.select().order_by(PlannedStationRow.position)

        def read(database: Database) -> builtins.list[PlannedStation]:
            return [
                msgspec.json.decode(row.record, type=PlannedStation)
                for row in query.execute(database)
            ]

        return await self._engine.read(read)

    async def save_window(self, window: CommissioningWindow | None) -> None:
        """Keeps the window that was opened last; ``None`` forgets it."""

        def write(database: Database) -> None:
            CommissioningWindowRow.delete().execute(database)
            if window is not None:
                record = msgspec.json.encode(window).decode()
                insert_all(database, CommissioningWindowRow, [{"id": 1, "record": record}])

        await self._engine.write(write)

    async def window(self) -> CommissioningWindow | None:
        """The one kept, whether it is over or not."""

        def read(database: Database) -> CommissioningWindow | None:
            row = CommissioningWindowRow.select().get_or_none(database)
            if row is None:
                return None
            return msgspec.json.decode(row.record, type=CommissioningWindow)

        return await self._engine.read(read)
