"""A manager in a process of its own, with real sockets and a real database."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

START_S = 60.0
STOP_S = 20.0


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningManager:
    """``python -m app serve`` on free ports; ports and data stay the same over restarts."""

    def __init__(self, folder: Path, site: dict[str, Any] | None = None) -> None:
        self.data = folder / "data"
        self.web_port = free_port()
        self.ocpp_port = free_port()
        self.ocpps_port = free_port()
        self.ftp_port = free_port()
        self._log = folder / "manager.log"
        self._site = folder / "site.json"
        self._site.write_text(json.dumps(site or {}))
        self._provisioned = site is not None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def web_url(self) -> str:
        """Root of the pages."""
        return f"https://127.0.0.1:{self.web_port}"

    @property
    def ocpp_url(self) -> str:
        """Where stations connect; the identity comes behind."""
        return f"ws://127.0.0.1:{self.ocpp_port}/ocpp"

    @property
    def ocpps_url(self) -> str:
        """The same over TLS."""
        return f"wss://127.0.0.1:{self.ocpps_port}/ocpp"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "bornier.sqlite3"

    @property
    def output(self) -> str:
        """Everything the manager has printed, over all its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        """Process id of the running manager."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts and waits until ``/health`` answers and every port is open."""
        command = [sys.executable, "-m", "app", "serve", "--data", str(self.data)]
        command += ["--web-port", str(self.web_port), "--ocpp-port", str(self.ocpp_port)]
        command += ["--ocpps-port", str(self.ocpps_port), "--ftp-port", str(self.ftp_port)]
        if self._provisioned:
            command += ["--provision", str(self._site)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ)
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if not self.running:
                raise AssertionError(f"the manager ended:\n{self.output}")
            if self.health() is not None and _listens(self.ocpps_port):
                return
            time.sleep(0.1)
        raise AssertionError(f"the manager does not answer:\n{self.output}")

    def health(self) -> dict[str, Any] | None:
        """The health report, ``None`` while nobody answers."""
        request = urllib.request.Request(
            f"{self.web_url}/health", headers={"Accept": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=20, context=untrusting()) as answer:
                return _report(answer)
        except urllib.error.HTTPError as error:
            with error:
                return _report(error)
        except OSError:
            return None

    def secret(self) -> str:
        """The newest first-login secret that was printed."""
        found = re.findall(r"admin / (\S+)", self.output)
        assert found, self.output
        return str(found[-1])

    def kill(self) -> None:
        """``kill -9``: no clean-up whatever."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """A clean stop (SIGTERM); the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(number)
        try:
            status = process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
            raise AssertionError(f"the manager does not stop:\n{self.output}") from None
        self._process = None
        return status


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except OSError:
        return False
    return True


def untrusting() -> ssl.SSLContext:
    """A TLS client that takes the box's own certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _report(answer: Any) -> dict[str, Any]:
    report: dict[str, Any] = json.load(answer)
    return report
