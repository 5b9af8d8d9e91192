"""Overloads, lost meters and disobeying stations, and the account of each month."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.adapters.storage.database import Database
from app.adapters.storage.engine import Engine
from app.adapters.storage.instants import from_us, optional_instant, optional_us, to_us
from app.domain.evidence import EventKind, EvidenceEvent, EvidenceMonth

_NO_PHASE = -1
"""Part of the key, where NULL would be equal to nothing."""

_SAVE = """
    INSERT INTO evidence_event (began_us, kind, subject, phase, circuit_id, ended_us, limit_ma,
                                peak_ma, severe_ms, reaction_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (began_us, kind, subject, phase) DO UPDATE SET
        ended_us = excluded.ended_us, peak_ma = excluded.peak_ma,
        severe_ms = excluded.severe_ms, reaction_ms = excluded.reaction_ms"""

_COUNT = """
    INSERT INTO evidence_month (month, since_us, observed_ms, overloads, severe, longest_ms,
                                meter_lost_ms, static_ms, disobeying, guard_refusals, unrecorded)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (month) DO UPDATE SET
        observed_ms = observed_ms + excluded.observed_ms,
        overloads = overloads + excluded.overloads,
        severe = severe + excluded.severe,
        longest_ms = max(longest_ms, excluded.longest_ms),
        meter_lost_ms = meter_lost_ms + excluded.meter_lost_ms,
        static_ms = static_ms + excluded.static_ms,
        disobeying = disobeying + excluded.disobeying,
        guard_refusals = guard_refusals + excluded.guard_refusals,
        unrecorded = unrecorded + excluded.unrecorded"""

_EVENTS = """
    SELECT kind, subject, circuit_id, began_us, ended_us, phase, limit_ma, peak_ma, severe_ms,
        reaction_ms
    FROM evidence_event WHERE began_us >= ? AND (? IS NULL OR circuit_id = ?)
    ORDER BY began_us DESC LIMIT ?"""

_MONTHS = """
    SELECT month, since_us, observed_ms, overloads, severe, longest_ms, meter_lost_ms, static_ms,
        disobeying, guard_refusals, unrecorded
    FROM evidence_month ORDER BY month"""


class SqliteEvidenceRepository:
    """Implements ``EvidenceRepository``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def record(
        self, events: Sequence[EvidenceEvent], months: Sequence[EvidenceMonth]
    ) -> None:
        """Writes events (again, once they are over) and adds to the months' accounts."""

        def write(database: Database) -> None:
            database.raw.executemany(_SAVE, [_event_row(event) for event in events])
            database.raw.executemany(_COUNT, [_month_row(month) for month in months])

        await self._engine.write(write)

    async def events(
        self, since_utc: datetime, circuit_id: str | None = None, limit: int = 1_000
    ) -> Sequence[EvidenceEvent]:
        """Newest first; ``circuit_id`` for those of one circuit."""
        parameters = (to_us(since_utc), circuit_id, circuit_id, limit)

        def read(database: Database) -> list[EvidenceEvent]:
            return [_event(row) for row in database.raw.execute(_EVENTS, parameters)]

        return await self._engine.read(read)

    async def months(self) -> Sequence[EvidenceMonth]:
        """Every month with an account, oldest first."""

        def read(database: Database) -> list[EvidenceMonth]:
            return [_month(row) for row in database.raw.execute(_MONTHS)]

        return await self._engine.read(read)

    async def prune(self, before_utc: datetime) -> int:
        """Deletes older events and whole months before; returns how many events."""
        parameters = (to_us(before_utc), f"{before_utc:%Y-%m}")

        def write(database: Database) -> int:
            deleted = database.raw.execute(
                "DELETE FROM evidence_event WHERE began_us < ?", parameters[:1]
            )
            database.raw.execute("DELETE FROM evidence_month WHERE month < ?", parameters[1:])
            return int(deleted.rowcount)

        return await self._engine.write(write)


def _event_row(event: EvidenceEvent) -> tuple[Any, ...]:
    return (
        to_us(event.began_utc),
        event.kind,
        event.subject,
        _NO_PHASE if event.phase is None else event.phase,
        event.circuit_id,
        optional_us(event.ended_utc),
        event.limit_ma,
        event.peak_ma,
        _ms(event.severe_s),
        None if event.reaction_s is None else _ms(event.reaction_s),
    )


def _event(row: tuple[Any, ...]) -> EvidenceEvent:
    return EvidenceEvent(
        kind=EventKind(row[0]),
        subject=row[1],
        circuit_id=row[2],
        began_utc=from_us(row[3]),
        ended_utc=optional_instant(row[4]),
        phase=None if row[5] == _NO_PHASE else row[5],
        limit_ma=row[6],
        peak_ma=row[7],
        severe_s=row[8] / 1000,
        reaction_s=None if row[9] is None else row[9] / 1000,
    )


def _month_row(month: EvidenceMonth) -> tuple[Any, ...]:
    return (
        month.month,
        to_us(month.since_utc),
        _ms(month.observed_s),
        month.overloads,
        month.severe,
        _ms(month.longest_s),
        _ms(month.meter_lost_s),
        _ms(month.static_s),
        month.disobeying,
        month.guard_refusals,
        month.unrecorded,
    )


def _month(row: tuple[Any, ...]) -> EvidenceMonth:
    return EvidenceMonth(
        month=row[0],
        since_utc=from_us(row[1]),
        observed_s=row[2] / 1000,
        overloads=row[3],
        severe=row[4],
        longest_s=row[5] / 1000,
        meter_lost_s=row[6] / 1000,
        static_s=row[7] / 1000,
        disobeying=row[8],
        guard_refusals=row[9],
        unrecorded=row[10],
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
