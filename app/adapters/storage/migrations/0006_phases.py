"""What was learnt of the wiring, and whether a source feeds in behind a meter."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    "ALTER TABLE meter ADD COLUMN generation INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE learnt (
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (kind, subject)
    ) WITHOUT ROWID
    """,
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
