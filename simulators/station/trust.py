"""Whose certificate a station believes when its address is ``wss://``."""

from __future__ import annotations

import argparse
import ssl
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--ca`` and ``--insecure``; without either, the machine's authorities count."""
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument(
        "--ca", type=Path, help="wss: certificates (PEM) to believe, for example stations.crt"
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
