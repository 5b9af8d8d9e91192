"""The site's own authority: one root that lasts, for the stations' port and for the stations.

A root that ends or changes cuts off every station that trusts it, so it is made once, ends late
and keeps its key. It is RSA because some stations verify nothing else, and directly above its
certificates because some know no chains.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import secrets
import socket
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.adapters.certificates import (
    LocalCertificate,
    PrivateKey,
    key_pem,
    key_usage,
    load_key,
)
from app.adapters.durable import write_whole
from app.domain.station_security import StationCertificate
from app.services.security_ports import (
    PeerCertificate,
    RootCertificate,
    ServedCertificate,
    SignedCertificate,
    SigningRequestError,
)

log = logging.getLogger(__name__)

ROOT_FILE: Final = "stations-root.crt"
ROOT_KEY_FILE: Final = "stations-root.key"
ROOT_ALGORITHM: Final = "rsa3072"

_ROOT_FROM: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Long ago: the first start may come before the clock is set, of the box or of a station."""

_ROOT_UNTIL: Final = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The last day that needs no wider form of time (RFC 5280, clause 4.1.2.5)."""

_ROOT_LEAST: Final = timedelta(days=20 * 365)
_ANY_TIME: Final = 0x20_0000
"""X509_V_FLAG_NO_CHECK_TIME: whose certificate has expired is refused by name, at the gate."""

STATION_VALIDITY: Final = timedelta(days=730)
_BACKDATED: Final = timedelta(days=1)

_CURVES: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_RSA_LEAST: Final = 2048
_RSA_MOST: Final = 4096
_DIGESTS: Final = frozenset({"sha256", "sha384", "sha512"})
_NAME_MOST: Final = 64


class SiteAuthority:
    """Implements ``Authority`` on two files of the data directory; signs the box's own as well."""

    def __init__(self, directory: Path) -> None:
        self.certificate_path = directory / ROOT_FILE
        self.key_path = directory / ROOT_KEY_FILE
        self._key: PrivateKey | None = None
        self._certificate: x509.Certificate | None = None
        self._root: RootCertificate | None = None
        self._served: tuple[ServedCertificate, ...] = ()
        self._contexts: list[ssl.SSLContext] = []

    def ensure(self, now_utc: datetime) -> bool:
        """Makes the root when there is none, or renews it under the same name and key once it has
        ended; True when it did. Takes a moment the first time: not for the event loop.
        """
        key = load_key(self.key_path, ROOT_ALGORITHM)
        certificate = _read(self.certificate_path)
        if key is not None and certificate is not None:
            ours = certificate.public_key() == key.public_key()
            if ours and now_utc < certificate.not_valid_after_utc:
                self._hold(key, certificate)
                return False
        if key is None:
            if self.key_path.exists() or certificate is not None:
                log.error("no usable key of the root: a new one; stations have to trust it anew")
            key = rsa.generate_private_key(65537, 3072)
            certificate = None
            self.key_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.key_path, key_pem(key), 0o600)
        made = _sign_root(key, None if certificate is None else certificate.subject, now_utc)
        write_whole(self.certificate_path, made.public_bytes(serialization.Encoding.PEM), 0o644)
        log.info("%s: made, valid until %s", ROOT_FILE, made.not_valid_after_utc.date())
        self._hold(key, made)
        return True

    def _hold(self, key: PrivateKey, certificate: x509.Certificate) -> None:
        self._key, self._certificate = key, certificate
        self._root = RootCertificate(
            pem=certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
            der=certificate.public_bytes(serialization.Encoding.DER),
            fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
            until_utc=certificate.not_valid_after_utc,
        )

    def root(self) -> RootCertificate | None:
        """See ``Authority``."""
        return self._root

    # ------------------------------------------------------------ the box's own certificates

    @property
    def certificate(self) -> x509.Certificate:
        """The root; ``ensure`` comes first."""
        assert self._certificate is not None
        return self._certificate

    @property
    def chain(self) -> bytes:
        """What follows a certificate in its file: the root (PEM)."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def has_signed(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate is one of ours."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def sign_built(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Adds the issuer and signs."""
        assert isinstance(self._key, rsa.RSAPrivateKey)
        root = self.certificate
        identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            builder.issuer_name(root.subject)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def trust_in(self, context: ssl.SSLContext) -> None:
        """Has a port take certificates of ours from its clients; it asks for them until told."""
        context.load_verify_locations(cadata=self.chain.decode("ascii"))
        context.verify_flags |= _ANY_TIME
        if context not in self._contexts:
            context.verify_mode = ssl.CERT_OPTIONAL
            self._contexts.append(context)

    def ask(self, *, certificates: bool) -> None:
        """See ``Authority``."""
        for context in self._contexts:
            context.verify_mode = ssl.CERT_OPTIONAL if certificates else ssl.CERT_NONE

    def serves(self, certificates: Iterable[LocalCertificate]) -> None:
        """Takes note of what the stations' port shows."""
        found = []
        for each in certificates:
            certificate = _read(each.certificate_path)
            if certificate is not None:
                found.append(_served(each.certificate_path.name, certificate))
        self._served = (_served(ROOT_FILE, self.certificate), *found)

    def served(self) -> Sequence[ServedCertificate]:
        """See ``Authority``."""
        return self._served

    # ------------------------------------------------------------ the stations' certificates

    def sign(
        self,
        request: str,
        station_id: str,
        names: Sequence[str],
        organisation: str,
        now_utc: datetime,
    ) -> SignedCertificate:
        """See ``Authority``. The subject stays as asked for, or some stations do not know it."""
        if self._key is None:
            raise SigningRequestError("no authority yet")
        csr = _read_request(request)
        _check_key(csr)
        _check_subject(csr.subject, names, organisation)
        public = csr.public_key()
        assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        until = min(now_utc + STATION_VALIDITY, self.certificate.not_valid_after_utc)
        certificate = self.sign_built(
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now_utc - _BACKDATED)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(public), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        return SignedCertificate(
            pem=certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
            certificate=StationCertificate(
                fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
                station_id=station_id,
                serial=f"{certificate.serial_number:x}",
                issued_utc=now_utc,
                until_utc=certificate.not_valid_after_utc,
            ),
        )

    def made(
        self, algorithm: str, issuer_name_hash: str, issuer_key_hash: str, serial: str
    ) -> bool:
        """See ``Authority``."""
        root = self._certificate
        if root is None:
            return False
        public = root.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        # The key's bits alone, as in RFC 6960, clause 4.1.1.
        bits = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
        name = root.issuer.public_bytes()
        digest = algorithm.lower()
        return (
            issuer_name_hash.lower() == hashlib.new(digest, name).hexdigest()
            and issuer_key_hash.lower() == hashlib.new(digest, bits).hexdigest()
            and serial.lower().lstrip("0") == f"{root.serial_number:x}"
        )


def peer_certificate(der: bytes) -> PeerCertificate:
    """What a client certificate says, once TLS has traced it back to the root."""
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return PeerCertificate(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        common_name=str(names[0].value) if names else "",
        serial=f"{certificate.serial_number:x}",
        from_utc=certificate.not_valid_before_utc,
        until_utc=certificate.not_valid_after_utc,
    )


def _sign_root(key: PrivateKey, former: x509.Name | None, now_utc: datetime) -> x509.Certificate:
    assert isinstance(key, rsa.RSAPrivateKey)
    # A name of its own: a station may know the roots of several boxes.
    name = f"{socket.gethostname()[:40]} stations {secrets.token_hex(4)}"
    subject = former or x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Bornier"),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:_NAME_MOST]),
        ]
    )
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(_ROOT_FROM, now_utc - _BACKDATED))
        .not_valid_after(max(_ROOT_UNTIL, now_utc + _ROOT_LEAST))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _served(name: str, certificate: x509.Certificate) -> ServedCertificate:
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return ServedCertificate(name, fingerprint, certificate.not_valid_after_utc)


def _read_request(text: str) -> x509.CertificateSigningRequest:
    """Reads PEM as stations write it: with its line ends lost or escaped, or without its frame."""
    body = re.sub(r"-----[^-]*-----|\\[nr]|\s", "", text)
    try:
        return x509.load_der_x509_csr(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise SigningRequestError("the request cannot be read") from None


def _check_key(csr: x509.CertificateSigningRequest) -> None:
    try:
        public, digest = csr.public_key(), csr.signature_hash_algorithm
        signed = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        raise SigningRequestError("a kind of key that is not taken") from None
    match public:
        case rsa.RSAPublicKey() if _RSA_LEAST <= public.key_size <= _RSA_MOST:
            pass
        case ec.EllipticCurvePublicKey() if public.curve.name in _CURVES:
            pass
        case _:
            raise SigningRequestError("a kind or size of key that is not taken")
    if digest is None or digest.name not in _DIGESTS:
        raise SigningRequestError("a signature that is not taken")
    if not signed:
        raise SigningRequestError("its signature is wrong")


def _check_subject(subject: x509.Name, names: Sequence[str], organisation: str) -> None:
    given = [str(each.value) for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(given) != 1 or given[0].casefold() not in {name.casefold() for name in names}:
        raise SigningRequestError(f"it names {', '.join(given) or 'nobody'}, not {names[0]}")
    for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME):
        named = str(each.value)
        if named.casefold() != organisation.casefold():
            raise SigningRequestError(f"it names the organisation {named}, not {organisation}")
