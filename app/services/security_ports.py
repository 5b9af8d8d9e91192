"""What the stations' security needs from outside, as protocols; ``app/adapters`` implements them.

As in ``ports``: an ``async`` writer returns only when the record is on disk, and raises
``StorageError`` when it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from app.domain.station_security import (
    SecurityDefaults,
    SecurityEvent,
    StationCertificate,
    StationSecurity,
)


class SecurityRepository(Protocol):
    """What is required of each station, the certificates signed for them, and what they reported."""

    async def save(self, security: StationSecurity) -> None:
        """Inserts or replaces."""
        ...

    async def remove(self, station_id: str) -> None:
        """Forgets what was required; certificates and events stay."""
        ...

    async def load(self) -> Sequence[StationSecurity]:
        """By station."""
        ...

    async def save_defaults(self, defaults: SecurityDefaults) -> None:
        """Replaces the site's choices."""
        ...

    async def defaults(self) -> SecurityDefaults:
        """The site's choices."""
        ...

    async def save_certificate(self, certificate: StationCertificate) -> None:
        """Inserts or replaces, by fingerprint."""
        ...

    async def certificates(self) -> Sequence[StationCertificate]:
        """All, newest first."""
        ...

    async def add_event(self, event: SecurityEvent, most: int) -> bool:
        """Adds an event unless it is there; of its station the newest ``most`` stay.

        True when it was new.
        """
        ...

    async def events(
        self, station_id: str | None = None, limit: int = 100
    ) -> Sequence[SecurityEvent]:
        """Newest first."""
        ...

    async def unseen(self) -> Sequence[SecurityEvent]:
        """Events that nobody has looked at, newest first."""
        ...

    async def see_events(self, station_id: str) -> None:
        """Somebody has looked at all events of the station."""
        ...


class KeyVault(Protocol):
    """The box's secret, which makes keys in the database unreadable without it."""

    def verifier(self, station_id: str, key: bytes) -> str:
        """What is kept of a key to check it: a keyed hash."""
        ...

    def seal(self, station_id: str, key: bytes) -> str:
        """The key encrypted."""
        ...

    def unseal(self, station_id: str, sealed: str) -> bytes | None:
        """The key, ``None`` when it was sealed with another secret."""
        ...


class PeerCertificate(msgspec.Struct, frozen=True):
    """A client certificate that the TLS layer has traced back to our root."""

    fingerprint: str
    common_name: str
    serial: str
    from_utc: datetime
    until_utc: datetime


class RootCertificate(msgspec.Struct, frozen=True):
    """The root that stations trust; ``fingerprint`` as tools show it (``AB:CD:…``)."""

    pem: str
    der: bytes
    fingerprint: str
    until_utc: datetime


class ServedCertificate(msgspec.Struct, frozen=True):
    """A certificate that the stations' TLS port shows."""

    name: str
    fingerprint: str
    until_utc: datetime


class SignedCertificate(msgspec.Struct, frozen=True):
    """A new certificate for a station, PEM."""

    pem: str
    certificate: StationCertificate


class SigningRequestError(Exception):
    """A signing request that cannot be granted; ``reason`` says why, in a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Authority(Protocol):
    """The site's own authority. ``sign`` takes a while: not for the event loop."""

    def root(self) -> RootCertificate | None:
        """The root, ``None`` until it is made."""
        ...

    def served(self) -> Sequence[ServedCertificate]:
        """The certificates of the stations' port."""
        ...

    def sign(
        self,
        request: str,
        station_id: str,
        names: Sequence[str],
        organisation: str,
        now_utc: datetime,
    ) -> SignedCertificate:
        """Signs a PKCS#10 request (PEM) that names one of ``names`` as its common name.

        Raises ``SigningRequestError``.
        """
        ...

    def ask(self, *, certificates: bool) -> None:
        """Whether the stations' port asks for certificates, from the next handshake on.

        On the event loop. Who is asked may show one that we did not sign, and fails with it.
        """
        ...

    def made(
        self, algorithm: str, issuer_name_hash: str, issuer_key_hash: str, serial: str
    ) -> bool:
        """Whether a certificate told by its hashes (CertificateHashData) is our root."""
        ...


class Trust(msgspec.Struct, frozen=True):
    """The box's secret and its authority."""

    vault: KeyVault
    authority: Authority


class Approach(msgspec.Struct, frozen=True):
    """Somebody asks for a WebSocket in a station's name.

    ``authorization`` is the header as sent, ``certificate`` what came with TLS.
    """

    identity: str
    address: str
    secure: bool
    authorization: bytes | None = None
    certificate: PeerCertificate | None = None


class Verdict(msgspec.Struct, frozen=True):
    """``status`` 101 lets in; others are HTTP's. ``wait_s`` with 429."""

    status: int
    text: str = ""
    wait_s: int = 0


class Gate(Protocol):
    """Decides who may speak in a station's name."""

    async def admit(self, approach: Approach) -> Verdict:
        """Called once for each handshake, before it is completed."""
        ...
