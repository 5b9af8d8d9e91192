"""Firmware files: what is kept of an upload, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.errors import InvalidInputError, NotFoundError, StorageError
from app.services.file_ports import Area, FileAdapters
from app.services.firmware import FirmwareAbout
from tests.unit.services.files_bench import ADMIN, FilesBench, files_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[FilesBench]:
    async with files_bench(tmp_path, "A-1") as running:
        yield running


async def test_a_file_is_kept_with_its_checksum(bench: FilesBench) -> None:
    file = await bench.firmware(b"abc", vendor=" Legrand ", version="5.0")
    assert (file.size, file.vendor, file.version) == (3, "Legrand", "5.0")
    assert file.sha256.startswith("ba7816bf")
    assert bench.files.firmware.get(file.file_id) == file
    await bench.restart()
    assert bench.files.firmware.list() == [file]


async def test_the_same_content_is_kept_once(bench: FilesBench) -> None:
    await bench.firmware(b"abc")
    with pytest.raises(InvalidInputError, match="firmware-twice"):
        await bench.firmware(b"abc")
    assert bench.files.drop.vault.used == 3


async def test_an_empty_file_is_no_firmware(bench: FilesBench) -> None:
    upload = await bench.files.firmware.begin("x")
    with pytest.raises(InvalidInputError, match="firmware-empty"):
        await upload.finish(FirmwareAbout(), ADMIN)
    assert list((bench.folder / "files" / "firmware").iterdir()) == []


async def test_an_upload_that_is_given_up_leaves_nothing(bench: FilesBench) -> None:
    upload = await bench.files.firmware.begin("x")
    await upload.write(b"half")
    await upload.give_up()
    await upload.give_up()
    assert bench.files.drop.vault.used == 0


def test_a_signature_comes_with_its_certificate() -> None:
    with pytest.raises(InvalidInputError, match="firmware-signature-half") as half:
        FirmwareAbout(signature="x")
    assert half.value.field == "certificate"
    with pytest.raises(InvalidInputError, match="firmware-signature-half") as half:
        FirmwareAbout(certificate="x")
    assert half.value.field == "signature"
    with pytest.raises(InvalidInputError, match="firmware-certificate-pem"):
        FirmwareAbout(signature="x", certificate="y")
    with pytest.raises(InvalidInputError, match="text-too-long"):
        FirmwareAbout(version="v" * 61)


async def test_an_unknown_file(bench: FilesBench) -> None:
    assert bench.files.firmware.find("?") is None
    with pytest.raises(NotFoundError, match="firmware-unknown"):
        await bench.files.firmware.remove("?", ADMIN)


async def test_without_a_place_for_files_everything_is_refused() -> None:
    nowhere = FileAdapters()
    with pytest.raises(StorageError, match="files-unavailable"):
        await nowhere.vault.receive(Area.FIRMWARE, "a", 1)
    with pytest.raises(StorageError, match="files-unavailable"):
        await nowhere.vault.read(Area.FIRMWARE, "a")
    await nowhere.vault.remove(Area.FIRMWARE, ["a"])
    assert await nowhere.vault.tidy(Area.FIRMWARE, []) == 0
    assert await nowhere.addresses.towards("10.0.0.1") == "10.0.0.1"
