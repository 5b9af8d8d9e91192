from __future__ import annotations

import ipaddress
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.adapters.certificates import (
    KINDS,
    PAGES,
    STATIONS,
    STATIONS_RSA,
    CertificateKind,
    LocalCertificate,
    own_names,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1", "box.local", "192.0.2.5", "::1")


@pytest.fixture
def certificate(tmp_path: Path) -> LocalCertificate:
    return LocalCertificate(tmp_path / "data", NAMES)


def read(certificate: LocalCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.certificate_path.read_bytes())


def test_the_first_start_makes_one_that_browsers_can_check(
    certificate: LocalCertificate,
) -> None:
    assert certificate.ensure(NOW)
    made = read(certificate)
    carried = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert carried.get_values_for_type(x509.DNSName) == ["localhost", "box.local"]
    assert carried.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address(name) for name in ("127.0.0.1", "192.0.2.5", "::1")
    ]
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp384r1"
    assert made.signature_hash_algorithm is not None
    assert made.signature_hash_algorithm.name == "sha384"
    assert made.not_valid_before_utc < NOW
    assert NOW + timedelta(days=800) < made.not_valid_after_utc
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=825)
    basic = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert not basic.value.ca


def test_the_key_is_for_its_owner_only(certificate: LocalCertificate) -> None:
    certificate.ensure(NOW)
    assert certificate.key_path.stat().st_mode & 0o777 == 0o600
    names = {file.name for file in certificate.key_path.parent.iterdir()}
    assert names == {"ui.crt", "ui.key"}


def test_a_good_one_stays(certificate: LocalCertificate) -> None:
    certificate.ensure(NOW)
    before = certificate.certificate_path.read_bytes()
    assert not certificate.ensure(NOW + timedelta(days=780))
    assert certificate.certificate_path.read_bytes() == before
    fewer = LocalCertificate(certificate.key_path.parent, NAMES[:2])
    assert not fewer.ensure(NOW)


@pytest.mark.parametrize(
    "at",
    [NOW + timedelta(days=800), NOW + timedelta(days=3000), datetime(1970, 1, 1, tzinfo=UTC)],
    ids=["expiring", "expired", "not valid yet"],
)
def test_one_that_does_not_fit_the_time_is_renewed_with_the_same_key(
    certificate: LocalCertificate, at: datetime
) -> None:
    certificate.ensure(NOW)
    former, key = certificate.fingerprint(), certificate.key_path.read_bytes()
    assert certificate.ensure(at)
    assert certificate.fingerprint() != former
    assert certificate.key_path.read_bytes() == key
    assert read(certificate).not_valid_before_utc <= at


def test_a_new_name_makes_a_new_one(certificate: LocalCertificate) -> None:
    certificate.ensure(NOW)
    more = LocalCertificate(certificate.key_path.parent, [*NAMES, "192.0.2.6"])
    assert more.ensure(NOW)
    assert not certificate.ensure(NOW)


def spoil_certificate(certificate: LocalCertificate) -> None:
    certificate.certificate_path.write_text("no certificate")


def lose_certificate(certificate: LocalCertificate) -> None:
    certificate.certificate_path.unlink()


def spoil_key(certificate: LocalCertificate) -> None:
    certificate.key_path.write_text("no key")


def lose_key(certificate: LocalCertificate) -> None:
    certificate.key_path.unlink()


def exchange_key(certificate: LocalCertificate) -> None:
    write_key(certificate, ec.generate_private_key(ec.SECP256R1()))


def use_another_kind_of_key(certificate: LocalCertificate) -> None:
    write_key(certificate, ed25519.Ed25519PrivateKey.generate())


def write_key(
    certificate: LocalCertificate,
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    certificate.key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def interrupt_a_write(certificate: LocalCertificate) -> None:
    certificate.key_path.unlink()
    certificate.key_path.with_name("ui.key.new").write_text("half a k")


@pytest.mark.parametrize(
    "harm",
    [
        spoil_certificate,
        lose_certificate,
        spoil_key,
        lose_key,
        exchange_key,
        use_another_kind_of_key,
        interrupt_a_write,
    ],
    ids=lambda harm: harm.__name__,
)
def test_whatever_happened_to_the_files_there_is_a_pair_that_works(
    certificate: LocalCertificate, harm: object
) -> None:
    certificate.ensure(NOW)
    harm(certificate)  # type: ignore[operator]
    assert certificate.ensure(NOW)
    assert not certificate.ensure(NOW)
    ssl.create_default_context().load_cert_chain(certificate.certificate_path, certificate.key_path)
    assert certificate.key_path.stat().st_mode & 0o777 == 0o600


def test_the_fingerprint_is_what_browsers_show(certificate: LocalCertificate) -> None:
    certificate.ensure(NOW)
    pairs = certificate.fingerprint().split(":")
    assert len(pairs) == 32
    assert all(len(pair) == 2 and pair == pair.upper() for pair in pairs)


def test_own_names_hold_the_host_and_no_wildcard_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Box")
    assert own_names(["0.0.0.0", "::", "192.0.2.5", "localhost", "borne.example"]) == (
        "localhost",
        "127.0.0.1",
        "::1",
        "box",
        "box.local",
        "192.0.2.5",
        "borne.example",
    )
    monkeypatch.setattr("socket.gethostname", lambda: "box.example.org")
    assert own_names() == ("localhost", "127.0.0.1", "::1", "box.example.org")


def test_a_name_with_accents_is_carried_as_dns_spells_it(tmp_path: Path) -> None:
    certificate = LocalCertificate(tmp_path, ["résidence.example"])
    certificate.ensure(NOW)
    carried = read(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert carried.value.get_values_for_type(x509.DNSName) == ["xn--rsidence-b1a.example"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_has_files_and_a_key_of_its_own(tmp_path: Path, kind: CertificateKind) -> None:
    certificate = LocalCertificate(tmp_path, NAMES, kind)
    assert certificate.ensure(NOW)
    assert {file.name for file in tmp_path.iterdir()} == {kind.certificate_file, kind.key_file}
    key = read(certificate).public_key()
    usage = read(certificate).extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    if kind is STATIONS_RSA:
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 2048
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
    assert usage.key_encipherment == (kind is STATIONS_RSA)
    assert not LocalCertificate(tmp_path, NAMES, kind).ensure(NOW)


@pytest.mark.parametrize("kind", [PAGES, STATIONS_RSA], ids=lambda kind: kind.name)
def test_a_key_of_another_kind_is_replaced_and_that_is_said(
    tmp_path: Path, kind: CertificateKind, caplog: pytest.LogCaptureFixture
) -> None:
    former = LocalCertificate(tmp_path, NAMES, STATIONS)
    former.ensure(NOW)
    wanted = LocalCertificate(tmp_path, NAMES, kind)
    former.certificate_path.rename(wanted.certificate_path)
    former.key_path.rename(wanted.key_path)
    with caplog.at_level(logging.WARNING):
        assert wanted.ensure(NOW)
    assert f"{kind.key_file}: no usable {kind.algorithm} key, replaced" in caplog.text
    assert not wanted.ensure(NOW)


def test_the_first_start_has_nothing_to_replace(
    certificate: LocalCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        certificate.ensure(NOW)
    assert caplog.text == ""
