"""After each start: is this system well? An update that is not goes back to the one before.

Rules, each on the safe side:
- A system is on trial when the record of the last update names its slot and that update has not
  been confirmed. No record, or one that cannot be read: nothing is on trial.
- Well: the slot is marked good and the outcome recorded. When GRUB would start another slot first,
  it came here because that one failed: it is marked bad, this one active.
- Not well and on trial: the slot is marked bad, and the box restarts, if the other slot can start
  and the mark was really written. Else it stays up: a box that charges badly can be repaired, one
  that restarts for ever cannot.
- Not well and not on trial: the box stays up, whatever happened to it since it was proved.
"""

from __future__ import annotations

import http.client
import logging
import os
import socket
import ssl
import time
from dataclasses import dataclass

import msgspec

from app.config import VERSION
from app.domain.host import UpdateRecord
from app.privileged.machine import HostError, Machine
from app.privileged.slots import WAITING, SlotDesk, grub_environment

log = logging.getLogger(__name__)

NOTHING_KEPT = "/run/bornier/nothing-kept"
"""Left by the image's initramfs when it found no data partition and put a tmpfs in its place."""
RETRY_S = 2.0
ANSWER_TIMEOUT_S = 10.0
WELL, NOT_WELL, RESTARTING = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Trial:
    """What must be well, and within which time."""

    web_port: int = 443
    station_ports: tuple[int, ...] = (8080,)
    certificate: str = "/var/lib/bornier/ui.crt"
    writable: str | None = None
    """A mount point that must be there and not read-only; ``None`` where there is none."""
    within_s: float = 300.0
    retry_s: float = RETRY_S
    mark_within_s: float = 60.0


class _Health(msgspec.Struct, frozen=True):
    ready: bool


def run(machine: Machine, trial: Trial) -> int:
    """The exit status: well, not well (and left as it is), or restarting into the other slot."""
    desk = SlotDesk(machine)
    trouble = _wait_until_well(machine, trial)
    try:
        slots = desk.read()
        running: str | None = slots.running
    except HostError as error:
        log.error("the slots are not known: %s", error)
        running = None
    record = desk.record.load()
    waiting = record is not None and record.state in WAITING
    on_trial = record if waiting and record is not None and record.slot == running else None
    if trouble is None:
        if running is None:
            return NOT_WELL
        return _settle(machine, desk, trial, running, record if waiting else None)
    log.error("version %s is not well: %s", VERSION, trouble)
    if on_trial is None or running is None:
        return NOT_WELL
    return _go_back(machine, desk, running, on_trial)


def _settle(
    machine: Machine, desk: SlotDesk, trial: Trial, running: str, waiting: UpdateRecord | None
) -> int:
    if not _mark_good(desk, trial):
        return NOT_WELL
    first = grub_environment(machine).get("ORDER", running).split()
    if first and first[0] != running:
        log.error("slot %s could not start: slot %s stays", first[0], running)
        try:
            desk.mark("bad", "other")
            desk.mark("active", "booted")
        except HostError as error:
            log.error("the failed slot is not marked: %s", error)
            return NOT_WELL
    if waiting is not None:
        if waiting.slot == running:
            desk.record.close(waiting, "confirmed")
        elif waiting.state == "installing":
            desk.record.close(waiting, "failed", "interrupted")
        else:
            desk.record.close(waiting, "failed", "not-started")
    log.info("version %s is well in slot %s", VERSION, running)
    return WELL


def _go_back(machine: Machine, desk: SlotDesk, running: str, record: UpdateRecord) -> int:
    grub = grub_environment(machine)
    others = [name for name in grub.get("ORDER", "").split() if name != running]
    if not any(grub.get(f"{name}_OK") == "1" and grub.get(f"{name}_TRY") == "0" for name in others):
        log.error("no other slot can start: this one stays up")
        return NOT_WELL
    desk.record.close(record, "failed", "not-healthy")
    try:
        desk.mark("bad", "booted")
        machine.must("systemctl", "--no-block", "reboot")
    except HostError as error:
        log.error("this slot stays up: %s", error)
        return NOT_WELL
    log.error("restarting into the other slot")
    return RESTARTING


def _mark_good(desk: SlotDesk, trial: Trial) -> bool:
    """Marks the running slot good; RAUC refuses while it is busy, so for a while it is asked again."""
    until_s = time.monotonic() + trial.mark_within_s
    while True:
        try:
            desk.mark("good", "booted")
        except HostError as error:
            if time.monotonic() >= until_s:
                log.error("the slot is not marked good: %s", error)
                return False
            log.info("the slot is not marked good yet: %s", error)
            time.sleep(trial.retry_s)
        else:
            return True


def _wait_until_well(machine: Machine, trial: Trial) -> str | None:
    """``None`` once all is well, else what was wrong when the time was over."""
    until_s = time.monotonic() + trial.within_s
    while True:
        trouble = _look(machine, trial)
        if trouble is None or time.monotonic() >= until_s:
            return trouble
        log.debug("not well yet: %s", trouble)
        time.sleep(trial.retry_s)


def _look(machine: Machine, trial: Trial) -> str | None:
    try:
        if not _ready(machine, trial):
            return "the manager is not ready"
        for port in trial.station_ports:
            with socket.create_connection(("127.0.0.1", port), ANSWER_TIMEOUT_S):
                pass
        if machine.path(NOTHING_KEPT).exists():
            return "the data partition could not be mounted"
        if trial.writable is not None:
            path = machine.path(trial.writable)
            if not path.is_mount() or os.statvfs(path).f_flag & os.ST_RDONLY:
                return f"{trial.writable} is not mounted to write"
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def _ready(machine: Machine, trial: Trial) -> bool:
    """Whether the manager answers, behind its own certificate, that it is ready."""
    trusted = ssl.create_default_context(cafile=str(machine.path(trial.certificate)))
    asked = http.client.HTTPSConnection(
        "127.0.0.1", trial.web_port, timeout=ANSWER_TIMEOUT_S, context=trusted
    )
    try:
        asked.request("GET", "/health")
        answer = asked.getresponse()
        content = answer.read(1 << 20)
        return answer.status == 200 and msgspec.json.decode(content, type=_Health).ready
    finally:
        asked.close()
