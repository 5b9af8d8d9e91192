"""Certificates as a station handles them: identities by hash, signing requests, signatures.

"Improved security for OCPP 1.6-J": CertificateHashDataType follows OCSP (RFC 6960, clause 4.1.1).
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


def read_certificates(pem: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, at least one; raises ``ValueError``."""
    return x509.load_pem_x509_certificates(pem.encode())


def pem_of(certificates: Sequence[x509.Certificate]) -> str:
    """The same as text."""
    encoded = (each.public_bytes(serialization.Encoding.PEM) for each in certificates)
    return b"".join(encoded).decode()


def valid_at(certificate: x509.Certificate, moment: datetime) -> bool:
    """Whether the certificate counts then."""
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def identity(
    certificate: x509.Certificate, issuer: x509.Certificate, algorithm: str = "SHA256"
) -> dict[str, str]:
    """CertificateHashDataType of a certificate; ``issuer`` is itself where it is a root."""
    subject_key = issuer.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": _digest(algorithm, certificate.issuer.public_bytes()),
        "issuerKeyHash": _digest(algorithm, _bit_string(subject_key)),
        "serialNumber": f"{certificate.serial_number:x}",
    }


def _digest(algorithm: str, content: bytes) -> str:
    digest = hashes.Hash(HASHES[algorithm])
    digest.update(content)
    return digest.finalize().hex()


def _bit_string(subject_key: bytes) -> bytes:
    """The key itself within a SubjectPublicKeyInfo: its last element, without tag and length."""
    offset = _content_at(subject_key, 0)[0]
    start, length = _content_at(subject_key, offset)  # the AlgorithmIdentifier
    start, length = _content_at(subject_key, start + length)
    return subject_key[start + 1 : start + length]  # the first byte counts unused bits


def _content_at(der: bytes, offset: int) -> tuple[int, int]:
    """Where the content of the DER element at ``offset`` begins, and its length."""
    first = der[offset + 1]
    if first < 0x80:
        return offset + 2, first
    count = first & 0x7F
    length = int.from_bytes(der[offset + 2 : offset + 2 + count], "big")
    return offset + 2 + count, length


def signing_request(common_name: str, organisation: str) -> tuple[str, str]:
    """A new P-256 key and a request (PKCS#10) for a certificate of it, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]
    if organisation:
        names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]))
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(names))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.decode(), request.public_bytes(serialization.Encoding.PEM).decode()


def belongs(certificate: x509.Certificate, key_pem: str) -> bool:
    """Whether the certificate is one of that private key."""
    key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    forms = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    own = key.public_key().public_bytes(*forms)
    return certificate.public_key().public_bytes(*forms) == own


def leads_to(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], moment: datetime
) -> bool:
    """Whether each certificate is issued by the next, and the last by one of the roots (or is it)."""
    if not all(valid_at(each, moment) for each in chain):
        return False
    for child, parent in itertools.pairwise(chain):
        if not _issued_by(child, parent):
            return False
    return any(chain[-1] == root or _issued_by(chain[-1], root) for root in roots)


def _issued_by(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def signature_holds(signer: x509.Certificate, signature: str, content: bytes) -> bool:
    """Whether ``signature`` (base64) is the signer's over the SHA-256 of the content."""
    key = signer.public_key()
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, content, ec.ECDSA(hashes.SHA256()))
            return True
        if isinstance(key, rsa.RSAPublicKey):
            return _rsa_signature_holds(key, raw, content)
    except InvalidSignature:
        pass
    return False


def _rsa_signature_holds(key: rsa.RSAPublicKey, raw: bytes, content: bytes) -> bool:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
    try:
        key.verify(raw, content, pss, hashes.SHA256())
    except InvalidSignature:
        key.verify(raw, content, padding.PKCS1v15(), hashes.SHA256())
    return True
