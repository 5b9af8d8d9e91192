"""A manager with a place for files, stations played frame by frame, and an FTP gate of wood."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from app.adapters.file_vault import DiskVault
from app.domain.station_files import FirmwareFile, Scheme
from app.services.file_drop import DropOrder, Ports
from app.services.file_ports import FileAdapters
from app.services.firmware import FirmwareAbout
from app.services.station_files import StationFiles
from tests.support.garage import garage
from tests.support.scripted import MemoryManager, ScriptedStation, settle

ADMIN = "admin"


class Gate:
    """Implements ``FtpGate`` without a port."""

    def __init__(self) -> None:
        self.is_open = False

    async def open(self) -> None:
        """Opens."""
        self.is_open = True

    async def close(self) -> None:
        """Closes."""
        self.is_open = False


class FilesBench:
    """What the tests of this area hold in their hands."""

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        self.folder = folder
        self.names = names
        self.gate = Gate()
        self.site: MemoryManager
        self.stations: dict[str, ScriptedStation] = {}

    async def start(self) -> None:
        """A manager on the folder's database."""
        adapters = FileAdapters(DiskVault(self.folder / "files"))
        self.site = MemoryManager(self.folder, garage(self.names), adapters)
        await self.site.start()
        await self.files.drop.serve_at(Ports(http=8080, https=8081, ftp=8021), self.gate)

    async def restart(self) -> None:
        """As after a power cut: nothing is flushed, every station has to connect again."""
        self.site.store.abandon()
        self.site.manager.abandon()
        self.stations.clear()
        await settle()
        await self.start()

    @property
    def files(self) -> StationFiles:
        """The services of this area."""
        return self.site.manager.files

    async def connect(self, name: str, firmware: str = "1.0", **answers: Any) -> ScriptedStation:
        """A station that boots with this firmware and is set up."""
        station = self.stations[name] = self.site.connect(name)
        station.answers |= {
            "UpdateFirmware": {},
            "SignedUpdateFirmware": "NotImplemented",
            "GetDiagnostics": {"fileName": "diag.zip"},
            "GetLog": {"status": "Accepted", "filename": "sec.log"},
            **answers,
        }
        await station.boot(firmwareVersion=firmware)
        live = self.site.manager.registry.station(name)
        assert live is not None
        await eventually(lambda: live.set_up)
        return station

    async def firmware(self, content: bytes = b"new", **about: str) -> FirmwareFile:
        """A firmware that was uploaded."""
        upload = await self.files.firmware.begin("fw.bin")
        await upload.write(content)
        return await upload.finish(FirmwareAbout(**about), ADMIN)

    async def tick(self, seconds: float = 1.0) -> None:
        """Lets time pass and looks at everything once."""
        self.site.clock.advance(seconds)
        await self.files.campaigns.tick()
        await self.files.diagnostics.tick()
        await settle()

    def order(self, url: str) -> DropOrder:
        """The order behind a URL that a station was told."""
        scheme, _, rest = url.partition("://")
        if scheme == "ftp":
            order_id, _, secret = rest.partition("@")[0].partition(":")
        else:
            token = rest.split("/")[2]
            order_id, secret = token[:12], token[12:]
        found = self.files.drop.admit(order_id, secret, "10.0.0.9", (Scheme(scheme),))
        assert found is not None, url
        return found

    async def fetch(self, url: str) -> None:
        """The station behind ``url`` downloads its firmware."""
        order = self.order(url)
        reading = await self.files.drop.fetch(order)
        await reading.close()
        await self.files.drop.fetched(order)

    async def leave(self, url: str, content: bytes = b"log", *, complete: bool = True) -> None:
        """The station behind ``url`` uploads."""
        arrival = await self.files.drop.leave(self.order(url), "")
        await arrival.write(content)
        await (arrival.done() if complete else arrival.broken())


@contextlib.asynccontextmanager
async def files_bench(folder: Path, *names: str) -> AsyncIterator[FilesBench]:
    """A bench that runs."""
    bench = FilesBench(folder, names)
    await bench.start()
    try:
        yield bench
    finally:
        await bench.site.stop()


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits, at most 10 s of real time, until the condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.01)
