"""Names on the LAN by multicast DNS (RFC 6762, RFC 6763): what others announce, and the manager.

``zeroconf`` speaks; here is decided on which interfaces, and that no trouble of a network ends
anything. Only IPv4, on private addresses of this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from zeroconf import (  # type: ignore[attr-defined]  # the first is public, but not in __all__
    AddressResolverIPv4,
    IPVersion,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

log = logging.getLogger(__name__)

BROWSED: Final = ("_http._tcp.local.", "_https._tcp.local.", "_ocpp._tcp.local.")
BROWSE_S: Final = 3.0
RESOLVE_MS: Final = 1_500
MOST_NAMES: Final = 200
MOST_NAME: Final = 60

LOOK_AGAIN_S: Final = 15.0
"""How soon a new address of the box is announced."""

GOODBYE_S: Final = 3.0

NAMESAKE_MS: Final = 750
"""How long another machine of the same name may take to answer (RFC 6762, clause 8.1)."""

MOST_NAMESAKES: Final = 10


async def browse(interfaces: Sequence[str], browse_s: float = BROWSE_S) -> dict[str, str]:
    """Names of announced services by IPv4 address, heard within ``browse_s`` on ``interfaces``.

    Empty where multicast does not work.
    """
    if not interfaces:
        return {}
    heard: dict[tuple[str, str], None] = {}

    def hear(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        del zeroconf
        if state_change is ServiceStateChange.Added and len(heard) < MOST_NAMES:
            heard[service_type, name] = None

    try:
        responder = AsyncZeroconf(interfaces=list(interfaces), ip_version=IPVersion.V4Only)
    except OSError as error:
        log.info("names on the network cannot be asked for: %s", error)
        return {}
    try:
        browser = AsyncServiceBrowser(responder.zeroconf, list(BROWSED), handlers=[hear])
        await asyncio.sleep(browse_s)
        await browser.async_cancel()
        found: dict[str, str] = {}
        infos = [AsyncServiceInfo(kind, name) for kind, name in heard]
        async with asyncio.TaskGroup() as group:
            for info in infos:
                group.create_task(info.async_request(responder.zeroconf, RESOLVE_MS))
        for info in infos:
            label = info.name.removesuffix(f".{info.type}")
            shown = "".join(letter for letter in label if letter.isprintable())[:MOST_NAME]
            for address in info.parsed_addresses(IPVersion.V4Only):
                found.setdefault(address, shown)
        return found
    finally:
        await responder.async_close()


class Announced(NamedTuple):
    """One service of the manager: ``kind`` such as ``_ocpp._tcp``, and what its TXT record says."""

    kind: str
    label: str
    port: int
    properties: Mapping[str, str]


def manager_services(
    host_name: str, web_port: int, ocpp_port: int, ocpps_port: int | None
) -> tuple[Announced, ...]:
    """What the manager of this name offers: its pages, and where stations call."""
    name = f"Bornier {host_name}"
    stations = [Announced("_ocpp._tcp", name, ocpp_port, {"path": "/ocpp/", "tls": "0"})]
    if ocpps_port is not None:
        secure = {"path": "/ocpp/", "tls": "1"}
        stations.append(Announced("_ocpp._tcp", f"{name} TLS", ocpps_port, secure))
    return (Announced("_https._tcp", name, web_port, {"path": "/"}), *stations)


class Announcer:
    """Announces services under a host name while it runs, and says goodbye at the end.

    ``addresses`` tells the machine's present addresses: without any it waits, and when they change
    it announces anew.
    """

    def __init__(
        self,
        host_name: str,
        services: Sequence[Announced],
        addresses: Callable[[], Sequence[str]],
        *,
        look_again_s: float = LOOK_AGAIN_S,
    ) -> None:
        self._name = host_name.partition(".")[0]
        self._services = tuple(services)
        self._addresses = addresses
        self._look_again_s = look_again_s
        self._responder: AsyncZeroconf | None = None
        self._announced: tuple[str, ...] = ()
        self._told = ""

    async def run(self) -> None:
        """Announces for ever; cancelled, it withdraws what it announced."""
        try:
            while True:
                await self._keep_up()
                await asyncio.sleep(self._look_again_s)
        finally:
            await self._withdraw()

    async def _keep_up(self) -> None:
        """Brings what is announced in line with the addresses; trouble is for the next time."""
        try:
            present = tuple(self._addresses())
            if present != self._announced:
                await self._withdraw()
                await self._announce(present)
        except (OSError, ZeroconfError) as error:
            if str(error) != self._told:  # the same trouble every few seconds is told once
                self._told = str(error)
                log.warning("the manager's name is not announced: %s", error)
            await self._withdraw()

    async def _announce(self, addresses: tuple[str, ...]) -> None:
        if not addresses:
            return
        self._responder = AsyncZeroconf(interfaces=list(addresses), ip_version=IPVersion.V4Only)
        server = f"{await self._free_name(self._responder.zeroconf, addresses)}.local."
        for service in self._services:
            kind = f"{service.kind}.local."
            info = AsyncServiceInfo(
                kind,
                f"{service.label}.{kind}",
                addresses=[socket.inet_aton(address) for address in addresses],
                port=service.port,
                properties=dict(service.properties),
                server=server,
            )
            await (await self._responder.async_register_service(info, allow_name_change=True))
        self._announced = addresses
        self._told = ""
        log.info("announced as %s on %s", server.rstrip("."), ", ".join(addresses))

    async def _free_name(self, zeroconf: Zeroconf, addresses: tuple[str, ...]) -> str:
        """The host name, or one with a number where another machine answers for it (clause 9)."""
        for number in range(1, MOST_NAMESAKES):
            label = self._name if number == 1 else f"{self._name}-{number}"
            other = AddressResolverIPv4(f"{label}.local.")
            await other.async_request(zeroconf, NAMESAKE_MS)
            if set(other.parsed_addresses(IPVersion.V4Only)) <= set(addresses):
                return label
        return self._name

    async def _withdraw(self) -> None:
        self._announced = ()
        if self._responder is None:
            return
        # A network that is gone takes no goodbye.
        with contextlib.suppress(OSError, ZeroconfError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._responder.async_close()
        self._responder = None  # not before: cancelled in the middle, it is closed once more
