"""The connection to an SFTP server, whose key is pinned; the box shows a key of its own.

Nothing of the machine's own SSH settings is read: no agent, no known hosts, no password.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

import asyncssh

from app.adapters.backup_places import SftpAddress
from app.services.backups import BackupError

T = TypeVar("T")

CONNECT_S = 30.0
OPERATION_S = 60.0
"""For one request and its answer, or one piece of a file."""

_FULL = (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded)
_KEY_KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


def fetch_host_key(address: SftpAddress) -> asyncssh.SSHKey:
    """The key that the server shows now, to be compared with what its administrator says.

    Raises ``BackupError("sftp-unreachable")``.
    """

    async def fetch() -> asyncssh.SSHKey | None:
        async with asyncio.timeout(CONNECT_S):
            return await asyncssh.get_server_host_key(
                address.host, address.port, server_host_key_algs=_KEY_KINDS, config=None
            )

    with told(address):
        key = asyncio.run(fetch())
    if key is None:
        raise BackupError("sftp-unreachable", server=address.server, cause="no host key")
    return key


class SftpLink:
    """A session with a server, connected inside a ``with`` block, used from outside its loop."""

    def __init__(
        self, address: SftpAddress, own_key: asyncssh.SSHKey, host_key: asyncssh.SSHKey
    ) -> None:
        self.address = address
        self._own_key = own_key
        self._host_key = host_key
        self._runner = asyncio.Runner()
        self._stack = contextlib.AsyncExitStack()
        self._client: asyncssh.SFTPClient | None = None

    def __enter__(self) -> Self:
        try:
            self.run(self._connect())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async def close() -> None:
            with contextlib.suppress(asyncssh.Error, OSError, TimeoutError):
                async with asyncio.timeout(OPERATION_S):
                    await self._stack.aclose()

        try:
            self._runner.run(close())
        finally:
            self._runner.close()

    async def _connect(self) -> None:
        address = self.address
        async with asyncio.timeout(CONNECT_S):
            connection = await self._stack.enter_async_context(
                asyncssh.connect(
                    address.host,
                    address.port,
                    username=address.user,
                    known_hosts=([self._host_key], [], []),
                    client_keys=[self._own_key],
                    preferred_auth="publickey",
                    agent_path=None,
                    config=None,
                    keepalive_interval=15,
                )
            )
            self._client = await self._stack.enter_async_context(connection.start_sftp_client())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does it on the connection's event loop. Raises ``BackupError``."""
        with told(self.address):
            return self._runner.run(work)

    @property
    def client(self) -> asyncssh.SFTPClient:
        """The session, inside the ``with`` block."""
        assert self._client is not None, "used outside its with block"
        return self._client

    @contextlib.asynccontextmanager
    async def opened(self, path: str, mode: str) -> AsyncIterator[asyncssh.SFTPClientFile]:
        """A file of the server: ``rb`` or ``wb``."""
        async with asyncio.timeout(OPERATION_S):
            file = await self.client.open(path, mode)
        try:
            yield file
        finally:
            async with asyncio.timeout(OPERATION_S):
                await file.close()


@contextlib.contextmanager
def told(address: SftpAddress) -> Iterator[None]:
    """What went wrong, in our words."""
    server = address.server
    try:
        yield
    except asyncssh.HostKeyNotVerifiable as error:
        raise BackupError("sftp-host-changed", server=server) from error
    except asyncssh.PermissionDenied as error:
        raise BackupError("sftp-key-refused", user=address.user, server=server) from error
    except (asyncssh.SFTPPermissionDenied, asyncssh.SFTPWriteProtect) as error:
        raise BackupError("sftp-forbidden", folder=address.folder, server=server) from error
    except _FULL as error:
        raise BackupError("backup-disk-full", path=f"{server}{address.folder}") from error
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise BackupError("sftp-lost", server=server, cause=str(error)) from error
    except asyncssh.SFTPError as error:
        raise BackupError("sftp-failed", server=server, cause=error.reason) from error
    except asyncssh.ConnectionLost as error:
        raise BackupError("sftp-lost", server=server, cause=error.reason) from error
    except asyncssh.Error as error:
        raise BackupError("sftp-unreachable", server=server, cause=str(error)) from error
    except TimeoutError as error:
        raise BackupError("sftp-silent", server=server) from error
    except OSError as error:
        raise BackupError("sftp-unreachable", server=server, cause=str(error)) from error
