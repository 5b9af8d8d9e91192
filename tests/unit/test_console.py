from __future__ import annotations

import ast
import inspect
import re
from string import Formatter

import pytest

from app import backup_commands, backup_schedule, backup_wiring, console
from app.adapters import (
    backup_archive,
    backup_places,
    backup_settings,
    data_directory,
    inspection,
    sftp,
    sftp_link,
)
from app.console import Console, size_text, terminal_language
from app.console_texts import TEXTS
from app.domain.errors import BornierError, StorageError
from app.services import backups, deliveries

MODULES = (
    backup_archive,
    backup_commands,
    backup_places,
    backup_schedule,
    backup_settings,
    backup_wiring,
    backups,
    console,
    data_directory,
    deliveries,
    inspection,
    sftp,
    sftp_link,
)


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_the_same(key: str) -> None:
    english, french = (
        {name for _, name, _, _ in Formatter().parse(text) if name} for text in TEXTS[key]
    )
    assert english == french


def test_every_key_has_a_text() -> None:
    used: set[str] = set()
    for module in MODULES:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used |= set(
                    re.findall(r"^(?:backup|data|restore|check|sftp|schedule)-[a-z-]+$", node.value)
                )
    assert len(used) > 20
    assert used <= set(TEXTS)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "", "LC_MESSAGES": "fr_BE"}, "fr"),
    ],
)
def test_the_language_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert terminal_language() == expected


def test_errors_of_the_pages_are_told_with_the_texts_of_the_pages() -> None:
    assert Console("en").told(StorageError("storage-damaged")) == "The database file is damaged."
    assert Console("fr").told(StorageError("storage-damaged")) != "The database file is damaged."
    assert Console("en").told(BornierError("no-such-key")) == "no-such-key"


def test_errors_go_to_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    Console("fr").complain(BornierError("user-unknown", name="bob"))
    written = capsys.readouterr()
    assert written.err == "bornier: Le compte bob n’existe pas.\n"
    assert written.out == ""


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 2048, 5 * 1024 * 1024 // 2)] == [
        "1 KiB",
        "2 KiB",
        "2.5 MiB",
    ]
