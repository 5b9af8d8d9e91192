"""AES-256 only, proved by handshakes between processes: a server under the policy, and clients
that offer one suite each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

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
from app.adapters.certificates import web_tls_context
context = web_tls_context(Path(sys.argv[1]), [], datetime.now(timezone.utc))
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.settimeout(20)
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(f"{tls.version()} {tls.cipher()[0]}".encode())
    except OSError:
        connection.close()
"""

CLIENT = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as plain:
        with context.wrap_socket(plain) as tls:
            print(tls.recv(100).decode())
except (ssl.SSLError, ConnectionError):
    print("refused")
"""

OFFER = """\
openssl_conf = client
[client]
ssl_conf = client_ssl
[client_ssl]
system_default = client_tls
[client_tls]
"""


def bare_environment() -> dict[str, str]:
    """Without a policy of somebody else, and without coverage, which would load OpenSSL first."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "OPENSSL_CONF" and not name.startswith("COVERAGE")
    }


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


def offer(tmp_path: Path, port: int, settings: str) -> str:
    """What a client with these settings of OpenSSL gets: version and suite, or ``refused``."""
    configuration = tmp_path / "client.cnf"
    configuration.write_text(OFFER + settings)
    answer = subprocess.run(
        [sys.executable, "-c", CLIENT, str(port)],
        env=bare_environment() | {"OPENSSL_CONF": str(configuration)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return answer.stdout.strip()


TLS13 = "MinProtocol = TLSv1.3\nCiphersuites = "
TLS12 = "MinProtocol = TLSv1.2\nMaxProtocol = TLSv1.2\nCipherString = "
OLD = "MinProtocol = TLSv1\nMaxProtocol = TLSv1.1\nCipherString = DEFAULT@SECLEVEL=0"

ACCEPTED = [
    (TLS13 + "TLS_AES_256_GCM_SHA384", "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    (
        TLS13 + "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
        "TLSv1.3 TLS_AES_256_GCM_SHA384",
    ),
    (TLS12 + "DEFAULT", "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
]
REFUSED = [
    TLS13 + "TLS_AES_128_GCM_SHA256",
    TLS13 + "TLS_CHACHA20_POLY1305_SHA256",
    TLS12 + "ECDHE+AES128",
    TLS12 + "ECDHE+CHACHA20",
    OLD,
]


@pytest.mark.parametrize(("loaded", "starts"), [("fresh", 1), ("preloaded", 2)])
def test_aes_256_only_whatever_the_version(tmp_path: Path, loaded: str, starts: int) -> None:
    with serving(tmp_path / "data", loaded, "policy") as (port, said):
        for settings, expected in ACCEPTED:
            assert offer(tmp_path, port, settings) == expected
        for settings in REFUSED:
            assert offer(tmp_path, port, settings) == "refused", settings
        # Started anew once at most, and still the same process to whoever supervises it.
        assert len(said) == starts
        assert len(set(said)) == 1


def test_without_the_policy_tls_13_would_take_aes_128(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "fresh", "none") as (port, _):
        answer = offer(tmp_path, port, TLS13 + "TLS_AES_128_GCM_SHA256")
        assert answer == "TLSv1.3 TLS_AES_128_GCM_SHA256"


def test_a_second_start_finds_the_policy_and_an_altered_one_is_restored(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for _ in range(2):
        with serving(data_dir, "preloaded", "policy") as (port, _):
            assert offer(tmp_path, port, REFUSED[0]) == "refused"
        (data_dir / "openssl.cnf").write_text("")
