"""A real SFTP server on loopback, in a thread, with the faults that servers have."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh


@dataclass
class Faults:
    """What goes wrong, changed by the test while the server runs."""

    break_after: int | None = None
    """Bytes written before the connection breaks."""
    flip: bool = False
    """Whether one bit of what is written changes."""
    refuse_rename: bool = False
    break_reading: bool = False


@dataclass
class Server:
    """A running server: user ``box``, its home and root being ``folder``."""

    folder: Path
    authorized: set[str]
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    host_key: asyncssh.SSHKey = field(
        default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519")
    )
    connections: list[asyncssh.SSHServerConnection] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The folder ``backups`` of the account."""
        return f"sftp://box@127.0.0.1:{self.port}/backups"

    @property
    def fingerprint(self) -> str:
        """As its administrator says it."""
        return self.host_key.get_fingerprint()


class _Gate(asyncssh.SSHServer):
    def __init__(self, server: Server) -> None:
        self._server = server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._server.connections.append(conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        line = " ".join(key.export_public_key().decode().split()[:2])
        return username == "box" and line in self._server.authorized


class _Files(asyncssh.SFTPServer):
    def __init__(self, chan: Any, server: Server) -> None:
        super().__init__(chan, chroot=os.fsencode(server.folder))
        self._server = server
        self._written = 0

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        faults = self._server.faults
        self._written += len(data)
        if faults.break_after is not None and self._written > faults.break_after:
            for connection in self._server.connections:
                connection.abort()
            raise asyncssh.SFTPConnectionLost("broken")
        if faults.flip and offset == 0:
            data = bytes([data[0] ^ 1]) + data[1:]
        written: int = super().write(file_obj, offset, data)  # type: ignore[assignment]
        return written

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if self._server.faults.break_reading:
            for connection in self._server.connections:
                connection.abort()
            raise asyncssh.SFTPConnectionLost("broken")
        piece: bytes = super().read(file_obj, offset, size)  # type: ignore[assignment]
        return piece

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if self._server.faults.refuse_rename:
            raise asyncssh.SFTPPermissionDenied("no")
        super().rename(oldpath, newpath)


@contextlib.contextmanager
def sftp_server(folder: Path, port: int = 0) -> Iterator[Server]:
    """Runs one until the block is left."""
    folder.mkdir(exist_ok=True)
    server = Server(folder, set(), port=port)
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        listener = await asyncssh.listen(
            "127.0.0.1",
            port,
            server_factory=lambda: _Gate(server),
            server_host_keys=[server.host_key],
            sftp_factory=lambda chan: _Files(chan, server),
        )
        server.port = listener.get_port()
        ready.set()
        await stop.wait()
        for connection in server.connections:
            connection.abort()
        listener.close()
        await listener.wait_closed()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
