"""The drop: orders under which one station fetches one file, or leaves some, for a while.

An order is opened before a station is told, and is on disk, for the station may come after a restart
of the manager. Its secret is in the URL alone; here is a hash. HTTP and FTP (``app/adapters``) ask
``admit`` who it is and get nothing but the order's own file or place.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Final, NamedTuple, Protocol

import msgspec

from app.domain.errors import StorageError
from app.domain.station_files import Scheme, safe_name
from app.services.file_ports import (
    Area,
    FileAdapters,
    FtpGate,
    Reading,
    Received,
    Receiving,
    RecordRepository,
)
from app.services.ports import Clock
from app.services.shelf import Shelf
from app.services.throttle import Throttle, ThrottleRule, origin_of

log = logging.getLogger(__name__)

ORDER_DIGITS: Final = 12
SECRET_DIGITS: Final = 32
"""Hexadecimal digits: nothing that a simple URL parser could stumble over."""

_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]")
"""Nothing in an address has to be escaped: some stations do it wrong."""

TOKEN_DIGITS: Final = ORDER_DIGITS + SECRET_DIGITS

FILES_PER_ORDER: Final = 8
"""A station may retry, or leave several files."""

EXPIRY_PERIOD_S: Final = 15.0

FTP_LINGER_S: Final = 30.0
"""A station may say that it is done before it has hung up."""

WRONG_ATTEMPTS = ThrottleRule(
    free_attempts=5, first_wait_s=2.0, most_wait_s=300.0, forget_s=900.0, most_keys=512
)
"""Per origin. A station whose order has ended asks a few times more."""


class Direction(msgspec.Struct, frozen=True, tag_field="kind"):
    """What an order allows."""


class Fetch(Direction, frozen=True, tag="fetch"):
    """One firmware file, to read."""

    file_id: str
    name: str


class Leave(Direction, frozen=True, tag="leave"):
    """Files of at most ``most`` bytes together, to write."""

    most: int


class DropOrder(msgspec.Struct, frozen=True):
    """One station's way to the drop; ``subject`` is whose order it is at its ``purpose``."""

    order_id: str
    secret_hash: str
    station_id: str
    scheme: Scheme
    direction: Fetch | Leave
    purpose: str
    subject: str
    until_utc: datetime


class Opened(NamedTuple):
    """An order and the URL to tell: of the file, or of the folder (with its last slash)."""

    order: DropOrder
    url: str


class DropListener(Protocol):
    """Who hears what becomes of the orders of one purpose."""

    async def began(self, order: DropOrder) -> None:
        """The station has come: bytes flow."""
        ...

    async def fetched(self, order: DropOrder) -> None:
        """The file's last byte has been sent."""
        ...

    async def left(
        self, order: DropOrder, file_id: str, name: str, received: Received, complete: bool
    ) -> None:
        """A file lies in the vault; the station is answered when this returns."""
        ...


class Ports(NamedTuple):
    """Where stations find the drop; ``None``: not there."""

    http: int | None = None
    https: int | None = None
    ftp: int | None = None


class FileDrop:
    """Opens, checks and closes orders."""

    def __init__(self, records: RecordRepository, adapters: FileAdapters, clock: Clock) -> None:
        self.refused = 0
        """Attempts with a wrong or an ended order."""
        self.listeners: dict[str, DropListener] = {}
        self.ports = Ports()
        self.vault = adapters.vault
        self._addresses = adapters.addresses
        self._clock = clock
        self._orders = Shelf(records, "drop-order", DropOrder)
        self._left: dict[str, tuple[int, int]] = {}
        """Bytes and files already left under an order."""
        self._throttle = Throttle(clock, WRONG_ATTEMPTS)
        self._gate: FtpGate | None = None
        self._gate_turn = asyncio.Lock()
        self._ftp_needed_s = -inf

    async def load(self) -> None:
        """Reads the orders; called once at start."""
        await self._orders.load()

    async def serve_at(self, ports: Ports, gate: FtpGate | None) -> None:
        """Tells on which ports stations reach the drop; opens FTP where an order waits for it."""
        self._gate = gate
        self.ports = ports
        await self._try_gate()

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """What can be offered now."""
        by_scheme: Mapping[Scheme, int | None] = {
            Scheme.HTTP: self.ports.http,
            Scheme.HTTPS: self.ports.https,
            Scheme.FTP: self.ports.ftp if self._gate is not None else None,
        }
        return tuple(scheme for scheme, port in by_scheme.items() if port is not None)

    # ------------------------------------------------------------- for those who give orders

    async def open(
        self,
        station_id: str,
        peer: str,
        scheme: Scheme,
        direction: Fetch | Leave,
        *,
        purpose: str,
        subject: str,
        lasts: timedelta,
    ) -> Opened:
        """A new order for the station at the address ``peer``.

        Raises ``StorageError`` when it cannot be kept or FTP cannot be opened.
        """
        order_id = secrets.token_hex(ORDER_DIGITS // 2)
        secret = secrets.token_hex(SECRET_DIGITS // 2)
        order = DropOrder(
            order_id=order_id,
            secret_hash=_hashed(secret),
            station_id=station_id,
            scheme=scheme,
            direction=direction,
            purpose=purpose,
            subject=subject,
            until_utc=self._clock.utc_now() + lasts,
        )
        host = await self._addresses.towards(peer)
        await self._orders.put((order_id, order))
        try:
            await self._turn_gate()
        except OSError as error:
            await self._orders.drop([order_id])
            raise StorageError("files-ftp-closed", cause=str(error)) from error
        name = direction.name if isinstance(direction, Fetch) else ""
        name = _NOT_PLAIN.sub("_", name)
        return Opened(order, self._url(scheme, host, order_id, secret, name))

    async def close(self, order_id: str) -> None:
        """Ends an order; what flows under it is not cut, but nothing new begins."""
        await self._orders.drop([order_id])
        self._left.pop(order_id, None)

    async def expire(self) -> None:
        """Ends the orders whose time is over, and FTP when it has not been needed for a while."""
        over = [order.order_id for order in self._orders if self._is_over(order)]
        await self._orders.drop(over)
        for order_id in over:
            self._left.pop(order_id, None)
        await self._try_gate()

    async def run(self) -> None:
        """Ends orders in time, until cancelled."""
        while True:
            try:
                await self.expire()
            except StorageError:
                log.exception("an order that is over could not be forgotten; again soon")
            await asyncio.sleep(EXPIRY_PERIOD_S)

    # ------------------------------------------------------------- for HTTP and FTP

    def wait_s(self, address: str) -> float:
        """How long someone at this address must wait after wrong attempts; 0 to go on."""
        return self._throttle.wait_s(origin_of(address))

    def admit(
        self, order_id: str, secret: str, address: str, schemes: tuple[Scheme, ...]
    ) -> DropOrder | None:
        """The order that these credentials open by one of ``schemes``; ``None``, counted, else.

        Right ones always pass: a secret cannot be guessed, and stations may share an address.
        """
        order = self._orders.get(order_id)
        # The same work whether the order exists or not.
        wanted = _hashed("") if order is None else order.secret_hash
        right = hmac.compare_digest(_hashed(secret).encode(), wanted.encode())
        if order is not None and right and order.scheme in schemes and not self._is_over(order):
            return order
        self.refused += 1
        if not self.wait_s(address):
            log.warning("%s: refused at the file drop", address)
        self._throttle.begin(origin_of(address))
        return None

    def is_open(self, order: DropOrder) -> bool:
        """Whether the order still holds."""
        return order.order_id in self._orders and not self._is_over(order)

    async def size(self, order: DropOrder) -> int:
        """Bytes of the order's file; ``NotFoundError`` when it is not there."""
        assert isinstance(order.direction, Fetch)
        reading = await self.vault.read(Area.FIRMWARE, order.direction.file_id)
        await reading.close()
        return reading.size

    async def fetch(self, order: DropOrder) -> Reading:
        """Opens the order's file; ``NotFoundError`` when it is not there."""
        assert isinstance(order.direction, Fetch)
        reading = await self.vault.read(Area.FIRMWARE, order.direction.file_id)
        try:
            await self._tell(order).began(order)
        except BaseException:
            await reading.close()
            raise
        return reading

    async def fetched(self, order: DropOrder) -> None:
        """The last byte of the file has been sent."""
        await self._tell(order).fetched(order)

    async def leave(self, order: DropOrder, name: str) -> Arrival:
        """Begins a file under the name that the station gives it.

        Raises ``StorageError`` when its quota is used up or there is no room.
        """
        assert isinstance(order.direction, Leave)
        taken, count = self._left.get(order.order_id, (0, 0))
        if count >= FILES_PER_ORDER or taken >= order.direction.most:
            raise StorageError("files-too-large", most_mb=order.direction.most // 1_000_000)
        self._left[order.order_id] = (taken, count + 1)
        file_id = secrets.token_hex(12)
        most = order.direction.most - taken
        receiving = await self.vault.receive(Area.DIAGNOSTICS, file_id, most)
        arrival = Arrival(self, order, file_id, safe_name(name), receiving)
        try:
            await self._tell(order).began(order)
        except BaseException:
            await receiving.drop()
            raise
        return arrival

    async def arrived(self, arrival: Arrival, received: Received, complete: bool) -> None:
        """A file has come, as a whole or not."""
        order = arrival.order
        taken, count = self._left.get(order.order_id, (0, 0))
        if self.is_open(order):
            self._left[order.order_id] = (taken + received.size, count)
        await self._tell(order).left(order, arrival.file_id, arrival.name, received, complete)

    # ------------------------------------------------------------- inside

    def _tell(self, order: DropOrder) -> DropListener:
        return self.listeners[order.purpose]

    def _is_over(self, order: DropOrder) -> bool:
        return order.until_utc <= self._clock.utc_now()

    def _url(self, scheme: Scheme, host: str, order_id: str, secret: str, name: str) -> str:
        shown = f"[{host}]" if ":" in host else host
        if scheme is Scheme.FTP:
            return f"ftp://{order_id}:{secret}@{shown}:{self.ports.ftp}/{name}"
        port = self.ports.https if scheme is Scheme.HTTPS else self.ports.http
        return f"{scheme.value}://{shown}:{port}/files/{order_id}{secret}/{name}"

    async def _try_gate(self) -> None:
        """As ``_turn_gate``, where nobody waits for it: it is tried again soon."""
        try:
            await self._turn_gate()
        except OSError as error:
            log.warning("FTP cannot be opened: %s", error)

    async def _turn_gate(self) -> None:
        """Opens FTP while an order needs it; closes it a while after the last one has ended."""
        if self._gate is None:
            return
        async with self._gate_turn:
            now_s = self._clock.monotonic_s()
            if any(order.scheme is Scheme.FTP for order in self._orders):
                self._ftp_needed_s = now_s
                await self._gate.open()
            elif now_s - self._ftp_needed_s >= FTP_LINGER_S:
                await self._gate.close()


class Arrival:
    """A file that a station is leaving; ended once, by ``done`` or ``broken``."""

    def __init__(
        self, drop: FileDrop, order: DropOrder, file_id: str, name: str, receiving: Receiving
    ) -> None:
        self.order = order
        self.file_id = file_id
        self.name = name
        self._drop = drop
        self._receiving = receiving

    async def write(self, data: bytes) -> None:
        """Takes more. Raises ``StorageError`` when it is too much, or the disk is full."""
        await self._receiving.write(data)

    async def done(self) -> None:
        """The station has sent all of it: it may be told so when this returns."""
        received = await self._receiving.keep()
        await self._drop.arrived(self, received, complete=True)

    async def broken(self) -> None:
        """The connection broke before the end: what has come is kept as a part, if there is any."""
        if not self._receiving.size:
            await self._receiving.drop()
            return
        received = await self._receiving.keep_part()
        await self._drop.arrived(self, received, complete=False)

    async def give_up(self) -> None:
        """There is no room for it, or it may not be: what has come is deleted."""
        await self._receiving.drop()


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()
