"""The stations' port over real sockets: handshakes, and connections that come and go."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.adapters.flow import FlowLimits
from app.adapters.ocpp_server import OcppListener, OcppSettings, station_identity
from app.ocpp16.dialect import PLAIN
from tests.integration.ocpp_listener import (
    HEARTBEAT,
    RealClock,
    Recorder,
    closing,
    listening,
    raw_handshake,
    station,
    still_answers,
)

# ---------------------------------------------------------------------- the handshake


@pytest.mark.parametrize(
    ("path", "identity"),
    [
        ("/ocpp/A-001", "A-001"),
        ("/A-001", "A-001"),
        ("/ocpp/1.6J//A-001/", "A-001"),
        ("/ocpp/A%2F001", "A/001"),
        ("/ocpp/Borne%20%C3%A9t%C3%A9", "Borne été"),
        ("/ocpp/A-001?token=1", "A-001"),
        (f"/ocpp/{'x' * 48}", "x" * 48),
    ],
)
async def test_identities(path: str, identity: str) -> None:
    async with listening() as (listener, recorder), station(listener, path) as peer:
        assert peer.subprotocol == "ocpp1.6"
        await recorder.until(lambda: identity in recorder.links)
        assert recorder.links[identity].address == "127.0.0.1"
        assert set(listener.connections) == {identity}


@pytest.mark.parametrize(
    "path", ["/", "//", "/ocpp/%FF", "/ocpp/a%00b", "/ocpp/a%0Ab", "/ocpp/%20", f"/{'x' * 49}"]
)
async def test_unusable_identities(path: str) -> None:
    async with listening() as (listener, recorder):
        with pytest.raises(InvalidStatus) as caught:
            async with station(listener, path):
                pass
        assert caught.value.response.status_code == 404
        assert recorder.told == []
        assert listener.refused == 1


def test_the_identity_of_no_path() -> None:
    assert station_identity(b"") is None


@pytest.mark.parametrize("offered", [["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp1.5"]])
async def test_our_protocol_is_chosen_from_several(offered: list[str]) -> None:
    async with listening() as (listener, _), station(listener, subprotocols=offered) as peer:
        assert peer.subprotocol == "ocpp1.6"


async def test_another_protocol_is_closed_after_the_handshake() -> None:
    async with listening() as (listener, recorder):
        async with station(listener, subprotocols=["ocpp2.0.1"]) as peer:
            assert peer.subprotocol is None
            assert await closing(peer) == (1002, "ocpp1.6 only")
        assert recorder.told == []


async def test_no_protocol_is_tolerated_by_default() -> None:
    async with listening() as (listener, _), station(listener, subprotocols=None) as peer:
        assert peer.subprotocol is None
        await peer.send(HEARTBEAT)
        assert json.loads(await peer.recv())[0] == 3
    async with listening(require_subprotocol=True) as (listener, _):
        async with station(listener, subprotocols=None) as peer:
            assert (await closing(peer))[0] == 1002


@pytest.mark.parametrize(("path", "status"), [("/ocpp/A-001", 426), ("/", 404)])
async def test_a_browser_is_told_what_lives_here(path: str, status: int) -> None:
    async with listening() as (listener, recorder), httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{listener.port}{path}")
        assert response.status_code == status
        assert "server" not in response.headers
        assert recorder.told == []


async def test_more_stations_than_allowed() -> None:
    async with listening(max_connections=1) as (listener, recorder):
        async with station(listener, "/ocpp/A-001"):
            await recorder.until(lambda: "A-001" in recorder.links)
            with pytest.raises(InvalidStatus) as caught:
                async with station(listener, "/ocpp/A-002"):
                    pass
            assert caught.value.response.status_code == 503
            # The same station may still replace its dead connection.
            await still_answers(listener, "/ocpp/A-001")


async def test_frames_are_not_compressed() -> None:
    async with listening() as (listener, _):
        async with station(listener, compression="deflate") as peer:
            assert peer.response.headers.get("Sec-WebSocket-Extensions") is None


async def test_over_tls(tmp_path: Path) -> None:
    server, client = tls_contexts(tmp_path)
    async with listening(tls=server) as (listener, _):
        uri = f"wss://127.0.0.1:{listener.port}/ocpp/A-001"
        async with websockets.connect(
            uri,
            ssl=client,
            subprotocols=[Subprotocol("ocpp1.6")],
            proxy=None,
            server_hostname="manager",
        ) as peer:
            await peer.send(HEARTBEAT)
            assert json.loads(await peer.recv())[0] == 3


# ---------------------------------------------------------------------- connections come and go


async def test_the_newest_connection_wins() -> None:
    async with listening() as (listener, recorder):
        async with station(listener) as old, station(listener) as new:
            assert await closing(old) == (1000, "replaced by a newer connection")
            await new.send(HEARTBEAT)
            assert json.loads(await new.recv())[0] == 3
            assert recorder.told == [
                ("connected", "A-001", 1),
                ("disconnected", "A-001", 1),
                ("connected", "A-001", 2),
            ]
        await recorder.until(lambda: recorder.told[-1] == ("disconnected", "A-001", 2))
        assert listener.connections == {}


async def test_of_many_at_once_one_is_left_and_it_works() -> None:
    async with listening() as (listener, recorder):
        peers = await asyncio.gather(*(station(listener) for _ in range(20)))
        await recorder.until(lambda: recorder.told[-1] == ("connected", "A-001", 20))
        answers = await asyncio.gather(*(last_words(peer) for peer in peers))
        assert sum(answers) == 1
        told = [each for each in recorder.told if each[0] == "connected"]
        assert len(recorder.told) == 2 * len(told) - 1
        for before, after in zip(recorder.told, recorder.told[1:], strict=False):
            assert before[0] != after[0], "two links of one station at once"
        for peer in peers:
            await peer.close()


async def last_words(peer: ClientConnection) -> bool:
    """Whether the connection still answers."""
    try:
        await peer.send(HEARTBEAT)
        return bool(json.loads(await peer.recv())[0] == 3)
    except ConnectionClosed:
        return False


async def test_a_half_open_connection_gives_way_to_the_new_one() -> None:
    async with listening() as (listener, recorder):
        reader, writer = await raw_handshake(listener)
        await recorder.until(lambda: len(recorder.told) == 1)
        # The old peer says nothing more and acknowledges nothing on its level.
        async with station(listener) as new:
            await new.send(HEARTBEAT)
            assert json.loads(await new.recv())[0] == 3
        del reader
        writer.close()


PING = 0x89
PONG = b"\x8a\x84\x00\x00\x00\x00"
"""Head of a masked pong of four bytes; the mask of zeros leaves them as they are."""


async def pinged(reader: asyncio.StreamReader) -> bytes:
    """What the next ping holds."""
    while (await reader.readexactly(1))[0] != PING:
        await reader.readexactly((await reader.readexactly(1))[0])
    return await reader.readexactly((await reader.readexactly(1))[0])


async def test_a_peer_that_no_longer_answers_pings_is_let_go() -> None:
    async with listening(ping_interval_s=0.1, ping_timeout_s=0.2) as (listener, recorder):
        reader, writer = await raw_handshake(listener)
        writer.write(PONG + await pinged(reader))
        await recorder.until(lambda: ("disconnected", "A-001", 1) in recorder.told)
        writer.close()


async def quiet_for(seconds: float, reader: asyncio.StreamReader) -> bool:
    """Whether no ping comes in this time."""
    try:
        await asyncio.wait_for(pinged(reader), seconds)
    except TimeoutError:
        return True
    return False


async def test_a_station_is_pinged_or_let_alone_as_the_services_wish() -> None:
    async with listening(ping_interval_s=0.1, ping_timeout_s=0.2) as (listener, recorder):
        reader, writer = await raw_handshake(listener)
        await pinged(reader)
        recorder.links["A-001"].speak(PLAIN, pings=False)
        async with asyncio.timeout(10):
            while not await quiet_for(1, reader):
                pass  # one may have been under way
        recorder.links["A-001"].speak(PLAIN)
        await pinged(reader)
        writer.close()


async def test_a_peer_that_never_answers_pings_is_kept_while_it_speaks() -> None:
    # Three times its heartbeat of half a second; each ping waits for its pong 0.1 s, in vain.
    settings: dict[str, Any] = {"ping_interval_s": 0.1, "ping_timeout_s": 0.1, "heartbeat_s": 0.5}
    async with listening(**settings) as (listener, recorder):
        reader, writer = await raw_handshake(listener)
        for number in range(8):
            for _ in range(2):
                await pinged(reader)
            assert recorder.told == [("connected", "A-001", 1)]
            text = f'[2,"{number}","Heartbeat",{{}}]'.encode()
            writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        await recorder.until(lambda: ("disconnected", "A-001", 1) in recorder.told)
        assert len(recorder.handled) == 8
        writer.close()


async def test_the_answer_to_a_boot_tells_how_long_a_station_may_be_silent() -> None:
    async with listening(heartbeat_s=0.1, ping_interval_s=None) as (listener, recorder):
        async with station(listener) as peer:
            boot = {"chargePointVendor": "Legrand", "chargePointModel": "059004"}
            await peer.send(json.dumps([2, "1", "BootNotification", boot]))
            assert json.loads(await peer.recv())[2]["interval"] == 60
            await asyncio.wait_for(recorder.until(lambda: len(recorder.handled) == 1), 5)
            await asyncio.sleep(1)  # more than three times 0.1 s
            await peer.send(HEARTBEAT)
            assert json.loads(await peer.recv())[0] == 3


async def test_a_station_that_floods_waits_and_loses_nothing() -> None:
    flow = FlowLimits(messages_per_s=200, messages_at_once=10)
    async with listening(flow=flow) as (listener, recorder), station(listener) as peer:
        for number in range(60):
            await peer.send(f'[2,"{number}","Heartbeat",{{}}]')
        answers = [json.loads(await peer.recv()) for _ in range(60)]
        assert [(kind, int(number)) for kind, number, _ in answers] == [
            (3, number) for number in range(60)
        ]
        assert len(recorder.handled) == 60


def frame(text: str, opcode: int = 0x81) -> bytes:
    """A short text as a client's frame, masked with zeros (RFC 6455, clause 5.2)."""
    return bytes([opcode, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


async def test_messages_that_come_in_one_piece_or_in_many_are_answered_in_order() -> None:
    async with listening() as (listener, recorder):
        reader, writer = await raw_handshake(listener)
        await recorder.until(lambda: "A-001" in recorder.links)
        await asyncio.sleep(0.05)  # whoever handles it waits for work
        whole = [f'[2,"{number}","Heartbeat",{{}}]' for number in range(8)]
        pieces = b"".join(map(frame, whole[:4]))
        pieces += frame(whole[4][:9], 0x01) + frame(whole[4][9:], 0x80)
        writer.write(pieces + frame(whole[5]) + frame(whole[6])[:11])
        received = await asyncio.wait_for(reader.readuntil(b'[3,"5",'), 5)
        writer.write(frame(whole[6])[11:] + frame(whole[7]))
        received += await asyncio.wait_for(reader.readuntil(b'[3,"7",'), 5)
        answers = [int(text.split(b'"')[1]) for text in received.split(b"[3,")[1:]]
        assert answers == list(range(8))
        # Whoever takes leave in the same breath hears no answer, but is heard.
        writer.write(frame('[2,"8","Heartbeat",{}]') + frame("", 0x88))
        assert b"[3" not in await asyncio.wait_for(reader.read(), 5)
        await recorder.until(lambda: ("disconnected", "A-001", 1) in recorder.told)
        assert len(recorder.handled) == 9
        writer.close()


async def test_pings_may_be_switched_off() -> None:
    async with listening(ping_interval_s=None, ping_timeout_s=None) as (listener, _):
        await still_answers(listener)


async def test_a_link_may_be_closed_by_the_services() -> None:
    async with listening() as (listener, recorder), station(listener) as peer:
        await recorder.until(lambda: "A-001" in recorder.links)
        await recorder.links["A-001"].close("maintenance")
        assert await closing(peer) == (1000, "maintenance")


async def test_stop_lets_stations_go_and_frees_the_port() -> None:
    async with listening() as (listener, recorder):
        port = listener.port
        async with station(listener) as peer:
            await recorder.until(lambda: "A-001" in recorder.links)
            await listener.stop()
            assert (await closing(peer))[0] == 1012
        assert recorder.told[-1][0] == "disconnected"
        with pytest.raises(RuntimeError):
            _ = listener.port
        again = OcppListener(recorder, OcppSettings(host="127.0.0.1", port=port), RealClock())
        await again.start()
        assert again.port == port
        await again.stop()


async def test_a_taken_port_is_an_error() -> None:
    async with listening() as (listener, recorder):
        other = OcppListener(
            recorder, OcppSettings(host="127.0.0.1", port=listener.port), RealClock()
        )
        with pytest.raises(OSError, match="in use"):
            await other.start()
        await other.stop()


async def test_over_ip_version_6() -> None:
    recorder = Recorder()
    listener = OcppListener(recorder, OcppSettings(host="::1", port=0), RealClock())
    try:
        await listener.start()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    async with websockets.connect(f"ws://[::1]:{listener.port}/ocpp/A-001", proxy=None) as peer:
        await peer.send(HEARTBEAT)
        assert json.loads(await peer.recv())[0] == 3
    await listener.stop()


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A self-signed server, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "manager")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("manager")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = folder / "chain.pem"
    chain.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return server, ssl.create_default_context(cafile=chain)
