"""Commands of the targets of backups: whom to trust, what to do every night.

Each returns the exit status.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path

from app.adapters.backup_places import SFTP_SCHEME, sftp_address
from app.adapters.backup_settings import BackupSettings
from app.adapters.clock import SystemClock
from app.adapters.data_directory import DATABASE_FILE
from app.adapters.inspection import FREE_LEAST_BYTES
from app.adapters.sftp_link import fetch_host_key
from app.backup_wiring import is_elsewhere, order, say_delivered, service
from app.console import DONE, REFUSED, WRONG, Console, guarded, passphrase
from app.domain.errors import BornierError
from app.services.backups import BackupError
from app.services.deliveries import Standing, Target, nightly, standings

# ---------------------------------------------------------------- servers


def own_key(data: Path) -> int:
    """Prints the line that a server's administrator needs."""

    def run(console: Console) -> int:
        console.say("own-key", line=_public_line(BackupSettings(data)))
        return DONE

    return guarded(run)


def trust(data: Path, target: str, expected: str | None) -> int:
    """Shows the key of a server and, once confirmed, trusts it; then tries to reach the folder."""

    def run(console: Console) -> int:
        settings, address = BackupSettings(data), sftp_address(target)
        key = fetch_host_key(address)
        fingerprint = key.get_fingerprint()
        console.say(
            "host-key", server=address.server, kind=key.get_algorithm(), fingerprint=fingerprint
        )
        if expected is None and not _pinned(settings, address.server, fingerprint):
            if not sys.stdin.isatty():
                console.say("host-key-unconfirmed", target=target, fingerprint=fingerprint)
                return WRONG
            if input(console.text("host-key-question", {})).strip().casefold() not in _YES:
                console.say("host-key-refused")
                return WRONG
        elif expected is not None and expected != fingerprint:
            raise BackupError("sftp-host-other", server=address.server, expected=expected)
        settings.pin(address.server, key)
        console.say("host-key-trusted", server=address.server)
        console.say("own-key", line=_public_line(settings))
        with order(settings, target, None).place() as place:
            console.say("target-reached", target=target, count=len(place.list()))
        return DONE

    return guarded(run)


_YES = ("yes", "oui")


def _pinned(settings: BackupSettings, server: str, fingerprint: str) -> bool:
    try:
        known = settings.host_key(server).get_fingerprint()
    except BackupError as error:
        if error.key == "sftp-host-unknown":
            return False
        raise
    if known != fingerprint:
        raise BackupError("sftp-host-changed", server=server)
    return True


def _public_line(settings: BackupSettings) -> str:
    return settings.own_key().export_public_key().decode().strip()


# ---------------------------------------------------------------- every night


def schedule(
    data: Path, target: str | None, keep: int, passphrase_file: Path | None, remove: str | None
) -> int:
    """Adds or removes a target of nightly backups, and shows how all of them do."""

    def run(console: Console) -> int:
        settings, now_utc = BackupSettings(data), SystemClock().utc_now()
        targets = list(settings.targets())
        if remove is not None:
            left = [each for each in targets if each.target != _lasting(remove)]
            if left == targets:
                raise BackupError("backup-schedule-unknown", target=remove)
            settings.save_targets(left)
        if target is not None:
            name = _lasting(target)
            if name.startswith(SFTP_SCHEME):
                settings.host_key(sftp_address(name).server)
            _schedule_passphrase(console, settings, passphrase_file)
            former = {each.target: each for each in targets}
            since_utc = former[name].since_utc if name in former else now_utc
            former[name] = Target(name, keep, since_utc)
            settings.save_targets(list(former.values()))
        found = standings(settings, now_utc)
        for standing in found:
            _say_standing(console, standing)
        if not found:
            console.say("schedule-none")
        return DONE

    return guarded(run)


def run_schedule(data: Path) -> int:
    """Makes the backup of the night and brings it to every scheduled target."""

    def run(console: Console) -> int:
        settings, clock = BackupSettings(data), SystemClock()
        if not settings.targets():
            console.say("schedule-none")
            return DONE
        if any(standing.ahead for standing in standings(settings, clock.utc_now())):
            console.say("nightly-clock", now=f"{clock.utc_now():%Y-%m-%d %H:%M} UTC")
        status = DONE
        for delivery in nightly(
            service(data),
            settings,
            clock,
            lambda target: order(settings, target.target, target.keep),
            lambda: _check_room(data),
        ):
            if delivery.trouble is None:
                say_delivered(console, delivery)
            else:
                trouble = console.told(delivery.trouble)
                console.say("not-delivered", target=delivery.target, trouble=trouble)
                status = REFUSED
        return status

    return guarded(run)


def _schedule_passphrase(console: Console, settings: BackupSettings, file: Path | None) -> None:
    if file is None:
        with contextlib.suppress(BackupError):
            settings.passphrase()
            return
    settings.save_passphrase(passphrase(console, file, twice=True))


def _lasting(target: str) -> str:
    """A target as it can be found from any working directory."""
    return target.rstrip("/") if is_elsewhere(target) else str(Path(target).absolute())


def _check_room(data: Path) -> None:
    """The journal of charges comes first: the copy and the backup must not take its room."""
    database = data / DATABASE_FILE
    size = database.stat().st_size if database.exists() else 0
    free, needed = shutil.disk_usage(data).free, FREE_LEAST_BYTES + 2 * size
    if free < needed:
        raise BackupError("backup-disk-low", free=free >> 20, needed=needed >> 20)


def _say_standing(console: Console, standing: Standing) -> None:
    target, record = standing.target, standing.record
    console.say("scheduled", target=target.target, keep=target.keep)
    if record.success_utc is not None:
        console.say(
            "scheduled-success", at=f"{record.success_utc:%Y-%m-%d %H:%M} UTC", file=record.file
        )
    if record.failure is not None:
        error = BornierError(record.failure.key, **record.failure.params)
        at = f"{record.failure.at_utc:%Y-%m-%d %H:%M} UTC"
        console.say("scheduled-failure", at=at, trouble=console.told(error))
    if standing.stale:
        console.say("scheduled-stale")
