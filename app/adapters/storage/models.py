"""Peewee models of what people edit: the configuration, badges, accounts.

They are bound to no database: a query is built here and executed on the connection it is given
(``query.execute(database)``). What machines write by the thousand (transactions, limits, samples)
is plain SQL in its repository, at a twentieth of the processor time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from peewee import (
    AutoField,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    FloatField,
    IntegerField,
    Model,
    TextField,
)

from app.adapters.storage.database import Database

_ROWS_PER_STATEMENT = 200


def _table_name(model: type[Model]) -> str:
    """``StationIdentityRow`` lives in ``station_identity``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__.removesuffix("Row")).lower()


class Row(Model):
    """Base of the models; names their tables."""

    class Meta:  # noqa: D106  peewee's options
        table_function = _table_name


class SiteRow(Row):
    """The one row that says a site is configured; ``rules`` is the JSON of ``SiteRules``."""

    id = IntegerField(primary_key=True)
    name = TextField()
    timezone = TextField()
    rules = TextField()


class CircuitRow(Row):
    """A circuit; ``position`` keeps the order in which the installer sees them."""

    circuit_id = TextField(primary_key=True)
    position = IntegerField()
    name = TextField()
    parent_id = TextField(null=True)
    limit_l1_ma = IntegerField()
    limit_l2_ma = IntegerField()
    limit_l3_ma = IntegerField()
    margin_ma = IntegerField()
    background_l1_ma = IntegerField(null=True)
    background_l2_ma = IntegerField(null=True)
    background_l3_ma = IntegerField(null=True)
    max_power_w = IntegerField(null=True)
    max_unbalance_ma = IntegerField(null=True)


class MeterRow(Row):
    """A Modbus meter."""

    meter_id = TextField(primary_key=True)
    position = IntegerField()
    model = TextField()
    host = TextField()
    port = IntegerField()
    unit_id = IntegerField()
    circuit_id = TextField()
    placement = TextField()
    word_format = TextField()
    poll_period_s = FloatField()
    generation = BooleanField()


class StationRow(Row):
    """An adopted station."""

    station_id = TextField(primary_key=True)
    position = IntegerField()
    name = TextField()
    circuit_id = TextField()
    place = TextField()
    max_ma = IntegerField()
    fallback_ma = IntegerField()
    weight = IntegerField()
    free_charging = BooleanField()
    priority = IntegerField()


class ConnectorRow(Row):
    """An outlet of a station."""

    station_id = TextField()
    connector_id = IntegerField()
    phases = IntegerField()
    rotation = TextField()
    max_ma = IntegerField()
    min_ma = IntegerField()
    step_ma = IntegerField()
    controllable = BooleanField()
    line_to_line = BooleanField()

    class Meta:  # noqa: D106  peewee's options
        primary_key = CompositeKey("station_id", "connector_id")


class StationIdentityRow(Row):
    """What a station said at its last boot; kept even while it is not adopted."""

    station_id = TextField(primary_key=True)
    vendor = TextField()
    model = TextField()
    serial = TextField()
    firmware = TextField()


class PendingStationRow(Row):
    """An unknown caller; ``record`` is the JSON of ``PendingStation``."""

    station_id = TextField(primary_key=True)
    first_seen_utc = TextField()
    record = TextField()


class PlannedStationRow(Row):
    """A station expected before it calls; ``record`` is the JSON of ``PlannedStation``."""

    plan_id = TextField(primary_key=True)
    position = IntegerField()
    record = TextField()


class CommissioningWindowRow(Row):
    """The window opened last; ``record`` is the JSON of ``CommissioningWindow``."""

    id = IntegerField(primary_key=True)
    record = TextField()


class BadgeRow(Row):
    """A badge, under its normalised number."""

    key = TextField(primary_key=True)
    id_tag = TextField()
    holder = TextField()
    active = BooleanField()
    expires_us = BigIntegerField(null=True)
    last_seen_us = BigIntegerField(null=True)
    last_station_id = TextField(null=True)
    known = BooleanField()
    weight = IntegerField()
    priority = IntegerField(null=True)
    parent = TextField()
    max_sessions = IntegerField(null=True)


class OutsideOrderRow(Row):
    """An order of an outside limit; ``bound`` is the JSON of ``Bound``."""

    circuit_id = TextField()
    source = TextField()
    by = TextField()
    bound = TextField()
    set_us = BigIntegerField()
    until_us = BigIntegerField()
    lapsed = BooleanField()

    class Meta:  # noqa: D106  peewee's options
        primary_key = CompositeKey("circuit_id", "source")


class SiteTokenRow(Row):
    """What a program shows to set limits; of the secret only a hash."""

    token_id = TextField(primary_key=True)
    name = TextField()
    secret_hash = TextField()
    created_us = BigIntegerField()
    created_by = TextField()


class AccountRow(Row):
    """An account of the pages."""

    name = TextField(primary_key=True)
    password_hash = TextField()
    must_change = BooleanField()
    language = TextField()


class WebSessionRow(Row):
    """A signed-in browser."""

    token_hash = TextField(primary_key=True)
    user_name = TextField()
    csrf_token = TextField()
    created_us = BigIntegerField()
    last_seen_us = BigIntegerField()


class AuditRow(Row):
    """One line of the audit log."""

    id = AutoField()
    at_us = BigIntegerField()
    actor = TextField()
    action = TextField()
    subject = TextField()
    detail = TextField()


def upsert(database: Database, model: type[Model], row: Mapping[str, Any], key: str) -> None:
    """Inserts ``row``, or updates the one with the same ``key`` in place.

    Not REPLACE: that deletes the old row first, and what refers to it with it.
    """
    others = [name for name in row if name != key]
    query = model.insert(dict(row)).on_conflict(conflict_target=[key], preserve=others)
    query.execute(database)


def insert_all(database: Database, model: type[Model], rows: Iterable[Mapping[str, Any]]) -> None:
    """Inserts many rows, a few hundred per statement."""
    listed = [dict(row) for row in rows]
    for first in range(0, len(listed), _ROWS_PER_STATEMENT):
        model.insert_many(listed[first : first + _ROWS_PER_STATEMENT]).execute(database)
