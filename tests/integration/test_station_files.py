"""A whole manager and real stations' connections: firmware fetched and diagnostics left for real."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aioftp
import httpx
import pytest
import websockets

from app.adapters.clock import SystemClock
from app.adapters.file_drop_ftp import FtpDrop
from app.adapters.file_drop_http import FileDropApp
from app.adapters.file_vault import DiskVault
from app.adapters.local_address import RoutedAddresses
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.adapters.storage.store import open_store
from app.adapters.tls_ports import stations_tls
from app.config import Settings
from app.domain.campaign import Stage
from app.domain.station_files import LogKind, RequestState, Scheme
from app.services.campaigns import CampaignOrder
from app.services.circuits import MeterTest
from app.services.file_drop import Ports
from app.services.file_ports import FileAdapters
from app.services.firmware import FirmwareAbout
from app.services.manager import Adapters, Manager
from tests.support.garage import garage
from tests.support.running import free_port

HOST = "127.0.0.1"
CONTENT = bytes(range(256)) * 4_000


class _NoHasher:
    async def hash(self, password: str) -> str:
        return password

    async def verify(self, encoded: str, password: str) -> bool:
        return encoded == password


async def _no_test(_config: Any) -> MeterTest:
    return MeterTest(ok=True)


def _no_meter(_config: Any, _on_reading: Any) -> Any:
    raise AssertionError


class Box:
    """A manager with all of its ports for stations."""

    def __init__(self, folder: Path) -> None:
        self.clock = SystemClock()
        self.manager = Manager(
            Settings(data_dir=folder),
            Adapters(
                clock=self.clock,
                store=open_store(folder / "bornier.sqlite3"),
                hasher=_NoHasher(),
                meter_factory=_no_meter,
                meter_models=(),
                meter_tester=_no_test,
                random=lambda: 0.5,
                files=FileAdapters(DiskVault(folder / "files"), RoutedAddresses()),
            ),
        )
        drop = self.manager.files.drop
        tls = stations_tls(folder, [HOST])
        tls.ensure(self.clock.utc_now())
        self.plain = OcppListener(
            self.manager.handler,
            OcppSettings(host=HOST, port=0),
            self.clock,
            files=FileDropApp(drop, Scheme.HTTP),
        )
        self.secure = OcppListener(
            self.manager.handler,
            OcppSettings(host=HOST, port=0),
            self.clock,
            tls=tls.load(),
            files=FileDropApp(drop, Scheme.HTTPS),
        )
        self.ftp_port = free_port()
        first = free_port()
        self.ftp = FtpDrop(drop, HOST, self.ftp_port, range(first, first + 4))

    async def start(self) -> None:
        """Opens every port."""
        await self.manager.start(json.dumps(garage(["A-1"])).encode())
        await self.plain.start()
        await self.secure.start()
        await self.manager.files.drop.serve_at(
            Ports(self.plain.port, self.secure.port, self.ftp_port), self.ftp
        )

    async def stop(self) -> None:
        """Closes every port."""
        await self.ftp.close()
        await self.plain.stop()
        await self.secure.stop()
        await self.manager.stop()


Work = Callable[["Post", dict[str, Any]], Coroutine[Any, Any, None]]


class Post:
    """A small station that fetches and leaves what it is told to, by what it can."""

    def __init__(self, url: str, firmware: str, able: str) -> None:
        self.able = able
        self.url = url
        self.firmware = firmware
        self.fetched = b""
        self.told: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: Any = None
        self._count = 0

    async def run(self) -> None:
        """Connects, boots, and does what it is told until it is cancelled; reboots when it must."""
        while True:
            async with websockets.connect(self.url, subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
                self._socket = socket
                await self.call(
                    "BootNotification",
                    chargePointVendor="Test",
                    chargePointModel="Post",
                    firmwareVersion=self.firmware,
                )
                async for text in socket:
                    await self._heard(json.loads(text))

    async def call(self, action: str, **payload: Any) -> None:
        """Sends a CALL; its answer is not waited for."""
        self._count += 1
        await self._socket.send(json.dumps([2, str(self._count), action, payload]))

    async def _heard(self, frame: list[Any]) -> None:
        if frame[0] != 2:
            return
        _, message_id, action, payload = frame
        works: dict[str, tuple[dict[str, Any], Work]] = {
            "UpdateFirmware": ({}, Post._update),
            "GetDiagnostics": ({"fileName": "post.log"}, Post._upload),
        }
        if action not in works:
            await self._socket.send(json.dumps([4, message_id, "NotSupported", "", {}]))
            return
        answer, work = works[action]
        await self._socket.send(json.dumps([3, message_id, answer]))
        self.told.append(payload["location"])
        task = asyncio.get_running_loop().create_task(work(self, payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _update(self, payload: dict[str, Any]) -> None:
        url = payload["location"]
        if not url.startswith(f"{self.able}:"):
            await self.call("FirmwareStatusNotification", status="DownloadFailed")
            return
        await self.call("FirmwareStatusNotification", status="Downloading")
        self.fetched = await _fetch(url)
        for status in ("Downloaded", "Installing", "Installed"):
            await self.call("FirmwareStatusNotification", status=status)
        self.firmware = "2.0"
        await self._socket.close()

    async def _upload(self, payload: dict[str, Any]) -> None:
        url = payload["location"]
        if not url.startswith(f"{self.able}:"):
            await self.call("DiagnosticsStatusNotification", status="UploadFailed")
            return
        await self.call("DiagnosticsStatusNotification", status="Uploading")
        await _leave(url, CONTENT)
        await self.call("DiagnosticsStatusNotification", status="Uploaded")


def _untrusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _fetch(url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme == "ftp":
        async with aioftp.Client.context(
            HOST, int(parts.port or 0), str(parts.username), str(parts.password)
        ) as client:
            async with client.download_stream(parts.path) as stream:
                return bytes(await stream.read(-1))
    async with httpx.AsyncClient(verify=_untrusting()) as client:
        return (await client.get(url)).raise_for_status().content


async def _leave(url: str, content: bytes) -> None:
    parts = urlsplit(url)
    if parts.scheme == "ftp":
        async with aioftp.Client.context(
            HOST, int(parts.port or 0), str(parts.username), str(parts.password)
        ) as client:
            async with client.upload_stream("post.log") as stream:
                await stream.write(content)
        return
    async with httpx.AsyncClient(verify=_untrusting()) as client:
        (await client.put(f"{url}post.log", content=content)).raise_for_status()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    running = Box(tmp_path)
    await running.start()
    yield running
    await running.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Waits, at most 60 s, until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("able", ["http", "https", "ftp"])
async def test_a_campaign_and_diagnostics_by_every_scheme(box: Box, able: str) -> None:
    files = box.manager.files
    upload = await files.firmware.begin("post 2.0.bin")
    await upload.write(CONTENT)
    file = await upload.finish(FirmwareAbout(version="2.0"), "admin")
    post = Post(f"ws://{HOST}:{box.plain.port}/ocpp/A-1", "1.0", able)
    life = asyncio.get_running_loop().create_task(post.run())
    try:
        live = box.manager.registry.station("A-1")
        assert live is not None
        await until(lambda: live.set_up)
        await files.campaigns.create(CampaignOrder(file.file_id, ("A-1",)), "admin")
        await files.campaigns.tick()
        await until(lambda: live.identity.firmware == "2.0" and live.set_up)
        await files.campaigns.tick()
        [update] = files.campaigns.updates(1)
        assert (update.stage, update.before, update.after) == (Stage.VERIFIED, "1.0", "2.0")
        assert post.fetched == CONTENT
        assert update.tried[-1].value == able

        await files.diagnostics.ask(["A-1"], LogKind.DIAGNOSTICS, "admin")
        await until(
            lambda: (
                files.diagnostics.requests()[0].state is RequestState.UPLOADED
                and not files.diagnostics.requests()[0].state.open
            )
        )
        [left] = files.diagnostics.files("A-1")
        assert (left.name, left.size, left.complete) == ("post.log", len(CONTENT), True)
        reading = await files.diagnostics.read(left)
        assert await reading.read(0, len(CONTENT) + 1) == CONTENT
        await reading.close()
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
