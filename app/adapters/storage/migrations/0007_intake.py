"""Parked stops that are settled, repaired messages, quirks of stations, groups of badges."""

from __future__ import annotations

import re
from typing import Any

STATEMENTS = (
    "ALTER TABLE badge ADD COLUMN parent TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE badge ADD COLUMN max_sessions INTEGER",
    # How a parked stop ended: matched, attached or dismissed; and with which transaction.
    "ALTER TABLE parked_stop ADD COLUMN settled TEXT",
    "ALTER TABLE parked_stop ADD COLUMN settled_with INTEGER",
    "CREATE INDEX parked_stop_waiting ON parked_stop (station_id, stopped_us) WHERE settled IS NULL",
    """
    CREATE TABLE repair_count (
        station_id TEXT NOT NULL,
        name TEXT NOT NULL,
        messages INTEGER NOT NULL,
        first_us INTEGER NOT NULL,
        last_us INTEGER NOT NULL,
        PRIMARY KEY (station_id, name)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE repaired_frame (
        id INTEGER PRIMARY KEY,
        station_id TEXT NOT NULL,
        name TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        frame TEXT NOT NULL
    )""",
    "CREATE INDEX repaired_frame_kind ON repaired_frame (station_id, name, id)",
    """
    CREATE TABLE quirk (
        scope TEXT NOT NULL,
        subject TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (scope, subject)
    ) WITHOUT ROWID""",
)

_BYTES = re.compile(r"[0-9A-F]{2}(?:[:. -][0-9A-F]{2})+")


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
    _compare_badges_without_separators(db)


def _compare_badges_without_separators(db: Any) -> None:
    """04:A1:B2 and 04A1B2 are one badge; where both were kept, the stricter state stays."""
    rows = db.execute_sql("SELECT key, known, active FROM badge").fetchall()
    badges = {key: (known, active) for key, known, active in rows}
    for key, (known, active) in list(badges.items()):
        if _BYTES.fullmatch(key) is None:
            continue
        plain = "".join(filter(str.isalnum, key))
        other = badges.get(plain)
        if other is not None and other[0] >= known:
            db.execute_sql("DELETE FROM badge WHERE key = ?", (key,))
            if known:
                both = min(active, other[1])
                db.execute_sql("UPDATE badge SET active = ? WHERE key = ?", (both, plain))
            continue
        db.execute_sql("DELETE FROM badge WHERE key = ?", (plain,))
        db.execute_sql("UPDATE badge SET key = ? WHERE key = ?", (plain, key))
        badges[plain] = (known, active)
