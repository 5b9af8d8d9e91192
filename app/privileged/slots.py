"""The two systems of the box, as RAUC and GRUB's environment tell of them, and what became of the
last update.

GRUB counts a slot's starts in ``<slot>_TRY`` until the slot is marked good; RAUC takes a slot with
a count for bad. So the running slot is good once its trial has passed, at every start anew.
"""

from __future__ import annotations

import configparser
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from app.config import VERSION
from app.domain.host import Slot, Slots, UpdateRecord
from app.privileged.machine import HostError, Machine, set_aside, write_durably

log = logging.getLogger(__name__)

RECORD = "/var/lib/bornier-host/update.json"
SYSTEM_CONF = "/etc/rauc/system.conf"
WAITING = ("installing", "installed")
"""States of a record whose slot has still to prove itself."""


class _Bundle(msgspec.Struct, frozen=True):
    version: str | None = None


class _Installed(msgspec.Struct, frozen=True):
    timestamp: datetime | None = None


class _SlotStatus(msgspec.Struct, frozen=True):
    bundle: _Bundle = _Bundle()
    installed: _Installed = _Installed()


class _RaucSlot(msgspec.Struct, frozen=True):
    state: str
    bootname: str | None = None
    boot_status: str | None = None
    slot_status: _SlotStatus = _SlotStatus()


class _RaucStatus(msgspec.Struct, frozen=True):
    compatible: str
    booted: str
    slots: tuple[dict[str, _RaucSlot], ...]
    boot_primary: str | None = None


class SlotDesk:
    """Reads and switches slots."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.record = RecordStore(machine)

    def read(self) -> Slots:
        """Both slots, and the last update."""
        told = self._machine.run("rauc", "status", "--detailed", "--output-format=json")
        if told.status != 0:
            raise HostError("update-unavailable", cause=told.complaint)
        try:
            status = msgspec.json.decode(told.output, type=_RaucStatus)
        except msgspec.DecodeError as error:
            raise HostError("update-unavailable", cause=str(error)) from error
        named = [
            (name, slot)
            for entry in status.slots
            for name, slot in entry.items()
            if slot.bootname is not None
        ]
        return Slots(
            compatible=status.compatible,
            version=VERSION,
            running=status.booted,
            next=next((slot.bootname for name, slot in named if name == status.boot_primary), None),
            slots=tuple(
                Slot(
                    name=slot.bootname or name,
                    running=slot.state == "booted",
                    good=slot.boot_status == "good",
                    version=VERSION if slot.state == "booted" else slot.slot_status.bundle.version,
                    installed_utc=slot.slot_status.installed.timestamp,
                )
                for name, slot in sorted(named)
            ),
            outcome=self.record.load(),
        )

    def activate_other(self) -> Slots:
        """The next start is the other slot's, which must be one that has proved itself."""
        slots = self.read()
        other = other_slot(slots)
        if not other.good:
            raise HostError("update-other-slot-bad", slot=other.name)
        self.mark("active", "other")
        return self.read()

    def mark(self, mark: str, which: str) -> None:
        """``rauc status mark-good|mark-bad|mark-active booted|other``."""
        done = self._machine.run("rauc", "status", f"mark-{mark}", which)
        if done.status != 0:
            raise rauc_error(done.complaint)


def other_slot(slots: Slots) -> Slot:
    """The slot that does not run."""
    for slot in slots.slots:
        if not slot.running:
            return slot
    raise HostError("update-unavailable", cause="there is only one slot")


class RecordStore:
    """What became of the last update; the file may be missing or damaged."""

    def __init__(self, machine: Machine) -> None:
        self._path = machine.path(RECORD)

    def load(self) -> UpdateRecord | None:
        """The record, or ``None``: without one nothing is on trial."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=UpdateRecord)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            try:
                set_aside(self._path)
            except OSError as error:
                log.error("%s is damaged and cannot be set aside: %s", self._path, error)
        except OSError as error:
            log.error("%s cannot be read: %s", self._path, error)
        return None

    def save(self, record: UpdateRecord) -> None:
        """Replaces the record; raises ``HostError`` when that is not possible."""
        try:
            write_durably(self._path, msgspec.json.encode(record))
        except OSError as error:
            raise HostError("host-not-written", cause=str(error)) from error

    def close(self, record: UpdateRecord, state: str, reason: str = "") -> None:
        """Notes how an update ended; failing to is only told to the journal."""
        try:
            self.save(msgspec.structs.replace(record, state=state, reason=reason))
        except HostError as error:
            log.error("the outcome of the update is not recorded: %s", error)


def system_conf(machine: Machine) -> Mapping[str, str]:
    """The section ``system`` of RAUC's configuration; empty when there is none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(machine.path(SYSTEM_CONF).read_text(encoding="utf-8"))
        return dict(parser["system"])
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        log.warning("%s: %s", SYSTEM_CONF, error)
        return {}


def grub_environment(machine: Machine) -> Mapping[str, str]:
    """GRUB's variables; empty when they cannot be read, so that nothing is concluded from them."""
    named = system_conf(machine).get("grubenv")
    if named is None:
        return {}
    path: Path = machine.path(named)
    try:
        listed = machine.must("grub-editenv", str(path), "list").output
    except HostError as error:
        log.error("GRUB's environment cannot be read: %s", error)
        return {}
    return dict(line.split("=", 1) for line in listed.splitlines() if "=" in line)


_MEANINGS = (
    ("signature verification failed", "update-signature"),
    ("Invalid bundle format", "update-not-a-bundle"),
    ("Invalid identifier", "update-not-a-bundle"),
    ("Bundle format", "update-not-a-bundle"),
    ("Compatible mismatch", "update-other-hardware"),
    ("Version mismatch", "update-too-old"),
    ("Already processing", "update-busy"),
    ("already processing", "update-busy"),
    ("rauc busy", "update-busy"),
    ("Failed mounting bundle", "update-not-written"),
    ("Failed updating slot", "update-not-written"),
    ("Input/output error", "update-not-written"),
    ("No space left", "update-not-written"),
    ("D-Bus", "update-unavailable"),
    ("creating proxy", "update-unavailable"),
)


def rauc_error(said: str) -> HostError:
    """What RAUC said, as one of our keys; its own words stay in ``cause``."""
    for words, key in _MEANINGS:
        if words in said:
            return HostError(key, cause=said)
    return HostError("update-failed", cause=said)
