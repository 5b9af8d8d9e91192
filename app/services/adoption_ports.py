"""What adoption needs from the outside, as protocols; ``app/adapters`` implements them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from app.domain.adoption import CommissioningWindow, PlannedStation


class PlanRepository(Protocol):
    """Stations expected before they call, and the commissioning window."""

    async def save(self, plans: Sequence[PlannedStation]) -> None:
        """Inserts or replaces, all or none; new ones come last."""
        ...

    async def remove(self, plan_ids: Sequence[str]) -> None:
        """Forgets these, all or none."""
        ...

    async def list(self) -> Sequence[PlannedStation]:
        """In the order of their first import."""
        ...

    async def save_window(self, window: CommissioningWindow | None) -> None:
        """Keeps the window that was opened last; ``None`` forgets it."""
        ...

    async def window(self) -> CommissioningWindow | None:
        """The one kept, whether it is over or not."""
        ...


class Neighbours(Protocol):
    """Who shares the network."""

    async def mac_of(self, address: str) -> str:
        """The hardware address behind an IP address (``00:04:74:…``); empty where unknown."""
        ...


class NoNeighbours:
    """Knows nobody: where there is no network, as in a rehearsal."""

    async def mac_of(self, address: str) -> str:
        """Always unknown."""
        del address
        return ""


class LanNetwork(msgspec.Struct, frozen=True):
    """A network of the box to look through; ``narrowed`` when its own prefix is larger."""

    interface: str
    own_address: str
    cidr: str
    hosts: int
    narrowed: bool = False


class LanDevice(msgspec.Struct, frozen=True):
    """A device found on the LAN.

    ``port`` is that of its web page (0: none found), ``title`` the page's, ``maker`` by the prefix
    of its MAC, ``mdns_name`` the name it announces; empty where unknown.
    """

    address: str
    mac: str = ""
    maker: str = ""
    title: str = ""
    port: int = 0
    mdns_name: str = ""
    likely: bool = False
    """Whether it looks like a charging station."""

    @property
    def url(self) -> str:
        """Of its web page; empty when it has none."""
        if not self.port:
            return ""
        scheme = "https" if self.port == 443 else "http"
        port = "" if self.port in (80, 443) else f":{self.port}"
        return f"{scheme}://{self.address}{port}/"


Report = Callable[[int, int], None]
"""Told how much of a scan is done, and of how much."""


class LanScanner(Protocol):
    """Looks through the box's own networks, and nowhere else."""

    def networks(self) -> Sequence[LanNetwork]:
        """What a scan would look through: private IPv4 networks of its interfaces."""
        ...

    async def scan(self, report: Report) -> Sequence[LanDevice]:
        """Everything found; ends in bounded time, and at once when it is cancelled."""
        ...


class NoScanner:
    """Has no network to look through."""

    def networks(self) -> Sequence[LanNetwork]:
        """None."""
        return ()

    async def scan(self, report: Report) -> Sequence[LanDevice]:
        """Finds nothing."""
        del report
        return ()
