"""Orders of outside limits, and the tokens of the programs that give them."""

from __future__ import annotations

from typing import Any

STATEMENTS = (
    # An order outlives the circuit it names: it is evidence until it is ended.
    """
    CREATE TABLE outside_order (
        circuit_id TEXT NOT NULL,
        source TEXT NOT NULL,
        by TEXT NOT NULL,
        bound TEXT NOT NULL,
        set_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL,
        lapsed INTEGER NOT NULL,
        PRIMARY KEY (circuit_id, source)
    )""",
    """
    CREATE TABLE site_token (
        token_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        secret_hash TEXT NOT NULL UNIQUE,
        created_us INTEGER NOT NULL,
        created_by TEXT NOT NULL
    )""",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in STATEMENTS:
        db.execute_sql(statement)
