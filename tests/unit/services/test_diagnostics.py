"""Diagnostics: asked for, followed by every scheme, kept and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.errors import InvalidInputError, NotFoundError, StorageError
from app.domain.station_files import DiagnosticsRequest, LogKind, RequestState, Scheme
from app.services.diagnostics import NOTHING_ARRIVED
from app.services.file_drop import Ports
from app.services.file_ports import Area
from tests.support.scripted import ScriptedStation, settle
from tests.unit.services.files_bench import ADMIN, FilesBench, eventually, files_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[FilesBench]:
    async with files_bench(tmp_path, "A-1", "A-2") as running:
        yield running


async def ask(
    bench: FilesBench, *names: str, kind: LogKind = LogKind.DIAGNOSTICS
) -> list[DiagnosticsRequest]:
    return await bench.files.diagnostics.ask(names or ("A-1",), kind, ADMIN)


def newest(bench: FilesBench, name: str = "A-1") -> DiagnosticsRequest:
    return bench.files.diagnostics.requests(name)[0]


async def told(station: ScriptedStation, count: int = 1) -> str:
    await eventually(lambda: len(station.sent("GetDiagnostics")) >= count)
    await settle()
    return str(station.sent("GetDiagnostics")[-1]["location"])


async def status(station: ScriptedStation, value: str) -> None:
    await station.call("DiagnosticsStatusNotification", status=value)
    await settle()


async def test_a_station_uploads_and_says_so(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    url = await told(station)
    assert url.startswith("http://10.0.0.9:8080/files/")
    assert url.endswith("/")  # a folder: the station names the file
    assert newest(bench).told_name == "diag.zip"
    await status(station, "Uploading")
    assert newest(bench).state is RequestState.UPLOADING
    await bench.leave(url, b"log" * 9)
    await status(station, "Uploaded")
    await eventually(lambda: newest(bench).state is RequestState.UPLOADED)
    [file] = bench.files.diagnostics.files("A-1")
    assert (file.name, file.size, file.complete) == ("diag.zip", 27, True)
    reading = await bench.files.diagnostics.read(file)
    assert await reading.read(0, 99) == b"log" * 9
    await reading.close()


async def test_a_file_counts_where_the_station_says_nothing(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    await bench.leave(await told(station))
    assert newest(bench).state is RequestState.UPLOADED


async def test_a_failed_upload_goes_on_by_every_scheme(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    seen = []
    for count in (1, 2, 3):
        seen.append((await told(station, count)).partition(":")[0])
        await status(station, "UploadFailed")
    assert seen == ["http", "ftp", "https"]
    await eventually(lambda: newest(bench).state is RequestState.FAILED)
    assert newest(bench).tried == (Scheme.HTTP, Scheme.FTP, Scheme.HTTPS)
    assert newest(bench).reason == "UploadFailed"


async def test_a_station_that_lists_its_schemes_is_believed(bench: FilesBench) -> None:
    keys = [{"key": "SupportedFileTransferProtocols", "readonly": True, "value": "FTP"}]
    station = await bench.connect("A-1", GetConfiguration={"configurationKey": keys})
    await ask(bench)
    assert (await told(station)).startswith("ftp://")


async def test_uploaded_without_a_file_is_no_success(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    for count in (1, 2, 3):
        await told(station, count)
        await status(station, "Uploaded")
    await eventually(lambda: newest(bench).state is RequestState.FAILED)
    assert newest(bench).reason == NOTHING_ARRIVED


async def test_a_part_is_told_and_the_next_scheme_tried(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    await bench.leave(await told(station), complete=False)
    assert newest(bench).state is RequestState.UPLOADING
    await status(station, "UploadFailed")
    await bench.leave(await told(station, 2))
    assert [file.complete for file in bench.files.diagnostics.files("A-1")] in (
        [True, False],
        [False, True],
    )
    assert newest(bench).state is RequestState.UPLOADED


async def test_silence_ends_it_after_every_scheme(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    for count in (1, 2, 3):
        await told(station, count)
        await bench.tick(5 * 60)
    assert newest(bench).state is RequestState.TIMED_OUT


async def test_a_station_with_nothing_to_upload(bench: FilesBench) -> None:
    await bench.connect("A-1", GetDiagnostics={})
    await ask(bench)
    await eventually(lambda: newest(bench).state is RequestState.NOTHING)


async def test_a_refusal_is_quoted(bench: FilesBench) -> None:
    await bench.connect("A-1", GetDiagnostics="NotSupported")
    await ask(bench)
    await eventually(lambda: newest(bench).state is RequestState.REFUSED)
    assert "NotSupported" in newest(bench).reason


async def test_a_station_that_is_away(bench: FilesBench) -> None:
    await ask(bench)
    await eventually(lambda: newest(bench).state is RequestState.UNREACHABLE)


async def test_a_station_that_leaves_while_it_is_told(bench: FilesBench) -> None:
    station = await bench.connect("A-1", GetDiagnostics=lambda _payload: None)
    await ask(bench)
    await told(station)
    await station.hang_up()
    await eventually(lambda: newest(bench).state is RequestState.UNREACHABLE)


async def test_a_security_log(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench, kind=LogKind.SECURITY_LOG)
    await eventually(lambda: bool(station.sent("GetLog")))
    [sent] = station.sent("GetLog")
    assert sent["logType"] == "SecurityLog"
    await settle()
    await station.call("LogStatusNotification", status="Uploading", requestId=99)
    assert newest(bench).state is RequestState.ASKED  # of another request
    await station.call("LogStatusNotification", status="Uploading", requestId=sent["requestId"])
    assert newest(bench).state is RequestState.UPLOADING
    await station.call("LogStatusNotification", status="Idle")
    await bench.leave(sent["log"]["remoteLocation"])
    await station.call("LogStatusNotification", status="Uploaded")
    await eventually(lambda: newest(bench).state is RequestState.UPLOADED)
    assert bench.files.diagnostics.files()[0].name == "sec.log"


async def test_a_log_that_is_refused_or_fails(bench: FilesBench) -> None:
    station = await bench.connect("A-1", GetLog={"status": "Rejected"})
    await ask(bench, kind=LogKind.DIAGNOSTICS_LOG)
    await eventually(lambda: newest(bench).state is RequestState.REFUSED)
    station.answers["GetLog"] = {"status": "Accepted"}
    await ask(bench, kind=LogKind.DIAGNOSTICS_LOG)
    await eventually(lambda: len(station.sent("GetLog")) == 2)
    await settle()
    await station.call("LogStatusNotification", status="PermissionDenied")
    await eventually(lambda: len(station.sent("GetLog")) == 3)
    assert newest(bench).reason == "PermissionDenied"


async def test_many_are_asked_and_each_tells_its_own(bench: FilesBench) -> None:
    await bench.connect("A-1", GetDiagnostics={})
    asked = await ask(bench, "A-1", "A-2", "A-1")
    assert [one.station_id for one in asked] == ["A-1", "A-2"]
    await eventually(
        lambda: (
            (newest(bench).state, newest(bench, "A-2").state)
            == (RequestState.NOTHING, RequestState.UNREACHABLE)
        )
    )


async def test_what_cannot_be_asked(bench: FilesBench) -> None:
    await bench.connect("A-1")
    with pytest.raises(NotFoundError, match="station-unknown"):
        await ask(bench, "Z")
    await ask(bench)
    with pytest.raises(InvalidInputError, match="diagnostics-running"):
        await ask(bench)
    await bench.files.drop.serve_at(Ports(), None)
    with pytest.raises(StorageError, match="files-unavailable"):
        await ask(bench, "A-2")


async def test_a_restart_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    async with files_bench(tmp_path, "A-1") as bench:
        station = await bench.connect("A-1")
        await ask(bench)
        url = await told(station)
        await bench.restart()
        assert newest(bench).state is RequestState.ASKED
        station = await bench.connect("A-1")
        await bench.leave(url)
        await status(station, "Uploaded")
        assert newest(bench).state is RequestState.UPLOADED


async def test_files_of_interrupted_uploads_are_tidied_away(tmp_path: Path) -> None:
    async with files_bench(tmp_path, "A-1") as bench:
        folder = tmp_path / "files" / Area.DIAGNOSTICS.value
        folder.mkdir(parents=True)
        (folder / f"{'ab' * 6}.part").write_bytes(b"half")
        await bench.restart()
        assert list((tmp_path / "files" / "diagnostics").iterdir()) == []
        assert bench.files.drop.vault.used == 0


async def test_deleting_and_forgetting(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await ask(bench)
    await bench.leave(await told(station))
    diagnostics = bench.files.diagnostics
    [file] = diagnostics.files()
    with pytest.raises(NotFoundError, match="file-gone"):
        diagnostics.file("A-2", file.file_id)
    assert diagnostics.file("A-1", file.file_id) == file
    assert await diagnostics.prune(bench.site.clock.utc_now() - timedelta(days=1)) == 0
    await diagnostics.remove(file, ADMIN)
    assert diagnostics.files() == []
    with pytest.raises(NotFoundError):
        await diagnostics.read(file)
    await diagnostics.prune(bench.site.clock.utc_now() + timedelta(seconds=1))
    assert diagnostics.requests() == []


async def test_the_oldest_files_make_room(
    bench: FilesBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.files.diagnostics, "_all_most", 10)
    station = await bench.connect("A-1")
    await ask(bench)
    url = await told(station)
    for content in (b"first.", b"second", b"much longer than all"):
        bench.site.clock.advance(1)
        await bench.leave(url, content)
    assert [file.size for file in bench.files.diagnostics.files()] == [20]
    assert bench.files.drop.vault.used == 20
