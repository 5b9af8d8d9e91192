"""A certificate authority of a few lines."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import overload

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
YEAR = timedelta(days=365)


class Authority:
    """Issues certificates that count for a year around ``now``."""

    def __init__(self, name: str, now: datetime, *, key: Key | None = None) -> None:
        self._now = now
        self._key: Key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(subject, subject, self._key.public_key(), authority=True)

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @overload
    def issue(self, name: str) -> tuple[str, ec.EllipticCurvePrivateKey]: ...

    @overload
    def issue(self, name: str, *, key: rsa.RSAPrivateKey) -> tuple[str, rsa.RSAPrivateKey]: ...

    def issue(self, name: str, *, key: rsa.RSAPrivateKey | None = None) -> tuple[str, Key]:
        """A certificate (PEM) of that common name, and its private key."""
        own: Key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._build(subject, self.certificate.subject, own.public_key())
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), own

    def sign(self, request: str) -> str:
        """The certificate (PEM) that a signing request (PEM) asks for."""
        asked = x509.load_pem_x509_csr(request.encode())
        assert asked.is_signature_valid
        key = asked.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
        certificate = self._build(asked.subject, self.certificate.subject, key)
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _build(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - YEAR)
            .not_valid_after(self._now + YEAR)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def private_pem(key: Key) -> str:
    """A private key as text."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
