"""Files over real HTTP and FTP connections: who may fetch and leave what, and how much of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aioftp
import httpx
import pytest

from app.adapters.file_vault import VaultLimits
from app.domain.errors import StorageError
from app.domain.station_files import Scheme
from app.services.file_drop import FTP_LINGER_S, Leave
from app.services.file_ports import Area
from tests.support.drop import HOST, DropSite, drop_site
from tests.support.tmpfs import needs_root, small_disk

CONTENT = bytes(range(256)) * 2_000
MB = 1_000_000


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[DropSite]:
    async with drop_site(tmp_path) as running:
        yield running


@pytest.fixture
async def web() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


async def until(condition: object) -> None:
    """Waits, at most 10 s, until the callable holds."""
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no event
            await asyncio.sleep(0.01)


# ---------------------------------------------------------------- HTTP, firmware


async def test_a_station_fetches_its_firmware(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    answer = await web.get(opened.url)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "application/octet-stream"
    assert site.told.fetched_orders == [opened.order.order_id]


@pytest.mark.parametrize(
    ("asked", "first", "beyond"),
    [("bytes=0-99", 0, 100), ("bytes=500000-", 500_000, 512_000), ("bytes=-7", 511_993, 512_000)],
)
async def test_a_download_that_broke_is_taken_up_again(
    site: DropSite, web: httpx.AsyncClient, asked: str, first: int, beyond: int
) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    answer = await web.get(opened.url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[first:beyond]
    assert answer.headers["content-range"] == f"bytes {first}-{beyond - 1}/512000"
    assert site.told.fetched_orders == ([opened.order.order_id] if beyond == 512_000 else [])


@pytest.mark.parametrize("asked", ["bytes=512000-", "bytes=9-3", "bytes=-0"])
async def test_a_range_outside_of_the_file_is_refused(
    site: DropSite, web: httpx.AsyncClient, asked: str
) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    answer = await web.get(opened.url, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */512000"


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=-", "bytes=0-1,5-6"])
async def test_a_range_that_is_not_understood_gets_the_whole(
    site: DropSite, web: httpx.AsyncClient, asked: str
) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    answer = await web.get(opened.url, headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, 512_000)


async def test_head_tells_the_size(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    answer = await web.head(opened.url)
    assert (answer.status_code, answer.headers["content-length"]) == (200, "512000")
    assert site.told.fetched_orders == []


async def test_an_empty_file_is_given_too(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(b""))
    assert (await web.get(opened.url)).content == b""


async def test_who_fetches_may_not_leave(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    assert (await web.put(opened.url, content=b"x")).status_code == 405
    assert site.on_disk(Area.DIAGNOSTICS) == {}


async def test_a_file_that_is_gone(site: DropSite, web: httpx.AsyncClient) -> None:
    fetch = await site.firmware(CONTENT)
    opened = await site.open(fetch)
    await site.vault.remove(Area.FIRMWARE, [fetch.file_id])
    assert (await web.get(opened.url)).status_code == 404
    assert site.vault.used == 0


async def test_a_station_that_hangs_up_has_not_fetched(site: DropSite) -> None:
    opened = await site.open(await site.firmware(CONTENT * 40))
    path = urlsplit(opened.url).path
    reader, writer = await asyncio.open_connection(HOST, site.listener.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readexactly(1000)
    writer.transport.abort()
    await until(lambda: not site.listener_busy)
    assert site.told.began_orders == [opened.order.order_id]
    assert site.told.fetched_orders == []


# ---------------------------------------------------------------- HTTP, diagnostics


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_station_leaves_its_diagnostics(
    site: DropSite, web: httpx.AsyncClient, method: str
) -> None:
    opened = await site.open(Leave(MB))
    answer = await web.request(method, f"{opened.url}diag.tar.gz", content=CONTENT)
    assert answer.status_code == (201 if method == "PUT" else 200)
    [(file_id, name, received, complete)] = site.told.left_files
    assert (name, received.size, complete) == ("diag.tar.gz", 512_000, True)
    assert site.content(file_id) == CONTENT


async def test_a_form_with_a_file_is_taken(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(Leave(MB))
    answer = await web.post(
        opened.url, data={"comment": "none"}, files={"upload": ("log 1.txt", CONTENT)}
    )
    assert answer.status_code == 200
    [(file_id, name, _, complete)] = site.told.left_files
    assert (name, complete) == ("log 1.txt", True)
    assert site.content(file_id) == CONTENT


async def test_an_upload_in_chunks_of_unknown_length(
    site: DropSite, web: httpx.AsyncClient
) -> None:
    opened = await site.open(Leave(MB))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 50_000):
            yield CONTENT[start : start + 50_000]

    assert (await web.put(f"{opened.url}d.bin", content=pieces())).status_code == 201
    assert site.content(site.told.left_files[0][0]) == CONTENT


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..%2f..%2fbornier.sqlite3",
        "..\\..\\boot.ini",
        "%2e%2e/%2e%2e/db/bornier.sqlite3",
        "a/b/c/../x",
        "%00",
        "con%0d%0aX-Evil: 1",
        ".",
        "x" * 300,
    ],
)
async def test_no_name_leads_out_of_the_vault(
    site: DropSite, web: httpx.AsyncClient, name: str
) -> None:
    before = {path for path in site.folder.parent.rglob("*") if path.is_file()}
    opened = await site.open(Leave(MB))
    path = urlsplit(opened.url).path
    reader, writer = await asyncio.open_connection(HOST, site.listener.port)
    writer.write(f"PUT {path}{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nevil".encode())
    await reader.read()
    writer.close()
    after = {path for path in site.folder.parent.rglob("*") if path.is_file()}
    inside = site.folder / "files" / "diagnostics"
    assert all(path.parent == inside for path in after - before)
    for _, shown, _, _ in site.told.left_files:
        assert shown == Path(shown).name
        assert shown.isprintable()
        assert 0 < len(shown) <= 80
    assert (await web.get(f"http://{HOST}:{site.listener.port}/files/")).status_code == 404


async def test_who_leaves_may_not_read(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(Leave(MB))
    await web.put(f"{opened.url}d.bin", content=b"secret")
    assert (await web.get(f"{opened.url}d.bin")).status_code == 405


async def test_an_upload_that_breaks_off_is_kept_as_a_part(site: DropSite) -> None:
    opened = await site.open(Leave(MB))
    path = urlsplit(opened.url).path
    _, writer = await asyncio.open_connection(HOST, site.listener.port)
    head = f"PUT {path}d.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 512000\r\n\r\n"
    writer.write(head.encode() + CONTENT[:300_000])
    await writer.drain()
    await until(lambda: site.vault.used > 100_000)
    writer.close()
    await until(lambda: site.told.left_files)
    [(file_id, _, received, complete)] = site.told.left_files
    assert not complete
    assert received.size == 300_000
    assert site.content(file_id, part=True) == CONTENT[:300_000]


async def test_an_upload_of_nothing_that_breaks_off_leaves_nothing(site: DropSite) -> None:
    opened = await site.open(Leave(MB))
    path = urlsplit(opened.url).path
    _, writer = await asyncio.open_connection(HOST, site.listener.port)
    writer.write(f"PUT {path}d HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode())
    await until(lambda: site.told.began_orders)
    writer.close()
    await until(lambda: not site.listener_busy)
    assert site.on_disk(Area.DIAGNOSTICS) == {}
    assert site.told.left_files == []


async def test_an_upload_that_stands_still_is_ended(tmp_path: Path) -> None:
    async with drop_site(tmp_path, idle_s=0.2) as site:
        opened = await site.open(Leave(MB))
        path = urlsplit(opened.url).path
        reader, writer = await asyncio.open_connection(HOST, site.listener.port)
        writer.write(f"PUT {path}d HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()
        assert [complete for *_, complete in site.told.left_files] == [False]


@pytest.mark.parametrize(
    "body",
    [b"no form at all", b"--b\r\ncontent-disposition: form-data; name=x\r\n\r\nv\r\n--b--\r\n"],
)
async def test_a_form_without_a_file_is_refused(
    site: DropSite, web: httpx.AsyncClient, body: bytes
) -> None:
    opened = await site.open(Leave(MB))
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await web.post(opened.url, content=body, headers=kind)).status_code == 400
    assert site.told.left_files == []


async def test_a_form_that_ends_early_leaves_a_part(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(Leave(MB))
    body = b'--b\r\ncontent-disposition: form-data; name="f"; filename="x.log"\r\n\r\nhalf of'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await web.post(opened.url, content=body, headers=kind)).status_code == 400
    [(_, name, _, complete)] = site.told.left_files
    assert (name, complete) == ("x.log", False)


# ---------------------------------------------------------------- quotas and the disk


async def test_an_order_holds_so_many_bytes_and_no_more(
    site: DropSite, web: httpx.AsyncClient
) -> None:
    opened = await site.open(Leave(600_000))
    assert (await web.put(f"{opened.url}1", content=CONTENT)).status_code == 201
    assert (await web.put(f"{opened.url}2", content=CONTENT)).status_code == 413
    assert list(site.on_disk(Area.DIAGNOSTICS).values()) == [512_000]
    assert site.vault.used == 512_000


async def test_an_order_holds_so_many_files_and_no_more(
    site: DropSite, web: httpx.AsyncClient
) -> None:
    opened = await site.open(Leave(MB))
    answers = [(await web.put(f"{opened.url}{n}", content=b"x")).status_code for n in range(9)]
    assert answers == [201] * 8 + [413]


async def test_all_files_together_have_a_bound(tmp_path: Path, web: httpx.AsyncClient) -> None:
    async with drop_site(tmp_path, limits=VaultLimits(most=700_000, floor=0)) as site:
        opened = await site.open(Leave(MB))
        assert (await web.put(f"{opened.url}1", content=CONTENT)).status_code == 201
        assert (await web.put(f"{opened.url}2", content=CONTENT)).status_code == 507
        assert site.vault.used == 512_000


@needs_root
async def test_a_disk_that_fills_up_is_told_and_given_back(
    tmp_path: Path, web: httpx.AsyncClient
) -> None:
    with small_disk(tmp_path / "disk", 2_000) as disk:
        async with drop_site(disk) as site:
            opened = await site.open(Leave(50 * MB))
            answer = await web.put(f"{opened.url}big", content=CONTENT * 10)
            assert answer.status_code == 507
            assert site.on_disk(Area.DIAGNOSTICS) == {}
            assert (await web.put(f"{opened.url}small", content=CONTENT)).status_code == 201


@needs_root
async def test_the_last_of_the_disk_is_not_for_files(
    tmp_path: Path, web: httpx.AsyncClient
) -> None:
    with small_disk(tmp_path / "disk", 4_000) as disk:
        async with drop_site(disk, limits=VaultLimits(floor=8 * MB)) as site:
            opened = await site.open(Leave(MB))
            assert (await web.put(f"{opened.url}a", content=b"x")).status_code == 507


# ---------------------------------------------------------------- who may


async def test_a_wrong_token_opens_nothing_and_is_slowed_down(
    site: DropSite, web: httpx.AsyncClient
) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    wrong = opened.url.replace("/files/", "/files/0")
    answers = [(await web.get(wrong)).status_code for _ in range(8)]
    assert answers[0] == 404
    assert answers[-1] == 429
    assert site.drop.refused == 8
    # Others behind the same address are not made to wait for it.
    assert (await web.get(opened.url)).status_code == 200


async def test_one_digit_off_opens_nothing(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    head, _, name = opened.url.rpartition("/")
    last = "0" if head[-1] != "0" else "1"
    assert (await web.get(f"{head[:-1]}{last}/{name}")).status_code == 404


async def test_an_order_ends_with_its_time(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT), lasts_s=60)
    site.clock.advance(61)
    assert (await web.get(opened.url)).status_code == 404
    await site.drop.expire()
    assert not site.drop.is_open(opened.order)


async def test_an_order_ends_when_it_is_closed(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    await site.drop.close(opened.order.order_id)
    assert (await web.get(opened.url)).status_code == 404


async def test_an_order_for_ftp_is_none_for_http(site: DropSite, web: httpx.AsyncClient) -> None:
    opened = await site.open(await site.firmware(CONTENT), Scheme.FTP)
    token = f"{opened.order.order_id}{urlsplit(opened.url).password}"
    url = f"http://{HOST}:{site.listener.port}/files/{token}/x"
    assert (await web.get(url)).status_code == 404


async def test_orders_outlive_a_restart(tmp_path: Path, web: httpx.AsyncClient) -> None:
    async with drop_site(tmp_path) as first:
        opened = await first.open(await first.firmware(CONTENT))
        by_ftp = await first.open(first.firmware_again(), Scheme.FTP)
    async with drop_site(tmp_path) as second:
        parts = urlsplit(opened.url)
        url = f"http://{HOST}:{second.listener.port}{parts.path}"
        assert (await web.get(url)).content == CONTENT
        assert second.ftp.listening
        assert second.drop.is_open(by_ftp.order)


async def test_without_the_secret_the_disk_tells_nothing(site: DropSite) -> None:
    opened = await site.open(await site.firmware(CONTENT))
    secret = urlsplit(opened.url).path.split("/")[2][12:]
    assert secret.encode() not in (site.folder / "db" / "bornier.sqlite3").read_bytes()
    wal = site.folder / "db" / "bornier.sqlite3-wal"
    assert not wal.exists() or secret.encode() not in wal.read_bytes()


async def test_a_stranger_keeps_the_bounds_of_a_stranger(site: DropSite) -> None:
    reader, writer = await asyncio.open_connection(HOST, site.listener.port)
    writer.write(b"PUT /files/none/x HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        writer.write(b"x" * 900_000)
        await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
    writer.close()
    assert site.on_disk(Area.DIAGNOSTICS) == {}


# ---------------------------------------------------------------- FTP


@contextlib.asynccontextmanager
async def ftp(url: str) -> AsyncIterator[aioftp.Client]:
    """A client that is signed in."""
    parts = urlsplit(url)
    client = aioftp.Client(socket_timeout=10)
    await client.connect(str(parts.hostname), int(parts.port or 0))
    try:
        await client.login(str(parts.username), str(parts.password))
        yield client
    finally:
        client.close()


async def test_ftp_gives_firmware(site: DropSite) -> None:
    opened = await site.open(await site.firmware(CONTENT), Scheme.FTP)
    async with ftp(opened.url) as client, client.download_stream("fw 1.bin") as stream:
        assert await stream.read(-1) == CONTENT
    assert site.told.fetched_orders == [opened.order.order_id]


async def test_ftp_goes_on_where_it_broke_off(site: DropSite) -> None:
    opened = await site.open(await site.firmware(CONTENT), Scheme.FTP)
    async with ftp(opened.url) as client:
        code, info = await client.command("SIZE fw 1.bin", "213")
        assert (str(code), info[0].strip()) == ("213", "512000")
        async with client.download_stream("x", offset=500_000) as stream:
            assert await stream.read(-1) == CONTENT[500_000:]


async def test_ftp_takes_diagnostics(site: DropSite) -> None:
    opened = await site.open(Leave(MB), Scheme.FTP)
    async with ftp(opened.url) as client:
        async with client.upload_stream("diag.zip") as stream:
            await stream.write(CONTENT)
    [(file_id, name, _, complete)] = site.told.left_files
    assert (name, complete) == ("diag.zip", True)
    assert site.content(file_id) == CONTENT


async def test_ftp_writes_nowhere_else(site: DropSite) -> None:
    opened = await site.open(Leave(MB), Scheme.FTP)
    async with ftp(opened.url) as client:
        async with client.upload_stream("/../../../etc/cron.d/evil") as stream:
            await stream.write(b"x")
        for command in ("DELE x", "MKD x", "RMD x", "RNFR x", "APPE x", "LIST", "MLSD", "PORT 1"):
            code, _ = await client.command(command, ("502", "550"))
            assert str(code) in ("502", "550"), command
        code, _ = await client.command("CWD ../..", ("250", "550"))
        assert str(code) == "250"  # the only folder there is
        code, _ = await client.command("CWD /etc", "550")
        code, _ = await client.command("RETR x", "550")
    assert [name for _, name, *_ in site.told.left_files] == ["evil"]
    assert len(site.on_disk(Area.DIAGNOSTICS)) == 1


async def test_ftp_keeps_quotas(site: DropSite) -> None:
    opened = await site.open(Leave(100_000), Scheme.FTP)
    async with ftp(opened.url) as client:
        with pytest.raises(aioftp.StatusCodeError) as refused:  # noqa: PT012
            async with client.upload_stream("big") as stream:
                with contextlib.suppress(ConnectionError):
                    await stream.write(CONTENT)
        assert str(refused.value.received_codes[0]) == "552"
    assert site.on_disk(Area.DIAGNOSTICS) == {}


async def test_ftp_refuses_wrong_passwords_and_hangs_up(site: DropSite) -> None:
    opened = await site.open(Leave(MB), Scheme.FTP)
    client = aioftp.Client(socket_timeout=10)
    await client.connect(HOST, site.ftp_port)
    for _ in range(3):
        await client.command(f"USER {opened.order.order_id}", "331")
        await client.command("PASS wrong", "530")
    with pytest.raises(ConnectionError):
        await client.command("USER x", "331")
    assert site.drop.refused == 3
    client.close()


async def test_ftp_without_a_password_does_nothing(site: DropSite) -> None:
    await site.open(Leave(MB), Scheme.FTP)
    client = aioftp.Client(socket_timeout=10)
    await client.connect(HOST, site.ftp_port)
    for command in ("PASV", "EPSV"):
        await client.command(command, "503")
    for command in ("STOR x", "RETR x", "SIZE x"):
        await client.command(command, "530")
    await client.command("CWD /", "550")
    await client.command("FEAT", "211")
    await client.command("NOOP", "200")
    client.close()


async def test_ftp_needs_passive_mode_first(site: DropSite) -> None:
    opened = await site.open(Leave(MB), Scheme.FTP)
    async with ftp(opened.url) as client:
        await client.command("STOR x", "503")


async def test_ftp_a_lost_control_connection_leaves_a_part(site: DropSite) -> None:
    opened = await site.open(Leave(MB), Scheme.FTP)
    async with ftp(opened.url) as client:
        stream = await client.upload_stream("d.bin")
        await stream.write(CONTENT[:200_000])
        await until(lambda: site.vault.used == 200_000)
        client.close()
        await until(lambda: site.told.left_files)
        stream.close()
    assert [complete for *_, complete in site.told.left_files] == [False]


async def test_ftp_closes_after_the_last_order(site: DropSite) -> None:
    opened = await site.open(Leave(MB), Scheme.FTP)
    await site.drop.close(opened.order.order_id)
    await site.drop.expire()
    assert site.ftp.listening  # who is about to hang up may do so
    site.clock.advance(FTP_LINGER_S)
    await site.drop.expire()
    assert not site.ftp.listening


async def test_ftp_a_port_that_is_taken_is_told(site: DropSite) -> None:
    taken = await asyncio.start_server(lambda _r, w: w.close(), HOST, site.ftp_port)
    async with taken:
        with pytest.raises(StorageError, match="files-ftp-closed"):
            await site.open(Leave(MB), Scheme.FTP)
    assert not site.ftp.listening
    await site.open(Leave(MB), Scheme.FTP)
    assert site.ftp.listening


async def test_ftp_an_address_holds_so_many_connections(site: DropSite) -> None:
    await site.open(Leave(MB), Scheme.FTP)
    clients = [aioftp.Client(socket_timeout=10) for _ in range(9)]
    for client in clients[:8]:
        await client.connect(HOST, site.ftp_port)
    with pytest.raises(aioftp.StatusCodeError):
        await clients[8].connect(HOST, site.ftp_port)
    for client in clients:
        client.close()
