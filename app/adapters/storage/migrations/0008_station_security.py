"""What each station must prove, the certificates signed for stations, and what they report."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE station_security (
        station_id TEXT PRIMARY KEY,
        record TEXT NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE security_defaults (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        record TEXT NOT NULL
    )""",
    # Kept when the station is removed: a revoked certificate must stay revoked.
    """
    CREATE TABLE station_certificate (
        fingerprint TEXT PRIMARY KEY,
        station_id TEXT NOT NULL,
        issued_us INTEGER NOT NULL,
        record TEXT NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE security_event (
        id INTEGER PRIMARY KEY,
        station_id TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        type TEXT NOT NULL,
        tech_info TEXT NOT NULL,
        seen INTEGER NOT NULL,
        UNIQUE (station_id, at_us, type, tech_info)
    )""",
    "CREATE INDEX security_event_unseen ON security_event (received_us) WHERE seen = 0",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
