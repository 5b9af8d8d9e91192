"""Commands that make, check, list and restore backups. Each returns the exit status."""

from __future__ import annotations

from pathlib import Path

from app.adapters.backup_settings import BackupSettings
from app.adapters.durable import give
from app.adapters.restore_in_place import BACKUPS
from app.backup_wiring import (
    described,
    is_elsewhere,
    order,
    say_delivered,
    say_pruned,
    service,
    source_of,
)
from app.console import DONE, Console, guarded, passphrase, size_text
from app.services.backups import BackupError
from app.services.deliveries import deliver


def create(data: Path, target: str | None, passphrase_file: Path | None, keep: int | None) -> int:
    """Makes a backup, by default in the folder ``backups`` of the data."""

    def run(console: Console) -> int:
        secret = passphrase(console, passphrase_file, twice=True)
        if target is not None and is_elsewhere(target):
            wanted = order(BackupSettings(data), target, keep)
            (delivery,) = deliver(service(data), [wanted], secret)
            if delivery.trouble is not None:
                raise delivery.trouble
            say_delivered(console, delivery)
            return DONE
        place = data / BACKUPS if target is None else Path(target)
        made = service(data).create(place, secret, keep)
        if target is None:
            _give_to_owner(data, made.path)
        console.say("created", path=made.path, size=size_text(made.path.stat().st_size))
        say_pruned(console, made.removed, made.left)
        return DONE

    return guarded(run)


def verify(data: Path, file: str, passphrase_file: Path | None) -> int:
    """Reads every byte of a backup."""

    def run(console: Console) -> int:
        secret = passphrase(console, passphrase_file)
        with source_of(data, file) as (source, shown):
            manifest = service(None).verify(source, secret)
        console.say("verified", path=shown, parts=len(manifest.parts), **described(manifest))
        return DONE

    return guarded(run)


def list_backups(data: Path, target: str | None, passphrase_file: Path | None) -> int:
    """Names the backups of a place; with a passphrase, says what they are."""

    def run(console: Console) -> int:
        secret = None if passphrase_file is None else passphrase(console, passphrase_file)
        shown = str(data / BACKUPS) if target is None else target.rstrip("/")
        reader = service(None)
        with order(BackupSettings(data), shown, None).place() as place:
            listed = place.list()
            for each in listed:
                params = {"path": f"{shown}/{each.name}", "size": size_text(each.size)}
                if secret is None:
                    console.say("listed", **params)
                    continue
                try:
                    about = described(reader.inspect(place.source(each.name), secret))
                except BackupError as error:
                    console.say("listed-trouble", **params, trouble=console.told(error))
                else:
                    console.say("listed-open", **{**about, **params})
        if not listed:
            console.say("listed-none", path=shown)
        return DONE

    return guarded(run)


def restore(data: Path, file: str, passphrase_file: Path | None) -> int:
    """Puts a backup in the place of the data."""

    def run(console: Console) -> int:
        secret = passphrase(console, passphrase_file)
        with source_of(data, file) as (source, _):
            done = service(data).restore(source, secret)
        console.say("restored", path=data, **described(done.manifest))
        if done.kept is not None:
            console.say("kept", path=done.kept)
        return DONE

    return guarded(run)


def _give_to_owner(data: Path, path: Path) -> None:
    """What root makes in the data belongs to the manager as well, who is to delete it one day."""
    for each in (path.parent, path):
        give(each, data.stat())
