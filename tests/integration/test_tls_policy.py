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
from typing import NamedTuple

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
from app.adapters.tls_ports import web_tls_context
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
import socket, ssl, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
lowest, highest, suites = sys.argv[2:]
context.minimum_version = ssl.TLSVersion[lowest]
context.maximum_version = ssl.TLSVersion[highest]
context.set_ciphers(suites)
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as plain:
        with context.wrap_socket(plain) as tls:
            print(tls.recv(100).decode())
except (ssl.SSLError, ConnectionError):
    print("refused")
"""

# The suites of TLS 1.3, which Python cannot choose; those of older versions it must choose itself.
CLIENT_POLICY = """\
openssl_conf = client
[client]
ssl_conf = client_ssl
[client_ssl]
system_default = client_tls
[client_tls]
MinProtocol = TLSv1
Ciphersuites = {suites}
"""


class Offer(NamedTuple):
    """What a client is willing to speak."""

    lowest: str
    highest: str
    suites: str


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


def answer(tmp_path: Path, port: int, offer: Offer) -> str:
    """What the client gets: version and suite, or ``refused``."""
    newest = offer.lowest == "TLSv1_3"
    configuration = tmp_path / "client.cnf"
    configuration.write_text(
        CLIENT_POLICY.format(suites=offer.suites if newest else "TLS_AES_256_GCM_SHA384")
    )
    older_suites = "DEFAULT" if newest else offer.suites
    client = subprocess.run(
        [sys.executable, "-c", CLIENT, str(port), offer.lowest, offer.highest, older_suites],
        env=bare_environment() | {"OPENSSL_CONF": str(configuration)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return client.stdout.strip()


def tls13(suites: str) -> Offer:
    return Offer("TLSv1_3", "TLSv1_3", suites)


def tls12(suites: str) -> Offer:
    return Offer("TLSv1_2", "TLSv1_2", suites)


AES_128 = tls13("TLS_AES_128_GCM_SHA256")
ACCEPTED = [
    (tls13("TLS_AES_256_GCM_SHA384"), "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    (tls13(AES_128.suites + ":TLS_AES_256_GCM_SHA384"), "TLSv1.3 TLS_AES_256_GCM_SHA384"),
    (tls12("DEFAULT"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
]
REFUSED = [
    AES_128,
    tls13("TLS_CHACHA20_POLY1305_SHA256"),
    tls12("ECDHE+AES128"),
    tls12("ECDHE+CHACHA20"),
    Offer("TLSv1", "TLSv1_1", "DEFAULT@SECLEVEL=0"),
]


@pytest.mark.parametrize(("loaded", "starts"), [("fresh", 1), ("preloaded", 2)])
def test_aes_256_only_whatever_the_version(tmp_path: Path, loaded: str, starts: int) -> None:
    with serving(tmp_path / "data", loaded, "policy") as (port, said):
        for offer, expected in ACCEPTED:
            assert answer(tmp_path, port, offer) == expected
        for offer in REFUSED:
            assert answer(tmp_path, port, offer) == "refused", offer
        # Started anew once at most, and still the same process to whoever supervises it.
        assert len(said) == starts
        assert len(set(said)) == 1


def test_without_the_policy_tls_13_would_take_aes_128(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "fresh", "none") as (port, _):
        assert answer(tmp_path, port, AES_128) == "TLSv1.3 TLS_AES_128_GCM_SHA256"


def test_a_second_start_finds_the_policy_and_an_altered_one_is_restored(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for _ in range(2):
        with serving(data_dir, "preloaded", "policy") as (port, _):
            assert answer(tmp_path, port, AES_128) == "refused"
        (data_dir / "openssl.cnf").write_text("")
