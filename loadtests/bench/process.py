"""A server under measurement: its own process, its processor time and its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_TIMEOUT_S = 20.0


class Usage:
    """What the kernel says of a running process."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc", str(pid))

    def cpu_s(self) -> float:
        """Processor time used since the start, user and system, all threads [s]."""
        # the command name may hold spaces: count from its closing parenthesis
        fields = self._proc.joinpath("stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def rss_mb(self) -> float:
        """Resident memory [MB]."""
        status = self._proc.joinpath("status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process started with these arguments, stopped at the end; stderr goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def reference(kind: str, log: Path) -> Iterator[tuple[int, Usage]]:
    """A reference server (echo, stock): its port and its usage."""
    with running(["-m", "loadtests.bench.reference", kind], log) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError(f"the {kind} server did not start, see {log}")
        yield int(line), Usage(process.pid)
