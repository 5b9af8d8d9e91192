"""Looks at a data directory without changing it: may a manager start on it, is it sound?"""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from app.adapters.certificates import KINDS, RENEW_BEFORE, CertificateKind
from app.adapters.data_directory import DATABASE_FILE
from app.adapters.directory_lock import MANAGER_LOCK, lock
from app.adapters.station_authority import ROOT_KEY_FILE
from app.adapters.station_vault import VAULT_FILE
from app.adapters.storage.copies import applied_steps, check_integrity, known_steps
from app.adapters.storage.database import open_for_reading
from app.adapters.storage.engine import InlineEngine
from app.adapters.storage.samples import SampleBuffer
from app.adapters.storage.site import SqliteSiteRepository
from app.services.deliveries import ScheduleStore, standings
from app.services.ports import SiteConfiguration

FREE_LEAST_BYTES = 256 * 1024 * 1024
"""Room for two weeks of a full site's measurements; a backup's copy of the database comes on top."""


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question; ``key`` names its text."""

    ok: bool
    key: str
    params: dict[str, object] = {}


def look_at_directory(directory: Path) -> Finding:
    """Can this process work in it, and is it closed to other accounts?"""
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return Finding(False, "check-directory-closed", {"path": directory})
    if directory.stat().st_mode & 0o007:
        names = (*(kind.key_file for kind in KINDS), ROOT_KEY_FILE, VAULT_FILE)
        for key in (directory / name for name in names):
            if key.exists() and key.stat().st_mode & 0o077:
                return Finding(False, "check-key-open", {"path": key})
    with lock(directory, MANAGER_LOCK) as free:
        return Finding(True, "check-manager-stopped" if free else "check-manager-runs")


def look_at_database(directory: Path) -> Finding:
    """Every page, index and reference. Raises ``StorageError`` when something is wrong."""
    check_integrity(directory / DATABASE_FILE)
    return Finding(True, "check-database-sound")


def look_at_schema(directory: Path) -> Finding:
    """Did this version, an earlier or a later one write the file? Raises ``StorageError``."""
    applied = set(applied_steps(directory / DATABASE_FILE))
    if applied - known_steps():
        return Finding(False, "check-schema-newer")
    if known_steps() - applied:
        return Finding(True, "check-schema-older")
    return Finding(True, "check-schema-current")


def stored_site(directory: Path) -> SiteConfiguration | None:
    """What the installer configured; the schema must be the present one."""
    database = open_for_reading(directory / DATABASE_FILE)
    engine = InlineEngine(database, SampleBuffer(1))
    try:
        return asyncio.run(SqliteSiteRepository(engine).load())
    finally:
        engine.abandon()


def look_at_certificate(directory: Path, kind: CertificateKind, now_utc: datetime) -> Finding:
    """A certificate of the pages or stations. An absent one is no fault: a start makes it."""
    path, key_path = directory / kind.certificate_file, directory / kind.key_file
    file = {"file": path.name}
    if not path.exists():
        return Finding(True, "check-certificate-none", {**file})
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        return Finding(False, "check-certificate-unreadable", {**file, "cause": error})
    if certificate.public_key() != key.public_key():
        return Finding(False, "check-certificate-other-key", {**file})
    until = certificate.not_valid_after_utc
    days = (until - now_utc).days
    dated = {**file, "until": f"{until:%Y-%m-%d}"}
    if not certificate.not_valid_before_utc <= now_utc < until - RENEW_BEFORE:
        return Finding(False, "check-certificate-expiring", {**dated})
    return Finding(True, "check-certificate-valid", {**dated, "days": days})


def look_at_schedule(store: ScheduleStore, now_utc: datetime) -> Finding:
    """Do nightly backups arrive? Raises ``BackupError`` when the schedule cannot be read."""
    found = standings(store, now_utc)
    if not found:
        return Finding(True, "check-schedule-none")
    for standing in found:
        last_utc = standing.record.success_utc
        params: dict[str, object] = {
            "target": standing.target.target,
            "since": f"{last_utc or standing.target.since_utc:%Y-%m-%d %H:%M} UTC",
        }
        if standing.ahead:
            return Finding(False, "check-schedule-ahead", params)
        if standing.stale:
            never = last_utc is None
            return Finding(False, "check-schedule-never" if never else "check-schedule-old", params)
    return Finding(True, "check-schedule-sound", {"count": len(found)})


def look_at_disk(directory: Path, least_bytes: int = FREE_LEAST_BYTES) -> Finding:
    """Room to go on, and for a backup's copy of the database."""
    free = shutil.disk_usage(directory).free
    database = directory / DATABASE_FILE
    needed = least_bytes + (database.stat().st_size if database.exists() else 0)
    params: dict[str, object] = {"free": free >> 20, "needed": needed >> 20}
    return Finding(
        free >= needed, "check-disk-room" if free >= needed else "check-disk-low", params
    )
