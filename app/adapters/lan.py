"""The box's own networks and its neighbours on them, from the kernel, without asking anybody.

The manager's sandbox has no netlink sockets: interfaces are read by the older ioctls
(netdevice(7)), which know IPv4 alone.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

PRIVATE: Final = tuple(
    ipaddress.IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
"""RFC 1918."""

_SIOCGIFCONF: Final = 0x8912
_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFNETMASK: Final = 0x891B
_IFF_UP: Final = 0x1
_IFF_LOOPBACK: Final = 0x8
_IFF_POINTOPOINT: Final = 0x10
_IFREQ: Final = 40
"""Bytes of struct ifreq on 64-bit Linux: a name of 16, then the address from byte 20 on."""
_MOST_INTERFACES: Final = 64

NEIGHBOURS: Final = Path("/proc/self/net/arp")
"""Not ``/proc/net``, which a unit with ``ProcSubset=pid`` does not see."""

_COMPLETE: Final = 0x2
"""ATF_COM of arp(7): the neighbour has answered."""

MAKERS: Final[Mapping[str, str]] = {
    "00:04:74": "Legrand",
    "00:26:EC": "Legrand Home Systems",
    "00:03:50": "BTicino",
    "40:48:FD:C": "Ecotap",
}
"""Prefixes of hardware addresses, from the IEEE's public lists; the last is one of 28 bits."""


class OwnNetwork(NamedTuple):
    """An IPv4 address of this machine on an interface that is up."""

    interface: str
    address: ipaddress.IPv4Address
    network: ipaddress.IPv4Network
    loopback: bool


def own_networks() -> tuple[OwnNetwork, ...]:
    """Every IPv4 address of this machine with its network; links to one peer are left out.

    Raises ``OSError`` when the kernel does not tell.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        space = array.array("B", bytes(_IFREQ * _MOST_INTERFACES))
        place, length = space.buffer_info()
        answer = fcntl.ioctl(asked, _SIOCGIFCONF, struct.pack("iP", length, place))
        used: int = struct.unpack("iP", answer)[0]
        return tuple(_known(asked, space.tobytes()[:used]))


def _known(asked: socket.socket, requests: bytes) -> Iterator[OwnNetwork]:
    for start in range(0, len(requests), _IFREQ):
        request = requests[start : start + _IFREQ]
        named = request[:16] + bytes(_IFREQ - 16)
        try:
            (flags,) = struct.unpack_from("H", fcntl.ioctl(asked, _SIOCGIFFLAGS, named), 16)
            mask = fcntl.ioctl(asked, _SIOCGIFNETMASK, request)[20:24]
        except OSError:
            continue  # the interface has gone meanwhile
        if not flags & _IFF_UP or flags & _IFF_POINTOPOINT:
            continue
        address = ipaddress.IPv4Address(request[20:24])
        yield OwnNetwork(
            request[:16].rstrip(b"\0").decode(errors="replace"),
            address,
            ipaddress.IPv4Network(f"{address}/{ipaddress.IPv4Address(mask)}", strict=False),
            bool(flags & _IFF_LOOPBACK),
        )


def lan_addresses() -> list[str]:
    """The private IPv4 addresses of this machine, in the order of its interfaces."""
    return [
        str(own.address)
        for own in own_networks()
        if not own.loopback and any(own.address in block for block in PRIVATE)
    ]


def neighbours(table: str) -> dict[str, str]:
    """Hardware address (``00:04:74:1A:2B:3C``) by IP address, from the kernel's ARP table.

    Entries that nobody has answered are left out.
    """
    known = {}
    for line in table.splitlines()[1:]:
        cells = line.split()
        if len(cells) < 6 or not cells[2].startswith("0x"):
            continue
        mac = cells[3].upper()
        if int(cells[2], 16) & _COMPLETE and mac != "00:00:00:00:00:00":
            known[cells[0]] = mac
    return known


def maker_of(mac: str) -> str:
    """Whose prefix a hardware address has; empty when it is none of those known here."""
    return next((maker for prefix, maker in MAKERS.items() if mac.upper().startswith(prefix)), "")


async def read_neighbours(path: Path = NEIGHBOURS) -> dict[str, str]:
    """The ARP table as it is now; empty where it cannot be read."""
    try:
        return neighbours(await asyncio.to_thread(path.read_text))
    except OSError:
        return {}


class ArpNeighbours:
    """Implements ``Neighbours``."""

    def __init__(self, path: Path = NEIGHBOURS) -> None:
        self._path = path

    async def mac_of(self, address: str) -> str:
        """The hardware address behind an IP address; empty where unknown."""
        known = await read_neighbours(self._path)
        # A socket of both families writes IPv4 addresses in IPv6 form.
        return known.get(address.removeprefix("::ffff:"), "")
