"""The security profiles over real sockets and real TLS: each way in, each way down, each way back."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.station_authority import SiteAuthority
from app.adapters.station_registry import StationRegistry
from app.adapters.station_vault import StationVault
from app.adapters.storage import open_store
from app.adapters.tls_ports import stations_tls
from app.domain.station_security import SecurityProfile, StationSecurity
from app.services.audit import AuditTrail
from app.services.station_keys import StationKeys
from tests.integration.ocpp_listener import HEARTBEAT, RealClock
from tests.support.garage import garage
from tests.support.running import RunningManager
from tests.support.scripted import settle
from tests.support.secure_site import SecureSite, basic, secure_site
from tests.support.station_tls import ec_key, foreign_certificate, request, station_context

KEY = "correct-horse-battery"
Certificate = tuple[str, Any]
"""PEM and its key."""


class Ports:
    """The two real ports of a manager, and stations that call there."""

    def __init__(self, site: SecureSite, folder: Path) -> None:
        self.site = site
        self.folder = folder
        registry = StationRegistry()
        port = stations_tls(folder, ["localhost", "127.0.0.1"], site.running.authority)
        port.ensure(datetime.now(UTC))
        settings = OcppSettings(host="127.0.0.1", port=0)
        self.plain, self.secure = (
            OcppListener(
                site.running.manager.handler,
                settings,
                RealClock(),
                tls=tls,
                registry=registry,
                gate=site.security.gate,
            )
            for tls in (None, port.load())
        )
        self.contexts = 0

    def station(
        self,
        password: bytes | str | None = None,
        *,
        secure: bool = False,
        certificate: Certificate | None = None,
        tls: ssl.SSLContext | None = None,
        identity: str = "A-1",
    ) -> Any:
        """A connection to be opened with ``async with``."""
        listener = self.secure if secure else self.plain
        headers = {}
        if password is not None:
            headers["Authorization"] = basic(identity, password).decode()
        if secure and tls is None:
            self.contexts += 1
            tls = self.tls(certificate)
        return websockets.connect(
            f"{'wss' if secure else 'ws'}://127.0.0.1:{listener.port}/ocpp/{identity}",
            subprotocols=[websockets.Subprotocol("ocpp1.6")],
            additional_headers=headers,
            proxy=None,
            ssl=tls,
        )

    def tls(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """What a station trusts, and shows."""
        root = self.site.security.root()
        folder = self.folder / f"station-{self.contexts}"
        return station_context(root.pem, folder, certificate)

    async def answer(self, *credentials: Any, **how: Any) -> int:
        """101 and a heartbeat answered, or the status of the refusal."""
        try:
            async with self.station(*credentials, **how) as peer:
                await peer.send(HEARTBEAT)
                assert json.loads(await peer.recv())[:2] == [3, "1"]
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    async def signed(self, name: str = "A-1") -> Certificate:
        """A certificate that the authority signs and the box has on record."""
        key = ec_key()
        now = self.site.clock.utc_now()
        made = self.site.running.authority.sign(request(key, name), name, [name], "Bornier", now)
        await self.site.security.book.add(made.certificate)
        await self.site.security.book.accepted(made.certificate)
        return made.pem, key


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[Ports]:
    async with secure_site(tmp_path) as site:
        made = await asyncio.to_thread(Ports, site, tmp_path)
        await made.plain.start()
        await made.secure.start()
        try:
            async with asyncio.timeout(100):
                yield made
        finally:
            await made.secure.stop()
            await made.plain.stop()


async def keyed(ports: Ports, profile: int) -> None:
    await ports.site.security.keys.type_key("A-1", KEY, "admin")
    await ports.site.require(profile)


@pytest.mark.parametrize(
    ("required", "plain", "plain_key", "tls", "tls_key", "tls_certificate"),
    [
        (0, 101, 101, 101, 101, 101),
        (1, 401, 101, 401, 101, 101),
        (2, 403, 403, 401, 101, 101),
        (3, 403, 403, 403, 403, 101),
    ],
)
async def test_each_profile_is_a_floor(
    ports: Ports,
    required: int,
    plain: int,
    plain_key: int,
    tls: int,
    tls_key: int,
    tls_certificate: int,
) -> None:
    mine = await ports.signed()
    await keyed(ports, required)
    assert await ports.answer() == plain
    assert await ports.answer(KEY) == plain_key
    assert await ports.answer(secure=True) == tls
    assert await ports.answer(KEY, secure=True) == tls_key
    assert await ports.answer(secure=True, certificate=mine) == tls_certificate


async def test_a_refusal_asks_for_the_key_and_a_burst_has_to_wait(ports: Ports) -> None:
    await keyed(ports, 1)
    with pytest.raises(InvalidStatus) as refused:
        await ports.station()
    assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic ")
    statuses = await asyncio.gather(*(ports.answer(f"guess-number-{n}") for n in range(20)))
    assert statuses.count(401) == 4
    assert statuses.count(429) == 16
    with pytest.raises(InvalidStatus) as refused:
        await ports.station(KEY)
    assert int(refused.value.response.headers["Retry-After"]) == 2
    # guesses in one name slow down no other
    assert await ports.answer(identity="A-2") == 101
    ports.site.clock.advance(2)
    assert await ports.answer(KEY) == 101


async def test_a_made_key_as_bytes_and_as_digits(ports: Ports) -> None:
    text = await ports.site.security.keys.new_key("A-1", "admin")
    await ports.site.require(1)
    for password in (bytes.fromhex(text), text, text.upper()):
        assert await ports.answer(password) == 101
    assert await ports.answer(bytes.fromhex(text)[::-1]) == 401


async def test_only_the_stations_own_certificate_in_force_opens(ports: Ports) -> None:
    mine, theirs = await ports.signed(), await ports.signed("A-2")
    await ports.site.require(3)
    assert await ports.answer(secure=True, certificate=theirs) == 403
    assert await ports.answer(secure=True, certificate=mine) == 101
    ports.site.clock.advance(731 * 86_400)
    assert await ports.answer(secure=True, certificate=mine) == 403
    whys = [attempt.why.value for attempt in ports.site.security.attempts.last("A-1")]
    assert whys == ["expired", "other-certificate"]
    newer = await ports.signed()
    assert await ports.answer(secure=True, certificate=newer) == 101
    fingerprint = ports.site.security.book.of("A-1")[0].fingerprint
    await ports.site.security.certificates.revoke("A-1", fingerprint, "admin")
    assert await ports.answer(secure=True, certificate=newer) == 403


async def test_a_makers_certificate_keeps_nobody_out_while_none_is_asked_for(ports: Ports) -> None:
    await keyed(ports, 2)
    ports.site.security.upgrades.look()
    key = ec_key()
    foreign = foreign_certificate(key, "A-1"), key
    assert await ports.answer(KEY, secure=True, certificate=foreign) == 101
    mine = await ports.signed()
    ports.site.security.upgrades.look()
    await ports.site.require(3)
    assert await ports.answer(secure=True, certificate=mine) == 101


async def test_a_certificate_of_nobody_we_know_ends_in_the_handshake(ports: Ports) -> None:
    key = ec_key()
    foreign = foreign_certificate(key, "A-1"), key
    await ports.signed()
    ports.site.security.upgrades.look()
    with pytest.raises((ssl.SSLError, OSError, websockets.InvalidMessage)):
        await ports.answer(secure=True, certificate=foreign)
    assert await ports.answer(secure=True) == 101


async def test_a_certificate_of_the_port_is_none_of_a_station(ports: Ports) -> None:
    tls = ports.tls()
    tls.load_cert_chain(ports.folder / "stations.crt", ports.folder / "stations.key")
    with pytest.raises((ssl.SSLError, OSError, websockets.InvalidMessage)):
        await ports.answer(secure=True, tls=tls)


@pytest.mark.parametrize("suite", ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])
async def test_a_station_of_one_suite_of_tls_1_2_shows_its_certificate(
    ports: Ports, suite: str
) -> None:
    mine = await ports.signed()
    await ports.site.require(3)
    tls = ports.tls(mine)
    tls.maximum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers(suite)
    assert await ports.answer(secure=True, tls=tls) == 101


async def test_a_station_asks_for_its_certificate_and_comes_back_with_it(ports: Ports) -> None:
    """Profile 2 to 3 over the sockets, as the whitepaper tells it (chapter 2.4, A.2)."""
    await keyed(ports, 2)
    key = ec_key()
    await ports.site.security.keys.want("A-1", SecurityProfile.CERTIFICATE, "admin")
    pem = ""
    profile = ""
    async with ports.station(KEY, secure=True) as peer:
        ports.site.security.upgrades.look()
        async for text in peer:
            frame = json.loads(text)
            if frame[0] != 2:
                ports.site.security.upgrades.look()
                continue
            _, message_id, action, payload = frame
            status = "Accepted"
            if action == "CertificateSigned":
                pem = payload["certificateChain"]
            if action == "ChangeConfiguration" and payload["key"] == "SecurityProfile":
                profile = payload["value"]
            answers = {"GetConfiguration": {}, "SetChargingProfile": {"status": "Rejected"}}
            answer = answers.get(action, {"status": status})
            await peer.send(json.dumps([3, message_id, answer]))
            if action == "ExtendedTriggerMessage":
                csr = request(key, "A-1")
                await peer.send(json.dumps([2, "sign", "SignCertificate", {"csr": csr}]))
            if action == "CertificateSigned":
                await ports.site.until(lambda: ports.site.security.book.serving("A-1"))
                ports.site.security.upgrades.look()
            if profile:
                break
    assert profile == "3"
    assert await ports.answer(KEY, secure=True) == 101
    assert ports.site.record().required is SecurityProfile.TLS_KEY
    assert await ports.answer(secure=True, certificate=(pem, key)) == 101
    assert ports.site.record().required is SecurityProfile.CERTIFICATE
    assert await ports.answer(KEY, secure=True) == 403


async def test_the_newest_authenticated_connection_wins(ports: Ports) -> None:
    await keyed(ports, 1)
    async with ports.station(KEY) as peer:
        await peer.send(HEARTBEAT)
        await peer.recv()
        assert await ports.answer("another-one") == 401
        await peer.send(HEARTBEAT)
        assert json.loads(await peer.recv())[0] == 3
        await settle()


# ---------------------------------------------------------------- processes


async def of_the_station(manager: RunningManager, edit: Any) -> StationSecurity:
    """Looks at, or changes, the data of a manager that is not running."""
    store = open_store(manager.database)
    clock = RealClock()
    keys = StationKeys(
        store.security, StationVault(manager.data), AuditTrail(store.audit, clock), clock
    )
    site = await store.site.load()
    assert site is not None
    await keys.load(site.stations)
    if edit is not None:
        await edit(keys)
    await store.close()
    return keys.of("S-001")


def call(url: str, password: bytes | str | None, tls: ssl.SSLContext | None = None) -> Any:
    headers = {} if password is None else {"Authorization": basic("S-001", password).decode()}
    return websockets.connect(
        f"{url}/S-001",
        subprotocols=[websockets.Subprotocol("ocpp1.6")],
        additional_headers=headers,
        proxy=None,
        ssl=tls,
    )


async def told(peer: Any, wanted: str, *, answered: bool) -> str:
    """Plays a station until it is told ``wanted``; what it was told."""
    async with asyncio.timeout(60):
        async for text in peer:
            frame = json.loads(text)
            if frame[0] != 2:
                continue
            _, message_id, action, payload = frame
            mine = action == "ChangeConfiguration" and payload["key"] == wanted
            if answered or not mine:
                answers = {"GetConfiguration": {}, "SetChargingProfile": {"status": "Rejected"}}
                answer = answers.get(action, {"status": "Accepted"})
                await peer.send(json.dumps([3, message_id, answer]))
            if mine:
                return str(payload["value"])
    raise AssertionError("the connection ended")


@pytest.mark.parametrize("cut", ["before the answer", "after the answer"])
async def test_a_rotation_survives_kills_at_each_step(tmp_path: Path, cut: str) -> None:
    manager = RunningManager(tmp_path, garage(["S-001"]))
    await asyncio.to_thread(manager.start)
    try:
        await asyncio.to_thread(manager.kill)

        async def prepare(keys: StationKeys) -> None:
            await keys.type_key("S-001", KEY, "admin")
            await keys.require("S-001", SecurityProfile.KEY, "admin")

        await of_the_station(manager, prepare)
        await asyncio.to_thread(manager.start)
        async with call(manager.ocpp_url, KEY):
            pass
        with pytest.raises(InvalidStatus):
            await call(manager.ocpp_url, None)
        await asyncio.to_thread(manager.kill)
        proved = await of_the_station(manager, lambda keys: keys.new_key("S-001", "admin"))
        assert proved.key is not None
        assert proved.key.proved_utc is not None
        await asyncio.to_thread(manager.start)
        async with call(manager.ocpp_url, KEY) as peer:
            new = await told(peer, "AuthorizationKey", answered=cut == "after the answer")
            if cut == "after the answer":
                await peer.wait_closed()  # it is made to come back: the answer was written down
            await asyncio.to_thread(manager.kill)
        await asyncio.to_thread(manager.start)
        async with call(manager.ocpp_url, KEY):
            pass  # the old one opens as long as the new one was not shown
        async with call(manager.ocpp_url, bytes.fromhex(new)):
            pass
        await asyncio.to_thread(manager.kill)
        await asyncio.to_thread(manager.start)
        with pytest.raises(InvalidStatus) as refused:
            await call(manager.ocpp_url, KEY)
        assert refused.value.response.status_code == 401
        async with call(manager.ocpp_url, new):
            pass
        root = SiteAuthority(manager.data).certificate_path.read_text()
        async with call(manager.ocpps_url, new, station_context(root, tmp_path)):
            pass
    finally:
        manager.kill()
    after = await of_the_station(manager, None)
    assert after.next_key is None
    assert base64.b64encode(bytes.fromhex(new)) not in manager.output.encode()
    assert new not in manager.output


async def test_a_site_document_brings_keys_and_profiles(tmp_path: Path) -> None:
    site = garage(["S-001"])
    site["stations"][0] |= {"key": "premier-code-1", "security_profile": 1}
    manager = RunningManager(tmp_path, site)
    await asyncio.to_thread(manager.start)
    try:
        for password in (None, "premier-code-2"):
            with pytest.raises(InvalidStatus):
                await call(manager.ocpp_url, password)
        async with call(manager.ocpp_url, "premier-code-1") as station:
            await station.send(HEARTBEAT)
            assert json.loads(await station.recv())[0] == 3
    finally:
        await asyncio.to_thread(manager.stop)
