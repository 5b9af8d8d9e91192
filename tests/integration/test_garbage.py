"""Garbage on every port leaves everything running, and is answered as the protocol asks."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import random
import socket
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.support.garage import garage
from tests.support.running import RunningManager, untrusting

SITE = garage(["G-1"], background_a=0)


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningManager]:
    running = RunningManager(tmp_path_factory.mktemp("garbage"), SITE)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(autouse=True)
def still_well(manager: RunningManager) -> Iterator[None]:
    """After every test the manager lives, cycles, and has logged no unhandled error."""
    yield
    report = manager.health()
    assert report is not None
    assert report["ready"] is True
    assert "Traceback" not in manager.output


def raw(port: int, data: bytes) -> bytes:
    """Sends ``data`` and returns whatever comes back before the peer closes or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        answer = b""
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while chunk := peer.recv(65_536):
                answer += chunk
        except OSError:
            pass
        return answer


def test_random_bytes_on_both_ports(manager: RunningManager) -> None:
    noise = random.Random(1)
    for _ in range(20):
        data = noise.randbytes(noise.randint(1, 5_000))
        raw(manager.ocpp_port, data)
        raw(manager.web_port, data)


def test_plain_http_on_the_https_port(manager: RunningManager) -> None:
    assert b"200 OK" not in raw(manager.web_port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_truncated_tls(manager: RunningManager) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = untrusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    for length in (1, 5, 50, len(hello) // 2, len(hello) - 1):
        raw(manager.web_port, hello[:length])


def test_a_huge_body_is_refused(manager: RunningManager) -> None:
    with contextlib.closing(
        http.client.HTTPSConnection("127.0.0.1", manager.web_port, timeout=20, context=untrusting())
    ) as browser:
        try:
            browser.request(
                "POST",
                "/sign-in",
                body=b"x" * 5_000_000,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
            answer = browser.getresponse()
        except OSError:
            return  # cut off in the middle of the body: refused as well
        assert 400 <= answer.status < 500
        answer.close()


async def call(link: ClientConnection, frame: str | bytes) -> Any:
    """Sends one frame and returns the answer, decoded."""
    await link.send(frame)
    async with asyncio.timeout(10):
        return json.loads(await link.recv())


async def test_wrong_frames_on_the_stations_port(manager: RunningManager) -> None:
    async with connect(
        f"{manager.ocpp_url}/G-1", subprotocols=[websockets.Subprotocol("ocpp1.6")], proxy=None
    ) as link:
        for frame in ("", "{", "[]", "[2]", "null", '"x"', '[9,"a",{}]', '[2,{"a":1},"X",{}]'):
            await link.send(frame)
        unknown = await call(link, '[2,"u1","MakeCoffee",{}]')
        assert unknown[:3] == [4, "u1", "NotImplemented"]
        missing = await call(link, '[2,"u2","StatusNotification",{}]')
        assert missing[:2] == [4, "u2"]
        assert missing[2] in {"OccurenceConstraintViolation", "FormationViolation", "ProtocolError"}
        heartbeat = await call(link, '[2,"u3","Heartbeat",{}]')
        assert heartbeat[:2] == [3, "u3"]
        assert heartbeat[2]["currentTime"].endswith("Z")


async def test_a_ten_megabyte_frame_ends_that_connection_only(manager: RunningManager) -> None:
    async with connect(f"{manager.ocpp_url}/G-1", proxy=None, max_size=None) as link:
        with contextlib.suppress(websockets.ConnectionClosed):
            await link.send("x" * 10_000_000)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await asyncio.wait_for(link.recv(), 20)
        received = closed.value.rcvd
        assert received is None or received.code == 1009
    async with connect(f"{manager.ocpp_url}/G-1", proxy=None) as link:
        assert (await call(link, '[2,"h","Heartbeat",{}]'))[0] == 3


async def test_a_wrong_subprotocol_is_closed(manager: RunningManager) -> None:
    async with connect(
        f"{manager.ocpp_url}/G-1", subprotocols=[websockets.Subprotocol("ocpp9.9")], proxy=None
    ) as link:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                await link.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1002


async def test_many_callers_that_say_nothing(manager: RunningManager) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", manager.ocpp_port) for _ in range(150)]
    async with connect(f"{manager.ocpp_url}/G-1", proxy=None) as link:
        assert (await call(link, '[2,"h","Heartbeat",{}]'))[0] == 3
    for _, writer in silent:
        writer.close()
        await writer.wait_closed()


def test_the_database_of_a_garbage_day_is_sound(manager: RunningManager, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite3"
    address = f"file:{manager.database}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    with contextlib.closing(sqlite3.connect(copy)) as check:
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
