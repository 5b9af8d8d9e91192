"""Files that a station fetches and delivers over the network: HTTP, HTTPS, FTP and FTPS.

``ftps`` speaks TLS from the first byte, ``ftpes`` begins in the clear and asks for it (RFC 4217).
FTP goes through the standard library's own client, in a thread: it shares nothing with the servers
that it is tried against.
"""

from __future__ import annotations

import asyncio
import enum
import ftplib
import io
import posixpath
import socket
import ssl
from collections.abc import Callable
from typing import Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

import httpx

TIMEOUT_S = 20.0
MAX_BYTES = 64 * 2**20
"""Beyond, a download is given up."""

FTP_SCHEMES = ("ftp", "ftps", "ftpes")
PROTOCOLS = "FTP,FTPS,HTTP,HTTPS"


class UploadMethod(enum.StrEnum):
    """How a file is handed to a web server."""

    PUT = "put"
    POST = "post"
    FORM = "form"
    """POST of a form (multipart) with one file."""


class TransferError(Exception):
    """A file did not go through; the text says why."""


class Files(Protocol):
    """Where a station's files come from and go to."""

    async def get(self, url: str) -> bytes:
        """The content of a file; raises ``TransferError``."""
        ...

    async def put(self, url: str, name: str, content: bytes, method: UploadMethod) -> None:
        """Deliver a file to the address of itself; raises ``TransferError``."""
        ...


class NetworkFiles:
    """The real network; ``tls`` makes the context that says which servers are believed."""

    def __init__(self, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> None:
        self._tls = tls

    async def get(self, url: str) -> bytes:
        """The content of a file of at most ``MAX_BYTES``; raises ``TransferError``."""
        parts = _parts(url)
        if parts.scheme in FTP_SCHEMES:
            return await asyncio.to_thread(self._ftp_get, parts)
        content = bytearray()
        try:
            async with self._client(parts) as client, client.stream("GET", url) as answer:
                answer.raise_for_status()
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > MAX_BYTES:
                        raise TransferError("too large")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransferError(str(error)) from error
        return bytes(content)

    async def put(self, url: str, name: str, content: bytes, method: UploadMethod) -> None:
        """Deliver a file; raises ``TransferError``."""
        parts = _parts(url)
        if parts.scheme in FTP_SCHEMES:
            await asyncio.to_thread(self._ftp_put, parts, content)
            return
        try:
            async with self._client(parts) as client:
                match method:
                    case UploadMethod.PUT:
                        answer = await client.put(url, content=content)
                    case UploadMethod.POST:
                        answer = await client.post(url, content=content)
                    case UploadMethod.FORM:
                        answer = await client.post(url, files={"file": (name, content)})
                answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TransferError(str(error)) from error

    def _client(self, parts: SplitResult) -> httpx.AsyncClient:
        secure = parts.scheme == "https"
        return httpx.AsyncClient(
            verify=self._tls() if secure else False,
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    # ------------------------------------------------------------------ FTP, within a thread

    def _ftp_get(self, parts: SplitResult) -> bytes:
        content = bytearray()

        def keep(piece: bytes) -> None:
            content.extend(piece)
            if len(content) > MAX_BYTES:
                raise TransferError("too large")

        try:
            with self._ftp(parts) as ftp:
                ftp.retrbinary(f"RETR {unquote(parts.path).lstrip('/')}", keep)
        except ftplib.all_errors as error:
            raise TransferError(str(error)) from error
        return bytes(content)

    def _ftp_put(self, parts: SplitResult, content: bytes) -> None:
        folder, name = posixpath.split(unquote(parts.path).lstrip("/"))
        try:
            with self._ftp(parts) as ftp:
                if folder:
                    ftp.cwd(folder)
                ftp.storbinary(f"STOR {name}", io.BytesIO(content))
        except ftplib.all_errors as error:
            raise TransferError(str(error)) from error

    def _ftp(self, parts: SplitResult) -> ftplib.FTP:
        ftp: ftplib.FTP
        match parts.scheme:
            case "ftps":
                ftp = _ImplicitTls(context=self._tls())
            case "ftpes":
                ftp = ftplib.FTP_TLS(context=self._tls())  # noqa: S321
            case _:
                ftp = ftplib.FTP()  # noqa: S321 - stations know nothing better
        try:
            ftp.connect(str(parts.hostname), parts.port or ftplib.FTP_PORT, timeout=TIMEOUT_S)
            user, password = unquote(parts.username or ""), unquote(parts.password or "")
            ftp.login(user, password)
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
        except ftplib.all_errors:
            ftp.close()
            raise
        return ftp


class _ImplicitTls(ftplib.FTP_TLS):
    """FTP over TLS from the first byte."""

    def connect(
        self,
        host: str = "",
        port: int = 0,
        timeout: float = TIMEOUT_S,
        source_address: tuple[str, int] | None = None,
    ) -> str:
        """Connect, and read the welcome."""
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout, source_address)
        self.af = plain.family
        try:
            self.sock = self.context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise TransferError(str(error)) from error
    if parts.scheme not in ("http", "https", *FTP_SCHEMES) or not parts.hostname:
        raise TransferError(f"no address of a file: {url!r}")
    return parts


def address_of(folder: str, name: str) -> str:
    """The address of the file ``name`` within the folder at that address; its query is kept."""
    parts = urlsplit(folder)
    path = f"{parts.path.rstrip('/')}/{quote(name)}"
    return parts._replace(path=path).geturl()
