from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from app.adapters.certificates import (
    LocalCertificate,
    own_names,
    web_tls_context,
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
    assert key.curve.name == "secp256r1"
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


def test_the_web_context_speaks_tls_12_and_13_with_aes_256_alone(tmp_path: Path) -> None:
    context = web_tls_context(tmp_path, ["192.0.2.5"], NOW)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    older = [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert {cipher["name"] for cipher in older} == {
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    }
    assert (tmp_path / "ui.crt").is_file()


def test_there_is_one_context_and_it_follows_the_renewal(certificate: LocalCertificate) -> None:
    certificate.ensure(NOW)
    context = certificate.server_context()
    assert certificate.server_context() is context
    first = served_certificate(context)
    assert certificate.ensure(NOW + timedelta(days=800))
    assert served_certificate(context) != first


def served_certificate(context: ssl.SSLContext) -> bytes | None:
    """The certificate a client is shown, in a handshake through memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.create_default_context()
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert(binary_form=True)
