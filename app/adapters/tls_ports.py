"""What each port speaks over TLS, and the certificates it shows.

The pages: TLS 1.2 and 1.3, AES-256-GCM alone. What restricts TLS 1.3, context by context, is
OpenSSL's security level: at 192 bits it refuses AES-128, X25519 and P-256, so the certificate is
ECDSA P-384 and keys are agreed on P-384 or better, which every browser can.

The stations: AES-256 first, and what embedded clients need, by the suites of the OCPP 1.6 security
whitepaper (profile 2): ECDHE with either kind of certificate, and RSA key transport, which has no
forward secrecy but may be all that a small modem knows. Their certificates are signed by the
site's authority, and a station may show one of that authority (profile 3) or none.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from app.adapters.certificates import (
    PAGES,
    STATIONS,
    STATIONS_RSA,
    LocalCertificate,
    own_names,
)
from app.adapters.station_authority import SiteAuthority

_PAGES_SUITES: Final = "ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=4"

_STATIONS_SUITES: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "AES256-GCM-SHA384:AES128-GCM-SHA256:@SECLEVEL=2"
)


class TlsPort:
    """The certificates of one port and its context, which is always the same."""

    def __init__(
        self,
        certificates: Sequence[LocalCertificate],
        suites: str,
        authority: SiteAuthority | None = None,
    ) -> None:
        """Take ``authority``, which signs the port's certificates and those of its clients."""
        self._certificates = tuple(certificates)
        self._suites = suites
        self._authority = authority
        self._context: ssl.SSLContext | None = None

    def ensure(self, now_utc: datetime) -> bool:
        """Makes or renews certificates; whether one was. Works on files only: any thread may."""
        authority = self._authority
        made = [] if authority is None else [authority.ensure(now_utc)]
        made += [certificate.ensure(now_utc) for certificate in self._certificates]
        if authority is not None:
            authority.serves(self._certificates)
        return any(made)

    def fingerprint(self) -> str:
        """SHA-256 of the certificate that most clients are shown, to compare on first use."""
        return self._certificates[0].fingerprint()

    def load(self) -> ssl.SSLContext:
        """The context of the port with the certificates as they are now; new connections get them.

        Call it in the event loop's thread, where handshakes begin.
        """
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(self._suites)
            context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
            context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
            context.set_alpn_protocols(["http/1.1"])
            self._context = context
        if self._authority is not None:
            self._authority.trust_in(self._context)
        for certificate in self._certificates:
            self._context.load_cert_chain(certificate.certificate_path, certificate.key_path)
        return self._context


def pages_tls(directory: Path, names: Sequence[str]) -> TlsPort:
    """The HTTPS port; ``names`` as ``own_names`` gives them."""
    return TlsPort([LocalCertificate(directory, names, PAGES)], _PAGES_SUITES)


def stations_tls(
    directory: Path, names: Sequence[str], authority: SiteAuthority | None = None
) -> TlsPort:
    """The stations' TLS port; making its RSA keys takes a moment."""
    signer = authority or SiteAuthority(directory)
    certificates = [
        LocalCertificate(directory, names, kind, signer) for kind in (STATIONS, STATIONS_RSA)
    ]
    return TlsPort(certificates, _STATIONS_SUITES, signer)


def web_tls_context(
    directory: Path, further_names: Sequence[str], now_utc: datetime
) -> ssl.SSLContext:
    """The context of the HTTPS port, with a certificate made or renewed as needed.

    A process that lives for months keeps a ``TlsPort`` and calls ``ensure`` daily.
    """
    port = pages_tls(directory, own_names(further_names))
    port.ensure(now_utc)
    return port.load()
