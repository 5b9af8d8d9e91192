"""Limits of power and unbalance, priorities and weights of badges, and the site's sharing rules."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    "ALTER TABLE site ADD COLUMN rules TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE circuit ADD COLUMN max_power_w INTEGER",
    "ALTER TABLE circuit ADD COLUMN max_unbalance_ma INTEGER",
    "ALTER TABLE station ADD COLUMN priority INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE connector ADD COLUMN line_to_line INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE badge ADD COLUMN weight INTEGER NOT NULL DEFAULT 1000",
    "ALTER TABLE badge ADD COLUMN priority INTEGER",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
