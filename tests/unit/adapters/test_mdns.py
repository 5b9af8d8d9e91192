"""The manager's name on the network, heard by a real browser on loopback."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from zeroconf import IPVersion, ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from app.adapters.mdns import Announcer, browse, manager_services

LOOPBACK = ["127.0.0.1"]
NAME = f"bornier-{os.getpid()}"
SERVICES = manager_services(NAME, 8443, 8080, 8081)
PATIENCE_S = 30


class Ear:
    """What a browser hears: services present now."""

    def __init__(self) -> None:
        self.present: dict[str, str] = {}
        self._changed = asyncio.Event()

    def hear(self, **news: object) -> None:
        kind, name = str(news["service_type"]), str(news["name"])
        if NAME not in name:
            return
        if news["state_change"] is ServiceStateChange.Removed:
            self.present.pop(name, None)
        else:
            self.present[name] = kind
        self._changed.set()

    async def until(self, condition: Callable[[dict[str, str]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self.present):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def browsing(ear: Ear) -> AsyncIterator[AsyncZeroconf]:
    responder = AsyncZeroconf(interfaces=LOOPBACK, ip_version=IPVersion.V4Only)
    browser = AsyncServiceBrowser(
        responder.zeroconf, ["_https._tcp.local.", "_ocpp._tcp.local."], handlers=[ear.hear]
    )
    try:
        yield responder
    finally:
        await browser.async_cancel()
        await responder.async_close()


@asynccontextmanager
async def announcing(announcer: Announcer) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(announcer.run())
        yield task
        task.cancel()


async def test_name_and_services_are_heard_and_withdrawn() -> None:
    ear = Ear()
    async with browsing(ear) as responder:
        async with announcing(Announcer(f"{NAME}.example", SERVICES, lambda: LOOPBACK)):
            await ear.until(lambda present: len(present) == 3)
            kinds = sorted(ear.present.values())
            assert kinds == ["_https._tcp.local.", "_ocpp._tcp.local.", "_ocpp._tcp.local."]
            told = {}
            for name, kind in ear.present.items():
                info = AsyncServiceInfo(kind, name)
                assert await info.async_request(responder.zeroconf, PATIENCE_S * 1000)
                assert info.server == f"{NAME}.local."
                assert info.parsed_addresses() == LOOPBACK
                told[kind, info.port] = info.properties
            assert told == {
                ("_https._tcp.local.", 8443): {b"path": b"/"},
                ("_ocpp._tcp.local.", 8080): {b"path": b"/ocpp/", b"tls": b"0"},
                ("_ocpp._tcp.local.", 8081): {b"path": b"/ocpp/", b"tls": b"1"},
            }
        await ear.until(lambda present: not present)


async def test_a_second_machine_of_the_same_name_takes_a_number() -> None:
    ear = Ear()
    async with browsing(ear) as responder:
        async with announcing(Announcer(NAME, SERVICES[:1], lambda: LOOPBACK)):
            await ear.until(lambda present: len(present) == 1)
            async with announcing(Announcer(NAME, SERVICES[1:2], lambda: ["127.0.0.2"])):
                await ear.until(lambda present: len(present) == 2)
                servers = set()
                for name, kind in ear.present.items():
                    info = AsyncServiceInfo(kind, name)
                    assert await info.async_request(responder.zeroconf, PATIENCE_S * 1000)
                    servers.add(info.server)
    assert servers == {f"{NAME}.local.", f"{NAME}-2.local."}


async def test_a_network_that_comes_and_goes_is_followed() -> None:
    addresses: list[str] = []
    ear = Ear()
    async with browsing(ear):
        announcer = Announcer(NAME, SERVICES[:1], lambda: addresses, look_again_s=0.05)
        async with announcing(announcer):
            await asyncio.sleep(0.2)
            assert ear.present == {}
            addresses.append("127.0.0.1")
            await ear.until(lambda present: len(present) == 1)
            addresses.clear()
            await ear.until(lambda present: not present)


async def test_trouble_of_the_network_ends_nothing_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = asyncio.Semaphore(0)

    def unreadable() -> list[str]:
        tried.release()
        raise OSError("no such device")

    with caplog.at_level(logging.WARNING, "app.adapters.mdns"):
        async with announcing(Announcer(NAME, SERVICES, unreadable, look_again_s=0.01)) as task:
            for _ in range(3):
                await tried.acquire()
            assert not task.done()
    assert [record.getMessage() for record in caplog.records] == [
        "the manager's name is not announced: no such device"
    ]


async def test_what_others_announce_is_heard_by_address() -> None:
    async with announcing(Announcer(NAME, SERVICES, lambda: LOOPBACK)):
        ear = Ear()
        async with browsing(ear):
            await ear.until(lambda present: len(present) == 3)
        found = await browse(LOOPBACK)
    assert found["127.0.0.1"].startswith("Bornier ")


# The library leaves a socket to the collector when it cannot start.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_without_an_interface_nothing_is_heard() -> None:
    assert await browse([]) == {}
    assert await browse(["192.0.2.99"], 0.01) == {}


def test_without_a_tls_port_none_is_announced() -> None:
    assert [service.port for service in manager_services("b", 443, 8080, None)] == [443, 8080]
