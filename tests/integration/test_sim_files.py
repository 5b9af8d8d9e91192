"""The files of a simulated station over real servers: HTTP, HTTPS, FTP and FTPS on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aioftp
import pytest

from simulators.station import files
from simulators.station.files import NetworkFiles, TransferError, UploadMethod
from tests.support.authority import Authority, private_pem

SITE = Authority("Site", datetime.now(UTC))


class Web:
    """A web server in a thread that keeps what it is given under the path of it."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.content: dict[str, bytes] = {}
        self.seen: list[tuple[str, str, str | None]] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = web.content.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                web.seen.append((self.command, self.path, self.headers["Authorization"]))
                web.content[self.path] = body
                self.send_response(507 if self.path.startswith("/full") else 201)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"{self.scheme}://box:secret@127.0.0.1:{self.server.server_address[1]}"


@contextlib.contextmanager
def web(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    served = Web(tls)
    served.thread.start()
    try:
        yield served
    finally:
        served.server.shutdown()
        served.thread.join()
        served.server.server_close()


@contextlib.asynccontextmanager
async def ftp(folder: Path, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    (folder / "drop").mkdir()
    user = aioftp.User("box", "se/cret", base_path=folder)
    server = aioftp.Server(users=[user], ssl=tls, path_io_factory=aioftp.AsyncPathIO)
    await server.start("127.0.0.1", 0)
    try:
        scheme = "ftp" if tls is None else "ftps"
        yield f"{scheme}://box:se%2Fcret@127.0.0.1:{server.server_port}"
    finally:
        await server.close()


def server_tls(tmp_path: Path) -> ssl.SSLContext:
    pem, key = SITE.issue("127.0.0.1")
    pair = tmp_path / "pair.pem"
    pair.write_text(pem + private_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


def believing() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=SITE.pem)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("method", UploadMethod)
async def test_a_file_goes_to_a_web_server_and_comes_back(
    tmp_path: Path, method: UploadMethod, *, secure: bool
) -> None:
    with web(server_tls(tmp_path) if secure else None) as served:
        station = NetworkFiles(believing)
        await station.put(f"{served.url}/drop/log.txt", "log.txt", b"hello", method)
        verb = "PUT" if method is UploadMethod.PUT else "POST"
        assert served.seen == [(verb, "/drop/log.txt", "Basic Ym94OnNlY3JldA==")]
        fetched = await station.get(f"{served.url}/drop/log.txt")
        if method is UploadMethod.FORM:
            assert b'filename="log.txt"' in fetched
            assert b"\r\nhello\r\n" in fetched
        else:
            assert fetched == b"hello"


async def test_a_web_server_that_is_not_believed(tmp_path: Path) -> None:
    with web(server_tls(tmp_path)) as served, pytest.raises(TransferError, match="CERTIFICATE"):
        await NetworkFiles().get(f"{served.url}/x")


@pytest.mark.parametrize("secure", [False, True], ids=["ftp", "ftps"])
async def test_a_file_goes_to_an_ftp_server_and_comes_back(tmp_path: Path, *, secure: bool) -> None:
    async with ftp(tmp_path, server_tls(tmp_path) if secure else None) as url:
        station = NetworkFiles(believing)
        content = bytes(range(256)) * 1000
        await station.put(f"{url}/drop/a%20log.txt", "a log.txt", content, UploadMethod.PUT)
        assert await asyncio.to_thread((tmp_path / "drop/a log.txt").read_bytes) == content
        assert await station.get(f"{url}/drop/a%20log.txt") == content
        with pytest.raises(TransferError):
            await station.get(f"{url}/drop/none")
        with pytest.raises(TransferError):
            await station.put(f"{url}/none/x", "x", b"", UploadMethod.PUT)
        with pytest.raises(TransferError):
            await station.get(f"{url.replace('se%2Fcret', 'wrong')}/drop/a%20log.txt")
        if secure:
            with pytest.raises(TransferError, match="CERTIFICATE"):
                await NetworkFiles().get(f"{url}/drop/a%20log.txt")
        if not secure:
            with pytest.raises(TransferError):  # it does not know AUTH TLS
                await station.get(f"{url.replace('ftp:', 'ftpes:')}/drop/a%20log.txt")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "http://",
        "ftp:///x",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:1/x",
    ],
)
async def test_addresses_that_lead_nowhere(url: str) -> None:
    with pytest.raises(TransferError):
        await NetworkFiles().get(url)
    with pytest.raises(TransferError):
        await NetworkFiles().put(url, "x", b"", UploadMethod.PUT)


async def test_a_server_that_refuses_and_a_file_that_is_too_large(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    with web() as served:
        served.content["/large"] = bytes(1001)
        station = NetworkFiles()
        with pytest.raises(TransferError, match="too large"):
            await station.get(f"{served.url}/large")
        with pytest.raises(TransferError, match="404"):
            await station.get(f"{served.url}/none")
        with pytest.raises(TransferError, match="507"):
            await station.put(f"{served.url}/full/x", "x", b"", UploadMethod.PUT)
    async with ftp(tmp_path) as url:
        await asyncio.to_thread((tmp_path / "drop/large").write_bytes, bytes(1001))
        with pytest.raises(TransferError, match="too large"):
            await station.get(f"{url}/drop/large")
