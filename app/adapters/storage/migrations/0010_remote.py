"""Remote management: outages, reservations, settings read, templates, jobs, history, set-up.

Each record is JSON beside what it is looked up by.
"""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    """
    CREATE TABLE outage (
        outage_id INTEGER PRIMARY KEY AUTOINCREMENT,
        station_id TEXT NOT NULL,
        over INTEGER NOT NULL,
        record TEXT NOT NULL
    )""",
    "CREATE INDEX outage_over ON outage (over, outage_id)",
    # AUTOINCREMENT: a station must never meet the number of an old reservation again.
    """
    CREATE TABLE reservation (
        reservation_id INTEGER PRIMARY KEY AUTOINCREMENT,
        station_id TEXT NOT NULL,
        active INTEGER NOT NULL,
        record TEXT NOT NULL
    )""",
    "CREATE INDEX reservation_active ON reservation (active, reservation_id)",
    """
    CREATE TABLE station_reading (
        station_id TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (station_id, at_us)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE key_template (
        template_id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        record TEXT NOT NULL
    )""",
    """
    CREATE TABLE station_setup (
        station_id TEXT PRIMARY KEY,
        record TEXT NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE station_event (
        event_id INTEGER PRIMARY KEY,
        at_us INTEGER NOT NULL,
        station_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        connector_id INTEGER NOT NULL,
        detail TEXT NOT NULL
    )""",
    "CREATE INDEX station_event_station ON station_event (station_id, at_us)",
    "CREATE INDEX station_event_at ON station_event (at_us)",
    """
    CREATE TABLE bulk_job (
        job_id INTEGER PRIMARY KEY AUTOINCREMENT,
        created_us INTEGER NOT NULL,
        running INTEGER NOT NULL,
        record TEXT NOT NULL
    )""",
    """
    CREATE TABLE bulk_outcome (
        job_id INTEGER NOT NULL,
        position INTEGER NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (job_id, position)
    ) WITHOUT ROWID""",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
