"""The secrets of a station: its key, its certificates, whom it believes, and its way back.

A new key, certificate or profile is proved by the first connection that is accepted with it; where
the make rolls back, three refusals in a row restore what worked before.
"""

from __future__ import annotations

import functools
import os
import ssl
import tempfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from simulators.station.certificates import identity, leads_to, pem_of, read_certificates
from simulators.station.persona import KeyReading, Persona

REFUSALS_UNTIL_ROLL_BACK = 3

CENTRAL = "CentralSystemRootCertificate"
MAKER = "ManufacturerRootCertificate"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a station shows when it connects: security profile 0 to 3, key, certificate (PEM)."""

    profile: int = 0
    key: bytes | None = None
    client_chain: str = ""
    client_key: str = ""


@dataclass(slots=True)
class Vault:
    """What one station knows; ``believes_all`` is for trials: no server certificate is checked."""

    shown: Credentials = Credentials()
    roots: dict[str, list[x509.Certificate]] = field(
        default_factory=lambda: {CENTRAL: [], MAKER: []}
    )
    believes_all: bool = False
    pending_key: str = ""
    """The private key of a signing request that was not answered yet."""
    _before: Credentials | None = None
    _refusals: int = 0

    # ------------------------------------------------------------------ new secrets

    def present(self, credentials: Credentials) -> None:
        """Show this from the next connection on, until it is proved or rolled back."""
        if self._before is None:
            self._before = self.shown
        self._refusals = 0
        self.shown = credentials

    def take_key(self, text: str, persona: Persona) -> bool:
        """A new AuthorizationKey; false when it is none (extension, A00.FR.205: 16 to 40 bytes)."""
        key = text.encode()
        if persona.key_reading is KeyReading.RAW:
            try:
                key = bytes.fromhex(text)
            except ValueError:
                return False
        if not 8 <= len(key) <= 40:
            return False
        self.present(replace(self.shown, key=key))
        return True

    def accepted(self) -> None:
        """The central system took the station in: what it showed is proved."""
        self._before = None
        self._refusals = 0

    def refused(self) -> bool:
        """A connection failed; whether the station has just gone back to what worked before."""
        if self._before is None:
            return False
        self._refusals += 1
        if self._refusals < REFUSALS_UNTIL_ROLL_BACK:
            return False
        self.shown, self._before = self._before, None
        return True

    # ------------------------------------------------------------------ certificates

    def install(self, kind: str, pem: str, most: int, now: datetime) -> str:
        """InstallCertificate: the status to answer."""
        try:
            (certificate,) = read_certificates(pem)
        except ValueError:
            return "Rejected"
        if certificate in self.roots[kind]:
            return "Accepted"
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return "Rejected"
        if sum(map(len, self.roots.values())) >= most:
            return "Rejected"
        self.roots[kind].append(certificate)
        return "Accepted"

    def installed(self, kind: str) -> list[dict[str, str]]:
        """The identities of the certificates of a kind."""
        return [identity(each, each) for each in self.roots[kind]]

    def delete(self, wanted: dict[str, str]) -> str:
        """DeleteCertificate: the status to answer; the only authority of a TLS link stays."""
        for kind, certificates in self.roots.items():
            for certificate in certificates:
                if identity(certificate, certificate, wanted["hashAlgorithm"]) != wanted:
                    continue
                if kind == CENTRAL and self.shown.profile >= 2 and len(certificates) == 1:
                    return "Failed"
                certificates.remove(certificate)
                return "Accepted"
        return "NotFound"

    def made_by_maker(self, signer: str, now: datetime) -> bool:
        """Whether a certificate that signs firmware comes from the maker."""
        try:
            chain = read_certificates(signer)
        except ValueError:
            return False
        return leads_to(chain, self.roots[MAKER], now)

    # ------------------------------------------------------------------ TLS

    def tls(self, persona: Persona) -> ssl.SSLContext:
        """The context of the next connection; contexts without a client certificate are shared."""
        trust = pem_of(self.roots[CENTRAL])
        if not self.shown.client_chain:
            return _context(trust, persona.tls_suites, believes_all=self.believes_all)
        context = _new_context(trust, persona.tls_suites, believes_all=self.believes_all)
        _load_pair(context, self.shown.client_chain, self.shown.client_key)
        return context


def _new_context(trust: str, suites: str | None, *, believes_all: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=trust or None)
    if suites is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suites)
    if believes_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


_context = functools.lru_cache(maxsize=50)(_new_context)


def _load_pair(context: ssl.SSLContext, chain: str, key: str) -> None:
    """The standard library takes a certificate from files alone."""
    handle, name = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(chain + key)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
