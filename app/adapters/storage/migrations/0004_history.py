"""Granted limits of each session with their reasons, and the evidence kept for months.

Instants are microseconds since 1970 (UTC), currents mA, durations ms.
"""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE limit_change (
        transaction_id INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        limit_ma INTEGER NOT NULL,
        code TEXT NOT NULL,
        circuit_id TEXT,
        phase INTEGER,
        source TEXT NOT NULL,
        PRIMARY KEY (transaction_id, at_us)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE evidence_event (
        began_us INTEGER NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        phase INTEGER NOT NULL,
        circuit_id TEXT NOT NULL,
        ended_us INTEGER,
        limit_ma INTEGER,
        peak_ma INTEGER,
        severe_ms INTEGER NOT NULL,
        reaction_ms INTEGER,
        PRIMARY KEY (began_us, kind, subject, phase)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE evidence_month (
        month TEXT PRIMARY KEY,
        since_us INTEGER NOT NULL,
        observed_ms INTEGER NOT NULL,
        overloads INTEGER NOT NULL,
        severe INTEGER NOT NULL,
        longest_ms INTEGER NOT NULL,
        meter_lost_ms INTEGER NOT NULL,
        static_ms INTEGER NOT NULL,
        disobeying INTEGER NOT NULL,
        guard_refusals INTEGER NOT NULL,
        unrecorded INTEGER NOT NULL
    ) WITHOUT ROWID""",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
