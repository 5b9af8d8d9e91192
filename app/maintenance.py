"""Maintenance commands: joins services, adapters and the console, without starting a manager.

Each returns the exit status: 0 done, 1 ``check`` has found something wrong, 2 refused or failed.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import re
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.adapters.backup_archive import FileVault
from app.adapters.certificates import KINDS
from app.adapters.clock import SystemClock
from app.adapters.data_directory import BACKUPS, DATABASE_FILE, LocalData, held
from app.adapters.directory_lock import MAINTENANCE_LOCK
from app.adapters.inspection import (
    Finding,
    look_at_certificate,
    look_at_database,
    look_at_directory,
    look_at_disk,
    look_at_schema,
    stored_site,
)
from app.adapters.passwords import Argon2Hasher
from app.adapters.storage.store import open_store
from app.console import Console, size_text
from app.domain.errors import BornierError
from app.services import configuration
from app.services.access import ADMIN, AccessService
from app.services.audit import AuditTrail
from app.services.backups import BackupError, BackupService, Host, Manifest

DONE, WRONG, REFUSED = 0, 1, 2

_MACHINE_ID = Path("/etc/machine-id")


def backup_create(
    data: Path, target: Path | None, passphrase_file: Path | None, keep: int | None
) -> int:
    """Makes a backup, by default in the folder ``backups`` of the data."""

    def run(console: Console) -> int:
        passphrase = _passphrase(console, passphrase_file, twice=True)
        made = _service(data).create(target or data / BACKUPS, passphrase, keep)
        console.say("created", path=made.path, size=size_text(made.path.stat().st_size))
        for path in made.removed:
            console.say("removed", path=path)
        for path in made.left:
            console.say("left", path=path)
        return DONE

    return _guarded(run)


def backup_verify(file: Path, passphrase_file: Path | None) -> int:
    """Reads every byte of a backup."""

    def run(console: Console) -> int:
        manifest = _service(None).verify(file, _passphrase(console, passphrase_file))
        console.say("verified", path=file, parts=len(manifest.parts), **_described(manifest))
        return DONE

    return _guarded(run)


def backup_list(folder: Path, passphrase_file: Path | None) -> int:
    """Names the backups of a folder; with a passphrase, says what they are."""

    def run(console: Console) -> int:
        passphrase = None
        if passphrase_file is not None:
            passphrase = _passphrase(console, passphrase_file)
        service = _service(None)
        paths = service.list(folder)
        for path in paths:
            size = size_text(path.stat().st_size)
            if passphrase is None:
                console.say("listed", path=path, size=size)
                continue
            try:
                described = _described(service.inspect(path, passphrase))
            except BackupError as error:
                console.say("listed-trouble", path=path, size=size, trouble=console.told(error))
            else:
                console.say("listed-open", path=path, **{**described, "size": size})
        if not paths:
            console.say("listed-none", path=folder)
        return DONE

    return _guarded(run)


def restore(file: Path, data: Path, passphrase_file: Path | None) -> int:
    """Puts a backup in the place of the data."""

    def run(console: Console) -> int:
        done = _service(data).restore(file, _passphrase(console, passphrase_file))
        console.say("restored", path=data, **_described(done.manifest))
        if done.kept is not None:
            console.say("kept", path=done.kept)
        return DONE

    return _guarded(run)


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

    return _guarded(run)


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

    return _guarded(run)


def _look_at_site(data: Path) -> Finding:
    schema = look_at_schema(data)
    if schema.key != "check-schema-current":
        return Finding(schema.ok, "check-site-unread")
    site = stored_site(data)
    if site is None:
        return Finding(True, "check-site-none")
    configuration.check(site)
    return Finding(True, "check-site-sound", {"name": site.name, "stations": len(site.stations)})


# ---------------------------------------------------------------- shared


def _guarded(command: Callable[[Console], int]) -> int:
    console = Console()
    try:
        return command(console)
    except BornierError as error:
        console.complain(error)
        return REFUSED


def _service(data: Path | None) -> BackupService:
    clock = SystemClock()
    return BackupService(LocalData(data or Path(), clock), FileVault(), this_host(), clock)


def this_host(machine_id: Path = _MACHINE_ID) -> Host:
    """This machine. The identifier does not give the machine's own away, which is private."""
    name = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower()) or "box"
    try:
        identity = machine_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        identity = name
    return Host(name, hashlib.sha256(b"bornier backup " + identity.encode()).hexdigest()[:32])


def _described(manifest: Manifest) -> dict[str, object]:
    return {
        "created": f"{manifest.created_utc:%Y-%m-%d %H:%M:%S} UTC",
        "version": manifest.version,
        "host": manifest.host.name,
        "size": size_text(manifest.size),
    }


def _passphrase(console: Console, file: Path | None, *, twice: bool = False) -> str:
    """From the first line of ``file``, else asked for at the terminal."""
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise BackupError("backup-passphrase-unreadable", cause=error) from error
        return lines[0] if lines else ""
    if not sys.stdin.isatty():
        raise BackupError("backup-passphrase-missing")
    passphrase = getpass.getpass(console.text("passphrase", {}))
    if twice and getpass.getpass(console.text("passphrase-again", {})) != passphrase:
        raise BackupError("backup-passphrase-different")
    return passphrase
