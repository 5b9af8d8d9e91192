"""A file drop on real ports, and what it tells."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.adapters.file_drop_ftp import FtpDrop
from app.adapters.file_drop_http import FileDropApp
from app.adapters.file_vault import DiskVault, VaultLimits
from app.adapters.local_address import RoutedAddresses
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.storage.store import SqliteStore, open_store
from app.domain.station_files import Scheme
from app.services.file_drop import DropOrder, Fetch, FileDrop, Leave, Opened, Ports
from app.services.file_ports import Area, FileAdapters, Received
from tests.support.clock import HandClock
from tests.support.running import free_port

PURPOSE = "test"
FIRMWARE_ID = "0123456789abcdef"
HOST = "127.0.0.1"


class Nobody:
    """No station is served."""

    async def connected(self, _link: Any) -> None:
        """Nothing."""

    async def handle(self, _link: Any, _request: Any) -> Any:
        """Nothing."""
        raise AssertionError

    async def disconnected(self, _link: Any) -> None:
        """Nothing."""


class Told:
    """Keeps what the drop tells; implements ``DropListener``."""

    def __init__(self) -> None:
        self.began_orders: list[str] = []
        self.fetched_orders: list[str] = []
        self.left_files: list[tuple[str, str, Received, bool]] = []

    async def began(self, order: DropOrder) -> None:
        """See ``DropListener``."""
        self.began_orders.append(order.order_id)

    async def fetched(self, order: DropOrder) -> None:
        """See ``DropListener``."""
        self.fetched_orders.append(order.order_id)

    async def left(
        self, order: DropOrder, file_id: str, name: str, received: Received, complete: bool
    ) -> None:
        """See ``DropListener``."""
        assert order.purpose == PURPOSE
        self.left_files.append((file_id, name, received, complete))


class DropSite:
    """The drop with its two ports, over a vault in ``folder``."""

    def __init__(self, folder: Path, limits: VaultLimits, idle_s: float) -> None:
        self.clock = HandClock()
        self.folder = folder
        self.store: SqliteStore = open_store(folder / "db" / "bornier.sqlite3", inline=True)
        self.vault = DiskVault(folder / "files", limits)
        self.told = Told()
        self.drop = FileDrop(
            self.store.files, FileAdapters(self.vault, RoutedAddresses()), self.clock
        )
        self.drop.listeners[PURPOSE] = self.told
        self.http = FileDropApp(self.drop, Scheme.HTTP, idle_s=idle_s)
        self.listener = OcppListener(
            Nobody(), OcppSettings(host=HOST, port=0), self.clock, files=self.http
        )
        self.ftp_port = free_port()
        first = free_port()
        self.ftp = FtpDrop(self.drop, HOST, self.ftp_port, range(first, first + 4), idle_s=idle_s)

    async def open(
        self, direction: Fetch | Leave, scheme: Scheme = Scheme.HTTP, *, lasts_s: float = 600
    ) -> Opened:
        """An order for a station on this machine."""
        return await self.drop.open(
            "A-1",
            HOST,
            scheme,
            direction,
            purpose=PURPOSE,
            subject="7",
            lasts=timedelta(seconds=lasts_s),
        )

    async def firmware(self, content: bytes) -> Fetch:
        """A firmware in the vault."""
        receiving = await self.vault.receive(Area.FIRMWARE, FIRMWARE_ID, len(content))
        await receiving.write(content)
        await receiving.keep()
        return Fetch(FIRMWARE_ID, "fw 1.bin")

    def firmware_again(self) -> Fetch:
        """The firmware that is there already."""
        return Fetch(FIRMWARE_ID, "fw 1.bin")

    @property
    def listener_busy(self) -> bool:
        """Whether a transfer over HTTP goes on."""
        return self.http.busy

    def on_disk(self, area: Area) -> dict[str, int]:
        """Files in an area and their sizes."""
        folder = self.folder / "files" / area.value
        if not folder.is_dir():
            return {}
        return {path.name: path.stat().st_size for path in folder.iterdir()}

    def content(self, file_id: str, *, part: bool = False) -> bytes:
        """What a station has left."""
        name = f"{file_id}.part" if part else file_id
        return (self.folder / "files" / Area.DIAGNOSTICS.value / name).read_bytes()


@contextlib.asynccontextmanager
async def drop_site(
    folder: Path, *, limits: VaultLimits | None = None, idle_s: float = 20.0
) -> AsyncIterator[DropSite]:
    """A drop that runs."""
    site = DropSite(folder, limits or VaultLimits(floor=0), idle_s)
    await site.drop.load()
    await site.listener.start()
    await site.drop.serve_at(Ports(http=site.listener.port, ftp=site.ftp_port), site.ftp)
    try:
        yield site
    finally:
        await site.ftp.close()
        await site.listener.stop()
        await site.store.close()
