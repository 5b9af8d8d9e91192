from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.adapters.tls_ports import TlsPort, pages_tls, stations_tls, web_tls_context

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1")


def older_suites(context: ssl.SSLContext) -> list[str]:
    """Those of TLS 1.2; the suites of TLS 1.3 are a matter of the process."""
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    return [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"]


def test_the_pages_speak_aes_256_alone(tmp_path: Path) -> None:
    context = web_tls_context(tmp_path, ["192.0.2.5"], NOW)
    assert older_suites(context) == ["ECDHE-ECDSA-AES256-GCM-SHA384"]
    assert {file.name for file in tmp_path.iterdir()} == {"ui.crt", "ui.key"}


def test_the_stations_speak_the_suites_of_the_whitepaper_the_strong_ones_first(
    tmp_path: Path,
) -> None:
    port = stations_tls(tmp_path, NAMES)
    assert port.ensure(NOW)
    assert older_suites(port.load()) == [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
    ]
    assert not port.ensure(NOW)


def test_there_is_one_context_and_it_follows_the_renewal(tmp_path: Path) -> None:
    for port in (pages_tls(tmp_path, NAMES), stations_tls(tmp_path, NAMES)):
        assert port.ensure(NOW)
        context = port.load()
        first = served_certificate(context)
        assert first is not None
        assert port.ensure(NOW + timedelta(days=800))
        assert served_certificate(context) == first
        assert port.load() is context
        assert served_certificate(context) not in (first, None)


def test_one_lost_certificate_of_two_is_made_again(tmp_path: Path) -> None:
    port: TlsPort = stations_tls(tmp_path, NAMES)
    port.ensure(NOW)
    ecdsa = (tmp_path / "stations.crt").read_bytes()
    (tmp_path / "stations-rsa.crt").unlink()
    assert port.ensure(NOW)
    assert (tmp_path / "stations.crt").read_bytes() == ecdsa
    port.load()


def served_certificate(context: ssl.SSLContext) -> bytes | None:
    """The certificate a client is shown, in a handshake through memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.create_default_context()
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client = client_context.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):  # one more than usual: the pages ask for another curve first
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert(binary_form=True)
