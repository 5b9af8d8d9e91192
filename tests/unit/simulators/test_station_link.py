"""Links in memory, and networks that lose and delay."""

from __future__ import annotations

import asyncio
import random

from simulators.station.link import ImpairedLink, MemoryLink, Network, memory_link
from tests.unit.simulators.station_bench import virtual


async def drain(link: MemoryLink | ImpairedLink) -> list[str]:
    """Everything until the link is closed."""
    texts = []
    while (text := await link.receive()) is not None:
        texts.append(text)
    return texts


@virtual
async def test_text_arrives_unchanged_and_in_order() -> None:
    station, central = memory_link()
    for text in ("un", "deux", "été ⚡"):
        await station.send(text)
    await station.close()
    assert await drain(central) == ["un", "deux", "été ⚡"]


@virtual
async def test_a_reader_wakes_when_the_other_end_closes() -> None:
    station, central = memory_link()
    reading = asyncio.get_running_loop().create_task(central.receive())
    await asyncio.sleep(1)
    await station.close()
    assert await reading is None
    central.post("too late")
    assert await station.receive() is None
    await central.close()


@virtual
async def test_an_abandoned_link_looks_alive_from_the_other_end() -> None:
    station, central = memory_link()
    central.post("unread")
    station.abandon()
    assert await station.receive() is None
    assert not central.closed
    central.post("lost")
    station.post("never sent")
    await station.close()
    assert not central.closed


def impaired(network: Network) -> tuple[ImpairedLink, MemoryLink]:
    station, central = memory_link()
    return ImpairedLink(station, network), central


@virtual
async def test_a_share_of_the_frames_is_lost_each_way() -> None:
    link, central = impaired(Network(random.Random(1), loss=0.25))
    for number in range(1000):
        await link.send(str(number))
        central.post(str(number))
    await central.close()
    received = await drain(link)
    sent = await drain(central)
    for texts in (received, sent):
        assert 700 < len(texts) < 800
        assert [int(text) for text in texts] == sorted(int(text) for text in texts)
    assert received != sent


@virtual
async def test_delayed_frames_keep_their_order() -> None:
    loop = asyncio.get_running_loop()
    link, central = impaired(Network(random.Random(1), delay_s=(0.5, 3.0)))
    for number in range(50):
        link.post(str(number))
        central.post(str(number))
    start_s = loop.time()
    assert [await central.receive() for _ in range(50)] == [str(n) for n in range(50)]
    assert 0.5 <= loop.time() - start_s <= 3.001
    assert [await link.receive() for _ in range(50)] == [str(n) for n in range(50)]


@virtual
async def test_nothing_passes_a_cut_cable_not_even_a_farewell() -> None:
    network = Network(random.Random(1))
    link, central = impaired(network)
    network.up = False
    link.post("lost")
    await link.close()
    assert not central.closed
    assert await link.receive() is None
    other, far = impaired(Network(random.Random(1)))
    await other.close()
    assert far.closed
    third, away = impaired(Network(random.Random(1)))
    third.abandon()
    assert not away.closed
