"""The first schema. Instants are microseconds since 1970 (UTC), currents mA, energy Wh."""

from __future__ import annotations

from typing import Any

CONFIGURATION = (
    """
    CREATE TABLE site (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        name TEXT NOT NULL,
        timezone TEXT NOT NULL
    )""",
    """
    CREATE TABLE circuit (
        circuit_id TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        parent_id TEXT REFERENCES circuit (circuit_id),
        limit_l1_ma INTEGER NOT NULL,
        limit_l2_ma INTEGER NOT NULL,
        limit_l3_ma INTEGER NOT NULL,
        margin_ma INTEGER NOT NULL,
        background_l1_ma INTEGER,
        background_l2_ma INTEGER,
        background_l3_ma INTEGER
    )""",
    """
    CREATE TABLE meter (
        meter_id TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        model TEXT NOT NULL,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        unit_id INTEGER NOT NULL,
        circuit_id TEXT NOT NULL REFERENCES circuit (circuit_id),
        placement TEXT NOT NULL,
        word_format TEXT NOT NULL,
        poll_period_s REAL NOT NULL
    )""",
    """
    CREATE TABLE station (
        station_id TEXT PRIMARY KEY,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        circuit_id TEXT NOT NULL REFERENCES circuit (circuit_id),
        place TEXT NOT NULL,
        max_ma INTEGER NOT NULL,
        fallback_ma INTEGER NOT NULL,
        weight INTEGER NOT NULL,
        free_charging INTEGER NOT NULL
    )""",
    """
    CREATE TABLE connector (
        station_id TEXT NOT NULL REFERENCES station (station_id) ON DELETE CASCADE,
        connector_id INTEGER NOT NULL CHECK (connector_id > 0),
        phases INTEGER NOT NULL,
        rotation TEXT NOT NULL,
        max_ma INTEGER NOT NULL,
        min_ma INTEGER NOT NULL,
        step_ma INTEGER NOT NULL,
        controllable INTEGER NOT NULL,
        PRIMARY KEY (station_id, connector_id)
    )""",
    """
    CREATE TABLE station_identity (
        station_id TEXT PRIMARY KEY,
        vendor TEXT NOT NULL,
        model TEXT NOT NULL,
        serial TEXT NOT NULL,
        firmware TEXT NOT NULL
    )""",
    # A caller that waits has no life of its own: one JSON record says all that is known of it.
    """
    CREATE TABLE pending_station (
        station_id TEXT PRIMARY KEY,
        first_seen_utc TEXT NOT NULL,
        record TEXT NOT NULL
    )""",
)

PEOPLE = (
    """
    CREATE TABLE badge (
        key TEXT PRIMARY KEY,
        id_tag TEXT NOT NULL,
        holder TEXT NOT NULL,
        active INTEGER NOT NULL,
        expires_us INTEGER,
        last_seen_us INTEGER,
        last_station_id TEXT,
        known INTEGER NOT NULL
    )""",
    """
    CREATE TABLE account (
        name TEXT PRIMARY KEY,
        password_hash TEXT NOT NULL,
        must_change INTEGER NOT NULL,
        language TEXT NOT NULL
    )""",
    """
    CREATE TABLE web_session (
        token_hash TEXT PRIMARY KEY,
        user_name TEXT NOT NULL REFERENCES account (name) ON DELETE CASCADE,
        csrf_token TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        last_seen_us INTEGER NOT NULL
    )""",
    "CREATE INDEX web_session_user ON web_session (user_name)",
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_us INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL
    )""",
    """
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)

JOURNAL = (
    """
    CREATE TABLE charge_transaction (
        transaction_id INTEGER PRIMARY KEY AUTOINCREMENT
            CHECK (transaction_id BETWEEN 1 AND 2147483647),
        station_id TEXT NOT NULL,
        connector_id INTEGER NOT NULL,
        id_tag TEXT NOT NULL,
        started_us INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        meter_start_wh INTEGER NOT NULL,
        stopped_us INTEGER,
        stop_received_us INTEGER,
        meter_stop_wh INTEGER,
        stop_reason TEXT,
        stop_id_tag TEXT,
        estimated_stop INTEGER NOT NULL DEFAULT 0,
        UNIQUE (station_id, connector_id, id_tag, started_us, meter_start_wh)
    )""",
    """
    CREATE INDEX charge_transaction_open ON charge_transaction (station_id, connector_id)
    WHERE stopped_us IS NULL""",
    "CREATE INDEX charge_transaction_time ON charge_transaction (started_us, transaction_id)",
    """
    CREATE INDEX charge_transaction_station
    ON charge_transaction (station_id, started_us, transaction_id)""",
    """
    CREATE TABLE parked_stop (
        station_id TEXT NOT NULL,
        transaction_id INTEGER NOT NULL,
        stopped_us INTEGER NOT NULL,
        received_us INTEGER NOT NULL,
        meter_stop_wh INTEGER NOT NULL,
        stop_reason TEXT,
        id_tag TEXT,
        UNIQUE (station_id, transaction_id, stopped_us, meter_stop_wh)
    )""",
    """
    CREATE TABLE connector_limit (
        station_id TEXT NOT NULL,
        connector_id INTEGER NOT NULL,
        limit_ma INTEGER NOT NULL,
        lease_until_us INTEGER,
        PRIMARY KEY (station_id, connector_id)
    ) WITHOUT ROWID""",
)

# A sample is stored under a small number for its outlet and beside its neighbours in time, so
# that a day of one outlet is a handful of pages.
SAMPLES = (
    """
    CREATE TABLE outlet (
        outlet_id INTEGER PRIMARY KEY,
        station_id TEXT NOT NULL,
        connector_id INTEGER NOT NULL,
        UNIQUE (station_id, connector_id)
    )""",
    """
    CREATE TABLE sample (
        outlet_id INTEGER NOT NULL,
        at_us INTEGER NOT NULL,
        transaction_id INTEGER,
        l1_ma INTEGER,
        l2_ma INTEGER,
        l3_ma INTEGER,
        unphased_ma INTEGER,
        limit_ma INTEGER,
        power_w INTEGER,
        energy_wh INTEGER,
        offered_ma INTEGER,
        soc_percent INTEGER,
        PRIMARY KEY (outlet_id, at_us)
    ) WITHOUT ROWID""",
)


def up(_migrator: Any, db: Any) -> None:
    for statement in (*CONFIGURATION, *PEOPLE, *JOURNAL, *SAMPLES):
        db.execute_sql(statement)
