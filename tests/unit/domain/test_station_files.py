"""Names and schemes of files that pass between the manager and stations."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.station_files import (
    NAME_MOST,
    FirmwareFile,
    RequestState,
    Scheme,
    safe_name,
    schemes_for,
)

ALL = frozenset(Scheme)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("diag.tar.gz", "diag.tar.gz"),
        ("Journal été.log", "Journal été.log"),
        ("../../etc/passwd", "passwd"),
        ("C:\\logs\\a.txt", "a.txt"),
        ("a/b/", "file"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("", "file"),
        ("a\r\nb\x00.txt", "ab.txt"),
        ('x"<y>;.log', "x__y__.log"),
    ],
)
def test_what_is_kept_of_a_name(name: str, kept: str) -> None:
    assert safe_name(name) == kept


def test_a_long_name_keeps_its_end() -> None:
    assert safe_name("x" * 200 + ".tar.gz") == "x" * (NAME_MOST - 3) + ".gz"
    assert safe_name("y" * 200) == "y" * NAME_MOST


@given(st.text())
def test_no_name_is_a_path(name: str) -> None:
    kept = safe_name(name)
    assert 0 < len(kept) <= NAME_MOST
    assert "/" not in kept
    assert "\\" not in kept
    assert not kept.startswith(".")
    assert kept.isprintable()


def test_without_a_word_the_usual_order() -> None:
    assert schemes_for(None, None, ALL) == (Scheme.HTTP, Scheme.FTP, Scheme.HTTPS)


def test_what_has_worked_comes_first() -> None:
    assert schemes_for(None, Scheme.FTP, ALL) == (Scheme.FTP, Scheme.HTTP, Scheme.HTTPS)


def test_a_station_that_tells_gets_the_safest_of_its_own() -> None:
    assert schemes_for("FTP, HTTPS,SFTP", None, ALL) == (Scheme.HTTPS, Scheme.FTP)
    # What has worked counts only where the station still lists it.
    assert schemes_for("HTTPS", Scheme.FTP, ALL) == (Scheme.HTTPS,)


def test_a_list_of_nothing_we_know_is_no_list() -> None:
    assert schemes_for("SFTP,FTPS", None, ALL)[0] is Scheme.HTTP


def test_only_what_is_offered_is_tried() -> None:
    assert schemes_for(None, Scheme.FTP, {Scheme.HTTP}) == (Scheme.HTTP,)
    assert schemes_for(None, None, ()) == ()


def test_a_signature_needs_its_certificate() -> None:
    file = FirmwareFile("a", "n", 1, "0", "", "", "", datetime(2026, 1, 1, tzinfo=UTC), "admin")
    assert not file.signed
    assert not msgspec.structs.replace(file, signature="x").signed
    assert msgspec.structs.replace(file, signature="x", certificate="y").signed


def test_open_requests() -> None:
    assert {state for state in RequestState if state.open} == {
        RequestState.ASKED,
        RequestState.UPLOADING,
    }
