"""Texts of errors and alarms, by key: ``app/errors.toml``, translated where they are shown."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.domain.units import PhaseCurrents
from app.web.i18n import DASH, NARROW_SPACE, Language
from app.web.wording import PHASE_NAMES

ERRORS_FILE = Path(__file__).parent.parent / "errors.toml"


class Message(NamedTuple):
    """One entry: what happened, what it does to charging, what to do. All English msgids.

    ``severity`` is empty for refusals of an input, which have no page of their own.
    """

    title: str
    severity: str = ""
    effect: str = ""
    remedy: str = ""


class _Filling(dict[str, str]):
    """Parameters of a text; one that is missing shows as an ellipsis and breaks no page."""

    def __missing__(self, key: str) -> str:
        return "…"


class Messages:
    """The table of texts."""

    def __init__(self, path: Path = ERRORS_FILE) -> None:
        with path.open("rb") as source:
            entries = tomllib.load(source)
        self.by_key: Mapping[str, Message] = {
            key: Message(**entry) for key, entry in entries.items()
        }

    def title(self, key: str, params: Mapping[str, str], language: Language) -> str:
        """What happened; the key itself when it has no text."""
        return self._text("title", key, params, language) or key

    def effect(self, key: str, params: Mapping[str, str], language: Language) -> str:
        """What it does to charging."""
        return self._text("effect", key, params, language)

    def remedy(self, key: str, params: Mapping[str, str], language: Language) -> str:
        """What to do."""
        return self._text("remedy", key, params, language)

    def _text(self, part: str, key: str, params: Mapping[str, str], language: Language) -> str:
        message = self.by_key.get(key)
        if message is None:
            return ""
        return language.text(getattr(message, part)) % _Filling(params)


def filled(params: Mapping[str, Any], language: Language, zone: ZoneInfo) -> dict[str, str]:
    """Parameters as written in ``language``: their names carry the unit (``_ma``, ``_a``, ``_s``)."""
    return {name: _written(name, value, language, zone) for name, value in params.items()}


def _written(name: str, value: Any, language: Language, zone: ZoneInfo) -> str:
    if isinstance(value, PhaseCurrents):
        return " · ".join(
            f"{phase}{NARROW_SPACE}{language.amperes(current)}"
            for phase, current in zip(PHASE_NAMES, value, strict=True)
        )
    if value is None:
        return DASH
    if isinstance(value, datetime):
        return language.date_time(value, zone)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if name.endswith("_ma"):
        return language.amperes(int(value))
    if name.endswith("_a"):
        return f"{language.decimal(value, 0 if float(value).is_integer() else 1)}{NARROW_SPACE}A"
    if name.endswith("_s"):
        return _seconds(value, language)
    return language.decimal(value, 0 if float(value).is_integer() else 1)


def _seconds(value: float, language: Language) -> str:
    if value < 120:
        return f"{round(value)}{NARROW_SPACE}s"
    return language.duration(value)


MESSAGES = Messages()
