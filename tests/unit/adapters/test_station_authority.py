from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.adapters.certificates import STATIONS, STATIONS_RSA, LocalCertificate
from app.adapters.station_authority import SiteAuthority, peer_certificate
from app.adapters.tls_ports import stations_tls
from app.services.security_ports import SignedCertificate, SigningRequestError
from tests.support.station_tls import ec_key, request

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ["localhost", "127.0.0.1"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> SiteAuthority:
    made = SiteAuthority(tmp_path_factory.mktemp("authority"))
    assert made.ensure(NOW)
    return made


def sign(authority: SiteAuthority, csr: str, *names: str) -> SignedCertificate:
    return authority.sign(csr, "A-1", names or ("A-1",), "Bornier", NOW)


def test_the_root_lasts_and_its_key_is_private(tmp_path: Path) -> None:
    authority = SiteAuthority(tmp_path / "data")
    assert authority.root() is None
    assert authority.ensure(NOW)
    root = authority.root()
    assert root is not None
    assert root.until_utc > NOW + timedelta(days=20 * 365)
    assert authority.key_path.stat().st_mode & 0o777 == 0o600
    certificate = authority.certificate
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value.ca
    again = SiteAuthority(tmp_path / "data")
    assert not again.ensure(NOW + timedelta(days=7000))
    assert again.root() == root


def test_a_start_before_the_clock_is_set_makes_a_root_that_lasts(tmp_path: Path) -> None:
    authority = SiteAuthority(tmp_path)
    assert authority.ensure(datetime(1970, 1, 3, tzinfo=UTC))
    assert not authority.ensure(NOW)
    assert authority.certificate.not_valid_before_utc < datetime(1970, 1, 4, tzinfo=UTC)


def test_a_root_that_has_ended_keeps_its_name_and_key(tmp_path: Path) -> None:
    authority = SiteAuthority(tmp_path)
    authority.ensure(NOW)
    before = authority.certificate
    assert authority.ensure(datetime(2050, 1, 1, tzinfo=UTC))
    after = authority.certificate
    assert (after.subject, after.public_key()) == (before.subject, before.public_key())
    assert after.not_valid_after_utc > datetime(2069, 1, 1, tzinfo=UTC)


def test_a_lost_key_makes_a_new_root_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = SiteAuthority(tmp_path)
    authority.ensure(NOW)
    before = authority.certificate
    authority.key_path.unlink()
    with caplog.at_level(logging.ERROR):
        assert authority.ensure(NOW)
    assert "stations have to trust it anew" in caplog.text
    assert authority.certificate.public_key() != before.public_key()


def test_the_ports_certificates_are_signed_by_it_and_follow_a_new_root(tmp_path: Path) -> None:
    authority = SiteAuthority(tmp_path)
    port = stations_tls(tmp_path, NAMES, authority)
    assert port.ensure(NOW)
    assert not port.ensure(NOW)
    for kind in (STATIONS, STATIONS_RSA):
        chain = x509.load_pem_x509_certificates((tmp_path / kind.certificate_file).read_bytes())
        assert chain[1] == authority.certificate
        chain[0].verify_directly_issued_by(chain[1])
    assert [each.name for each in authority.served()] == [
        "stations-root.crt",
        "stations.crt",
        "stations-rsa.crt",
    ]
    authority.certificate_path.unlink()
    authority.key_path.unlink()
    assert port.ensure(NOW)
    leaf = LocalCertificate(tmp_path, NAMES, STATIONS, authority)
    assert not leaf.ensure(NOW)
    # Before the first alarm of its end.
    assert leaf.ensure(NOW + timedelta(days=820 - 99))


def test_a_certificate_of_another_authority_is_made_anew(tmp_path: Path) -> None:
    authority = SiteAuthority(tmp_path)
    authority.ensure(NOW)
    LocalCertificate(tmp_path, NAMES, STATIONS).ensure(NOW)
    leaf = LocalCertificate(tmp_path, NAMES, STATIONS, authority)
    assert leaf.ensure(NOW)


@pytest.mark.parametrize(
    "key",
    [ec_key(), ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-256", "P-384", "RSA"],
)
def test_a_good_request_is_signed(
    authority: SiteAuthority, key: ec.EllipticCurvePrivateKey
) -> None:
    signed = sign(authority, request(key, "A-1"))
    certificate = x509.load_pem_x509_certificate(signed.pem.encode())
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.public_key() == key.public_key()
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    read = peer_certificate(certificate.public_bytes(serialization.Encoding.DER))
    record = signed.certificate
    assert (read.common_name, read.fingerprint, read.serial) == (
        "A-1",
        record.fingerprint,
        record.serial,
    )
    assert read.until_utc == record.until_utc == NOW + timedelta(days=730)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.replace("\n", ""),
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: "".join(pem.split("\n")[1:-2]),
        lambda pem: pem.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
    ],
    ids=["escaped ends", "no ends", "two-byte ends", "no frame", "older frame"],
)
def test_a_request_is_read_as_stations_write_it(authority: SiteAuthority, mangle: object) -> None:
    pem = request(ec_key(), "A-1")
    assert sign(authority, mangle(pem)).certificate.station_id == "A-1"  # type: ignore[operator]


def test_the_serial_number_or_another_case_may_stand_for_the_identity(
    authority: SiteAuthority,
) -> None:
    for csr in (
        request(ec_key(), "a-1"),
        request(ec_key(), "260988"),
        request(ec_key(), "A-1", None),
    ):
        assert sign(authority, csr, "A-1", "260988").certificate.station_id == "A-1"


def forged(name: str) -> str:
    """A request whose signature is another key's."""
    good = x509.load_pem_x509_csr(request(ec_key(), name).encode())
    raw = bytearray(good.public_bytes(serialization.Encoding.DER))
    raw[raw.rindex(b"A-1")] = ord("B")
    return x509.load_der_x509_csr(bytes(raw)).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("csr", "reason"),
    [
        ("nothing", "cannot be read"),
        ("", "cannot be read"),
        (request(ec_key(), "A-2"), "it names A-2, not A-1"),
        (request(ec_key(), None), "it names nobody, not A-1"),
        (request(ec_key(), "A-1", "Somebody"), "it names the organisation Somebody, not Bornier"),
        (request(rsa.generate_private_key(65537, 1024), "A-1"), "a kind or size of key"),
        (request(ec.generate_private_key(ec.SECP256K1()), "A-1"), "a kind or size of key"),
        (forged("A-1"), "its signature is wrong"),
    ],
    ids=["garbage", "empty", "another", "nobody", "organisation", "short", "curve", "forged"],
)
def test_a_request_that_cannot_be_granted_says_why(
    authority: SiteAuthority, csr: str, reason: str
) -> None:
    with pytest.raises(SigningRequestError) as refused:
        sign(authority, csr)
    assert reason in refused.value.reason


def test_two_names_are_one_too_many(authority: SiteAuthority) -> None:
    key = ec_key()
    names = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("A-1", "A-2")]
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    pem = csr.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(SigningRequestError):
        sign(authority, pem)


def test_a_kind_of_key_that_tls_stations_do_not_use_is_refused(authority: SiteAuthority) -> None:
    csr = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A-1")])
    )
    pem = csr.sign(ed25519.Ed25519PrivateKey.generate(), None)
    with pytest.raises(SigningRequestError):
        sign(authority, pem.public_bytes(serialization.Encoding.PEM).decode())


def test_nothing_is_signed_before_there_is_a_root(tmp_path: Path) -> None:
    authority = SiteAuthority(tmp_path)
    with pytest.raises(SigningRequestError):
        sign(authority, request(ec_key(), "A-1"))
    assert not authority.made("SHA256", "", "", "")


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_our_root_is_known_by_its_hashes(authority: SiteAuthority, algorithm: str) -> None:
    root = authority.certificate
    public = root.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    bits = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    name_hash, key_hash = (
        hashlib.new(algorithm.lower(), each).hexdigest().upper()
        for each in (root.issuer.public_bytes(), bits)
    )
    serial = f"00{root.serial_number:X}"
    assert authority.made(algorithm, name_hash, key_hash, serial)
    assert not authority.made(algorithm, name_hash, key_hash, serial + "1")
    assert not authority.made(algorithm, key_hash, key_hash, serial)
    assert not authority.made(algorithm, name_hash, name_hash, serial)
