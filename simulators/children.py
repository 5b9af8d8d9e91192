"""The manager as a child process, started and ended as a person would."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import msgspec

STOP_WITHIN_S = 15.0


class ManagerPorts(msgspec.Struct, frozen=True):
    """Where the manager listens."""

    web: int = 8443
    ocpp: int = 8080
    ocpps: int = 8081
    host: str = "127.0.0.1"


class ManagerProcess:
    """``python -m app serve`` on a data directory; its output goes to ours."""

    def __init__(self, data: Path, provision: Path, ports: ManagerPorts) -> None:
        self._command = [
            sys.executable, "-m", "app", "serve",
            "--data", str(data),
            "--provision", str(provision),
            "--web-host", ports.host,
            "--web-port", str(ports.web),
            "--ocpp-host", ports.host,
            "--ocpp-port", str(ports.ocpp),
            "--ocpps-port", str(ports.ocpps),
        ]  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        self._ports = ports
        self._restart: asyncio.Task[None] | None = None
        self._meant_to_run = False

    @property
    def lost(self) -> bool:
        """Whether it ended without being told to."""
        process = self._process
        return self._meant_to_run and process is not None and process.returncode is not None

    async def start(self) -> None:
        """Starts it; a Ctrl-C in the terminal reaches only us, and we pass it on once."""
        self._process = await asyncio.create_subprocess_exec(*self._command, start_new_session=True)
        self._meant_to_run = True

    async def ready(self, timeout_s: float = 60.0) -> None:
        """Waits until the stations' port answers.

        Raises ``RuntimeError`` when the manager ends before, or ``timeout_s`` passes.
        """
        process = self._process
        assert process is not None
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        while loop.time() < end_s:
            if process.returncode is not None:
                raise RuntimeError(f"the manager ended with status {process.returncode}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(self._ports.host, self._ports.ocpp)
                writer.close()
                return
            await asyncio.sleep(0.2)
        raise RuntimeError(f"the manager did not open port {self._ports.ocpp}")

    async def stop(self) -> int:
        """Asks it to end and waits; kills it when it takes too long. Its exit status."""
        self._meant_to_run = False
        if self._restart is not None:
            self._restart.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restart
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        return process.returncode or 0

    def kill(self) -> None:
        """``kill -9``."""
        self._meant_to_run = False
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def step_clock(self, by_s: float) -> None:
        """Nothing: the clock of a real machine is not for a scenario to set."""

    def order_limit(self, circuit: str, limit_a: float, for_s: float) -> None:
        """Nothing: an order needs a token, which only the site's manager can make."""

    def break_planner(self) -> None:
        """Nothing: a process cannot be made to err from outside."""

    def mend_planner(self) -> None:
        """Nothing: it never broke."""

    def revive(self) -> None:
        """Starts it again on the same data."""
        self._restart = asyncio.get_running_loop().create_task(self.start())
