"""Firmware campaigns: waves, what stations report, restarts in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.campaign import Campaign, CampaignState, Stage, StationUpdate, Why, Window
from app.domain.errors import InvalidInputError, NotFoundError, StorageError
from app.domain.station_files import FirmwareFile, Scheme
from app.services.campaigns import CampaignOrder
from app.services.file_drop import Ports
from tests.support.scripted import ScriptedStation, settle
from tests.unit.services.files_bench import ADMIN, FilesBench, eventually, files_bench

NAMES = ("A-1", "A-2", "A-3", "A-4")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[FilesBench]:
    async with files_bench(tmp_path, *NAMES) as running:
        yield running


async def begin(bench: FilesBench, file: FirmwareFile | None = None, **changes: Any) -> Campaign:
    file = file or await bench.firmware()
    order = CampaignOrder(file_id=file.file_id, **{"station_ids": NAMES, **changes})
    return await bench.files.campaigns.create(order, ADMIN)


def stages(bench: FilesBench, campaign_id: int = 1) -> list[Stage]:
    return [update.stage for update in bench.files.campaigns.updates(campaign_id)]


def update_of(bench: FilesBench, name: str, campaign_id: int = 1) -> StationUpdate:
    return next(
        each for each in bench.files.campaigns.updates(campaign_id) if each.station_id == name
    )


async def told(bench: FilesBench, station: ScriptedStation, count: int = 1) -> str:
    """The URL that the station was told last."""
    await eventually(lambda: len(station.sent("UpdateFirmware")) >= count)
    return str(station.sent("UpdateFirmware")[-1]["location"])


async def status(station: ScriptedStation, value: str) -> None:
    await station.call("FirmwareStatusNotification", status=value)
    await settle()


async def reboot(bench: FilesBench, name: str, firmware: str) -> ScriptedStation:
    await bench.stations[name].hang_up()
    return await bench.connect(name, firmware)


async def test_a_station_goes_through_every_stage(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    url = await told(bench, station)
    assert url.startswith("http://10.0.0.9:8080/files/")
    assert url.endswith("/fw.bin")
    assert stages(bench) == [Stage.TOLD]
    await bench.fetch(url)
    assert stages(bench) == [Stage.DOWNLOADED]
    await status(station, "Downloading")  # late: nothing goes back
    assert stages(bench) == [Stage.DOWNLOADED]
    await status(station, "Installing")
    assert stages(bench) == [Stage.INSTALLING]
    await status(station, "Installed")
    assert stages(bench) == [Stage.INSTALLED]
    await reboot(bench, "A-1", "2.0")
    await bench.tick()
    assert stages(bench) == [Stage.VERIFIED]
    found = update_of(bench, "A-1")
    assert (found.before, found.after) == ("1.0", "2.0")
    await bench.tick()
    assert bench.files.campaigns.get(1).state is CampaignState.DONE
    # The order has ended with it.
    with pytest.raises(AssertionError):
        bench.order(url)


async def test_a_station_that_comes_back_unchanged_has_failed(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    await told(bench, station)
    await status(station, "Installed")
    await reboot(bench, "A-1", "1.0")
    await bench.tick()
    assert stages(bench) == [Stage.REBOOTED]
    await bench.tick(15 * 60)
    assert (stages(bench), update_of(bench, "A-1").why) == ([Stage.FAILED], Why.SAME_VERSION)
    # Some restart twice: it was only slow.
    await reboot(bench, "A-1", "2.0")
    await bench.tick()
    assert stages(bench) == [Stage.VERIFIED]


async def test_pilots_go_first_then_a_few_at_once(bench: FilesBench) -> None:
    for name in NAMES:
        await bench.connect(name)
    await begin(bench, at_once=2)
    await bench.tick()
    assert stages(bench).count(Stage.TOLD) == 1
    await bench.tick()
    assert stages(bench).count(Stage.TOLD) == 1
    await told(bench, bench.stations["A-1"])
    await reboot(bench, "A-1", "2.0")
    await bench.tick()
    assert stages(bench) == [Stage.VERIFIED, Stage.TOLD, Stage.TOLD, Stage.WAITING]


async def test_too_many_failures_stop_it_and_a_retry_goes_on(bench: FilesBench) -> None:
    for name in NAMES:
        await bench.connect(name)
    await begin(bench, most_failures=0)
    await bench.tick()
    await told(bench, bench.stations["A-1"])
    await status(bench.stations["A-1"], "InstallationFailed")
    await bench.tick()
    assert bench.files.campaigns.get(1).state is CampaignState.STOPPED
    await bench.tick()
    assert stages(bench) == [Stage.FAILED, *[Stage.WAITING] * 3]
    assert update_of(bench, "A-1").detail == "InstallationFailed"
    with pytest.raises(InvalidInputError, match="campaign-not-now"):
        await bench.files.campaigns.resume(1, ADMIN)
    assert await bench.files.campaigns.retry(1, ADMIN) == 1
    await bench.tick()
    await told(bench, bench.stations["A-1"], 2)
    assert bench.files.campaigns.get(1).state is CampaignState.RUNNING
    assert stages(bench)[0] is Stage.TOLD


async def test_a_car_that_charges_is_waited_for(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    answer = await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="AAAA",
        meterStart=0,
        timestamp=bench.site.clock.utc_now().isoformat(),
    )
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    assert stages(bench) == [Stage.WAITING]
    await station.call(
        "StopTransaction",
        transactionId=answer["transactionId"],
        meterStop=5,
        timestamp=bench.site.clock.utc_now().isoformat(),
    )
    await bench.tick()
    assert stages(bench) == [Stage.TOLD]


async def test_a_car_does_not_matter_where_that_is_wanted(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await station.call(
        "StartTransaction",
        connectorId=1,
        idTag="AAAA",
        meterStart=0,
        timestamp=bench.site.clock.utc_now().isoformat(),
    )
    await begin(bench, station_ids=("A-1",), idle_only=False)
    await bench.tick()
    assert stages(bench) == [Stage.TOLD]


async def test_outside_of_its_window_nobody_begins(bench: FilesBench) -> None:
    await bench.connect("A-1")
    assert bench.site.clock.utc_now() == datetime(2026, 11, 22, 8, tzinfo=UTC)  # 9 h in Paris
    await begin(bench, station_ids=("A-1",), window=Window(22 * 60, 5 * 60))
    await bench.tick()
    assert stages(bench) == [Stage.WAITING]
    await bench.tick(13.5 * 3600)
    assert stages(bench) == [Stage.TOLD]


async def test_a_station_that_is_away_is_waited_for(bench: FilesBench) -> None:
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    assert stages(bench) == [Stage.WAITING]
    await bench.connect("A-1")
    await bench.tick()
    assert stages(bench) == [Stage.TOLD]


async def test_pause_resume_cancel(bench: FilesBench) -> None:
    for name in NAMES[:2]:
        await bench.connect(name)
    await begin(bench, station_ids=NAMES[:2], pilots=0, at_once=1)
    await bench.tick()
    await bench.files.campaigns.pause(1, ADMIN)
    await reboot(bench, "A-1", "2.0")
    await bench.tick()
    assert stages(bench) == [Stage.VERIFIED, Stage.WAITING]
    await bench.files.campaigns.resume(1, ADMIN)
    await bench.tick()
    assert stages(bench) == [Stage.VERIFIED, Stage.TOLD]
    await bench.files.campaigns.cancel(1, ADMIN)
    assert stages(bench) == [Stage.VERIFIED, Stage.TOLD]  # it is followed to its end
    await reboot(bench, "A-2", "2.0")
    await bench.tick()
    assert stages(bench) == [Stage.VERIFIED, Stage.VERIFIED]


async def test_cancelled_ones_do_not_begin(bench: FilesBench) -> None:
    await begin(bench)
    await bench.files.campaigns.cancel(1, ADMIN)
    await bench.connect("A-1")
    await bench.tick()
    assert stages(bench) == [Stage.CANCELLED] * 4
    with pytest.raises(InvalidInputError, match="campaign-nothing-failed"):
        await bench.files.campaigns.retry(1, ADMIN)


async def test_a_failed_download_is_tried_by_every_scheme(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    seen = []
    for count in (1, 2, 3):
        url = await told(bench, station, count)
        seen.append(url.partition(":")[0])
        assert bench.gate.is_open is (count == 2)
        await status(station, "DownloadFailed")
        if count == 2:
            bench.site.clock.advance(60)
            await bench.files.drop.expire()
    assert seen == ["http", "ftp", "https"]
    assert (stages(bench), update_of(bench, "A-1").why) == ([Stage.FAILED], Why.DOWNLOAD)


async def test_what_worked_at_a_model_comes_first_at_the_next(bench: FilesBench) -> None:
    first, second = await bench.connect("A-1"), await bench.connect("A-2")
    await begin(bench, station_ids=("A-1", "A-2"))
    await bench.tick()
    await told(bench, first)
    await status(first, "DownloadFailed")
    await bench.fetch(await told(bench, first, 2))
    await reboot(bench, "A-1", "2.0")
    await bench.tick()
    assert (await told(bench, second)).startswith("ftp://")
    assert update_of(bench, "A-2").tried == (Scheme.FTP,)


async def test_a_silent_station_is_told_again_then_given_up(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    for count in (1, 2, 3):
        await told(bench, station, count)
        await bench.tick(20 * 60)
    assert stages(bench) == [Stage.TIMED_OUT]
    assert update_of(bench, "A-1").detail == "told"


async def test_who_has_it_already_is_skipped(bench: FilesBench) -> None:
    station = await bench.connect("A-1", "2.0")
    await begin(bench, await bench.firmware(version="2.0"), station_ids=("A-1",))
    await bench.tick()
    await eventually(lambda: stages(bench) == [Stage.VERIFIED])
    assert update_of(bench, "A-1").why is Why.ALREADY
    assert station.sent("UpdateFirmware") == []


async def test_a_refusal_is_quoted(bench: FilesBench) -> None:
    await bench.connect("A-1", UpdateFirmware="InternalError")
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    await eventually(lambda: stages(bench) == [Stage.FAILED])
    found = update_of(bench, "A-1")
    assert found.why is Why.REFUSED
    assert "InternalError" in found.detail


async def test_a_station_lost_while_it_is_told_waits_again(bench: FilesBench) -> None:
    station = await bench.connect("A-1", UpdateFirmware=lambda _payload: None)
    await begin(bench, station_ids=("A-1",))
    await bench.tick()
    await told(bench, station)
    await station.hang_up()
    await eventually(lambda: stages(bench) == [Stage.WAITING])


async def test_a_station_that_is_removed_has_failed(bench: FilesBench) -> None:
    await begin(bench, station_ids=("A-1", "A-2"))
    await bench.site.manager.configuration.remove_station("A-1", ADMIN)
    await bench.tick()
    assert (stages(bench), update_of(bench, "A-1").why) == (
        [Stage.FAILED, Stage.WAITING],
        Why.REMOVED,
    )


# ---------------------------------------------------------------- signed firmware

PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"


async def signed(bench: FilesBench) -> FirmwareFile:
    return await bench.firmware(signature="c2lnbmVk", certificate=PEM)


async def test_a_signed_firmware_is_told_with_its_signature(bench: FilesBench) -> None:
    station = await bench.connect("A-1", SignedUpdateFirmware={"status": "Accepted"})
    await begin(bench, await signed(bench), station_ids=("A-1",))
    await bench.tick()
    await eventually(lambda: bool(station.sent("SignedUpdateFirmware")))
    [sent] = station.sent("SignedUpdateFirmware")
    assert (sent["firmware"]["signature"], sent["firmware"]["signingCertificate"]) == (
        "c2lnbmVk",
        PEM,
    )
    assert station.sent("UpdateFirmware") == []
    for value, stage in (
        ("DownloadScheduled", Stage.TOLD),
        ("Downloading", Stage.DOWNLOADING),
        ("SignatureVerified", Stage.DOWNLOADED),
        ("Installing", Stage.INSTALLING),
        ("InstallRebooting", Stage.INSTALLED),
    ):
        await station.call(
            "SignedFirmwareStatusNotification", status=value, requestId=sent["requestId"]
        )
        assert stages(bench) == [stage], value
    await station.call("SignedFirmwareStatusNotification", status="InvalidSignature", requestId=1)
    assert stages(bench) == [Stage.INSTALLED]  # of another request
    await station.call("SignedFirmwareStatusNotification", status="InstallVerificationFailed")
    assert update_of(bench, "A-1").why is Why.INSTALLATION


async def test_a_bad_signature_ends_it(bench: FilesBench) -> None:
    station = await bench.connect("A-1", SignedUpdateFirmware={"status": "Accepted"})
    await begin(bench, await signed(bench), station_ids=("A-1",))
    await bench.tick()
    await eventually(lambda: bool(station.sent("SignedUpdateFirmware")))
    await station.call("SignedFirmwareStatusNotification", status="InvalidSignature")
    assert update_of(bench, "A-1").why is Why.SIGNATURE


async def test_a_signed_download_that_failed_goes_on_by_another_scheme(bench: FilesBench) -> None:
    station = await bench.connect("A-1", SignedUpdateFirmware={"status": "Accepted"})
    await begin(bench, await signed(bench), station_ids=("A-1",))
    await bench.tick()
    await eventually(lambda: bool(station.sent("SignedUpdateFirmware")))
    await station.call("SignedFirmwareStatusNotification", status="DownloadFailed")
    await eventually(lambda: len(station.sent("SignedUpdateFirmware")) == 2)
    first, second = station.sent("SignedUpdateFirmware")
    assert first["requestId"] != second["requestId"]
    assert second["firmware"]["location"].startswith("ftp://")


async def test_a_station_without_the_extension_is_told_without(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    await begin(bench, await signed(bench), station_ids=("A-1",))
    await bench.tick()
    await told(bench, station)


@pytest.mark.parametrize("answer", [{"status": "InvalidCertificate"}, "SecurityError"])
async def test_who_knows_signatures_and_refuses_is_not_told_without(
    bench: FilesBench, answer: Any
) -> None:
    station = await bench.connect("A-1", SignedUpdateFirmware=answer)
    await begin(bench, await signed(bench), station_ids=("A-1",))
    await bench.tick()
    await eventually(lambda: stages(bench) == [Stage.FAILED])
    assert station.sent("UpdateFirmware") == []


# ---------------------------------------------------------------- restarts of the manager


async def test_a_restart_in_the_middle_changes_nothing(tmp_path: Path) -> None:
    async with files_bench(tmp_path, *NAMES) as bench:
        for name in NAMES:
            await bench.connect(name)
        await begin(bench, pilots=0, at_once=2)
        await bench.tick()
        url = await told(bench, bench.stations["A-1"])
        await told(bench, bench.stations["A-2"])
        await status(bench.stations["A-2"], "Installing")
        await bench.restart()
        assert stages(bench) == [Stage.TOLD, Stage.INSTALLING, Stage.WAITING, Stage.WAITING]
        # The station that was told still gets its file.
        await bench.fetch(url)
        await bench.connect("A-1", "2.0")
        await bench.connect("A-2", "2.0")
        await bench.connect("A-3")
        await bench.tick()
        assert stages(bench) == [Stage.VERIFIED, Stage.VERIFIED, Stage.TOLD, Stage.WAITING]


async def test_who_was_about_to_be_told_is_told_after_a_restart(tmp_path: Path) -> None:
    async with files_bench(tmp_path, *NAMES) as bench:
        await bench.connect("A-1")
        await begin(bench, station_ids=("A-1",))
        campaigns = bench.files.campaigns
        await campaigns.tick()  # written down; the station itself is called a moment later
        assert stages(bench) == [Stage.TOLD]
        await bench.restart()
        assert stages(bench) == [Stage.WAITING]
        station = await bench.connect("A-1")
        await bench.tick()
        await told(bench, station)


# ---------------------------------------------------------------- what cannot be


async def test_what_is_refused_at_the_start(bench: FilesBench) -> None:
    file = await bench.firmware()
    create = bench.files.campaigns.create
    with pytest.raises(InvalidInputError, match="campaign-no-station"):
        await create(CampaignOrder(file.file_id, ()), ADMIN)
    with pytest.raises(NotFoundError, match="station-unknown"):
        await create(CampaignOrder(file.file_id, ("Z",)), ADMIN)
    with pytest.raises(NotFoundError, match="firmware-unknown"):
        await create(CampaignOrder("?", ("A-1",)), ADMIN)
    with pytest.raises(InvalidInputError, match="campaign-window-empty"):
        await create(CampaignOrder(file.file_id, ("A-1",), window=Window(5, 5)), ADMIN)
    with pytest.raises(NotFoundError, match="campaign-unknown"):
        bench.files.campaigns.get(1)
    await bench.files.drop.serve_at(Ports(), None)
    with pytest.raises(StorageError, match="files-unavailable"):
        await create(CampaignOrder(file.file_id, ("A-1",)), ADMIN)


async def test_a_station_is_in_one_running_update_at_most(bench: FilesBench) -> None:
    await bench.connect("A-1")
    file = await bench.firmware()
    await begin(bench, file, station_ids=("A-1",))
    await begin(bench, file, station_ids=("A-1", "A-2"))
    await bench.tick()
    assert stages(bench, 1) == [Stage.TOLD]
    assert stages(bench, 2)[0] is Stage.WAITING
    with pytest.raises(InvalidInputError, match="campaign-station-busy"):
        await begin(bench, file, station_ids=("A-1",))


async def test_a_firmware_in_use_stays(bench: FilesBench) -> None:
    file = await bench.firmware()
    await begin(bench, file, station_ids=("A-1",))
    with pytest.raises(InvalidInputError, match="firmware-in-use"):
        await bench.files.firmware.remove(file.file_id, ADMIN)
    await bench.files.campaigns.cancel(1, ADMIN)
    await bench.files.firmware.remove(file.file_id, ADMIN)
    assert bench.files.firmware.list() == []
    assert list((bench.folder / "files" / "firmware").iterdir()) == []


async def test_a_station_tells_its_history(bench: FilesBench) -> None:
    file = await bench.firmware()
    await begin(bench, file, station_ids=("A-1",))
    await bench.files.campaigns.cancel(1, ADMIN)
    await begin(bench, file, station_ids=("A-1",))
    history = bench.files.campaigns.history("A-1")
    assert [campaign.campaign_id for campaign, _ in history] == [2, 1]
    assert bench.files.campaigns.history("A-2") == []


async def test_a_status_of_nobody_s_update_is_acknowledged(bench: FilesBench) -> None:
    station = await bench.connect("A-1")
    for action, value in (
        ("FirmwareStatusNotification", "Installed"),
        ("SignedFirmwareStatusNotification", "Installed"),
        ("DiagnosticsStatusNotification", "Uploaded"),
        ("LogStatusNotification", "Uploaded"),
    ):
        assert await station.call(action, status=value) == {}
