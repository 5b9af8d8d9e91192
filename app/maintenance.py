"""Maintenance commands: join services, adapters and the console, without starting a manager.

Each returns the exit status. Those of backups are in ``backup_commands``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.adapters.backup_settings import BackupSettings
from app.adapters.certificates import KINDS
from app.adapters.clock import SystemClock
from app.adapters.data_directory import DATABASE_FILE, held
from app.adapters.directory_lock import MAINTENANCE_LOCK
from app.adapters.inspection import (
    Finding,
    look_at_certificate,
    look_at_database,
    look_at_directory,
    look_at_disk,
    look_at_schedule,
    look_at_schema,
    stored_site,
)
from app.adapters.passwords import Argon2Hasher
from app.adapters.storage.store import open_store
from app.console import DONE, WRONG, Console, guarded
from app.domain.errors import BornierError
from app.services import configuration
from app.services.access import ADMIN, AccessService
from app.services.audit import AuditTrail
from app.services.backups import BackupError


def user_reset(name: str, data: Path) -> int:
    """Gives an account a new one-time secret; a manager may run meanwhile."""

    def run(console: Console) -> int:
        account = name.strip().casefold()
        if not (data / DATABASE_FILE).is_file():
            raise BackupError("data-missing", path=data)
        with held(data, MAINTENANCE_LOCK, "data-maintained"):
            secret = asyncio.run(_reset(account, data))
        console.say("user-reset", name=account, secret=secret)
        return DONE

    return guarded(run)


async def _reset(name: str, data: Path) -> str:
    clock, hasher = SystemClock(), Argon2Hasher()
    store = open_store(data / DATABASE_FILE)
    try:
        known = {user.name for user in await store.access.users()}
        if name not in known | {ADMIN}:
            raise BackupError("user-unknown", name=name)
        access = AccessService(store.access, hasher, AuditTrail(store.audit, clock), clock)
        return await access.reset_account(name)
    finally:
        hasher.close()
        await store.close()


def check(data: Path) -> int:
    """Looks at everything a manager needs, and changes nothing; a manager may run meanwhile."""

    def run(console: Console) -> int:
        if not (data / DATABASE_FILE).is_file():
            raise BackupError("data-missing", path=data)
        status = DONE
        looks: tuple[Callable[[], Finding], ...] = (
            lambda: look_at_directory(data),
            lambda: look_at_database(data),
            lambda: look_at_schema(data),
            lambda: _look_at_site(data),
            *(partial(look_at_certificate, data, kind, SystemClock().utc_now()) for kind in KINDS),
            lambda: look_at_disk(data),
            lambda: look_at_schedule(BackupSettings(data), SystemClock().utc_now()),
        )
        for look in looks:
            try:
                finding = look()
                text = console.text(finding.key, finding.params)
            except BornierError as error:
                finding, text = Finding(False, error.key), console.told(error)
            console.say("check-ok" if finding.ok else "check-wrong", text=text)
            if not finding.ok:
                status = WRONG
        return status

    return guarded(run)


def _look_at_site(data: Path) -> Finding:
    schema = look_at_schema(data)
    if schema.key != "check-schema-current":
        return Finding(schema.ok, "check-site-unread")
    site = stored_site(data)
    if site is None:
        return Finding(True, "check-site-none")
    configuration.check(site)
    return Finding(True, "check-site-sound", {"name": site.name, "stations": len(site.stations)})
