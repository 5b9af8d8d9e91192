from __future__ import annotations

import logging
from pathlib import Path

import pytest

from app.adapters.station_vault import VAULT_FILE, StationVault

KEY = bytes(range(20))


def test_the_secret_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    vault = StationVault(folder)
    file = folder / VAULT_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    again = StationVault(folder)
    assert file.read_bytes() == before
    assert again.verifier("A-1", KEY) == vault.verifier("A-1", KEY)
    assert again.unseal("A-1", vault.seal("A-1", KEY)) == KEY


def test_a_verifier_is_of_one_station_one_key_and_one_secret(tmp_path: Path) -> None:
    vault = StationVault(tmp_path)
    made = {
        vault.verifier("A-1", KEY),
        vault.verifier("A-2", KEY),
        vault.verifier("A-1", KEY + b"\0"),
        StationVault(tmp_path / "other").verifier("A-1", KEY),
    }
    assert len(made) == 4
    assert all(KEY.hex() not in each for each in made)


def test_what_is_sealed_opens_for_its_station_and_secret_alone(tmp_path: Path) -> None:
    vault = StationVault(tmp_path)
    sealed = vault.seal("A-1", KEY)
    assert sealed != vault.seal("A-1", KEY)
    assert KEY.hex() not in sealed
    assert vault.unseal("A-2", sealed) is None
    assert StationVault(tmp_path / "other").unseal("A-1", sealed) is None
    for spoilt in ("", "AAAA", "not base 64", sealed[:-4] + "AAAA"):
        assert vault.unseal("A-1", spoilt) is None


@pytest.mark.parametrize("content", [b"", b"abcd", b"not hexadecimal", b"\xff\xfe"])
def test_a_spoilt_secret_is_replaced_and_that_is_said(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / VAULT_FILE).write_bytes(content)
    with caplog.at_level(logging.ERROR):
        vault = StationVault(tmp_path)
    assert "will not be known any more" in caplog.text
    assert StationVault(tmp_path).verifier("A-1", KEY) == vault.verifier("A-1", KEY)
