"""Stations expected before they call, and the commissioning window."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE planned_station (
        plan_id TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        record TEXT NOT NULL
    )""",
    # Its end is on disk: a restart can neither lengthen it nor forget to close it.
    """
    CREATE TABLE commissioning_window (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        record TEXT NOT NULL
    )""",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
