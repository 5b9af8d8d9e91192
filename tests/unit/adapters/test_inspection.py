from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.adapters.certificates import PAGES, STATIONS_RSA, LocalCertificate
from app.adapters.data_directory import DATABASE_FILE
from app.adapters.directory_lock import MANAGER_LOCK, lock
from app.adapters.inspection import (
    look_at_certificate,
    look_at_database,
    look_at_directory,
    look_at_disk,
    look_at_schema,
    stored_site,
)
from app.adapters.storage import open_store
from app.services.configuration import EMPTY_SITE

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    store = open_store(tmp_path / "data" / DATABASE_FILE)
    await store.site.replace(EMPTY_SITE)
    await store.close()
    LocalCertificate(tmp_path / "data", ("localhost",)).ensure(NOON)
    return tmp_path / "data"


def sql(data: Path, statement: str) -> None:
    with sqlite3.connect(data / DATABASE_FILE) as database:
        database.execute(statement)
    database.close()


def test_a_sound_directory(data: Path) -> None:
    assert look_at_directory(data).key == "check-manager-stopped"
    assert look_at_database(data).ok
    assert look_at_schema(data).key == "check-schema-current"
    assert stored_site(data) == EMPTY_SITE
    assert look_at_certificate(data, PAGES, NOON).key == "check-certificate-valid"
    assert look_at_disk(data, 1).ok


def test_a_running_manager_is_no_fault(data: Path) -> None:
    with lock(data, MANAGER_LOCK):
        finding = look_at_directory(data)
    assert (finding.ok, finding.key) == (True, "check-manager-runs")


def test_a_directory_that_does_not_open(tmp_path: Path) -> None:
    assert look_at_directory(tmp_path / "absent").key == "check-directory-closed"


def test_a_key_that_others_can_read(data: Path) -> None:
    data.chmod(0o755)
    assert look_at_directory(data).ok
    (data / "ui.key").chmod(0o644)
    assert look_at_directory(data).key == "check-key-open"
    (data / "ui.key").rename(data / "stations-rsa.key")
    assert look_at_directory(data).key == "check-key-open"
    (data / "stations-rsa.key").unlink()
    assert look_at_directory(data).ok
    data.chmod(0o700)
    assert look_at_directory(data).ok


def test_schemas_of_other_versions(data: Path) -> None:
    sql(data, "UPDATE schema_migration SET name = '0900_future' WHERE name = '0001_initial'")
    finding = look_at_schema(data)
    assert (finding.ok, finding.key) == (False, "check-schema-newer")
    sql(data, "DELETE FROM schema_migration")
    finding = look_at_schema(data)
    assert (finding.ok, finding.key) == (True, "check-schema-older")


@pytest.mark.parametrize("at", [timedelta(days=-2), timedelta(days=800), timedelta(days=900)])
def test_a_certificate_out_of_its_time(data: Path, at: timedelta) -> None:
    finding = look_at_certificate(data, PAGES, NOON + at)
    assert (finding.ok, finding.key) == (False, "check-certificate-expiring")


def test_certificates_that_cannot_serve(data: Path, tmp_path: Path) -> None:
    LocalCertificate(tmp_path / "other", ("localhost",)).ensure(NOON)
    (tmp_path / "other" / "ui.key").replace(data / "ui.key")
    assert look_at_certificate(data, PAGES, NOON).key == "check-certificate-other-key"
    (data / "ui.key").write_text("no key")
    assert look_at_certificate(data, PAGES, NOON).key == "check-certificate-unreadable"
    (data / "ui.key").unlink()
    assert look_at_certificate(data, PAGES, NOON).key == "check-certificate-unreadable"
    (data / "ui.crt").unlink()
    finding = look_at_certificate(data, PAGES, NOON)
    assert (finding.ok, finding.key) == (True, "check-certificate-none")


def test_each_certificate_is_named_by_its_file(data: Path) -> None:
    finding = look_at_certificate(data, STATIONS_RSA, NOON)
    assert (finding.key, finding.params) == ("check-certificate-none", {"file": "stations-rsa.crt"})
    LocalCertificate(data, ("localhost",), STATIONS_RSA).ensure(NOON)
    finding = look_at_certificate(data, STATIONS_RSA, NOON)
    assert finding.key == "check-certificate-valid"
    assert finding.params["file"] == "stations-rsa.crt"


def test_too_little_room(data: Path) -> None:
    finding = look_at_disk(data, 1 << 62)
    assert (finding.ok, finding.key) == (False, "check-disk-low")
    (data / DATABASE_FILE).unlink()
    assert look_at_disk(data, 1).ok
