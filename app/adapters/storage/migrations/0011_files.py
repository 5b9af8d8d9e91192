"""Files of stations, orders to fetch or leave them, campaigns, and the lists that stations hold."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE file_record (
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
