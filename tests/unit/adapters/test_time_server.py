"""The time server over real sockets of loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from app.adapters.time_server import BURST, EARLIEST_S, SYNCHRONIZED_FOR_S, TimeServer, answer
from tests.support.clock import HandClock

NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
# Seconds from 1900 to 1970 by the example of RFC 868; 2036-02-07 06:28:16 is where 32 bits end.
TO_1970 = 2_208_988_800
ROLLOVER = datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC)
SENT = 0xE5A1_0203_0405_0607
CLIENT_V4, CLIENT_V3 = 0x23, 0x1B


class Told(NamedTuple):
    leap: int
    version: int
    mode: int
    stratum: int
    poll: int
    reference: bytes
    reference_s: int
    origin: int
    received: int
    transmitted: int


def question(first: int = CLIENT_V4, poll: int = 6) -> bytes:
    return bytes([first, 0, poll, 0]) + bytes(36) + struct.pack(">Q", SENT)


def told(packet: bytes) -> Told:
    assert len(packet) == 48
    first, stratum, poll, _precision = packet[:4]
    stamps = struct.unpack(">QQQQ", packet[16:])
    return Told(
        first >> 6, first >> 3 & 7, first & 7, stratum, poll, packet[12:16], stamps[0] >> 32, *stamps[1:]
    )  # fmt: skip


def instant(stamp: int) -> float:
    return (stamp >> 32) - TO_1970 + (stamp & 0xFFFF_FFFF) / 2**32


@pytest.mark.parametrize("first", [CLIENT_V4, CLIENT_V3, 0x0B, 0xE3])
def test_a_client_of_any_version_is_told_the_time(first: int) -> None:
    packet = answer(question(first), NOON.timestamp(), None)
    assert packet is not None
    got = told(packet)
    assert (got.leap, got.version, got.mode) == (0, first >> 3 & 7, 4)
    assert (got.stratum, got.reference) == (10, bytes((127, 127, 1, 1)))
    assert got.origin == SENT
    assert instant(got.received) == instant(got.transmitted) == NOON.timestamp()


def test_a_clock_that_follows_a_server_says_so() -> None:
    now_s = NOON.timestamp()
    fresh, old = now_s - 2_000, now_s - SYNCHRONIZED_FOR_S - 1
    for synchronized_s, stratum, reference_s in ((fresh, 4, fresh), (old, 10, now_s)):
        packet = answer(question(), now_s, synchronized_s)
        assert packet is not None
        assert told(packet).stratum == stratum
        assert told(packet).reference_s - TO_1970 == int(reference_s)
    # Compared "in the future": the clock was set back since, nobody knows how it stands.
    ahead = answer(question(), now_s, now_s + 60)
    assert ahead is not None
    assert told(ahead).stratum == 10


def test_a_clock_that_must_be_wrong_is_not_to_be_believed() -> None:
    packet = answer(question(), EARLIEST_S - 1, None)
    assert packet is not None
    assert (told(packet).leap, told(packet).stratum, told(packet).reference) == (3, 0, b"INIT")


def test_the_count_of_seconds_begins_anew_in_2036() -> None:
    packet = answer(question(), ROLLOVER.timestamp() + 5, None)
    assert packet is not None
    assert told(packet).transmitted >> 32 == 5


@pytest.mark.parametrize("asked", [-128, 3, 6, 10])
def test_nobody_need_ask_more_often_than_once_a_minute(asked: int) -> None:
    packet = answer(question(poll=asked & 0xFF), NOON.timestamp(), None)
    assert packet is not None
    assert told(packet).poll == max(asked, 6)


@pytest.mark.parametrize(
    "packet",
    [b"", b"\x23", question()[:47], question(0x24), question(0x26), question(0x27), question(0x2B)],
)
def test_what_is_no_question_gets_no_answer(packet: bytes) -> None:
    assert answer(packet, NOON.timestamp(), None) is None


# ---------------------------------------------------------------------- over a socket


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr
        self.heard.put_nowait(data)


@asynccontextmanager
async def client(server: TimeServer) -> AsyncIterator[tuple[asyncio.DatagramTransport, Client]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Client, remote_addr=("127.0.0.1", server.port)
    )
    try:
        yield transport, protocol
    finally:
        transport.close()


async def test_it_tells_its_own_clock_over_a_socket(tmp_path: Path) -> None:
    clock = HandClock(NOON)
    synchronized = tmp_path / "synchronized"
    server = TimeServer("127.0.0.1", 0, clock, synchronized)
    await server.start()
    async with asyncio.timeout(30), client(server) as (asking, hearing):
        asking.sendto(b"nonsense")
        asking.sendto(question())
        got = told(await hearing.heard.get())
        assert (got.stratum, instant(got.transmitted)) == (10, NOON.timestamp())
        synchronized.touch()
        os.utime(synchronized, (NOON.timestamp() - 60,) * 2)
        clock.advance(30)
        asking.sendto(question())
        got = told(await hearing.heard.get())
        assert (got.stratum, instant(got.transmitted)) == (4, NOON.timestamp() + 30)
    await server.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))  # whatever is left open would warn at the end of the test


async def test_an_address_that_asks_without_end_is_answered_at_a_bounded_rate() -> None:
    clock = HandClock(NOON)
    server = TimeServer("127.0.0.1", 0, clock)
    await server.start()
    async with asyncio.timeout(30), client(server) as (asking, hearing):
        for _ in range(40):
            asking.sendto(question())
        clock_answers = [await hearing.heard.get() for _ in range(int(BURST))]
        assert len(clock_answers) == BURST
        asking.sendto(question())
        await asyncio.sleep(0.2)
        assert hearing.heard.empty()
        clock.advance(2)
        for _ in range(5):
            asking.sendto(question())
        for _ in range(2):
            await hearing.heard.get()
        await asyncio.sleep(0.2)
        assert hearing.heard.empty()
    await server.stop()


@pytest.mark.parametrize(
    ("address", "answered"),
    [
        ("192.168.1.40", True),
        ("10.20.30.40", True),
        ("172.31.0.1", True),
        ("169.254.3.4", True),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("203.0.113.9", False),
    ],
)
def test_only_the_own_networks_are_answered(address: str, answered: bool) -> None:
    server = TimeServer("127.0.0.1", 0, HandClock(NOON))
    assert server._may_ask(address) is answered


def test_the_addresses_remembered_are_bounded() -> None:
    server = TimeServer("127.0.0.1", 0, HandClock(NOON))
    for number in range(5_000):
        assert server._may_ask(f"10.0.{number // 250}.{number % 250}")
    assert len(server._budgets) <= 1_024


async def test_a_taken_port_is_an_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        server = TimeServer("127.0.0.1", taken.getsockname()[1], HandClock(NOON))
        with pytest.raises(OSError, match="in use"):
            await server.start()


def test_the_rollover_is_where_32_bits_end() -> None:
    assert int(ROLLOVER.timestamp()) + TO_1970 == 2**32
    assert datetime(1900, 1, 1, tzinfo=UTC) + timedelta(seconds=TO_1970) == datetime(
        1970, 1, 1, tzinfo=UTC
    )
