"""Every error and alarm that the product raises has a text, a severity and a remedy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.adapters.storage.database import _KEYS as STORAGE_KEYS
from app.console_box import TEXTS as BOX_TEXTS
from app.domain.units import PhaseCurrents
from app.meters.plausibility import Doubt
from app.meters.status import Trouble
from app.services.live import Severity
from app.web.i18n import languages
from app.web.messages import MESSAGES, filled

APP = Path(__file__).parents[3] / "app"
PARIS = ZoneInfo("Europe/Paris")
FRENCH = languages()["fr"]
ERRORS = frozenset(
    [
        "InvalidInputError",
        "NotFoundError",
        "UnsafeConfigurationError",
        "StationUnreachableError",
        "StationRefusedError",
        "AccessDeniedError",
        "StorageError",
    ]
)


def raised_keys() -> Iterator[tuple[str, str]]:
    """The literal keys given to errors anywhere in the product, with the file."""
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id in ERRORS and node.args:
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.value, path.name


def test_every_key_that_is_raised_has_a_text() -> None:
    # What the privileged helper refuses is told on the console alone.
    told = MESSAGES.by_key.keys() | BOX_TEXTS.keys()
    missing = {key: file for key, file in raised_keys() if key not in told}
    assert not missing


def test_the_search_for_keys_finds_them() -> None:
    assert {"badge-exists", "sign-in-refused", "circuit-cycle"} <= {key for key, _ in raised_keys()}


def test_keys_that_travel_as_values_have_a_text() -> None:
    alarms = set(re.findall(r'"([A-Z]{3}-\d{3})"', (APP / "services/alarms.py").read_text()))
    keys = {*alarms, *STORAGE_KEYS.values(), *Doubt, *Trouble}
    assert alarms
    assert not {str(key) for key in keys} - set(MESSAGES.by_key)


@pytest.mark.parametrize("key", sorted(MESSAGES.by_key))
def test_an_entry_is_whole(key: str) -> None:
    message = MESSAGES.by_key[key]
    assert message.title
    if message.severity:
        assert message.severity in set(Severity)
        assert message.effect
        assert message.remedy
    else:
        assert not message.effect
        assert not message.remedy


@pytest.mark.parametrize("language", languages().values(), ids=languages())
def test_an_entry_never_breaks_a_page(language: Any) -> None:
    for key in MESSAGES.by_key:
        for part in (MESSAGES.title, MESSAGES.effect, MESSAGES.remedy):
            assert "%(" not in part(key, {}, language)


def test_an_unknown_key_shows_itself() -> None:
    assert MESSAGES.title("no-such-key", {}, FRENCH) == "no-such-key"
    assert MESSAGES.remedy("no-such-key", {}, FRENCH) == ""


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("limit_ma", 12_500, "12,5 A"),
        ("limit_a", 16, "16 A"),
        ("limit_a", 16.5, "16,5 A"),
        ("wait_s", 30, "30 s"),
        ("age_s", 3_700.0, "1 h 01"),
        ("age_s", "", ""),
        ("count", 1_200, "1 200"),
        ("ratio", 0.5, "0,5"),
        ("limit_ma", None, "–"),
        ("name", "Allée A", "Allée A"),
        ("ok", True, "True"),
        ("at", datetime(2026, 11, 22, 8, tzinfo=UTC), "22 nov. 2026 09:00"),
        ("limit", PhaseCurrents(1_000, 2_000, 3_500), "L1 1 A · L2 2 A · L3 3,5 A"),
    ],
)
def test_parameters_are_written_by_the_unit_in_their_name(
    name: str, value: Any, expected: str
) -> None:
    written = filled({name: value}, FRENCH, PARIS)[name]
    assert written.replace("\u202f", " ").replace("\xa0", " ") == expected
