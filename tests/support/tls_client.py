"""A TLS client in a process of its own, which offers exactly what a test names."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

_CLIENT = """
import socket, ssl, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
lowest, highest, suites, curve = sys.argv[2:]
context.minimum_version = ssl.TLSVersion[lowest]
context.maximum_version = ssl.TLSVersion[highest]
context.set_ciphers(suites)
if curve:
    context.set_ecdh_curve(curve)
try:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as plain:
        with context.wrap_socket(plain) as tls:
            print(tls.version(), tls.cipher()[0])
except (ssl.SSLError, ConnectionError):
    print("refused")
"""

# The suites of TLS 1.3, which Python cannot choose; those of older versions it must choose itself.
_POLICY = """\
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
    """What a client is willing to speak; any curve, unless one is named."""

    lowest: str
    highest: str
    suites: str
    curve: str = ""


def tls13(suites: str, curve: str = "") -> Offer:
    """TLS 1.3 alone."""
    return Offer("TLSv1_3", "TLSv1_3", suites, curve)


def tls12(suites: str, curve: str = "") -> Offer:
    """TLS 1.2 alone."""
    return Offer("TLSv1_2", "TLSv1_2", suites, curve)


def bare_environment() -> dict[str, str]:
    """Without a policy of somebody else, and without coverage, which would load OpenSSL first."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "OPENSSL_CONF" and not name.startswith("COVERAGE")
    }


def answer(port: int, offer: Offer) -> str:
    """What was agreed on, version and suite, or ``refused``."""
    newest = offer.lowest == "TLSv1_3"
    older_suites = "DEFAULT" if newest else offer.suites
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder, "client.cnf")
        policy.write_text(
            _POLICY.format(suites=offer.suites if newest else "TLS_AES_256_GCM_SHA384")
        )
        client = subprocess.run(
            [
                *(sys.executable, "-c", _CLIENT, str(port)),
                *(offer.lowest, offer.highest, older_suites, offer.curve),
            ],
            env=bare_environment() | {"OPENSSL_CONF": str(policy)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    return client.stdout.strip()
