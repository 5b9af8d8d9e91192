"""What stations can do and how they behave: capabilities by model, fallbacks held, conduct."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    # What is known of a kind of station only ever grows: one JSON record says it all.
    """
    CREATE TABLE station_model (
        vendor TEXT NOT NULL,
        model TEXT NOT NULL,
        firmware TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (vendor, model, firmware)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE held_fallback (
        station_id TEXT PRIMARY KEY,
        record TEXT NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE profile_writes (
        station_id TEXT NOT NULL,
        day INTEGER NOT NULL,
        writes INTEGER NOT NULL,
        PRIMARY KEY (station_id, day)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE disobedience (
        at_us INTEGER NOT NULL,
        station_id TEXT NOT NULL,
        connector_id INTEGER NOT NULL,
        limit_ma INTEGER NOT NULL,
        measured_ma INTEGER NOT NULL,
        duration_s INTEGER,
        PRIMARY KEY (at_us, station_id, connector_id)
    ) WITHOUT ROWID""",
    "CREATE INDEX disobedience_station ON disobedience (station_id, at_us)",
    """
    CREATE TABLE blocked_connector (
        station_id TEXT NOT NULL,
        connector_id INTEGER NOT NULL,
        since_us INTEGER NOT NULL,
        PRIMARY KEY (station_id, connector_id)
    ) WITHOUT ROWID""",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
