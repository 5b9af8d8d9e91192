"""Backups brought to where they are kept: a folder, a stick, a server; once, or every night.

Everything here blocks, as in ``backups``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Protocol

import msgspec

from app.domain.errors import BornierError
from app.services.backups import SUFFIX, BackupError, BackupService, Source
from app.services.ports import Clock

STALE_AFTER = timedelta(days=3)
"""A target that has had no backup for so long is wrong: two nights may fail, a weekend passes."""

CLOCK_SLACK = timedelta(hours=1)
"""How far behind the last backup the clock may be before the two contradict each other."""


class Listed(msgspec.Struct, frozen=True):
    """A file that carries the name of a backup."""

    name: str
    size: int


class Place(Protocol):
    """Where backups are kept. Every method raises ``BackupError``."""

    def list(self) -> Sequence[Listed]:
        """Oldest name first; none where the folder does not exist yet."""
        ...

    def source(self, name: str) -> Path | Source:
        """The file, to be read."""
        ...

    def deliver(self, file: Path, name: str, mark: str) -> None:
        """Puts a copy there: complete and read back, or not at all.

        ``mark`` is in the name of what is not complete yet, and tells ours from another machine's.
        """
        ...

    def remove(self, name: str) -> None:
        """Deletes the file."""
        ...


class Order(msgspec.Struct, frozen=True):
    """A target to serve; ``place`` opens it, and may raise ``BackupError`` itself."""

    target: str
    keep: int | None
    place: Callable[[], AbstractContextManager[Place]]


class Delivery(msgspec.Struct, frozen=True):
    """What became of an order."""

    target: str
    file: str
    removed: tuple[str, ...] = ()
    """Older backups of this machine that were deleted."""
    left: tuple[str, ...] = ()
    """Files named like backups that this passphrase does not open: never deleted."""
    trouble: BornierError | None = None


def deliver(service: BackupService, orders: Iterable[Order], passphrase: str) -> list[Delivery]:
    """Makes one backup and brings it to every target; one that fails keeps none from the others.

    Raises ``BackupError`` and ``StorageError`` when the backup itself cannot be made.
    """
    done: list[Delivery] = []
    with service.packed(passphrase) as packed:
        name = packed.path.name
        for order in orders:
            try:
                with order.place() as place:
                    place.deliver(packed.path, name, service.mark)
                    removed, left = _prune(service, place, name, passphrase, order.keep)
            except BornierError as error:
                done.append(Delivery(order.target, name, trouble=error))
            else:
                done.append(Delivery(order.target, name, removed, left))
    return done


def _prune(
    service: BackupService, place: Place, newest: str, passphrase: str, keep: int | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if keep is None:
        return (), ()
    others = [(each.name, place.source(each.name)) for each in place.list() if each.name != newest]
    removed, left = service.beyond(others, passphrase, keep)
    for name in removed:
        place.remove(name)
    return removed, left


def newest(place: Place, target: str) -> str:
    """Name of the last backup of a place that holds those of one machine.

    Raises ``BackupError``: ``backup-none``, or ``backup-several`` machines, one of them to be named.
    """
    names = [each.name for each in place.list()]
    if not names:
        raise BackupError("backup-none", target=target)
    if len({name.removesuffix(SUFFIX).rpartition("-")[0] for name in names}) > 1:
        raise BackupError("backup-several", target=target)
    return names[-1]


# ---------------------------------------------------------------- every night


class Target(msgspec.Struct, frozen=True):
    """Where to, and how many are kept there."""

    target: Annotated[str, msgspec.Meta(min_length=1)]
    keep: Annotated[int, msgspec.Meta(ge=1)]
    since_utc: datetime
    """When it was scheduled."""


class Failure(msgspec.Struct, frozen=True):
    """Why a target had no backup; ``key`` and ``params`` make the error's text."""

    at_utc: datetime
    key: str
    params: dict[str, str] = {}


class Record(msgspec.Struct, frozen=True):
    """What became of a target so far."""

    target: str
    success_utc: datetime | None = None
    file: str = ""
    """What the last success has made."""
    failure: Failure | None = None
    """The last one, also when a success has followed."""


class ScheduleStore(Protocol):
    """The schedule as it is kept. Raises ``BackupError``."""

    def targets(self) -> tuple[Target, ...]:
        """In the order in which they were added."""
        ...

    def passphrase(self) -> str:
        """That of every backup of the schedule."""
        ...

    def records(self) -> tuple[Record, ...]:
        """What is known of the targets; nothing, when that cannot be read."""
        ...

    def save_records(self, records: Sequence[Record]) -> None:
        """Replaces what is known."""
        ...


class Standing(msgspec.Struct, frozen=True):
    """A scheduled target and how it does."""

    target: Target
    record: Record
    stale: bool
    """The last success is too long ago."""
    ahead: bool
    """The last success lies in the future: one of the two clocks was wrong."""


def standings(store: ScheduleStore, now_utc: datetime) -> list[Standing]:
    """Every scheduled target."""
    records = {record.target: record for record in store.records()}
    found: list[Standing] = []
    for target in store.targets():
        record = records.get(target.target, Record(target.target))
        last_utc = record.success_utc or target.since_utc
        found.append(
            Standing(
                target,
                record,
                stale=now_utc - last_utc > STALE_AFTER,
                ahead=last_utc - now_utc > CLOCK_SLACK,
            )
        )
    return found


def nightly(
    service: BackupService,
    store: ScheduleStore,
    clock: Clock,
    opened: Callable[[Target], Order],
    check_room: Callable[[], None],
) -> list[Delivery]:
    """Serves every scheduled target and records what became of it.

    A clock that stands before the last backup keeps no backup from being made: the data are worth
    more than its name. Raises ``BackupError`` when the outcome cannot be recorded.
    """
    targets = store.targets()
    try:
        check_room()
        done = deliver(service, [opened(target) for target in targets], store.passphrase())
    except BornierError as error:
        done = [Delivery(target.target, "", trouble=error) for target in targets]
    records = {record.target: record for record in store.records()}
    now = clock.utc_now()
    store.save_records(
        [
            _after(records.get(delivery.target, Record(delivery.target)), delivery, now)
            for delivery in done
        ]
    )
    return done


def _after(record: Record, delivery: Delivery, now_utc: datetime) -> Record:
    trouble = delivery.trouble
    if trouble is None:
        return msgspec.structs.replace(record, success_utc=now_utc, file=delivery.file)
    params = {name: str(value) for name, value in trouble.params.items()}
    return msgspec.structs.replace(record, failure=Failure(now_utc, trouble.key, params))
