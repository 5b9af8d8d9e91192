"""LAN1: settings are tried first, and taken back unless somebody can still confirm them.

The unit of the network role stays as it is, with its service address; what the site wants goes to a
drop-in in /run, so that a restart too takes back what was never confirmed.
"""

from __future__ import annotations

import logging
import threading
import time
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, ip_address

import msgspec

from app.domain.errors import InvalidInputError
from app.domain.host import NetworkSettings, NetworkState
from app.privileged.machine import HostError, Machine, make_public, write_durably
from app.privileged.settings import SettingsStore, replaced

log = logging.getLogger(__name__)

INTERFACE = "lan1"
DROP_IN = "/run/systemd/network/10-lan1.network.d/50-site.conf"
UNCONFIRMED = "/run/bornier-host/network-unconfirmed"
SERVICE_NETWORK = IPv4Network("192.168.123.0/24")
CONFIRM_WITHIN_S = 60.0


class _Address(msgspec.Struct):
    local: str
    prefixlen: int


class _Link(msgspec.Struct):
    addr_info: tuple[_Address, ...] = ()


class Network:
    """Settings of LAN1, at most one of them waiting to be confirmed."""

    def __init__(
        self, machine: Machine, store: SettingsStore, confirm_within_s: float = CONFIRM_WITHIN_S
    ) -> None:
        self._machine = machine
        self._store = store
        self._confirm_within_s = confirm_within_s
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._tried: NetworkSettings | None = None
        self._until_s = 0.0

    @property
    def waiting(self) -> bool:
        """Whether settings wait to be confirmed."""
        return self._tried is not None

    def read(self) -> NetworkState:
        """What is set now, confirmed or not."""
        with self._lock:
            settings = self._tried or self._store.load().network or NetworkSettings()
            left = max(0.0, self._until_s - time.monotonic()) if self.waiting else None
        return NetworkState(
            settings=settings, revert_in_s=left, addresses_now=self._addresses_now()
        )

    def set(self, settings: NetworkSettings) -> NetworkState:
        """Tries settings: they are in force at once, and only for a while."""
        settings = checked(settings)
        with self._lock:
            self._stop_timer()
            self._tried = settings
            write_durably(self._machine.path(UNCONFIRMED), b"")
            try:
                self._put_in_force(settings)
            except (OSError, HostError):
                self.revert()
                raise
            self._until_s = time.monotonic() + self._confirm_within_s
            self._timer = threading.Timer(self._confirm_within_s, self._expire)
            self._timer.daemon = True
            self._timer.start()
        return self.read()

    def confirm(self) -> NetworkState:
        """Keeps what is being tried."""
        with self._lock:
            if self._tried is None:
                raise HostError("network-nothing-to-confirm")
            stored = self._store.load()
            self._store.save(replaced(stored, network=self._tried))
            self._stop_timer()
            self._tried = None
            self._machine.path(UNCONFIRMED).unlink(missing_ok=True)
        return self.read()

    def revert(self) -> None:
        """Takes back what was not confirmed."""
        with self._lock:
            if self._tried is None:
                return
            self._stop_timer()
            self._tried = None
            self._restore()

    def recover(self) -> None:
        """At the helper's start: takes back what an earlier one could not, having died."""
        if self._machine.path(UNCONFIRMED).exists():
            self._restore()

    def _restore(self) -> None:
        log.warning("network settings were not confirmed: the former ones are in force again")
        settings = self._store.load().network
        try:
            self._put_in_force(settings)
        except (OSError, HostError) as error:
            log.error("the former network settings could not be put in force: %s", error)
            return
        self._machine.path(UNCONFIRMED).unlink(missing_ok=True)

    def _expire(self) -> None:
        with self._lock:
            # A confirmation that came first has cleared it.
            if self._timer is threading.current_thread():
                self.revert()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put_in_force(self, settings: NetworkSettings | None) -> None:
        render(self._machine, settings)
        self._machine.must("networkctl", "reload")
        self._machine.must("networkctl", "reconfigure", INTERFACE)

    def _addresses_now(self) -> tuple[str, ...]:
        try:
            told = self._machine.must("ip", "-json", "address", "show", "dev", INTERFACE).output
            links = msgspec.json.decode(told, type=tuple[_Link, ...])
        except (HostError, msgspec.DecodeError) as error:
            log.warning("the addresses of %s are not known: %s", INTERFACE, error)
            return ()
        return tuple(f"{at.local}/{at.prefixlen}" for link in links for at in link.addr_info)


def render(machine: Machine, settings: NetworkSettings | None) -> None:
    """Writes the drop-in of networkd, or removes it when the site wants nothing special."""
    path = machine.path(DROP_IN)
    if settings is None:
        path.unlink(missing_ok=True)
        return
    # networkd reads its files as a user of its own.
    make_public(path.parent)
    write_durably(path, drop_in(settings).encode("ascii"), 0o644)


def drop_in(settings: NetworkSettings) -> str:
    """The drop-in's text. Every value is written by ``ipaddress``: no line can be smuggled in."""
    lines = ["[Network]", f"DHCP={'yes' if settings.dhcp else 'no'}"]
    lines += [f"Address={IPv4Interface(address)}" for address in settings.addresses]
    if settings.gateway is not None:
        lines.append(f"Gateway={IPv4Address(settings.gateway)}")
    lines += [f"DNS={ip_address(server)}" for server in settings.dns]
    return "\n".join(lines) + "\n"


def checked(settings: NetworkSettings) -> NetworkSettings:
    """The settings in canonical form; raises ``InvalidInputError`` on what cannot work."""
    addresses = [_interface(text) for text in settings.addresses]
    seen: list[IPv4Interface] = []
    for address in addresses:
        for other in seen:
            if address.ip == other.ip:
                raise InvalidInputError(
                    "network-address-twice", field="addresses", address=str(address.ip)
                )
            if address.network.overlaps(other.network):
                raise InvalidInputError(
                    "network-overlap", field="addresses", address=str(address), other=str(other)
                )
        seen.append(address)
    gateway = None if settings.gateway is None else _gateway(settings.gateway, addresses)
    if gateway is not None and settings.dhcp and not addresses:
        raise InvalidInputError("network-gateway-dhcp", field="gateway")
    if not settings.dhcp and not addresses:
        raise InvalidInputError("network-no-address", field="addresses")
    dns = tuple(_server(text) for text in settings.dns)
    if len(set(dns)) < len(dns):
        raise InvalidInputError("network-dns-twice", field="dns")
    return NetworkSettings(
        dhcp=settings.dhcp,
        addresses=tuple(str(address) for address in addresses),
        gateway=gateway,
        dns=dns,
    )


def _interface(text: str) -> IPv4Interface:
    try:
        address = IPv4Interface(text)
    except ValueError as error:
        raise InvalidInputError(
            "network-address-invalid", field="addresses", address=text
        ) from error
    ip, network = address.ip, address.network
    if (
        "/" not in text
        or not 8 <= network.prefixlen <= 30
        or _not_a_host(ip)
        or ip in (network.network_address, network.broadcast_address)
    ):
        raise InvalidInputError("network-address-invalid", field="addresses", address=text)
    if network.overlaps(SERVICE_NETWORK):
        raise InvalidInputError("network-service-address", field="addresses", address=text)
    return address


def _gateway(text: str, addresses: list[IPv4Interface]) -> str:
    try:
        gateway = IPv4Address(text)
    except ValueError as error:
        raise InvalidInputError("network-gateway-invalid", field="gateway", gateway=text) from error
    if _not_a_host(gateway) or any(gateway == address.ip for address in addresses):
        raise InvalidInputError("network-gateway-invalid", field="gateway", gateway=text)
    if addresses and not any(
        gateway in address.network
        and gateway not in (address.network.network_address, address.network.broadcast_address)
        for address in addresses
    ):
        raise InvalidInputError("network-gateway-outside", field="gateway", gateway=text)
    return str(gateway)


def _server(text: str) -> str:
    try:
        server = ip_address(text)
    except ValueError as error:
        raise InvalidInputError("network-dns-invalid", field="dns", server=text) from error
    if server.is_multicast or server.is_unspecified or server.is_loopback or "%" in text:
        raise InvalidInputError("network-dns-invalid", field="dns", server=text)
    return str(server)


def _not_a_host(ip: IPv4Address) -> bool:
    return (
        ip.is_multicast
        or ip.is_loopback
        or ip.is_link_local
        or ip.is_reserved
        or ip in IPv4Network("0.0.0.0/8")
    )
