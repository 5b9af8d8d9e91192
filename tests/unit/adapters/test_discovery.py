"""The search of the network over real sockets: on loopback, and in a network of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from app.adapters.discovery import SocketScanner
from app.adapters.lan import OwnNetwork
from app.services.adoption_ports import LanDevice

ROOT = Path(__file__).parents[3]
LOOPBACK = [ipaddress.IPv4Network("127.0.0.0/8")]


def own(cidr: str, address: str = "", *, loopback: bool = False) -> OwnNetwork:
    network = ipaddress.IPv4Network(cidr, strict=False)
    at = ipaddress.IPv4Address(address or network.network_address + 1)
    return OwnNetwork("lan1", at, network, loopback)


@asynccontextmanager
async def page(address: str, port: int, title: str) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(address)
        head = await reader.read(2_000)
        if head:
            writer.write(f"HTTP/1.0 200 OK\r\n\r\n<title>{title}</title>".encode())
        writer.close()

    asked: list[str] = []
    server = await asyncio.start_server(answer, address, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


# ------------------------------------------------------------------ where it may look


@pytest.mark.parametrize(
    ("cidr", "address", "looked", "narrowed"),
    [
        ("192.168.1.0/24", "192.168.1.5", ["192.168.1.0/24"], False),
        ("10.0.0.0/8", "10.1.2.3", ["10.1.0.0/22"], True),
        ("172.16.4.0/22", "172.16.5.1", ["172.16.4.0/22"], False),
        ("192.168.0.0/15", "192.168.9.9", ["192.168.8.0/22"], True),
        ("192.168.1.5/32", "192.168.1.5", ["192.168.1.5/32"], False),
        ("8.8.8.0/24", "8.8.8.8", [], False),
        ("169.254.0.0/16", "169.254.1.1", [], False),
        ("127.0.0.0/8", "127.0.0.1", [], False),
        ("100.64.0.0/10", "100.64.0.1", [], False),
        ("0.0.0.0/0", "8.8.8.8", [], False),
    ],
)
def test_only_private_networks_of_its_own_and_no_more_than_a_22(
    cidr: str, address: str, looked: list[str], narrowed: bool
) -> None:
    scanner = SocketScanner(networks=lambda: [own(cidr, address)])
    found = scanner.networks()
    assert [item.cidr for item in found] == looked
    assert [item.narrowed for item in found] == [narrowed] * len(looked)
    assert all(item.hosts <= 1_022 for item in found)


def test_one_network_behind_two_addresses_is_one() -> None:
    both = [own("192.168.1.0/24", "192.168.1.5"), own("192.168.1.0/24", "192.168.1.6")]
    assert len(SocketScanner(networks=lambda: both).networks()) == 1


async def test_nothing_to_look_through_ends_at_once() -> None:
    assert await SocketScanner(networks=list).scan(lambda done, total: None) == []


# ------------------------------------------------------------------ what it finds


async def test_devices_on_loopback_are_found_with_their_titles() -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(page("127.7.0.2", 0, "Borne Green’up"))
        await stack.enter_async_context(page("127.7.0.3", first, ""))
        second = await stack.enter_async_context(page("127.7.0.4", 0, "Printer"))
        scanner = SocketScanner(
            networks=lambda: [own("127.7.0.0/29")],
            ports=(first, second),
            blocks=LOOPBACK,
            per_second=10_000,
        )
        steps: list[tuple[int, int]] = []
        found = await scanner.scan(lambda done, total: steps.append((done, total)))
    devices = {device.address: device for device in found}
    # Loopback answers on every address: those without a page are alive all the same.
    assert sorted(devices) == [f"127.7.0.{n}" for n in range(2, 7)]
    station = devices["127.7.0.2"]
    assert (station.title, station.port, station.likely) == ("Borne Green’up", first, True)
    assert station.url == f"http://127.7.0.2:{first}/"
    assert (devices["127.7.0.3"].title, devices["127.7.0.3"].port) == ("", first)
    assert (devices["127.7.0.4"].title, devices["127.7.0.4"].likely) == ("Printer", False)
    assert devices["127.7.0.5"].url == ""
    assert steps == sorted(steps)
    assert steps[-1] == (10, 10)


async def test_a_search_that_is_cancelled_stops_asking() -> None:
    scanner = SocketScanner(
        networks=lambda: [own("127.8.0.0/22")], ports=(9,), blocks=LOOPBACK, per_second=50
    )
    begun = asyncio.Event()
    done = []

    def report(count: int, total: int) -> None:
        done.append(count)
        begun.set()

    async with asyncio.timeout(20):
        scan = asyncio.get_running_loop().create_task(scanner.scan(report))
        await begun.wait()
        scan.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scan
    assert max(done) < 1_000
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_addresses_of_pages() -> None:
    assert LanDevice("10.0.0.2", port=443).url == "https://10.0.0.2/"
    assert LanDevice("10.0.0.2", port=80).url == "http://10.0.0.2/"
    assert LanDevice("10.0.0.2", port=8080).url == "http://10.0.0.2:8080/"


# ------------------------------------------------------------------ a network of its own

IN_NAMESPACE = """
import asyncio, json, sys
from app.adapters.discovery import SocketScanner
from app.adapters.lan import lan_addresses

async def main():
    scanner = SocketScanner(per_second=2000)
    networks = [network.cidr for network in scanner.networks()]
    found = await scanner.scan(lambda done, total: None)
    devices = [[d.address, d.mac, d.maker, d.title, d.likely] for d in found]
    print(json.dumps([networks, lan_addresses(), devices]))

asyncio.run(main())
"""

NEIGHBOUR = """
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
        self.wfile.write(b"<title>Configuration</title>")
    def log_message(self, *arguments): pass
server = http.server.HTTPServer(("10.77.3.40", 80), Page)
print("ready", flush=True)
server.serve_forever()
"""


def network_spaces() -> bool:
    """Whether this machine lets the test make network namespaces."""
    if os.geteuid() != 0:
        return False
    name = f"bornier-probe-{os.getpid()}"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return made.returncode == 0


@pytest.mark.skipif(not network_spaces(), reason="needs root and network namespaces")
def test_a_station_is_found_by_its_maker_on_a_real_network() -> None:
    """Two machines on a cable: the box, and a station whose page does not say what it is."""
    box, station = f"bx{os.getpid()}", f"st{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", box)
    try:
        ip("netns", "add", station)
        ip("-n", box, "link", "add", "lan1", "type", "veth", "peer", "cable", "netns", station)
        ip("-n", station, "link", "set", "cable", "address", "00:04:74:00:00:28", "up")
        ip("-n", station, "address", "add", "10.77.3.40/16", "dev", "cable")
        ip("-n", box, "link", "set", "lo", "up")
        ip("-n", box, "link", "set", "lan1", "up")
        ip("-n", box, "address", "add", "10.77.3.5/16", "dev", "lan1")
        served = subprocess.Popen(
            ["ip", "netns", "exec", station, sys.executable, "-c", NEIGHBOUR],
            stdout=subprocess.PIPE,
        )
        try:
            assert served.stdout is not None
            assert served.stdout.readline() == b"ready\n"
            found = subprocess.run(
                ["ip", "netns", "exec", box, sys.executable, "-c", IN_NAMESPACE],
                check=True,
                capture_output=True,
                cwd=ROOT,
                timeout=120,
            )
        finally:
            served.kill()
            served.wait(20)
            assert served.stdout is not None
            served.stdout.close()
    finally:
        ip("netns", "delete", box)
        ip("netns", "delete", station)
    networks, addresses, devices = json.loads(found.stdout)
    assert networks == ["10.77.0.0/22"]
    assert addresses == ["10.77.3.5"]
    assert devices == [["10.77.3.40", "00:04:74:00:00:28", "Legrand", "Configuration", True]]
