from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from app.adapters.backup_settings import BackupSettings
from app.services.backups import BackupError
from app.services.deliveries import Record, Target
from tests.support.tmpfs import needs_root

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_nothing_yet(data: Path) -> None:
    settings = BackupSettings(data)
    assert settings.targets() == ()
    assert settings.records() == ()
    for refused, key in (
        (settings.passphrase, "backup-schedule-passphrase"),
        (lambda: settings.host_key("nas:22"), "sftp-host-unknown"),
    ):
        with pytest.raises(BackupError) as refusal:
            refused()
        assert refusal.value.key == key
    assert not (data / "backup").exists()


def test_what_is_saved_is_read_again(data: Path) -> None:
    settings = BackupSettings(data)
    settings.save_targets([Target("usb", 3, NOON)])
    settings.save_passphrase("une phrase assez longue é")
    settings.save_records([Record("usb", NOON, "x")])
    again = BackupSettings(data)
    assert again.targets() == (Target("usb", 3, NOON),)
    assert again.passphrase() == "une phrase assez longue é"
    assert again.records() == (Record("usb", NOON, "x"),)
    with pytest.raises(BackupError, match="backup-passphrase-short"):
        settings.save_passphrase("short")
    assert again.passphrase() == "une phrase assez longue é"


def test_the_boxs_key_is_made_once(data: Path) -> None:
    key = BackupSettings(data).own_key()
    again = BackupSettings(data).own_key()
    assert key.export_public_key() == again.export_public_key()
    assert key.export_public_key().decode().startswith("ssh-ed25519 ")
    assert "bornier@" in key.export_public_key().decode()


def test_servers_are_pinned_one_by_one(data: Path) -> None:
    settings = BackupSettings(data)
    one, two, three = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(3))
    settings.pin("nas:22", one)
    settings.pin("nas:2222", two)
    assert settings.host_key("nas:22").get_fingerprint() == one.get_fingerprint()
    settings.pin("nas:22", three)
    assert settings.host_key("nas:22").get_fingerprint() == three.get_fingerprint()
    assert settings.host_key("nas:2222").get_fingerprint() == two.get_fingerprint()


@pytest.mark.parametrize("name", ["settings.json", "hosts.json", "id_ed25519", "passphrase"])
def test_a_damaged_file_is_told_and_never_replaced(data: Path, name: str) -> None:
    settings = BackupSettings(data)
    (data / "backup").mkdir()
    (data / "backup" / name).write_bytes(b"\xff{")
    key = asyncssh.generate_private_key("ssh-ed25519")
    for use in (
        settings.targets,
        settings.passphrase,
        settings.own_key,
        lambda: settings.pin("nas:22", key),
    ):
        try:
            use()
        except BackupError as error:
            if error.key == "backup-unreadable":
                break
    else:
        raise AssertionError("nobody told")
    assert (data / "backup" / name).read_bytes() == b"\xff{"


def test_a_damaged_pin_and_a_damaged_state(data: Path) -> None:
    settings = BackupSettings(data)
    (data / "backup").mkdir()
    (data / "backup/hosts.json").write_text('{"nas:22": "ssh-ed25519 x"}')
    with pytest.raises(BackupError, match="backup-unreadable"):
        settings.host_key("nas:22")
    (data / "backup/state.json").write_text("[")
    assert settings.records() == ()


@needs_root
def test_root_writes_for_the_account_of_the_manager(data: Path) -> None:
    os.chown(data, 12345, 12346)
    settings = BackupSettings(data)
    settings.save_passphrase("une phrase assez longue")
    settings.own_key()
    for path in (data / "backup", *(data / "backup").iterdir()):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)
        assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match="backup-not-written"):
        BackupSettings(tmp_path / "file").save_targets([])
