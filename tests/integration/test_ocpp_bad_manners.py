"""Callers of bad manners: whatever they send, the port goes on answering the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from app.adapters import ocpp_server
from tests.integration.ocpp_listener import (
    HANDSHAKE,
    HEARTBEAT,
    closing,
    listening,
    raw_handshake,
    station,
    still_answers,
)


async def garbage_text(peer: ClientConnection) -> None:
    for text in ("", "hello", "{}", "[2]", "[[[[", '[2,"1",{"a":1},{}]', '[9,"1",{}]', "null"):
        await peer.send(text)


async def garbage_bytes(peer: ClientConnection) -> None:
    for length in (0, 1, 100, 10_000):
        await peer.send(random.Random(length).randbytes(length))


async def unknown_actions(peer: ClientConnection) -> None:
    for number in range(100):
        await peer.send(f'[2,"{number}","Nonsense{number}",{{}}]')


async def deep_brackets(peer: ClientConnection) -> None:
    await peer.send("[" * 200_000)
    await peer.send('[2,"1","Heartbeat",' + '{"a":' * 30_000)


async def huge_message(peer: ClientConnection) -> None:
    await peer.send("x" * 10_000_000)


async def many_pieces(peer: ClientConnection) -> None:
    await peer.send(["x" * 50_000] * 20)


async def wrong_answers(peer: ClientConnection) -> None:
    await peer.send('[3,"1",{}]')
    await peer.send('[4,"1","GenericError","",{}]')
    await peer.send('[3,"1"]')


async def flood(peer: ClientConnection) -> None:
    for _ in range(2_000):
        await peer.send("garbage")


@pytest.mark.parametrize(
    "misbehave",
    [
        garbage_text,
        garbage_bytes,
        unknown_actions,
        deep_brackets,
        huge_message,
        many_pieces,
        wrong_answers,
        flood,
    ],
)
async def test_bad_messages_leave_the_listener_answering(
    misbehave: Callable[[ClientConnection], Awaitable[None]],
) -> None:
    async with listening() as (listener, _):
        async with station(listener) as peer:
            with contextlib.suppress(ConnectionClosed):
                await misbehave(peer)
            await still_answers(listener)
        await still_answers(listener, "/ocpp/A-001")


async def test_a_message_over_the_bound_is_closed_with_its_code() -> None:
    async with listening() as (listener, _), station(listener) as peer:
        await peer.send("[" + " " * 300_000 + "]")
        assert (await closing(peer))[0] == 1009


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x00" * 100,
        random.Random(1).randbytes(1000),
        b"GET /ocpp/A HTTP/1.1\r\n\r\n",
        b"GET /ocpp/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /ocpp/A HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        b"POST /ocpp/A HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 1000,
        b"GET /ocpp/A HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: 0123456789\r\n" * 5_000,
        b"",
    ],
)
async def test_bad_handshakes_leave_the_listener_answering(bytes_sent: bytes) -> None:
    async with listening() as (listener, recorder):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(bytes_sent)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await still_answers(listener)
        writer.close()
        del reader
        assert {identity for _what, identity, _n in recorder.told} <= {"witness"}


async def test_a_torn_websocket_frame_ends_its_connection_only() -> None:
    async with listening() as (listener, recorder):
        for torn in (b"\xff\xff\xff\xff", b"\x81\x05hello", b"\x83\x80\x00\x00\x00\x00"):
            _reader, writer = await raw_handshake(listener)
            told = len(recorder.told)
            writer.write(torn)
            await writer.drain()
            await recorder.until(
                lambda told=told: any(  # type: ignore[misc]
                    what == "disconnected" for what, *_rest in recorder.told[told - 1 :]
                )
            )
            writer.close()
        await still_answers(listener)


async def test_a_caller_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocpp_server, "HANDSHAKE_S", 0.2)
    async with listening() as (listener, recorder):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        async with station(listener) as patient:
            await recorder.until(lambda: "A-001" in recorder.links)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await patient.send(HEARTBEAT)  # a station's connection outlives that time
            assert json.loads(await patient.recv())[0] == 3
        writer.close()


async def test_a_caller_gone_in_the_handshake() -> None:
    async with listening() as (listener, _):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", listener.port)) as caller:
                caller.sendall(HANDSHAKE)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await still_answers(listener)
