"""The certificate of the pages: made by the box for itself at the first start."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE_FILE = "ui.crt"
KEY_FILE = "ui.key"

VALIDITY = timedelta(days=820)
"""Below the 825 days beyond which browsers distrust even an imported certificate."""

RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(days=1)
_COMMON_NAME_MOST = 64
_EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104  left out, never bound to

_TLS12_CIPHERS = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

SubjectName = x509.DNSName | x509.IPAddress


def own_names(further: Sequence[str] = ()) -> tuple[str, ...]:
    """What a browser may call this machine: localhost, its host name, and ``further`` names and
    addresses, each once. Addresses that stand for every interface are nobody's name.
    """
    host = socket.gethostname().lower()
    names = ["localhost", "127.0.0.1", "::1", host]
    if "." not in host:
        names.append(f"{host}.local")
    names += [name for name in further if name not in _EVERY_INTERFACE]
    return tuple(dict.fromkeys(names))


def web_tls_context(
    directory: Path, further_names: Sequence[str], now_utc: datetime
) -> ssl.SSLContext:
    """The context of the HTTPS port, with a certificate made or renewed as needed.

    A process that lives for months keeps a ``LocalCertificate`` and calls ``ensure`` daily.
    """
    certificate = LocalCertificate(directory, own_names(further_names))
    certificate.ensure(now_utc)
    return certificate.server_context()


class LocalCertificate:
    """A self-signed certificate (ECDSA P-256) and its key (0600) in ``directory``.

    ``names`` are host names and IP addresses it must carry.
    """

    def __init__(self, directory: Path, names: Sequence[str]) -> None:
        self.certificate_path = directory / CERTIFICATE_FILE
        self.key_path = directory / KEY_FILE
        self._names = tuple(_subject_name(name) for name in names)
        self._common_name = names[0][:_COMMON_NAME_MOST]
        self._context: ssl.SSLContext | None = None

    def ensure(self, now_utc: datetime) -> bool:
        """Makes the certificate when there is none, or none that can serve: unreadable, expiring
        within 30 days, not valid yet, made for another key, or lacking a name. The key stays, as
        long as it can be read.

        True when one was made; the context of ``server_context`` has then taken it over, and new
        connections get it. Call it at the start and daily.
        """
        key = self._load_key()
        if key is not None and self._serves(key, now_utc):
            return False
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            _write(self.key_path, _key_pem(key), 0o600)
        certificate = self._sign(key, now_utc)
        _write(self.certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        if self._context is not None:
            self._context.load_cert_chain(self.certificate_path, self.key_path)
        return True

    def server_context(self) -> ssl.SSLContext:
        """The context of the HTTPS port, always the same: TLS 1.2 and 1.3 with AES-256 only.

        The suites of TLS 1.3 follow the policy of the process (``app.adapters.tls_policy``).
        """
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(_TLS12_CIPHERS)
            context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
            context.set_alpn_protocols(["http/1.1"])
            context.load_cert_chain(self.certificate_path, self.key_path)
            self._context = context
        return self._context

    def fingerprint(self) -> str:
        """SHA-256 of the certificate as browsers show it (``AB:CD:…``), to compare on first use."""
        certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def _load_key(self) -> ec.EllipticCurvePrivateKey | None:
        try:
            key = serialization.load_pem_private_key(self.key_path.read_bytes(), password=None)
        except (OSError, ValueError):
            return None
        return key if isinstance(key, ec.EllipticCurvePrivateKey) else None

    def _serves(self, key: ec.EllipticCurvePrivateKey, now_utc: datetime) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
            carried = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (OSError, ValueError, x509.ExtensionNotFound):
            return False
        return (
            certificate.not_valid_before_utc <= now_utc
            and now_utc < certificate.not_valid_after_utc - RENEW_BEFORE
            and certificate.public_key() == key.public_key()
            and set(self._names) <= set(carried.value)
        )

    def _sign(self, key: ec.EllipticCurvePrivateKey, now_utc: datetime) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bornier"),
                x509.NameAttribute(NameOID.COMMON_NAME, self._common_name),
            ]
        )
        public = key.public_key()
        not_before = now_utc - _BACKDATED
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_before + VALIDITY)
            .add_extension(x509.SubjectAlternativeName(self._names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_KEY_USAGE, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, hashes.SHA256())
        )


_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _subject_name(name: str) -> SubjectName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replaces the file whole: after a power cut it is the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
