"""The kernel's view of the network: its interfaces, and the table of neighbours."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from app.adapters.lan import (
    MAKERS,
    NEIGHBOURS,
    ArpNeighbours,
    lan_addresses,
    maker_of,
    neighbours,
    own_networks,
    read_neighbours,
)

TABLE = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.40     0x1         0x2         00:04:74:1a:2b:3c     *        lan1
192.168.1.41     0x1         0x0         00:00:00:00:00:00     *        lan1
192.168.1.42     0x1         0x2         00:00:00:00:00:00     *        lan1
192.168.1.43     0x1         0x6         40:48:fd:c1:00:01     *        lan1
192.168.1.44     broken
192.168.1.45     0x1         no          40:48:fd:c1:00:01     *        lan1
"""


def test_only_neighbours_that_have_answered_count() -> None:
    assert neighbours(TABLE) == {
        "192.168.1.40": "00:04:74:1A:2B:3C",
        "192.168.1.43": "40:48:FD:C1:00:01",
    }
    assert neighbours("") == {}


async def test_the_kernel_s_own_table_can_be_read() -> None:
    assert NEIGHBOURS.exists()
    for address, mac in (await read_neighbours()).items():
        assert ipaddress.ip_address(address).version == 4
        assert len(mac.split(":")) == 6


async def test_a_neighbour_is_found_in_either_spelling(tmp_path: Path) -> None:
    table = tmp_path / "arp"
    table.write_text(TABLE)
    known = ArpNeighbours(table)
    assert await known.mac_of("192.168.1.40") == "00:04:74:1A:2B:3C"
    assert await known.mac_of("::ffff:192.168.1.40") == "00:04:74:1A:2B:3C"
    assert await known.mac_of("192.168.1.41") == ""
    assert await ArpNeighbours(tmp_path / "none").mac_of("192.168.1.40") == ""


@pytest.mark.parametrize("prefix", MAKERS)
def test_makers_are_known_by_their_prefix(prefix: str) -> None:
    filled = prefix + "00:00:00:00:00:00"[len(prefix) :]
    assert maker_of(filled.lower()) == MAKERS[prefix]


def test_neighbours_of_a_long_prefix_are_others() -> None:
    assert maker_of("40:48:FD:D0:00:00") == ""
    assert maker_of("") == ""


def test_this_machine_knows_its_networks() -> None:
    own = own_networks()
    (loopback,) = [item for item in own if str(item.address) == "127.0.0.1"]
    assert loopback.loopback
    assert loopback.network == ipaddress.IPv4Network("127.0.0.0/8")
    for item in own:
        assert item.address in item.network
    assert "127.0.0.1" not in lan_addresses()
