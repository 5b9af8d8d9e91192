"""Stations' own keys, signing requests and certificates, made as stations make them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ec_key() -> ec.EllipticCurvePrivateKey:
    """P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def subject(name: str | None, organisation: str | None = "Bornier") -> x509.Name:
    """A subject with these attributes, where they are given."""
    given = ((NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name))
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in given if value])


def request(
    key: Any,
    name: str | None,
    organisation: str | None = "Bornier",
) -> str:
    """A signing request, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(name, organisation))
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def key_text(key: Key) -> str:
    """PKCS#8, PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def foreign_certificate(key: Key, name: str) -> str:
    """A certificate that no authority of ours has signed."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .issuer_name(subject(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=100))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def station_context(
    root_pem: str, folder: Path, certificate: tuple[str, Key] | None = None
) -> ssl.SSLContext:
    """A station's TLS: it trusts the root alone, and shows a certificate where it has one."""
    context = ssl.create_default_context(cadata=root_pem)
    if certificate is not None:
        folder.mkdir(parents=True, exist_ok=True)
        chain, key_file = folder / "chain.pem", folder / "key.pem"
        chain.write_text(certificate[0])
        key_file.write_text(key_text(certificate[1]))
        context.load_cert_chain(chain, key_file)
    return context
