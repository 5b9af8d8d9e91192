from __future__ import annotations

import stat
from pathlib import Path

import pytest

from app.domain.host import NetworkSettings
from app.privileged.machine import HostError, write_durably
from app.privileged.settings import FILE, Settings, SettingsStore, StoredKey, replaced
from tests.support.bench import Bench

FULL = Settings(
    network=NetworkSettings(dhcp=False, addresses=("10.0.0.5/24",)),
    zone="Europe/Paris",
    servers=("ntp.example.org",),
    keys=(StoredKey("ssh-ed25519 AAAA", "console"),),
)


def test_what_is_saved_is_loaded(bench: Bench) -> None:
    store = SettingsStore(bench.machine)
    assert store.load() == Settings()
    store.save(FULL)
    assert store.load() == FULL
    assert stat.S_IMODE(bench.machine.path(FILE).stat().st_mode) == 0o600
    store.save(replaced(FULL, zone=None))
    assert store.load().zone is None
    assert [entry.name for entry in bench.machine.path(FILE).parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"zone": 3}', b"\xff\xfe\x00", b"\x00" * 64]
)
def test_a_damaged_file_is_set_aside_and_defaults_are_used(bench: Bench, content: bytes) -> None:
    path = bench.machine.path(FILE)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    store = SettingsStore(bench.machine)
    assert store.load() == Settings()
    assert not path.exists()
    assert path.with_name("settings.json.damaged").read_bytes() == content
    store.save(FULL)
    assert store.load() == FULL


def test_fields_of_a_later_version_are_ignored(bench: Bench) -> None:
    bench.file(FILE, '{"zone": "UTC", "network": {"dhcp": true, "vlan": 7}, "colour": "blue"}')
    assert SettingsStore(bench.machine).load() == Settings(zone="UTC", network=NetworkSettings())


def test_a_directory_in_its_place_breaks_nothing(bench: Bench) -> None:
    bench.machine.path(FILE).mkdir(parents=True)
    store = SettingsStore(bench.machine)
    assert store.load() == Settings()
    with pytest.raises(HostError, match="host-not-written"):
        store.save(FULL)


def test_a_writing_that_was_cut_short_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_durably(file, b"old")
    # What a power cut leaves: a part under the other name, which the next writing replaces.
    (tmp_path / ".file.new").write_bytes(b"ne")
    assert file.read_bytes() == b"old"
    write_durably(file, b"new", 0o644)
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_link_laid_under_the_other_name_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / ".file.new").symlink_to(victim)
    write_durably(tmp_path / "file", b"new")
    assert victim.read_bytes() == b"untouched"
