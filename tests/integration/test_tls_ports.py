"""What the manager's two TLS ports speak, by handshakes with clients that offer one suite each."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.support.running import RunningManager
from tests.support.tls_client import Offer, answer, tls12, tls13

REFUSED = "refused"
AES_256, AES_128 = "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"

PAGES = [
    (tls13(AES_256), f"TLSv1.3 {AES_256}"),
    (tls13(f"{AES_128}:{AES_256}"), f"TLSv1.3 {AES_256}"),
    (tls13(AES_256, "secp384r1"), f"TLSv1.3 {AES_256}"),
    (tls13(AES_256, "prime256v1"), REFUSED),
    (tls13(AES_128), REFUSED),
    (tls13("TLS_CHACHA20_POLY1305_SHA256"), REFUSED),
    (tls12("DEFAULT"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
    (tls12("DEFAULT", "secp384r1"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
    (tls12("ECDHE+AES128"), REFUSED),
    (tls12("ECDHE+CHACHA20"), REFUSED),
    (tls12("kRSA+AESGCM"), REFUSED),
    (Offer("TLSv1", "TLSv1_1", "DEFAULT@SECLEVEL=0"), REFUSED),
]
STATIONS = [
    (tls13(AES_256), f"TLSv1.3 {AES_256}"),
    (tls13(f"{AES_128}:{AES_256}"), f"TLSv1.3 {AES_256}"),
    (tls13(AES_128, "prime256v1"), f"TLSv1.3 {AES_128}"),
    (tls13("TLS_CHACHA20_POLY1305_SHA256"), REFUSED),
    (tls12("DEFAULT"), "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384"),
    *(
        (tls12(suite), f"TLSv1.2 {suite}")
        for suite in (
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "AES256-GCM-SHA384",
            "AES128-GCM-SHA256",
        )
    ),
    (tls12("ECDHE+CHACHA20"), REFUSED),
    (tls12("AES128-SHA:ECDHE-RSA-AES128-SHA"), REFUSED),
    (Offer("TLSv1", "TLSv1_1", "DEFAULT@SECLEVEL=0"), REFUSED),
]


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    running = RunningManager(tmp_path_factory.mktemp("tls"))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize(("offer", "agreed"), PAGES)
def test_the_pages(manager: RunningManager, offer: Offer, agreed: str) -> None:
    assert answer(manager.web_port, offer) == agreed


@pytest.mark.parametrize(("offer", "agreed"), STATIONS)
def test_the_stations(manager: RunningManager, offer: Offer, agreed: str) -> None:
    assert answer(manager.ocpps_port, offer) == agreed


def test_a_client_that_knows_the_certificate_reads_the_pages(manager: RunningManager) -> None:
    trusting = ssl.create_default_context(cafile=manager.data / "ui.crt")
    answered = httpx.get(f"https://localhost:{manager.web_port}/health", verify=trusting)
    assert answered.status_code == httpx.codes.OK
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(
            f"https://localhost:{manager.ocpps_port}/",
            verify=ssl.create_default_context(cafile=manager.data / "ui.crt"),
        )


def test_the_console_names_both_addresses_of_the_stations(manager: RunningManager) -> None:
    assert f"ws://localhost:{manager.ocpp_port}/ocpp/" in manager.output
    assert f"wss://localhost:{manager.ocpps_port}/ocpp/" in manager.output
