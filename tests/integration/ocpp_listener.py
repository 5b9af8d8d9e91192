"""A listener on a free port, services that accept everything, and stations to call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.station_calls import (
    Authorize,
    AuthorizeConfirmation,
    BootNotification,
    DataTransfer,
    DataTransferConfirmation,
    Heartbeat,
    HeartbeatConfirmation,
    IdTagInfo,
    MeterValues,
    MeterValuesConfirmation,
    StartTransaction,
    StartTransactionConfirmation,
    StatusNotification,
    StatusNotificationConfirmation,
    StopTransaction,
    StopTransactionConfirmation,
)
from app.ocpp16.actions.types import DataTransferStatus
from app.ocpp16.registration import BootIntervals, Standing, boot_answer
from app.services.ports import StationLink

HEARTBEAT = '[2,"1","Heartbeat",{}]'
PATIENCE_S = 20.0


class RealClock:
    def monotonic_s(self) -> float:
        return time.monotonic()

    def utc_now(self) -> datetime:
        return datetime.now(UTC)


class Recorder:
    """Services that accept everything and remember it."""

    def __init__(self) -> None:
        self.links: dict[str, StationLink] = {}
        self.told: list[tuple[str, str, int]] = []
        self.handled: list[Any] = []
        self.changed = asyncio.Condition()

    async def connected(self, link: StationLink) -> None:
        self.links[link.station_id] = link
        await self._tell("connected", link)

    async def disconnected(self, link: StationLink) -> None:
        await self._tell("disconnected", link)

    async def _tell(self, what: str, link: StationLink) -> None:
        async with self.changed:
            self.told.append((what, link.station_id, link.generation))
            self.changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(condition)

    async def handle(self, link: StationLink, request: Any) -> Any:
        self.handled.append(request)
        accepted = IdTagInfo(AuthorizationStatus.ACCEPTED)
        match request:
            case BootNotification():
                return boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, datetime.now(UTC))
            case Heartbeat():
                return HeartbeatConfirmation(datetime.now(UTC))
            case StatusNotification():
                return StatusNotificationConfirmation()
            case Authorize():
                return AuthorizeConfirmation(accepted)
            case StartTransaction():
                return StartTransactionConfirmation(accepted, 17)
            case MeterValues():
                return MeterValuesConfirmation()
            case StopTransaction():
                return StopTransactionConfirmation(accepted)
            case DataTransfer():
                return DataTransferConfirmation(DataTransferStatus.UNKNOWN_VENDOR_ID)
        raise AssertionError(request)


@asynccontextmanager
async def listening(
    *, tls: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[tuple[OcppListener, Recorder]]:
    recorder = Recorder()
    listener = OcppListener(
        recorder, OcppSettings(host="127.0.0.1", port=0, **settings), RealClock(), tls=tls
    )
    await listener.start()
    try:
        async with asyncio.timeout(60):
            yield listener, recorder
    finally:
        await listener.stop()


def station(listener: OcppListener, path: str = "/ocpp/A-001", **options: Any) -> Any:
    options = {
        "subprotocols": ["ocpp1.6"],
        "proxy": None,
        "compression": None,
        "max_queue": None,
    } | options
    return websockets.connect(f"ws://127.0.0.1:{listener.port}{path}", **options)


async def still_answers(listener: OcppListener, path: str = "/ocpp/witness") -> None:
    async with station(listener, path) as witness:
        await witness.send(HEARTBEAT)
        assert json.loads(await witness.recv())[:2] == [3, "1"]


async def closing(peer: ClientConnection) -> tuple[int, str]:
    """The close code and reason that the station is given."""
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await peer.recv()
    assert peer.close_code is not None
    return peer.close_code, peer.close_reason or ""


HANDSHAKE = (
    b"GET /ocpp/A-001 HTTP/1.1\r\nHost: manager\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


async def raw_handshake(
    listener: OcppListener,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A station of bare bytes, past its handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(HANDSHAKE)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    return reader, writer
