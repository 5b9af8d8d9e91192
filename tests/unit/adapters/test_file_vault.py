"""Files on the disk: whole or told to be a part, bounded, and tidied."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.adapters.file_vault import DiskVault, VaultLimits
from app.adapters.local_address import RoutedAddresses
from app.domain.errors import NotFoundError, StorageError
from app.services.file_ports import Area

ID, OTHER = "0123456789ab", "ba9876543210"
FREE = VaultLimits(floor=0)


async def put(vault: DiskVault, file_id: str, content: bytes, *, part: bool = False) -> None:
    receiving = await vault.receive(Area.FIRMWARE, file_id, 1000)
    await receiving.write(content)
    await (receiving.keep_part() if part else receiving.keep())


async def test_a_file_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    vault = DiskVault(tmp_path / "files", FREE)
    receiving = await vault.receive(Area.FIRMWARE, ID, 1000)
    await receiving.write(b"abc")
    folder = tmp_path / "files" / "firmware"
    assert [path.name for path in folder.iterdir()] == [f"{ID}.part"]
    received = await receiving.keep()
    assert received == (3, hashlib.sha256(b"abc").hexdigest())
    assert [path.name for path in folder.iterdir()] == [ID]
    assert (folder / ID).stat().st_mode & 0o777 == 0o600
    await receiving.drop()  # nothing happens to what is kept
    assert (folder / ID).exists()


async def test_files_are_counted_over_a_restart(tmp_path: Path) -> None:
    vault = DiskVault(tmp_path / "files", FREE)
    await put(vault, ID, b"abc")
    await put(vault, OTHER, b"half", part=True)
    assert vault.used == DiskVault(tmp_path / "files").used == 7
    reading = await vault.read(Area.FIRMWARE, OTHER)
    assert (reading.size, await reading.read(1, 99)) == (4, b"alf")
    await reading.close()
    assert await vault.tidy(Area.FIRMWARE, [ID]) == 1
    assert await vault.tidy(Area.DIAGNOSTICS, []) == 0
    await vault.remove(Area.FIRMWARE, [ID, OTHER])
    assert vault.used == 0


@pytest.mark.parametrize("file_id", ["", "..", "../x", "a/b", "0123456789AB", "0123456789ab\n"])
async def test_an_identifier_is_no_path(tmp_path: Path, file_id: str) -> None:
    vault = DiskVault(tmp_path / "files", FREE)
    with pytest.raises(NotFoundError):
        await vault.receive(Area.FIRMWARE, file_id, 10)
    with pytest.raises(NotFoundError):
        await vault.read(Area.FIRMWARE, file_id)


async def test_bounds(tmp_path: Path) -> None:
    vault = DiskVault(tmp_path / "files", VaultLimits(most=5, floor=0))
    receiving = await vault.receive(Area.FIRMWARE, ID, 4)
    with pytest.raises(StorageError, match="files-too-large"):
        await receiving.write(b"12345")
    await receiving.write(b"1234")
    await receiving.keep()
    other = await vault.receive(Area.FIRMWARE, OTHER, 4)
    with pytest.raises(StorageError, match="files-no-room"):
        await other.write(b"12")
    await other.drop()
    assert vault.used == 4
    no_room = DiskVault(tmp_path / "files", VaultLimits(floor=1 << 60))
    with pytest.raises(StorageError, match="files-disk-full"):
        await no_room.receive(Area.FIRMWARE, OTHER, 4)


async def test_an_identifier_in_use_is_not_written_over(tmp_path: Path) -> None:
    vault = DiskVault(tmp_path / "files", FREE)
    await put(vault, ID, b"half", part=True)
    with pytest.raises(StorageError, match="storage-failed"):
        await vault.receive(Area.FIRMWARE, ID, 4)


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    vault = DiskVault(tmp_path / "files", FREE)
    with pytest.raises(StorageError, match="storage-failed"):
        await vault.receive(Area.FIRMWARE, ID, 4)


async def test_our_address_towards_a_station() -> None:
    addresses = RoutedAddresses("192.0.2.1")
    assert await addresses.towards("127.0.0.1") == "127.0.0.1"
    assert await addresses.towards("memory") == "192.0.2.1"
    assert await addresses.towards("") == "192.0.2.1"
