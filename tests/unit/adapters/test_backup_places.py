from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.adapters.backup_places import Folder, SftpAddress, divided, sftp_address, stick
from app.services.backups import SUFFIX, BackupError
from tests.support.tmpfs import needs_root, small_disk

MARK = "0123456789ab"
NAME = f"bornier-box-20261122T120000Z{SUFFIX}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sftp://box@nas/backups", SftpAddress("box", "nas", 22, "/backups")),
        ("sftp://box@nas:2222/srv/b/", SftpAddress("box", "nas", 2222, "/srv/b")),
        ("sftp://box@[fd00::1]/b", SftpAddress("box", "fd00::1", 22, "/b")),
        ("sftp://box@nas/~/b", SftpAddress("box", "nas", 22, "b")),
        ("sftp://box@nas/~/", SftpAddress("box", "nas", 22, ".")),
        ("sftp://a%40b@nas/with%20space", SftpAddress("a@b", "nas", 22, "/with space")),
    ],
)
def test_addresses(text: str, expected: SftpAddress) -> None:
    assert sftp_address(text) == expected
    assert expected.server == f"{expected.host}:{expected.port}"


@pytest.mark.parametrize(
    "text",
    [
        "sftp://nas/backups",
        "sftp://box@nas",
        "sftp://box@nas/",
        "sftp:///backups",
        "sftp://box@nas:x/backups",
        "sftp://box@nas:99999/backups",
        "sftp://-oProxy@nas/backups",
        "sftp://box@nas/b?x",
        "sftp://box@nas/b%0Ac",
        "sftp://box@[nas/b",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(BackupError, match="backup-address"):
        sftp_address(text)


def test_a_password_has_no_place_in_an_address() -> None:
    with pytest.raises(BackupError) as refused:
        sftp_address("sftp://box:secret@nas/backups")
    assert refused.value.key == "backup-address-password"
    assert "secret" not in str(refused.value)


def test_a_place_and_a_name(tmp_path: Path) -> None:
    assert divided("usb") == ("usb", None)
    assert divided(f"usb/{NAME}") == ("usb", NAME)
    assert divided("sftp://box@nas/b/") == ("sftp://box@nas/b", None)
    assert divided(f"sftp://box@nas/b/{NAME}") == ("sftp://box@nas/b", NAME)
    assert divided(str(tmp_path)) == (str(tmp_path), None)
    assert divided(f"{tmp_path}/any.name") == (str(tmp_path), "any.name")
    assert divided("here") == (".", "here")


def test_a_delivery_is_complete_and_private(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(os.urandom(3_000_000))
    place = Folder(tmp_path / "out" / "deep")
    assert place.list() == []
    place.deliver(tmp_path / "packed", NAME, MARK)
    (listed,) = place.list()
    assert (listed.name, listed.size) == (NAME, 3_000_000)
    path = tmp_path / "out" / "deep" / NAME
    assert path.read_bytes() == (tmp_path / "packed").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BackupError, match="backup-exists"):
        place.deliver(tmp_path / "packed", NAME, MARK)
    place.remove(NAME)
    place.remove(NAME)
    assert place.list() == []


def test_only_this_machines_unfinished_files_are_tidied_away(tmp_path: Path) -> None:
    (tmp_path / "packed").write_text("packed")
    out = tmp_path / "out"
    out.mkdir()
    (out / f".{NAME}.{MARK}.partial").write_text("ours")
    (out / f".{NAME}.ba9876543210.partial").write_text("another's")
    Folder(out).deliver(tmp_path / "packed", f"b{SUFFIX}", MARK)
    assert {path.name for path in out.iterdir()} == {
        f".{NAME}.ba9876543210.partial",
        f"b{SUFFIX}",
    }


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="backup-not-written"):
        Folder(tmp_path / "file").deliver(tmp_path / "file", NAME, MARK)
    (tmp_path / "out" / NAME).mkdir(parents=True)
    with pytest.raises(BackupError, match="backup-not-written"):
        Folder(tmp_path / "out").remove(NAME)


def test_no_stick(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="backup-stick-absent"), stick(tmp_path):
        pass


@needs_root
def test_a_stick_and_a_full_one(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(os.urandom(300 * 1024))
    with small_disk(tmp_path / "stick", 512) as mount, stick(mount) as place:
        place.deliver(tmp_path / "packed", NAME, MARK)
        with pytest.raises(BackupError, match="backup-disk-full"):
            place.deliver(tmp_path / "packed", f"b{SUFFIX}", MARK)
        assert [path.name for path in mount.iterdir()] == [NAME]
