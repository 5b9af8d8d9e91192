"""The machine that the helper acts on: a root directory and the programs it may start.

Tests give another root and other programs; nothing else knows the difference.
"""

from __future__ import annotations

import logging
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from app.domain.errors import BornierError

log = logging.getLogger(__name__)

PROGRAM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
COMMAND_TIMEOUT_S = 30.0


class HostError(BornierError):
    """The helper cannot or will not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended: its exit status and what it wrote."""

    status: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """What it complains of: the line that calls itself an error, else what it said last."""
        lines = (self.errors.strip() or self.output.strip()).splitlines()
        if not lines:
            return f"exit status {self.status}"
        named = next((line for line in lines if line.startswith("Error")), lines[-1])
        return named.strip()[:300]


@dataclass(frozen=True, slots=True)
class Machine:
    """Paths below ``root``; programs found in ``program_path``, run without a shell."""

    root: Path = Path("/")
    program_path: str = PROGRAM_PATH

    def path(self, absolute: str) -> Path:
        """Where an absolute path of the box lies."""
        return self.root / absolute.lstrip("/")

    @property
    def environment(self) -> dict[str, str]:
        """All that programs are given: their answers are parsed, so in the language C."""
        return {"PATH": self.program_path, "LC_ALL": "C", "TZ": "UTC"}

    def run(self, *argv: str, timeout_s: float = COMMAND_TIMEOUT_S) -> Finished:
        """Runs a program to its end; one that is missing or too slow is a ``HostError``."""
        try:
            done = subprocess.run(  # noqa: S603  a fixed argument list, no shell
                argv,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
                cwd="/",
            )
        except FileNotFoundError as error:
            raise HostError("host-program-missing", program=argv[0]) from error
        except subprocess.TimeoutExpired as error:
            raise HostError("host-program-slow", program=argv[0]) from error
        return Finished(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def must(self, *argv: str) -> Finished:
        """The same, and anything but success is a ``HostError`` that quotes the program."""
        done = self.run(*argv)
        if done.status != 0:
            raise HostError("host-program-failed", program=argv[0], cause=done.complaint)
        return done

    def tries(self, *argv: str) -> bool:
        """Runs it where a failure is only worth a line in the journal."""
        try:
            self.must(*argv)
        except HostError as error:
            log.warning("%s: %s", " ".join(argv), error)
            return False
        return True


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces a file so that a power cut leaves the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        os.fchmod(file, mode)
        with open(file, "wb", closefd=False) as stream:
            stream.write(content)
        os.fsync(file)
    finally:
        os.close(file)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_public(folder: Path) -> None:
    """Makes a directory that every service can read, whatever the helper's own umask."""
    if folder.is_dir():
        return
    make_public(folder.parent)
    folder.mkdir()
    folder.chmod(0o755)


def set_aside(path: Path) -> None:
    """Keeps a damaged file beside its place, for whoever wants to know."""
    path.replace(path.with_name(f"{path.name}.damaged"))
    log.error("%s was damaged: set aside, defaults are used", path)
