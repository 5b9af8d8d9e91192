"""Looks for stations on the box's own networks: neighbours, web pages, announced names.

Only private networks of its own interfaces, at most a /22 of each around its own address, a
bounded number of connections a second. Hosts that answer nothing are asked on one port alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import logging
import re
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from app.adapters.lan import PRIVATE, OwnNetwork, maker_of, own_networks, read_neighbours
from app.adapters.mdns import browse
from app.adapters.web_title import any_certificate, read_title
from app.services.adoption_ports import LanDevice, LanNetwork, Report

log = logging.getLogger(__name__)

PORTS: Final = (80, 443, 8080)
"""Where devices show their web pages; the first is asked of everybody."""

LARGEST_PREFIX: Final = 22
MOST_HOSTS: Final = 2_048
"""Of all networks together: the box has more than one port."""

AT_ONCE: Final = 64
PER_SECOND: Final = 150
"""New connections, so that neither switches nor the table of neighbours are filled."""

CONNECT_S: Final = 0.7

_STATION_WORDS: Final = re.compile(
    r"legrand|green.?up|bticino|ecotap|ocpp|evse|wall.?box|charg|borne|recharge|irve", re.IGNORECASE
)

Networks = Callable[[], Sequence[OwnNetwork]]


class SocketScanner:
    """Implements ``LanScanner`` with real sockets.

    Tests give ``networks``, ``ports`` and the ``blocks`` that may be touched.
    """

    def __init__(
        self,
        *,
        networks: Networks = own_networks,
        ports: Sequence[int] = PORTS,
        blocks: Sequence[ipaddress.IPv4Network] = PRIVATE,
        per_second: int = PER_SECOND,
    ) -> None:
        self._networks = networks
        self._ports = tuple(ports)
        self._blocks = tuple(blocks)
        self._per_second = per_second

    def networks(self) -> Sequence[LanNetwork]:
        """What a scan would look through: private IPv4 networks of this machine's interfaces."""
        return [
            LanNetwork(
                interface=own.interface,
                own_address=str(own.address),
                cidr=str(network),
                hosts=max(0, network.num_addresses - 2),
                narrowed=network != own.network,
            )
            for own, network in self._looked_through()
        ]

    async def scan(self, report: Report) -> Sequence[LanDevice]:
        """Looks at every host, then at the pages of those that are there."""
        own = {str(item.address) for item, _ in self._looked_through()}
        hosts = self._hosts(own)
        total = len(hosts) * 2
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(browse(sorted(own)))
            there = await self._first_pass(hosts, lambda done: report(done, total))
            macs = await read_neighbours()
            named = await listening
        names = {host: name for host, name in named.items() if host in hosts}
        alive = [host for host in hosts if host in there or host in macs or host in names]
        done = total - len(alive)
        report(done, total)
        devices = await self._second_pass(
            alive, there, macs, names, lambda count: report(done + count, total)
        )
        report(total, total)
        return devices

    def _looked_through(self) -> list[tuple[OwnNetwork, ipaddress.IPv4Network]]:
        """Each own address with the network that is scanned for it, every network once."""
        found: dict[ipaddress.IPv4Network, OwnNetwork] = {}
        for own in self._networks():
            network = own.network
            if network.prefixlen < LARGEST_PREFIX:
                network = ipaddress.IPv4Network(f"{own.address}/{LARGEST_PREFIX}", strict=False)
            if any(network.subnet_of(block) for block in self._blocks):
                found.setdefault(network, own)
        return [(own, network) for network, own in found.items()]

    def _hosts(self, own: set[str]) -> dict[str, None]:
        hosts: dict[str, None] = {}
        for _, network in self._looked_through():
            for host in network.hosts():
                if len(hosts) >= MOST_HOSTS:
                    return hosts
                if str(host) not in own:
                    hosts[str(host)] = None
        return hosts

    async def _first_pass(
        self, hosts: Iterable[str], report: Callable[[int], None]
    ) -> dict[str, bool]:
        """Asks every host on the first port: who is there, and whether the port is open.

        The attempts also make the kernel learn the hardware addresses.
        """
        there: dict[str, bool] = {}
        done = itertools.count(1)
        turns = asyncio.Semaphore(AT_ONCE)

        async def ask(host: str) -> None:
            async with turns:
                answer = await _is_open(host, self._ports[0])
            if answer is not None:
                there[host] = answer
            report(next(done))

        async with asyncio.TaskGroup() as group:
            for host in hosts:
                group.create_task(ask(host))
                await asyncio.sleep(1 / self._per_second)
        return there

    async def _second_pass(
        self,
        alive: Sequence[str],
        there: dict[str, bool],
        macs: dict[str, str],
        names: dict[str, str],
        report: Callable[[int], None],
    ) -> list[LanDevice]:
        """Reads the web pages of those that are there."""
        turns = asyncio.Semaphore(AT_ONCE // 4)
        tls = any_certificate()
        devices: dict[str, LanDevice] = {}

        async def look(host: str) -> None:
            async with turns:
                port, title = await self._page(host, there.get(host), tls)
            mac = macs.get(host, "")
            devices[host] = _device(host, mac, title, port, names.get(host, ""))
            report(len(devices))

        async with asyncio.TaskGroup() as group:
            for host in alive:
                group.create_task(look(host))
        return [devices[host] for host in alive]

    async def _page(self, host: str, first: bool | None, tls: ssl.SSLContext) -> tuple[int, str]:
        """The port of the first web page that has a title, else of the first page; 0 for none."""
        untitled = 0
        for port in self._ports:
            is_open = first if port == self._ports[0] else await _is_open(host, port)
            if not is_open:
                continue
            title = await read_title(host, port, tls if port == 443 else None)
            if title:
                return port, title
            if title is not None:
                untitled = untitled or port
        return untitled, ""


def _device(address: str, mac: str, title: str, port: int, name: str) -> LanDevice:
    maker = maker_of(mac)
    likely = bool(maker) or bool(_STATION_WORDS.search(f"{title} {name}"))
    return LanDevice(address, mac, maker, title, port, name, likely)


async def _is_open(host: str, port: int) -> bool | None:
    """Whether the port takes connections; ``None`` when the host gives no sign of life."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return False
    except (OSError, TimeoutError):
        return None
    writer.transport.abort()
    return True
