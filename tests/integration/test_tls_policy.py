"""AES-256 only on the pages, proved by handshakes between processes: a server under the policy, and
clients that offer one suite each. What the manager's own ports speak is in ``test_tls_ports``.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.tls_client import Offer, answer, bare_environment, tls12, tls13

# ``preloaded`` imports ssl before the policy is settled, which then must start the process anew.
SERVER = """
import os, sys
from pathlib import Path
print("start", os.getpid(), flush=True)
if sys.argv[2] == "preloaded":
    import ssl
if sys.argv[3] == "policy":
    from app.adapters.tls_policy import ensure_tls_policy
    ensure_tls_policy(Path(sys.argv[1]))
import socket, ssl
from datetime import datetime, timezone
from app.adapters.tls_ports import web_tls_context
context = web_tls_context(Path(sys.argv[1]), [], datetime.now(timezone.utc))
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.settimeout(20)
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)
    except OSError:
        connection.close()
"""

AES_128 = tls13("TLS_AES_128_GCM_SHA256")
CHACHA20 = tls13("TLS_CHACHA20_POLY1305_SHA256")
ACCEPTED = [
    (tls13("TLS_AES_256_GCM_SHA384"), "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    (tls13(AES_128.suites + ":TLS_AES_256_GCM_SHA384"), "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    (tls12("DEFAULT"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
]
REFUSED = [
    AES_128,
    CHACHA20,
    tls12("ECDHE+AES128"),
    tls12("ECDHE+CHACHA20"),
    Offer("TLSv1", "TLSv1_1", "DEFAULT@SECLEVEL=0"),
]


@contextmanager
def serving(data_dir: Path, *options: str) -> Iterator[tuple[int, list[str]]]:
    """The server's port, and what it said before it listened."""
    environment = bare_environment()
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(data_dir), *options],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as server:
        assert server.stdout is not None
        said: list[str] = []
        try:
            for line in server.stdout:
                word, value = line.split()
                if word == "port":
                    yield int(value), said
                    break
                said.append(value)
        finally:
            server.kill()


@pytest.mark.parametrize(("loaded", "starts"), [("fresh", 1), ("preloaded", 2)])
def test_aes_256_only_whatever_the_version(tmp_path: Path, loaded: str, starts: int) -> None:
    with serving(tmp_path / "data", loaded, "policy") as (port, said):
        for offer, expected in ACCEPTED:
            assert answer(port, offer) == expected
        for offer in REFUSED:
            assert answer(port, offer) == "refused", offer
        # Started anew once at most, and still the same process to whoever supervises it.
        assert len(said) == starts
        assert len(set(said)) == 1


def test_without_the_policy_tls_13_would_take_chacha20(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "fresh", "none") as (port, _):
        assert answer(port, CHACHA20) == f"TLSv1.3 {CHACHA20.suites}"


def test_a_second_start_finds_the_policy_and_an_altered_one_is_restored(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for _ in range(2):
        with serving(data_dir, "preloaded", "policy") as (port, _):
            assert answer(port, CHACHA20) == "refused"
        (data_dir / "openssl.cnf").write_text("")
