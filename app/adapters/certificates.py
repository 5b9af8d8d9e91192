"""The certificates of the box: made by itself at the first start, one or two for each TLS port."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.adapters.durable import write_whole

log = logging.getLogger(__name__)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class CertificateKind(NamedTuple):
    """Names of the files, and what the key is: ``algorithm`` tells which keys are of this kind."""

    name: str
    algorithm: str
    make_key: Callable[[], PrivateKey]
    digest: hashes.SHA256 | hashes.SHA384

    @property
    def certificate_file(self) -> str:
        """Within the data directory."""
        return f"{self.name}.crt"

    @property
    def key_file(self) -> str:
        """Within the data directory, for its owner only."""
        return f"{self.name}.key"


PAGES: Final = CertificateKind(
    "ui", "secp384r1", lambda: ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()
)
STATIONS: Final = CertificateKind(
    "stations", "secp256r1", lambda: ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
)
STATIONS_RSA: Final = CertificateKind(
    "stations-rsa", "rsa2048", lambda: rsa.generate_private_key(65537, 2048), hashes.SHA256()
)
KINDS: Final = (PAGES, STATIONS, STATIONS_RSA)

VALIDITY = timedelta(days=820)
"""Below the 825 days beyond which browsers distrust even an imported certificate."""

RENEW_BEFORE = timedelta(days=30)
RENEW_SIGNED_BEFORE = timedelta(days=100)
"""Of a certificate that an authority signs: before the first alarm of its end."""

_BACKDATED = timedelta(days=1)
_COMMON_NAME_MOST = 64
_EVERY_INTERFACE = ("", "0.0.0.0", "::")  # noqa: S104  left out, never bound to

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


class Signer(Protocol):
    """An authority that signs certificates of the box."""

    @property
    def chain(self) -> bytes:
        """What follows the certificate in its file (PEM)."""
        ...

    def has_signed(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate is one of its own."""
        ...

    def sign_built(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Adds the issuer and signs."""
        ...


class LocalCertificate:
    """A certificate and its key (0600) in ``directory``: self-signed, or signed by ``signer``,
    whose own certificate then follows in the file.

    ``names`` are host names and IP addresses it must carry.
    """

    def __init__(
        self,
        directory: Path,
        names: Sequence[str],
        kind: CertificateKind = PAGES,
        signer: Signer | None = None,
    ) -> None:
        self.certificate_path = directory / kind.certificate_file
        self.key_path = directory / kind.key_file
        self._kind = kind
        self._signer = signer
        self._names = tuple(_subject_name(name) for name in names)
        self._common_name = names[0][:_COMMON_NAME_MOST]

    def ensure(self, now_utc: datetime) -> bool:
        """Makes the certificate when there is none, or none that can serve: unreadable, expiring
        within 30 days, not valid yet, made for another key, or lacking a name. The key stays, as
        long as it can be read and is of its kind.

        True when one was made. Call it at the start and daily.
        """
        key = load_key(self.key_path, self._kind.algorithm)
        if key is not None and self._serves(key, now_utc):
            return False
        if key is None:
            if self.key_path.exists():
                log.warning(
                    "%s: no usable %s key, replaced; whoever trusted the certificate is asked anew",
                    self.key_path.name,
                    self._kind.algorithm,
                )
            key = self._kind.make_key()
            self.key_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.key_path, key_pem(key), 0o600)
        pem = self._sign(key, now_utc).public_bytes(serialization.Encoding.PEM)
        chain = b"" if self._signer is None else self._signer.chain
        write_whole(self.certificate_path, pem + chain, 0o644)
        log.info("%s: made, valid for %d days", self.certificate_path.name, VALIDITY.days)
        return True

    def fingerprint(self) -> str:
        """SHA-256 of the certificate as browsers show it (``AB:CD:…``), to compare on first use."""
        certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    def _serves(self, key: PrivateKey, now_utc: datetime) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate_path.read_bytes())
            carried = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (OSError, ValueError, x509.ExtensionNotFound):
            return False
        return (
            certificate.not_valid_before_utc <= now_utc
            and now_utc < certificate.not_valid_after_utc - self._renewed_before
            and (self._signer is None or self._signer.has_signed(certificate))
            and certificate.public_key() == key.public_key()
            and set(self._names) <= set(carried.value)
        )

    @property
    def _renewed_before(self) -> timedelta:
        return RENEW_BEFORE if self._signer is None else RENEW_SIGNED_BEFORE

    def _sign(self, key: PrivateKey, now_utc: datetime) -> x509.Certificate:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bornier"),
                x509.NameAttribute(NameOID.COMMON_NAME, self._common_name),
            ]
        )
        public = key.public_key()
        not_before = now_utc - _BACKDATED
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_before + VALIDITY)
            .add_extension(x509.SubjectAlternativeName(self._names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(public), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        if self._signer is not None:
            return self._signer.sign_built(builder)
        return builder.issuer_name(subject).sign(key, self._kind.digest)


def load_key(path: Path, algorithm: str) -> PrivateKey | None:
    """The private key in a file, ``None`` when it cannot be read or is of another kind."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError):
        return None
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name == algorithm:
            return key
        case rsa.RSAPrivateKey() if f"rsa{key.key_size}" == algorithm:
            return key
    return None


def key_usage(key: PublicKey) -> x509.KeyUsage:
    """What the key of a TLS certificate is for."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        # RSA key transport of TLS 1.2: strict clients look for it.
        key_encipherment=isinstance(key, rsa.RSAPublicKey),
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


def key_pem(key: PrivateKey) -> bytes:
    """PKCS#8, not encrypted: for a file that its owner alone may read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
