"""Conversations on certificates, and what the box keeps of them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.adapters.station_authority import SiteAuthority, peer_certificate
from app.domain.errors import (
    InvalidInputError,
    NotFoundError,
    StationRefusedError,
    StationUnreachableError,
)
from app.domain.station_security import SecurityProfile
from app.services.live import Severity
from app.services.security_ports import PeerCertificate
from app.services.station_certificates import SIGNED_PER_HOUR
from tests.support.scripted import ScriptedStation, settle
from tests.support.secure_site import SecureSite, secure_site
from tests.support.station_tls import ec_key, request

KEY = "correct-horse-battery"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SecureSite]:
    async with secure_site(tmp_path) as running:
        await running.security.keys.type_key("A-1", KEY, "admin")
        yield running


async def trusted(site: SecureSite) -> ScriptedStation:
    """The station over TLS with its key."""
    return await site.enter(password=KEY, secure=True)


async def certified(site: SecureSite, station: ScriptedStation) -> PeerCertificate:
    """The certificate that the station asks for and takes, as TLS will show it."""
    before = len(station.sent("CertificateSigned"))
    answer = await station.call("SignCertificate", csr=request(ec_key(), "A-1"))
    assert answer == {"status": "Accepted"}
    await site.until(lambda: len(station.sent("CertificateSigned")) > before)
    pem = station.sent("CertificateSigned")[-1]["certificateChain"]
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return peer_certificate(certificate.public_bytes(serialization.Encoding.DER))


async def test_4_15_a_request_is_signed_recorded_and_delivered(site: SecureSite) -> None:
    station = await trusted(site)
    mine = await certified(site, station)
    (record,) = site.security.book.of("A-1")
    assert (record.fingerprint, record.serial) == (mine.fingerprint, mine.serial)
    assert record.accepted
    assert ("station:A-1", "station-certificate-signed", "A-1") in await site.audit()
    await site.power_cut()
    assert site.security.book.of("A-1") == (record,)
    assert (await site.knock(secure=True, certificate=mine)).status == 101
    assert site.security.book.of("A-1")[0].proved_utc is not None


async def test_a_certificate_that_the_station_does_not_take_is_void(site: SecureSite) -> None:
    station = await trusted(site)
    for answer in ({"status": "Rejected"}, "InternalError"):
        station.answers["CertificateSigned"] = answer
        mine = await certified(site, station)
        assert site.security.book.of("A-1")[0].revoked_because == "not taken"
        await site.require(0)
        refusal = site.security.book.trouble_of("A-1", mine)
        assert refusal is not None


async def test_one_whose_answer_is_lost_opens_all_the_same(site: SecureSite) -> None:
    station = await trusted(site)
    station.answers["CertificateSigned"] = lambda _: None
    mine = await certified(site, station)
    await station.hang_up()
    await settle()
    assert not site.security.book.of("A-1")[0].accepted
    assert site.security.book.trouble_of("A-1", mine) is None


async def test_who_has_proved_nothing_gets_no_certificate(site: SecureSite) -> None:
    csr = request(ec_key(), "A-1")
    for how in ({}, {"password": KEY}):  # nothing, and a key that anybody may have read
        station = await site.enter(**how)
        assert await station.call("SignCertificate", csr=csr) == {"status": "Rejected"}
        assert site.security.certificates.refused["A-1"] == "the connection proves nothing"
        await station.hang_up()
        await settle()
    stranger = await site.enter("NEW", secure=True)
    assert await stranger.call("SignCertificate", csr=csr) == {"status": "Rejected"}
    assert site.security.book.of("A-1") == site.security.book.of("NEW") == ()


async def test_while_somebody_wants_it_the_first_to_come_gets_one(site: SecureSite) -> None:
    await site.security.keys.want("A-1", SecurityProfile.CERTIFICATE, "admin")
    await certified(site, await site.enter())


async def test_a_bad_request_is_rejected_and_the_reason_kept(site: SecureSite) -> None:
    station = await trusted(site)
    for csr, reason in (
        ("garbage", "the request cannot be read"),
        (request(ec_key(), "A-2"), "it names A-2, not A-1"),
        (request(ec_key(), "A-1", "Autre"), "it names the organisation Autre, not Bornier"),
    ):
        assert await station.call("SignCertificate", csr=csr) == {"status": "Rejected"}
        assert site.security.certificates.refused["A-1"] == reason


async def test_requests_without_end_are_not_looked_at(site: SecureSite) -> None:
    station = await trusted(site)
    csr = request(ec_key(), "A-2")
    for _ in range(SIGNED_PER_HOUR + 1):
        assert await station.call("SignCertificate", csr=csr) == {"status": "Rejected"}
    assert site.security.certificates.refused["A-1"] == "too many requests"
    site.clock.advance(3601)
    await certified(site, station)


async def test_the_serial_number_may_be_its_name(site: SecureSite) -> None:
    station = await trusted(site)
    await station.boot(chargeBoxSerialNumber="260988")
    csr = request(ec_key(), "260988")
    assert await station.call("SignCertificate", csr=csr) == {"status": "Accepted"}
    await site.until(lambda: site.security.book.serving("A-1"))


async def test_a_revoked_certificate_ends_the_connection_that_rests_on_it(site: SecureSite) -> None:
    station = await trusted(site)
    mine = await certified(site, station)
    await station.hang_up()
    await settle()
    again = await site.enter(secure=True, certificate=mine)
    with pytest.raises(NotFoundError):
        await site.security.certificates.revoke("A-2", mine.fingerprint, "admin")
    await site.security.certificates.revoke("A-1", mine.fingerprint, "admin")
    await settle()
    assert again.closed_because == "certificate revoked"
    with pytest.raises(NotFoundError):
        await site.security.book.revoke("unknown", "x", "admin")
    await site.security.book.revoke(mine.fingerprint, "twice", "admin")
    assert site.security.book.of("A-1")[0].revoked_because == "revoked"


async def test_a_removed_stations_certificates_stay_revoked(site: SecureSite) -> None:
    mine = await certified(site, await trusted(site))
    await site.running.manager.services.stations.remove("A-1", "admin")
    await site.power_cut()
    (record,) = site.security.book.of("A-1")
    assert record.revoked_because == "removed"
    assert site.security.book.trouble_of("A-1", mine) is not None


async def test_certificates_are_renewed_in_time_and_an_alarm_says_when_not(
    site: SecureSite,
) -> None:
    station = await trusted(site)
    mine = await certified(site, station)
    await station.hang_up()
    await settle()
    station = await site.enter(secure=True, certificate=mine)
    await site.security.certificates.renew()
    await settle()
    assert station.sent("ExtendedTriggerMessage") == []
    site.clock.advance(631 * 86_400)
    station.answers["ExtendedTriggerMessage"] = {"status": "Rejected"}
    for _ in range(3):
        await site.security.certificates.renew()
        await settle()
    assert len(station.sent("ExtendedTriggerMessage")) == 1
    assert [key for key, _ in site.alarms()] == []
    ends: list[tuple[Severity, Any]] = []
    for days in (10, 60, 24, 10):
        site.clock.advance(days * 86_400)
        ends += [
            (severity, params["days"])
            for key, severity, params in site.security.alarms()
            if key == "SEC-007"
        ]
    assert ends == [
        (Severity.INFO, 89),
        (Severity.WARNING, 29),
        (Severity.CRITICAL, 5),
        (Severity.CRITICAL, 0),
    ]
    station.answers["ExtendedTriggerMessage"] = {"status": "Accepted"}
    await site.security.certificates.renew()
    await settle()
    newer = await certified(site, station)
    assert (await site.knock(secure=True, certificate=newer)).status == 101
    assert site.security.book.trouble_of("A-1", mine) is not None
    assert "SEC-007" not in {key for key, _ in site.alarms()}


async def test_a_renewal_without_answer_is_tried_again_at_once(site: SecureSite) -> None:
    station = await trusted(site)
    mine = await certified(site, station)
    await station.hang_up()
    await settle()
    station = await site.enter(secure=True, certificate=mine)
    site.clock.advance(640 * 86_400)
    station.answers["ExtendedTriggerMessage"] = lambda _: None
    await site.security.certificates.renew()
    await settle()
    await station.hang_up()
    await settle()
    again = await site.enter(secure=True, certificate=mine)
    await site.security.certificates.renew()
    await settle()
    assert len(again.sent("ExtendedTriggerMessage")) == 1


async def test_a_person_may_ask_for_a_request(site: SecureSite) -> None:
    certificates = site.security.certificates
    with pytest.raises(NotFoundError):
        await certificates.request("A-9", "admin")
    with pytest.raises(StationUnreachableError):
        await certificates.request("A-1", "admin")
    station = await site.enter()
    with pytest.raises(InvalidInputError):
        await certificates.request("A-1", "admin")
    await station.hang_up()
    await settle()
    station = await trusted(site)
    await certificates.request("A-1", "admin")
    station.answers["ExtendedTriggerMessage"] = {"status": "NotImplemented"}
    with pytest.raises(StationRefusedError) as refused:
        await certificates.request("A-1", "admin")
    assert refused.value.params["answer"] == "NotImplemented"


def hashes_of(authority: SiteAuthority, serial: str | None = None) -> dict[str, str]:
    """CertificateHashData of the root, as a station computes them."""
    root = authority.certificate
    public = root.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    bits = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": hashlib.sha256(root.issuer.public_bytes()).hexdigest(),
        "issuerKeyHash": hashlib.sha256(bits).hexdigest(),
        "serialNumber": serial or f"{root.serial_number:x}",
    }


async def test_roots_are_installed_listed_and_deleted(site: SecureSite) -> None:
    station = await trusted(site)
    certificates = site.security.certificates
    await certificates.install("A-1", "admin")
    root = site.security.root()
    assert root is not None
    assert station.sent("InstallCertificate") == [
        {"certificateType": "CentralSystemRootCertificate", "certificate": root.pem}
    ]
    assert await certificates.installed("A-1") == ()
    station.answers["GetInstalledCertificateIds"] = {
        "status": "Accepted",
        "certificateHashData": [
            hashes_of(site.running.authority),
            hashes_of(site.running.authority, "99"),
        ],
    }
    ours, other = await certificates.installed("A-1")
    assert (ours.ours, other.ours) == (True, False)
    with pytest.raises(InvalidInputError):
        await certificates.delete("A-1", ours.hash_data, "admin")
    await certificates.delete("A-1", other.hash_data, "admin")
    assert len(station.sent("DeleteCertificate")) == 1
    station.answers["DeleteCertificate"] = {"status": "NotFound"}  # gone is gone
    await certificates.delete("A-1", other.hash_data, "admin")
    station.answers["DeleteCertificate"] = {"status": "Failed"}
    with pytest.raises(StationRefusedError):
        await certificates.delete("A-1", other.hash_data, "admin")


@pytest.mark.parametrize("answer", [{"status": "Failed"}, {"status": "Rejected"}, "NotSupported"])
async def test_a_root_that_is_refused_is_said(site: SecureSite, answer: Any) -> None:
    station = await trusted(site)
    station.answers["InstallCertificate"] = answer
    with pytest.raises(StationRefusedError):
        await site.security.certificates.install("A-1", "admin")


async def test_before_there_is_a_root(tmp_path: Path) -> None:
    site = SecureSite(tmp_path)
    await site.running.start()
    await site.security.keys.type_key("A-1", KEY, "admin")
    station = await trusted(site)
    assert site.security.root() is None
    assert site.security.served() == ()
    with pytest.raises(StationRefusedError):
        await site.security.certificates.install("A-1", "admin")
    answer = await station.call("SignCertificate", csr=request(ec_key(), "A-1"))
    assert answer == {"status": "Rejected"}
    await site.running.stop()


async def test_the_ports_own_certificates_raise_an_alarm_when_they_end(site: SecureSite) -> None:
    site.running.authority.serves(())
    assert site.alarms() == []
    root = site.security.root()
    assert root is not None
    left = root.until_utc - site.clock.utc_now() - timedelta(days=20)
    site.clock.advance(left.total_seconds())
    ((key, params),) = site.alarms()
    assert (key, params) == ("SEC-008", {"subject": "stations-root.crt", "days": 20})
