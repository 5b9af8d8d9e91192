from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playhouse.migrations import Runner

from app.adapters.storage import models, open_store
from app.adapters.storage.database import (
    MIGRATIONS,
    open_for_reading,
    open_for_writing,
    storage_error,
)
from app.adapters.storage.migration import migrate
from app.adapters.storage.models import Row
from app.domain.errors import StorageError
from app.services.ports import NewTransaction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIRST = "0001_initial"

# A file of the first release, written with nothing but SQL.
FIRST_ROWS = """
    INSERT INTO site VALUES (1, 'Résidence', 'Europe/Paris');
    INSERT INTO circuit VALUES ('supply', 0, 'Arrivée', NULL, 400000, 400000, 400000, 4000,
                                NULL, NULL, NULL);
    INSERT INTO station VALUES ('A-001', 0, 'Borne', 'supply', '', 32000, 0, 1000, 0);
    INSERT INTO connector VALUES ('A-001', 1, 3, 'RST', 32000, 6000, 1000, 1);
    INSERT INTO badge VALUES ('04A1', '04a1', 'Claire', 1, NULL, NULL, NULL, 1);
    INSERT INTO account VALUES ('admin', 'hash', 0, 'fr');
    INSERT INTO charge_transaction VALUES (41, 'A-001', 1, '04a1', 1763812800000000,
        1763812800000000, 100, NULL, NULL, NULL, NULL, NULL, 0);
"""


def first_release(path: Path) -> None:
    """A database as the first release made it."""
    database = open_for_writing(path, synchronous="full")
    runner: Any = Runner(database, str(MIGRATIONS))  # type: ignore[no-untyped-call]
    runner.up(target=FIRST)
    database.close()
    with sqlite3.connect(path) as raw:
        raw.executescript(FIRST_ROWS)
    raw.close()


async def test_a_file_of_the_first_release_is_brought_up_to_date(path: Path) -> None:
    first_release(path)
    store = open_store(path)
    site = await store.site.load()
    assert site is not None
    assert site.stations[0].connectors[0].max_ma == 32_000
    assert [badge.holder for badge in await store.badges.list()] == ["Claire"]
    assert [user.name for user in await store.access.users()] == ["admin"]
    assert [each.transaction_id for each in await store.transactions.open_transactions()] == [41]
    new, _ = await store.transactions.start(NewTransaction("A-001", 1, "04a1", NOON, NOON, 200))
    assert new.transaction_id == 42
    await store.close()


async def test_later_steps_run_once_in_order_and_keep_the_rows(path: Path, tmp_path: Path) -> None:
    first_release(path)
    steps = tmp_path / "steps"
    shutil.copytree(MIGRATIONS, steps)
    (steps / "0900_colour.py").write_text(
        "def up(migrator, db):\n"
        "    db.execute_sql(\"ALTER TABLE badge ADD COLUMN colour TEXT NOT NULL DEFAULT 'x'\")\n"
    )
    (steps / "0901_red.py").write_text(
        "def up(migrator, db):\n    db.execute_sql(\"UPDATE badge SET colour = colour || 'red'\")\n"
    )
    for _ in range(2):
        store = open_store(path, migrations=steps)
        assert [badge.holder for badge in await store.badges.list()] == ["Claire"]
        await store.close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT colour FROM badge").fetchall() == [("xred",)]
    raw.close()


async def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path, tmp_path: Path) -> None:
    first_release(path)
    steps = tmp_path / "steps"
    shutil.copytree(MIGRATIONS, steps)
    (steps / "0900_half.py").write_text(
        "def up(migrator, db):\n"
        "    db.execute_sql('DELETE FROM badge')\n"
        "    db.execute_sql('INSERT INTO nowhere VALUES (1)')\n"
    )
    with pytest.raises(StorageError) as refused:
        open_store(path, migrations=steps)
    assert refused.value.key == "storage-failed"
    store = open_store(path)
    assert len(await store.badges.list()) == 1
    await store.close()


def test_a_file_of_a_later_version_is_not_touched(path: Path, tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    shutil.copytree(MIGRATIONS, steps)
    (steps / "0900_future.py").write_text("def up(migrator, db):\n    pass\n")
    database = open_for_writing(path, synchronous="full")
    migrate(database, steps)
    database.close()
    before = path.read_bytes()
    with pytest.raises(StorageError) as refused:
        open_store(path)
    assert refused.value.key == "storage-newer"
    assert refused.value.params == {"step": "0900_future"}
    assert path.read_bytes() == before


@pytest.mark.parametrize("model", Row.__subclasses__(), ids=lambda model: model.__name__)
def test_the_models_are_the_schema(path: Path, model: Any) -> None:
    database = open_for_writing(path, synchronous="full")
    migrate(database)
    table = model._meta.table_name
    columns = {column.name: column for column in database.get_columns(table)}
    fields = model._meta.columns
    assert set(fields) == set(columns)
    for name, field in fields.items():
        assert field.null == (columns[name].null and not columns[name].primary_key), name
    assert {name for name, column in columns.items() if column.primary_key} == {
        field.column_name for field in model._meta.get_primary_keys()
    }
    database.close()


def test_every_model_was_compared() -> None:
    assert {model.__module__ for model in Row.__subclasses__()} == {models.__name__}
    assert len(Row.__subclasses__()) == 15


def test_the_file_is_private_durable_and_in_wal(path: Path) -> None:
    database = open_for_writing(path, synchronous="full")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert database.pragma("journal_mode") == "wal"
    assert database.pragma("synchronous") == 2
    assert database.pragma("foreign_keys") == 1
    assert database.pragma("busy_timeout") == 5000
    migrate(database)
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_mode & 0o777 == 0o600
    reader = open_for_reading(path)
    assert reader.pragma("query_only") == 1
    reader.close()
    database.close()


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"This is not a database, whatever its name says. " * 100)
    before = path.read_bytes()
    with pytest.raises(StorageError) as refused:
        open_store(path)
    assert refused.value.key == "storage-damaged"
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as refused:
        open_store(tmp_path / "file" / "bornier.sqlite3")
    assert refused.value.key == "storage-readonly"


def test_an_error_without_a_code_is_plain_failure() -> None:
    assert storage_error(RuntimeError("odd")).key == "storage-failed"
