"""The drop over FTP (RFC 959, 2428, 3659), in plain text because stations speak no other.

Every user is one order: who fetches may read its one file, who leaves may only write. There are no
folders, lists, renames or deletions, passive data connections only, from the same address as the
control connection, on a bounded range of ports. The port listens only while an order needs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aioftp
from aioftp.common import Connection
from aioftp.server import AbstractUserManager

from app.domain.errors import BornierError, StorageError
from app.domain.station_files import Scheme
from app.services.file_drop import Arrival, DropOrder, Fetch, FileDrop, Leave

log = logging.getLogger(__name__)

PIECE: Final = 64 * 1024
IDLE_S: Final = 120.0
DATA_CONNECTION_S: Final = 20.0
WRONG_MOST: Final = 3
"""Wrong passwords on one connection."""

CONNECTIONS_MOST: Final = 32
CONNECTIONS_PER_ADDRESS: Final = 8

COMMAND_PAUSE_S: Final = 0.01
"""Between two commands of one connection: nobody fills the memory with answers not read."""

_LOGIN: Final = {"user", "pass", "quit", "syst", "pwd", "type", "pasv", "epsv", "rest", "abor"}
_FEATURES: Final = ("EPSV", "PASV", "REST STREAM", "SIZE", "UTF8")


class OrderUser(aioftp.User):
    """Who has named themselves; ``order`` once the password was right."""

    def __init__(self, login: str, address: str) -> None:
        # No path is ever built for it: files are reached by their order.
        super().__init__(login, base_path=Path("/nowhere"))
        self.address = address
        self.order: DropOrder | None = None


class _OrderUsers(AbstractUserManager):
    """Accepts any name, and only an order's own password."""

    def __init__(self, drop: FileDrop) -> None:
        super().__init__()
        self.on_logout: Callable[[aioftp.User], None] | None = None
        self._drop = drop

    async def get_user(
        self, login: str
    ) -> tuple[AbstractUserManager.GetUserResponse, aioftp.User | None, str]:
        """See ``AbstractUserManager``: names tell nothing."""
        return (
            AbstractUserManager.GetUserResponse.PASSWORD_REQUIRED,
            OrderUser(login, ""),
            "password",
        )

    async def authenticate(self, user: aioftp.User, password: str) -> bool:
        """See ``AbstractUserManager``."""
        assert isinstance(user, OrderUser)
        user.order = self._drop.admit(user.login or "", password, user.address, (Scheme.FTP,))
        return user.order is not None

    async def notify_logout(self, user: aioftp.User) -> None:
        """See ``AbstractUserManager``."""
        if self.on_logout is not None:
            self.on_logout(user)


class _Server(aioftp.Server):
    """aioftp's dialogue with commands of our own on files."""

    def __init__(self, drop: FileDrop, passive_ports: range, idle_s: float) -> None:
        users = _OrderUsers(drop)
        users.on_logout = self._forget
        super().__init__(
            users,
            block_size=PIECE,
            socket_timeout=idle_s,
            idle_timeout=idle_s,
            wait_future_timeout=DATA_CONNECTION_S,
            maximum_connections=CONNECTIONS_MOST,
            data_ports=passive_ports or None,
            welcome_message="Bornier",
        )
        self._drop = drop
        commands: dict[str, Any] = {
            name: command for name, command in self.commands_mapping.items() if name in _LOGIN
        }
        commands |= {
            "retr": self._retr,
            "stor": self._stor,
            "size": self._size,
            "cwd": self._cwd,
            "noop": self._fine,
            "opts": self._fine,
            "allo": self._fine,
            "feat": self._feat,
        }
        self.commands_mapping = commands

    async def greeting(self, connection: Connection, rest: Any) -> bool:
        """Refuses one more connection from an address that holds enough of them."""
        host = connection.client_host
        if sum(each.client_host == host for each in self.connections.values()) > (
            CONNECTIONS_PER_ADDRESS
        ):
            connection.response("421", "Too many connections")
            return False
        return bool(await super().greeting(connection, rest))

    async def parse_command(self, stream: Any, *_arguments: Any) -> tuple[str, str]:
        """The next command, not at once."""
        await asyncio.sleep(COMMAND_PAUSE_S)
        return await super().parse_command(stream)

    async def pass_(self, connection: Connection, rest: str) -> bool:
        """Ends the connection after a few wrong passwords, at once for who was wrong too often."""
        address = str(connection.client_host)
        if connection.future.user.done():
            connection.user.address = address
        go_on = await super().pass_(connection, rest)
        if connection.future.logged.done():
            return bool(go_on)
        wrong = getattr(connection, "wrong", 0) if connection.future.wrong.done() else 0
        connection.wrong = wrong + 1
        return wrong + 1 < WRONG_MOST and not self._drop.wait_s(address)

    async def _start_passive_server(
        self,
        connection: Connection,
        handler_callback: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    ) -> asyncio.Server:
        async def same_peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            peer = writer.get_extra_info("peername") or ("",)
            if peer[0] != connection.client_host:
                log.warning("%s: a stranger to the data connection", peer[0])
                writer.close()
                return
            await handler_callback(reader, writer)

        return await super()._start_passive_server(connection, same_peer)

    def _forget(self, user: aioftp.User) -> None:
        self.throttle_per_user.pop(user, None)

    # ------------------------------------------------------------- commands

    async def _retr(self, connection: Connection, _path: str) -> bool:
        order = self._order(connection)
        if order is None or not isinstance(order.direction, Fetch):
            connection.response("550" if order else "530", "not allowed")
            return True
        return self._begin(connection, self._send(connection, order, connection.restart_offset))

    async def _stor(self, connection: Connection, path: str) -> bool:
        order = self._order(connection)
        if order is None or not isinstance(order.direction, Leave) or connection.restart_offset:
            connection.response("550" if order else "530", "not allowed")
            return True
        return self._begin(connection, self._take(connection, order, path))

    async def _size(self, connection: Connection, _path: str) -> bool:
        order = self._order(connection)
        if order is None or not isinstance(order.direction, Fetch):
            connection.response("550" if order else "530", "not available")
            return True
        try:
            size = await self._drop.size(order)
        except BornierError:
            connection.response("550", "not available")
            return True
        connection.response("213", str(size))
        return True

    async def _cwd(self, connection: Connection, path: str) -> bool:
        # The only folder there is; some clients go to it before anything else.
        fine = self._order(connection) is not None and not path.strip("/. ")
        connection.response("250" if fine else "550", "" if fine else "no such folder")
        return True

    async def _fine(self, connection: Connection, _rest: str) -> bool:
        connection.response("200", "")
        return True

    async def _feat(self, connection: Connection, _rest: str) -> bool:
        connection.response("211", ("Features", *_FEATURES, "End"), True)
        return True

    # ------------------------------------------------------------- transfers

    def _order(self, connection: Connection) -> DropOrder | None:
        if not connection.future.logged.done():
            return None
        order: DropOrder | None = connection.user.order
        return order if order is not None and self._drop.is_open(order) else None

    def _begin(self, connection: Connection, transfer: Any) -> bool:
        if not connection.future.passive_server.done():
            transfer.close()
            connection.response("503", "passive mode first")
            return True
        connection.response("150", "go on")
        task = asyncio.create_task(transfer)  # noqa: TID251 - aioftp's dispatcher owns it
        connection.extra_workers.add(task)
        return True

    async def _send(self, connection: Connection, order: DropOrder, at: int) -> bool:
        try:
            stream = await self._data(connection)
            async with stream:
                reading = await self._drop.fetch(order)
                try:
                    while piece := await reading.read(at, PIECE):
                        at += len(piece)
                        await stream.write(piece)
                    whole = at >= reading.size
                finally:
                    await reading.close()
            if whole:
                await self._drop.fetched(order)
        except (BornierError, OSError, TimeoutError) as error:
            return self._failed(connection, order, error)
        connection.response("226", "done")
        return True

    async def _take(self, connection: Connection, order: DropOrder, path: str) -> bool:
        arrival: Arrival | None = None
        try:
            stream = await self._data(connection)
            async with stream:
                arrival = await self._drop.leave(order, path)
                async for piece in stream.iter_by_block(PIECE):
                    await arrival.write(piece)
            await arrival.done()
        except BornierError as error:
            if arrival is not None:
                await arrival.give_up()
            return self._failed(connection, order, error)
        except (OSError, TimeoutError) as error:
            await _keep_part(arrival)
            return self._failed(connection, order, error)
        except asyncio.CancelledError:
            await _keep_part(arrival)  # ABOR, or the control connection has gone
            connection.response("426", "aborted")
            return True
        connection.response("226", "done")
        return True

    async def _data(self, connection: Connection) -> Any:
        async with asyncio.timeout(DATA_CONNECTION_S):
            await asyncio.shield(connection.future.data_connection)
        stream = connection.data_connection
        del connection.data_connection
        return stream

    def _failed(self, connection: Connection, order: DropOrder, error: Exception) -> bool:
        log.warning("%s: an FTP transfer failed: %s", order.station_id, error)
        codes = {"files-too-large": "552", "files-no-room": "452", "files-disk-full": "452"}
        code = codes.get(error.key, "550") if isinstance(error, BornierError) else "426"
        connection.response(code, "failed")
        return True


class FtpDrop:
    """Implements ``FtpGate``."""

    def __init__(
        self, drop: FileDrop, host: str, port: int, passive_ports: range, *, idle_s: float = IDLE_S
    ) -> None:
        self._drop = drop
        self._host = host
        self._port = port
        self._passive_ports = passive_ports
        self._idle_s = idle_s
        self._server: _Server | None = None

    @property
    def listening(self) -> bool:
        """Whether the port is open."""
        return self._server is not None

    async def open(self) -> None:
        """See ``FtpGate``."""
        if self._server is None:
            server = _Server(self._drop, self._passive_ports, self._idle_s)
            await server.start(self._host, self._port)
            self._server = server
            log.info("FTP is open on port %d", self._port)

    async def close(self) -> None:
        """See ``FtpGate``."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()
            log.info("FTP is closed")


async def _keep_part(arrival: Arrival | None) -> None:
    if arrival is None:
        return
    try:
        await arrival.broken()
    except StorageError:
        await arrival.give_up()
