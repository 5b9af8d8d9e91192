"""Whom stations believe when their address is ``wss://``, and what they show of themselves."""

from __future__ import annotations

import argparse
import ssl
from pathlib import Path

from simulators.station.certificates import read_certificates
from simulators.station.vault import CENTRAL, Credentials, Vault


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--ca`` and ``--insecure``; without either, the machine's authorities count."""
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument(
        "--ca",
        "--tls-ca",
        type=Path,
        help="wss: certificates (PEM) to believe, for example stations-root.crt",
    )
    trust.add_argument("--insecure", action="store_true", help="wss: believe any certificate")


def client_context(url: str, ca: Path | None, *, insecure: bool) -> ssl.SSLContext | None:
    """The TLS context of all stations that connect to ``url``; ``None`` for ``ws://``.

    Raises ``OSError`` when ``ca`` cannot be read or holds no certificate.
    """
    if not url.lower().startswith("wss://"):
        return None
    context = ssl.create_default_context(cafile=ca)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Declare what stations show: ``--key`` or ``--key-hex``, a client certificate and its key."""
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--key", help="password of every station; {id} stands for its identity")
    key.add_argument("--key-hex", help="the same, in hexadecimal digits")
    parser.add_argument("--client-cert", type=Path, help="wss: certificate (PEM) to show")
    parser.add_argument("--client-key", type=Path, help="wss: its private key (PEM)")
    parser.add_argument(
        "--secure-url", help="where stations go when told to use TLS (else --url by wss)"
    )


def vault_of(options: argparse.Namespace, station_id: str) -> Vault:
    """What one station knows from the start.

    Raises ``OSError`` when a file cannot be read or does not hold what it should, ``ValueError``
    when options do not go together.
    """
    key: bytes | None = None
    if options.key is not None:
        key = str(options.key).replace("{id}", station_id).encode()
    elif options.key_hex is not None:
        key = bytes.fromhex(options.key_hex)
    if (options.client_cert is None) != (options.client_key is None):
        raise ValueError("--client-cert and --client-key go together")
    chain = private = ""
    if options.client_cert is not None:
        chain, private = options.client_cert.read_text(), options.client_key.read_text()
    secure = options.url.lower().startswith("wss://")
    profile = 3 if chain else 0 if key is None else 2 if secure else 1
    vault = Vault(Credentials(profile, key, chain, private), believes_all=options.insecure)
    if options.ca is not None:
        try:
            vault.roots[CENTRAL] += read_certificates(options.ca.read_text())
        except ValueError as error:
            raise OSError(f"{options.ca}: no certificate in it") from error
    return vault
