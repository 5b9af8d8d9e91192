from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.host import HostClient
from app.domain import host
from app.domain.errors import BornierError
from app.privileged.__main__ import main
from app.privileged.network import DROP_IN
from app.privileged.settings import FILE
from app.privileged.trial import NOT_WELL
from tests.support.bench import Bench

TREE = Path(__file__).parents[3]


def started(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app.privileged", *words],
        cwd=TREE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=60)
    return errors


def test_the_helper_as_a_process(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    # Listening before it runs, as systemd does it; its descriptor becomes the third.
    script = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
        "os.execv(sys.executable, [sys.executable, '-m', 'app.privileged', 'serve',"
        f" '--uid', '{os.getuid()}', '--idle-s', '0.5'])"
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(listener.fileno())],
            cwd=TREE,
            env={**os.environ, "LISTEN_FDS": "1"},
            pass_fds=(listener.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
        )
        state = HostClient(path).ask(host.TimeRead(), host.TimeState)
        assert state.zone
        # Nobody asks any more: it ends, and systemd would keep the socket.
        assert "Traceback" not in ended(process)
        assert process.returncode == 0


def test_it_ends_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    process = started("serve", "--socket", str(path), "--uid", str(os.getuid()))
    while not path.exists():
        assert process.poll() is None
    while True:  # bound, then listening
        try:
            HostClient(path).ask(host.TimeRead(), host.TimeState)
            break
        except BornierError:
            assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in ended(process)
    assert process.returncode == 0


def test_without_a_socket_it_says_so() -> None:
    process = started("serve", "--user", "no-such-user")
    errors = ended(process)
    assert process.returncode == 2
    assert "no user no-such-user" in errors
    assert "--socket" in errors


def test_boot_and_trial(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.file(FILE, '{"network": {"dhcp": true, "dns": ["10.0.0.1"]}}')
    assert main(["apply"], bench.machine) == 0
    assert bench.exists(DROP_IN)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
    trial = ["trial", "--web-port", port, "--station-port", port, "--within-s", "0"]
    assert main([*trial, "--writable", "/data"], bench.machine) == NOT_WELL
    assert "mark-good" not in " ".join(bench.calls)


def test_it_stays_small() -> None:
    """Root runs little code: no event loop, no library of the pages or of the stations."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import app.privileged.__main__, app.privileged.desk, app.privileged.server, sys;"
                "print(*sorted(sys.modules))"
            ),
        ],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(told.stdout.split())
    assert not loaded & {"asyncio", "ssl", "http", "starlette", "cryptography", "peewee", "yaml"}
    ours = {name for name in loaded if name.startswith("app.") and "privileged" not in name}
    assert ours == {"app.config", "app.domain", "app.domain.errors", "app.domain.host"}
