"""Updates: looks into a signed bundle, and has RAUC write it to the slot that does not run.

What protects an installation is the bundle's signature, never its path. The file is opened once,
here, and RAUC is given that very file as /proc/<pid>/fd/<n>: a name that changes meanwhile changes
nothing. Its content may change too, and that is RAUC's part: it verifies the signature over the
manifest, which holds the root of a hash tree, and reads every further block through dm-verity, so a
block that differs from what was signed is a read error, and the target slot stays marked bad.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePosixPath

import msgspec

from app.domain.host import BundleInfo, Progress, Slots, UpdateRecord
from app.privileged.machine import HostError, Machine
from app.privileged.slots import WAITING, SlotDesk, other_slot, rauc_error, system_conf

log = logging.getLogger(__name__)

INSTALL_TIMEOUT_S = 1800.0
MANAGER_FOLDER = PurePosixPath("/var/lib/bornier")
_PROGRESS = re.compile(r"\s*(\d{1,3})% (.+)")
_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


class _Info(msgspec.Struct, frozen=True):
    compatible: str
    images: tuple[dict[str, dict[str, object]], ...] = ()
    version: str | None = None
    description: str | None = None


class Updates:
    """One bundle at a time: the helper's server sees to that."""

    def __init__(
        self, machine: Machine, slots: SlotDesk, install_timeout_s: float = INSTALL_TIMEOUT_S
    ) -> None:
        self._machine = machine
        self._slots = slots
        self._install_timeout_s = install_timeout_s

    def inspect(self, path: str, uid: int) -> BundleInfo:
        """What the bundle is, if this box may install it; raises ``HostError`` else."""
        with self._opened(path, uid) as (file, name):
            return self._inspect(file, name)

    def install(self, path: str, uid: int, progress: Callable[[Progress], None]) -> Slots:
        """Writes the bundle to the other slot and makes that one the next to start."""
        slots = self._slots.read()
        running = next(slot for slot in slots.slots if slot.running)
        record = slots.outcome
        on_trial = record is not None and record.state in WAITING and record.slot == slots.running
        if on_trial or not running.good:
            raise HostError("update-not-proven", version=slots.version)
        with self._opened(path, uid) as (file, name):
            info = self._inspect(file, name)
            record = UpdateRecord(
                state="installing",
                slot=other_slot(slots).name,
                version=info.version,
                installed_utc=datetime.now(UTC),
            )
            # Before RAUC touches anything: whatever happens, that slot starts on trial.
            self._slots.record.save(record)
            try:
                self._install(name, progress)
            except HostError as error:
                self._slots.record.close(record, "failed", error.key)
                raise
            self._slots.record.close(record, "installed")
        return self._slots.read()

    def _inspect(self, file: int, name: str) -> BundleInfo:
        told = self._machine.run("rauc", "info", "--output-format=json", name)
        if told.status != 0:
            raise rauc_error(told.complaint)
        try:
            info = msgspec.json.decode(told.output, type=_Info)
        except msgspec.DecodeError as error:
            raise HostError("update-not-a-bundle", cause=str(error)) from error
        # RAUC checks both again when it installs: here they are told before anything is written.
        conf = system_conf(self._machine)
        if info.compatible != conf.get("compatible", info.compatible):
            raise HostError("update-other-hardware", compatible=info.compatible)
        version, least = info.version or "", conf.get("min-bundle-version")
        if least is not None and version_order(version) < version_order(least):
            raise HostError("update-too-old", version=version, least=least)
        return BundleInfo(
            version=version,
            compatible=info.compatible,
            description=info.description or "",
            size=os.fstat(file).st_size,
        )

    def _install(self, name: str, progress: Callable[[Progress], None]) -> None:
        with subprocess.Popen(  # noqa: S603  a fixed argument list, no shell
            ["rauc", "install", name],  # noqa: S607  found in the machine's own PATH
            env=self._machine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
        ) as rauc:
            too_slow = threading.Timer(self._install_timeout_s, rauc.kill)
            too_slow.start()
            said = _follow(rauc, progress)
            too_slow.cancel()
        if rauc.returncode < 0:
            raise HostError("host-program-slow", program="rauc")
        if rauc.returncode != 0:
            raise rauc_error(said)

    @contextmanager
    def _opened(self, path: str, uid: int) -> Iterator[tuple[int, str]]:
        """The bundle's descriptor, and the name under which RAUC finds that same file."""
        try:
            file = _open_regular(self._machine, path, uid)
        except (OSError, ValueError) as error:
            raise HostError("update-file-missing", path=path) from error
        try:
            yield file, f"/proc/{os.getpid()}/fd/{file}"
        finally:
            os.close(file)


def _follow(rauc: subprocess.Popen[str], progress: Callable[[Progress], None]) -> str:
    """Passes RAUC's progress on until it ends; returns its error, or what it said last."""
    last_error = last = ""
    assert rauc.stdout is not None
    for line in rauc.stdout:
        if found := _PROGRESS.fullmatch(line.rstrip()):
            progress(Progress(percent=min(100, int(found[1])), step=found[2][:200]))
        elif line.startswith("LastError: "):
            last_error = line.removeprefix("LastError: ").strip()[:300]
        elif line.strip():
            last = line.strip()[:300]
    return last_error or last


def _open_regular(machine: Machine, path: str, uid: int) -> int:
    """Opens a regular file for reading without following any link on the way.

    Anybody but root may only name files that are already theirs, in the manager's own directory:
    the helper's answers must not tell what else there is on the box.
    """
    named = PurePosixPath(path)
    if not named.is_absolute() or ".." in named.parts or "\0" in path:
        raise ValueError("not an absolute path")
    if uid != 0 and not named.is_relative_to(MANAGER_FOLDER):
        raise ValueError("not in the manager's directory")
    *folders, last = named.parts[1:] or ("",)
    at = os.open(machine.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            inner = os.open(folder, flags, dir_fd=at)
            os.close(at)
            at = inner
        # Looked at before it is opened: opening a device or a pipe already does something.
        found = os.open(last, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
    finally:
        os.close(at)
    try:
        status = os.fstat(found)
        if not stat.S_ISREG(status.st_mode) or (uid not in (0, status.st_uid)):
            raise ValueError("not a regular file of the caller")
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)


def version_order(text: str) -> tuple[object, ...]:
    """A key that orders semantic versions (semver.org, clause 11); a foreign text comes first."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return (-1,)
    numbers = tuple(int(number or 0) for number in found.groups()[:3])
    if found[4] is None:
        return (*numbers, 1)
    parts = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in found[4].split(".")
    )
    return (*numbers, 0, parts)
