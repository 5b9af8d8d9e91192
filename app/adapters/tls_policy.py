"""AES-GCM only, in TLS 1.3 as well: a policy that OpenSSL must read before it starts.

Python cannot choose the suites of TLS 1.3 (``SSLContext.set_ciphers`` acts up to 1.2), OpenSSL's
configuration file can, for all contexts of the process at once: it names what any of them may
speak, and ``app.adapters.tls_ports`` narrows that port by port. The file is named by an
environment variable and read once, when the library is first used; so this module imports nothing
that would load it, and starts the process anew when something else already has.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_POLICY = """\
# Written by the manager at each start; changes are lost.
openssl_conf = bornier
[bornier]
ssl_conf = bornier_ssl
[bornier_ssl]
system_default = bornier_tls
[bornier_tls]
MinProtocol = TLSv1.2
CipherString = ECDHE+AESGCM
Ciphersuites = TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256
"""

_LOADED_BY = ("_ssl", "_hashlib")
"""Modules of Python that bring OpenSSL in."""


def ensure_tls_policy(data_dir: Path) -> None:
    """Call first of all, before anything imports ``ssl``; may start the process anew (once).

    Every TLS connection of the process then needs AES-GCM and TLS 1.2 at least; a context may
    choose its own TLS 1.2 list with ``set_ciphers``. Raises ``OSError`` when the file cannot be
    written.
    """
    path = data_dir.resolve() / "openssl.cnf"
    written = _write_if_different(path)
    if os.environ.get("OPENSSL_CONF") == str(path) and not written:
        return
    os.environ["OPENSSL_CONF"] = str(path)
    if any(module in sys.modules for module in _LOADED_BY):
        sys.stdout.flush()
        sys.stderr.flush()
        # The very command line of this process, which has done nothing yet.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _write_if_different(path: Path) -> bool:
    if path.is_file() and path.read_text(encoding="utf-8") == _POLICY:
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(_POLICY, encoding="utf-8")
    return True
