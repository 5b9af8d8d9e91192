"""Keys, profiles and certificates of a station ("Improved security for OCPP 1.6-J")."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp

from simulators.station.certificates import identity
from simulators.station.config import Faults, StationConfig
from simulators.station.link import Link
from simulators.station.persona import Persona, load_persona
from simulators.station.vault import CENTRAL, MAKER, Credentials, Vault
from tests.support.authority import Authority, private_pem
from tests.unit.simulators.station_bench import EPOCH, Bench, Payload, virtual

SITE = Authority("Site", EPOCH)
OTHER = Authority("Other", EPOCH)
RSA_ROOT = Authority("RSA", EPOCH, key=rsa.generate_private_key(65537, 2048))
OLD = Authority("Old", EPOCH - timedelta(days=800))
SECURE = load_persona("secure-generic")
KEY = "00112233445566778899aabbccddeeff"


def persona(**changes: Any) -> Persona:
    return msgspec.structs.replace(SECURE, **changes)


class Door:
    """Lets a station in when it shows what ``admits`` wants; remembers what it showed."""

    def __init__(self, bench: Bench, vault: Vault, admits: Any) -> None:
        self.shown: list[Credentials] = []
        self._vault = vault
        self.admits = admits
        self._inner = bench.central.connect
        bench.station._link_factory = self.connect

    async def connect(self) -> Link:
        self.shown.append(self._vault.shown)
        if not self.admits(self._vault.shown):
            raise ConnectionRefusedError("401")
        return await self._inner()


async def change(bench: Bench, key: str, value: str) -> Any:
    answer = await bench.central.call("ChangeConfiguration", {"key": key, "value": value})
    return answer["status"]


async def install(bench: Bench, pem: str, kind: str = CENTRAL) -> Any:
    request = {"certificateType": kind, "certificate": pem}
    return (await bench.central.call("InstallCertificate", request))["status"]


# ---------------------------------------------------------------------- the key


@pytest.mark.parametrize(
    ("name", "value", "status", "key"),
    [
        ("control-generic", KEY, "Accepted", bytes.fromhex(KEY)),
        ("verbatim-generic", KEY, "Accepted", KEY.encode()),
        ("control-generic", "no digits at all, not hex", "Rejected", None),
        ("control-generic", "0011", "Rejected", None),
        ("verbatim-generic", "x" * 41, "Rejected", None),
        ("control-generic", "", "Rejected", None),
    ],
)
@virtual
async def test_a_new_key_is_shown_at_once(
    name: str, value: str, status: str, key: bytes | None
) -> None:
    vault = Vault()
    async with Bench(name, vault=vault) as bench:
        door = Door(bench, vault, lambda _: True)
        assert await change(bench, "AuthorizationKey", value) == status
        await bench.run(5)
        assert [shown.key for shown in door.shown] == ([] if key is None else [key])
        assert bench.online()
        # It can never be read.
        answer = await bench.central.call("GetConfiguration", {"key": ["AuthorizationKey"]})
        assert "value" not in answer["configurationKey"][0]


@pytest.mark.parametrize("rolls_back", [True, False])
@virtual
async def test_a_key_that_is_refused_is_rolled_back(*, rolls_back: bool) -> None:
    vault = Vault(Credentials(1, b"the old key"))
    async with Bench(persona(rolls_back_security=rolls_back), vault=vault) as bench:
        door = Door(bench, vault, lambda shown: shown.key == b"the old key")
        assert await change(bench, "AuthorizationKey", KEY) == "Accepted"
        await bench.run(120)
        assert bench.online() is rolls_back
        new = bytes.fromhex(KEY)
        assert [shown.key for shown in door.shown[:3]] == [new] * 3
        assert door.shown[-1].key == (b"the old key" if rolls_back else new)


@virtual
async def test_a_key_that_worked_is_not_rolled_back_later() -> None:
    vault = Vault(Credentials(1, b"the old key"))
    async with Bench(SECURE, vault=vault) as bench:
        door = Door(bench, vault, lambda _: True)
        await change(bench, "AuthorizationKey", KEY)
        await bench.run(5)
        door.admits = lambda _: False
        bench.station.drop_socket()
        await bench.run(300)
        assert {shown.key for shown in door.shown} == {bytes.fromhex(KEY)}


@pytest.mark.parametrize(
    ("faults", "reconnects", "status", "connects", "key"),
    [
        ({"refuses_keys": True}, True, "Rejected", 0, b"the old key"),
        ({"forgets_new_keys": True}, True, "Accepted", 1, b"the old key"),
        ({}, False, "Accepted", 0, bytes.fromhex(KEY)),
    ],
)
@virtual
async def test_stations_that_do_something_else_with_a_new_key(
    faults: dict[str, Any], status: str, connects: int, key: bytes, *, reconnects: bool
) -> None:
    vault = Vault(Credentials(1, b"the old key"))
    config = StationConfig(station_id="A-001", faults=Faults(**faults))
    async with Bench(persona(reconnects_for_key=reconnects), config, vault=vault) as bench:
        door = Door(bench, vault, lambda _: True)
        assert await change(bench, "AuthorizationKey", KEY) == status
        await bench.run(10)
        assert len(door.shown) == connects
        bench.station.drop_socket()
        await bench.run(10)
        assert door.shown[-1].key == key


# ---------------------------------------------------------------------- security profiles


@virtual
async def test_profiles_go_up_when_there_is_what_they_need_and_never_down() -> None:
    vault = Vault()
    async with Bench(SECURE, vault=vault) as bench:
        Door(bench, vault, lambda _: True)
        assert await change(bench, "SecurityProfile", "1") == "Rejected"
        await change(bench, "AuthorizationKey", KEY)
        await bench.run(5)
        assert await change(bench, "SecurityProfile", "1") == "Accepted"
        await bench.run(5)
        assert await change(bench, "SecurityProfile", "2") == "Rejected"
        assert await install(bench, SITE.pem) == "Accepted"
        assert await change(bench, "SecurityProfile", "2") == "Accepted"
        await bench.run(5)
        for refused in ("3", "2", "1", "0", "4", "x"):
            assert await change(bench, "SecurityProfile", refused) == "Rejected"
        answer = await bench.central.call("GetConfiguration", {"key": ["SecurityProfile"]})
        assert answer["configurationKey"][0]["value"] == "2"


@virtual
async def test_a_profile_that_does_not_connect_is_rolled_back() -> None:
    vault = Vault(Credentials(1, b"the key of it"), believes_all=True)
    async with Bench(SECURE, vault=vault) as bench:
        Door(bench, vault, lambda shown: shown.profile == 1)
        assert await change(bench, "SecurityProfile", "2") == "Accepted"
        await bench.run(60)
        assert bench.online()
        answer = await bench.central.call("GetConfiguration", {"key": ["SecurityProfile"]})
        assert answer["configurationKey"][0]["value"] == "1"


@virtual
async def test_without_the_extension_there_are_no_profiles() -> None:
    async with Bench() as bench:
        assert await change(bench, "SecurityProfile", "1") == "NotSupported"


# ---------------------------------------------------------------------- certificates


@virtual
async def test_certificates_are_installed_listed_and_deleted() -> None:
    async with Bench(persona(certificates_max=2)) as bench:
        kind = {"certificateType": CENTRAL}
        answer = await bench.central.call("GetInstalledCertificateIds", kind)
        assert answer == {"status": "NotFound"}
        for pem, status in (
            ("none", "Rejected"),
            (OLD.pem, "Rejected"),
            (SITE.pem, "Accepted"),
            (SITE.pem, "Accepted"),
        ):
            assert await install(bench, pem) == status
        assert await install(bench, RSA_ROOT.pem, MAKER) == "Accepted"
        assert await install(bench, OTHER.pem) == "Rejected"  # the store is full
        answer = await bench.central.call("GetInstalledCertificateIds", kind)
        (hashed,) = answer["certificateHashData"]
        assert hashed == ocsp_identity(SITE.certificate)
        for data, status in (
            (ocsp_identity(OTHER.certificate), "NotFound"),
            ({**hashed, "hashAlgorithm": "SHA512"}, "NotFound"),
            (identity(RSA_ROOT.certificate, RSA_ROOT.certificate, "SHA384"), "Accepted"),
            (hashed, "Accepted"),
            (hashed, "NotFound"),
        ):
            request = {"certificateHashData": data}
            answer = await bench.central.call("DeleteCertificate", request)
            assert answer == {"status": status}
        wrong = {"certificateType": "Other"}
        assert await bench.central.call("GetInstalledCertificateIds", wrong) == "FormationViolation"


def ocsp_identity(certificate: x509.Certificate) -> dict[str, str]:
    """The same four values by the OCSP builder of the library."""
    request = (
        ocsp.OCSPRequestBuilder().add_certificate(certificate, certificate, hashes.SHA256()).build()
    )
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": f"{request.serial_number:x}",
    }


@pytest.mark.parametrize("authority", [SITE, RSA_ROOT], ids=["P-256", "RSA"])
def test_identities_are_those_of_ocsp(authority: Authority) -> None:
    certificate = authority.certificate
    assert identity(certificate, certificate) == ocsp_identity(certificate)


@virtual
async def test_the_only_authority_of_a_tls_link_stays() -> None:
    vault = Vault(Credentials(2, b"the key of it"))
    vault.roots[CENTRAL].append(SITE.certificate)
    async with Bench(SECURE, vault=vault) as bench:
        request = {"certificateHashData": identity(SITE.certificate, SITE.certificate)}
        assert await bench.central.call("DeleteCertificate", request) == {"status": "Failed"}
        await install(bench, OTHER.pem)
        assert await bench.central.call("DeleteCertificate", request) == {"status": "Accepted"}


async def requested(bench: Bench) -> str:
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    await bench.central.call("ExtendedTriggerMessage", trigger)
    request: str = bench.central.named("SignCertificate")[-1]["csr"]
    return request


@virtual
async def test_a_client_certificate_is_asked_for_taken_and_shown() -> None:
    vault = Vault(Credentials(2, b"the key of it"))
    vault.roots[CENTRAL].append(SITE.certificate)
    async with Bench(SECURE, vault=vault) as bench:
        bench.central.answers["SignCertificate"] = {"status": "Accepted"}
        door = Door(bench, vault, lambda _: True)
        await change(bench, "CpoName", "Copropriété")
        csr = await requested(bench)
        subject = x509.load_pem_x509_csr(csr.encode()).subject.rfc4514_string()
        serial = bench.central.named("BootNotification")[0]["chargeBoxSerialNumber"]
        assert subject == f"O=Copropriété,CN={serial}"
        chain = {"certificateChain": SITE.sign(csr)}
        assert await bench.central.call("CertificateSigned", chain) == {"status": "Accepted"}
        assert await change(bench, "SecurityProfile", "3") == "Accepted"
        await bench.run(5)
        assert door.shown[-1].profile == 3
        assert door.shown[-1].client_chain == chain["certificateChain"]
        # A renewal is shown at once.
        again = {"certificateChain": SITE.sign(await requested(bench))}
        connections = len(door.shown)
        assert await bench.central.call("CertificateSigned", again) == {"status": "Accepted"}
        await bench.run(5)
        assert len(door.shown) == connections + 1
        assert door.shown[-1].client_chain == again["certificateChain"]


@pytest.mark.parametrize("wrong", ["nobody asked", "another key", "another authority", "no PEM"])
@virtual
async def test_a_certificate_that_is_not_its_own_is_refused(wrong: str) -> None:
    vault = Vault()
    vault.roots[CENTRAL].append(SITE.certificate)
    async with Bench(SECURE, vault=vault) as bench:
        bench.central.answers["SignCertificate"] = {
            "status": "Rejected" if wrong == "nobody asked" else "Accepted"
        }
        csr = await requested(bench)
        chains = {
            "nobody asked": SITE.sign(csr),
            "another key": SITE.issue("A-001")[0],
            "another authority": OTHER.sign(csr),
            "no PEM": "none",
        }
        answer = await bench.central.call("CertificateSigned", {"certificateChain": chains[wrong]})
        assert answer == {"status": "Rejected"}
        await bench.run(1)
        (event,) = bench.central.named("SecurityEventNotification")
        assert event["type"] == "InvalidChargePointCertificate"


@virtual
async def test_a_station_asks_for_its_certificate_by_itself() -> None:
    async with Bench(SECURE) as bench:
        bench.station.request_certificate()
        await bench.run(1)
        assert "BEGIN CERTIFICATE REQUEST" in bench.central.named("SignCertificate")[0]["csr"]


# ---------------------------------------------------------------------- security events


@virtual
async def test_events_wait_for_the_link_and_are_told_where_the_make_does() -> None:
    async with Bench(SECURE) as bench, Bench() as other:
        for each in (bench, other):
            each.central.refuses_connections = True
            await each.central.links[-1].close()
            await each.run(1)
            each.station.security_event("InvalidFirmwareSignature", "x" * 300)
            each.station.security_event("SettingSystemTime")
            each.central.refuses_connections = False
            await each.run(60)
        events: list[Payload] = bench.central.named("SecurityEventNotification")
        assert [(e["type"], len(e["techInfo"])) for e in events] == [
            ("InvalidFirmwareSignature", 255)
        ]
        assert events[0]["timestamp"] == "2026-06-01T08:00:05.000Z"
        assert other.central.named("SecurityEventNotification") == []


def test_a_context_carries_the_client_certificate() -> None:
    pem, key = SITE.issue("A-001")
    vault = Vault(Credentials(3, None, pem, private_pem(key)))
    vault.roots[CENTRAL].append(SITE.certificate)
    context = vault.tls(SECURE)
    assert context is not vault.tls(SECURE)
    assert context.get_ca_certs()[0]["subject"] == ((("commonName", "Site"),),)
    vault.shown = Credentials()
    assert vault.tls(SECURE) is vault.tls(SECURE)
