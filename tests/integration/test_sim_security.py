"""What a simulated station shows on a real link: keys, TLS, client certificates, and its way back."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from simulators.station.config import StationConfig
from simulators.station.dialer import Dialer
from simulators.station.persona import load_persona
from simulators.station.station import SimStation
from simulators.station.vault import CENTRAL, Credentials, Vault
from tests.support.authority import Authority, Key, private_pem

PATIENCE_S = 60.0
SITE = Authority("Site", datetime.now(UTC))
KEY = "00112233445566778899aabbccddeeff"


class Gate:
    """A central system that lets in who shows ``wanted``, and says what it saw."""

    def __init__(self) -> None:
        self.wanted: Callable[[str | None], bool] = lambda _: True
        self.logins: list[str | None] = []
        self.subjects: list[Any] = []
        self.ciphers: list[tuple[str, str]] = []
        self.events: list[str] = []
        self.csr = ""
        self.answers: dict[str, Any] = {}
        self.connection: ServerConnection | None = None
        self.port = 0

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        header = request.headers.get("Authorization")
        self.logins.append(header)
        return None if self.wanted(header) else connection.respond(401, "no")

    async def talk(self, connection: ServerConnection) -> None:
        self.connection = connection
        tls = connection.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.subjects.append(tls.getpeercert())
            self.ciphers.append((tls.version(), tls.cipher()[0]))
        async for text in connection:
            frame = json.loads(text)
            if frame[0] != 2:
                self.answers[frame[1]] = frame[2]
                continue
            _, message_id, action, payload = frame
            answer: dict[str, Any] = {}
            match action:
                case "BootNotification":
                    now = datetime.now(UTC).isoformat()
                    answer = {"status": "Accepted", "currentTime": now, "interval": 300}
                case "SignCertificate":
                    self.csr = payload["csr"]
                    answer = {"status": "Accepted"}
                case "SecurityEventNotification":
                    self.events.append(payload["type"])
            await connection.send(json.dumps([3, message_id, answer]))

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        assert self.connection is not None
        message_id = f"c{len(self.answers)}"
        await self.connection.send(json.dumps([2, message_id, action, payload]))
        await until(lambda: message_id in self.answers)
        return self.answers[message_id]

    async def change(self, key: str, value: str) -> Any:
        return await self.call("ChangeConfiguration", {"key": key, "value": value})


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110 - what happens has no event of its own
            await asyncio.sleep(0.02)


@asynccontextmanager
async def gate(tls: ssl.SSLContext | None = None, into: Gate | None = None) -> AsyncIterator[Gate]:
    made = into or Gate()
    async with serve(
        made.talk,
        "127.0.0.1",
        0,
        ssl=tls,
        select_subprotocol=lambda _, offered: offered[0] if offered else None,
        process_request=made.check,
        ping_interval=None,
    ) as server:
        made.port = next(iter(server.sockets)).getsockname()[1]
        yield made


@asynccontextmanager
async def station(
    url: str, vault: Vault, persona: str = "secure-generic", secure_url: str | None = None
) -> AsyncIterator[SimStation]:
    made = load_persona(persona)
    post = SimStation(
        StationConfig(station_id="S 1"),
        made,
        Dialer(url, "S 1", made, vault, secure_url),
        lambda: datetime.now(UTC),
        random.Random(1),
        vault=vault,
    )
    post.start()
    try:
        yield post
    finally:
        await post.stop()


def server_tls(folder: Path, *, wants_client: bool = False, key: Key | None = None) -> Any:
    pem, own = SITE.issue("127.0.0.1", key=key) if key else SITE.issue("127.0.0.1")  # type: ignore[arg-type]
    pair = folder / "server.pem"
    pair.write_text(pem + private_pem(own))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    if wants_client:
        context.load_verify_locations(cadata=SITE.pem)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def basic(key: bytes) -> str:
    return "Basic " + base64.b64encode(b"S 1:" + key).decode()


async def test_a_new_key_is_shown_and_a_refused_one_rolled_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulators.station.station.FIRST_RETRY_S", 0.1)
    vault = Vault(Credentials(1, b"the first key"))
    async with gate() as central, station(f"ws://127.0.0.1:{central.port}/ocpp", vault) as post:
        await until(lambda: post.connected)
        assert central.logins == [basic(b"the first key")]
        new = basic(bytes.fromhex(KEY))
        central.wanted = lambda header: header == new
        assert await central.change("AuthorizationKey", KEY) == {"status": "Accepted"}
        await until(lambda: central.logins[-1] == new and post.connected)
        # The next one is refused three times; it goes back to the one that worked.
        assert await central.change("AuthorizationKey", "ff" * 16) == {"status": "Accepted"}
        await until(lambda: central.logins[-1] == new and post.connected)
        assert central.logins[2:] == [basic(b"\xff" * 16)] * 3 + [new]


async def test_from_plain_to_tls_to_a_client_certificate(tmp_path: Path) -> None:
    vault = Vault(Credentials(1, b"the first key"))
    central = Gate()
    plain, secure = gate(into=central), Gate()
    async with (
        plain,
        gate(server_tls(tmp_path), into=secure),
        gate(server_tls(tmp_path, wants_client=True)) as strict,
    ):
        urls = f"ws://127.0.0.1:{central.port}", f"wss://127.0.0.1:{secure.port}"
        async with station(urls[0], vault, secure_url=urls[1]) as post:
            await until(lambda: post.connected)
            root = {"certificateType": CENTRAL, "certificate": SITE.pem}
            assert await central.call("InstallCertificate", root) == {"status": "Accepted"}
            assert await central.change("SecurityProfile", "2") == {"status": "Accepted"}
            await until(lambda: secure.subjects and post.connected)
            assert secure.logins == [basic(b"the first key")]
            assert secure.subjects == [None]
            post.request_certificate()
            await until(lambda: secure.csr)
            chain = {"certificateChain": SITE.sign(secure.csr)}
            assert await secure.call("CertificateSigned", chain) == {"status": "Accepted"}
            post._link_factory._secure_url = f"wss://127.0.0.1:{strict.port}"  # type: ignore[attr-defined]
            assert await secure.change("SecurityProfile", "3") == {"status": "Accepted"}
            await until(lambda: strict.subjects and post.connected)
            assert strict.logins == [None]
            names = dict(pair for (pair,) in strict.subjects[0]["subject"])
            assert names["commonName"] == post._serial


async def test_a_server_that_is_not_believed_is_told_once_the_link_stands(tmp_path: Path) -> None:
    vault = Vault(Credentials(2, b"the first key"))
    async with gate(server_tls(tmp_path)) as central:
        async with station(f"wss://127.0.0.1:{central.port}", vault) as post:
            await until(lambda: post.queued)
            assert not central.logins
            vault.roots[CENTRAL].append(SITE.certificate)
            await until(lambda: "InvalidCentralSystemCertificate" in central.events)
            assert post.connected


async def test_an_embedded_client_speaks_tls_1_2_with_its_two_suites(tmp_path: Path) -> None:
    tls = server_tls(tmp_path, key=rsa.generate_private_key(65537, 2048))
    vault = Vault(believes_all=True)
    async with gate(tls) as central:
        url = f"wss://127.0.0.1:{central.port}"
        async with station(url, vault, "embedded-generic") as post:
            await until(lambda: post.connected)
        ((version, suite),) = central.ciphers
        assert version == "TLSv1.2"
        assert suite in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384")
        async with station(url, vault, "control-generic") as post:
            await until(lambda: post.connected)
        assert central.ciphers[1][0] == "TLSv1.3"


async def test_a_station_that_names_no_subprotocol() -> None:
    made = msgspec.structs.replace(load_persona("control-generic"), subprotocol=None)
    async with gate() as central:
        link = await Dialer(f"ws://127.0.0.1:{central.port}/", "S 1", made)()
        assert central.connection is not None
        assert central.connection.subprotocol is None
        await link.close()
