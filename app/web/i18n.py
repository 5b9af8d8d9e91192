"""Languages of the pages: texts by gettext, numbers and dates by Babel.

English is the language of the source (msgids); French is the first language of the pages.
Catalogues are read from their ``.po`` files at start: no compiled file can be stale.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

LOCALES = Path(__file__).parent / "locales"
DEFAULT_LANGUAGE = "fr"
LANGUAGE_NAMES: Mapping[str, str] = {"fr": "Français", "en": "English"}
"""Languages offered, each by its own name."""

_BABEL_LOCALES = {"fr": "fr", "en": "en_GB"}
NARROW_SPACE = "\u202f"
DASH = "–"


def N_(message: str) -> str:  # noqa: N802 - the mark that message extraction looks for
    """Marks a text for translation where it is defined; it is translated where it is shown."""
    return message


class Language:
    """One language: texts, and how numbers, currents and dates are written in it."""

    def __init__(self, code: str, catalogue: Path | None = None) -> None:
        self.code = code
        self.locale = Locale.parse(_BABEL_LOCALES[code])
        path = catalogue or LOCALES / code / "LC_MESSAGES" / "messages.po"
        with path.open("rb") as source:
            messages = read_po(source, locale=code)
        compiled = io.BytesIO()
        write_mo(compiled, messages)
        compiled.seek(0)
        self._translations = gettext.GNUTranslations(compiled)
        self.decimal = lru_cache(4096)(self._decimal)
        self._units: dict[tuple[int, int], str] = {}

    def gettext(self, message: str, **params: object) -> str:
        """The translation of ``message``, filled with ``params``."""
        translated = self._translations.gettext(message) if message else ""
        return translated % params if params else translated

    text = gettext
    """The same for a text marked elsewhere by ``N_``."""

    def ngettext(self, one: str, many: str, count: int, **params: object) -> str:
        """The form for ``count``, which also fills ``%(count)s``."""
        form = self._translations.ngettext(one, many, count)
        return form % {"count": self.integer(count), **params}

    def raw_ngettext(self, one: str, many: str, count: int) -> str:
        """The form for ``count``, not filled (Jinja2 fills it)."""
        return self._translations.ngettext(one, many, count)

    def _decimal(self, value: float, digits: int) -> str:
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        return format_decimal(value, pattern, locale=self.locale)

    def integer(self, value: int) -> str:
        """With the language's thousands separator."""
        return self.decimal(value, 0)

    def amps(self, current_ma: int) -> str:
        """A current in amperes with one decimal, without unit: ``12,5``."""
        return self.decimal(round(current_ma / 100) / 10, 1)

    def amps_short(self, current_ma: int) -> str:
        """A current in amperes, without unit, with a decimal only when it has one: ``16``."""
        tenths = round(current_ma / 100)
        return self.decimal(tenths / 10, 1 if tenths % 10 else 0)

    def amps_whole(self, current_ma: int) -> str:
        """A current in whole amperes, without unit: ``168``."""
        return self.decimal(round(current_ma / 1000), 0)

    def amperes(self, current_ma: int) -> str:
        """A current with its unit: ``12,5 A``, ``16 A``."""
        return self.amps_short(current_ma) + NARROW_SPACE + "A"

    def energy(self, energy_wh: int) -> str:
        """An energy with its unit: ``12,4 kWh``; whole kWh from 100 on."""
        tenths = round(energy_wh / 100)
        return self.decimal(tenths / 10, 1 if tenths < 1000 else 0) + NARROW_SPACE + "kWh"

    def power(self, power_w: int) -> str:
        """A power with its unit: ``7,4 kW``; whole kW from 100 on."""
        tenths = round(power_w / 100)
        return self.decimal(tenths / 10, 1 if tenths < 1000 else 0) + NARROW_SPACE + "kW"

    def time(self, at: datetime, zone: ZoneInfo) -> str:
        """Time of day: ``14:02``."""
        return at.astimezone(zone).strftime("%H:%M")

    def time_s(self, at: datetime, zone: ZoneInfo) -> str:
        """Time of day with seconds: ``14:02:11``."""
        return at.astimezone(zone).strftime("%H:%M:%S")

    def date_time(self, at: datetime, zone: ZoneInfo) -> str:
        """Date and time: ``22 nov. 2026, 14:02``."""
        return format_datetime(at.astimezone(zone), "d MMM y HH:mm", locale=self.locale)

    def day(self, at: datetime, zone: ZoneInfo) -> str:
        """Date alone: ``22 nov. 2026``."""
        return format_date(at.astimezone(zone).date(), "d MMM y", locale=self.locale)

    def moment(self, at: datetime, now: datetime, zone: ZoneInfo) -> str:
        """The time when it was today, the day and the time otherwise."""
        local, today = at.astimezone(zone), now.astimezone(zone)
        if local.date() == today.date():
            return local.strftime("%H:%M")
        return format_datetime(local, "d MMM HH:mm", locale=self.locale)

    def moment_s(self, at: datetime, now: datetime, zone: ZoneInfo) -> str:
        """``moment``, with seconds when it was today."""
        if at.astimezone(zone).date() == now.astimezone(zone).date():
            return self.time_s(at, zone)
        return self.moment(at, now, zone)

    def duration(self, seconds: float) -> str:
        """Hours and minutes: ``2 h 05``, ``12 min``."""
        minutes = max(0, int(seconds // 60))
        if minutes < 60:
            return f"{minutes}{NARROW_SPACE}min"
        return f"{minutes // 60}{NARROW_SPACE}h{NARROW_SPACE}{minutes % 60:02d}"

    def seconds(self, seconds: float) -> str:
        """A short time: ``280 ms``, ``3,2 s``, ``48 s``; minutes from two on."""
        if seconds < 1:
            return f"{round(seconds * 1000)}{NARROW_SPACE}ms"
        if seconds >= 120:
            return self.duration(seconds)
        return f"{self.decimal(round(seconds, 1), 1 if seconds < 10 else 0)}{NARROW_SPACE}s"

    def percent(self, part: float) -> str:
        """A part of the whole (0 to 1): ``62 %``."""
        return format_percent(part, "#,##0%" if self.code == "en" else None, locale=self.locale)

    def filesize(self, size: int) -> str:
        """Bytes with a unit: ``840 ko``, ``12,5 Mo`` (kB, MB)."""
        letter = "o" if self.code == "fr" else "B"
        if size < 1_000_000:
            return (
                f"{self.integer(max(1, round(size / 1000)) if size else 0)}{NARROW_SPACE}k{letter}"
            )
        return f"{self._decimal(size / 1_000_000, 1)}{NARROW_SPACE}M{letter}"

    def since(self, seconds: float) -> str:
        """A coarse age in words: ``3 minutes``."""
        return format_timedelta(timedelta(seconds=seconds), locale=self.locale, threshold=1.5)


@lru_cache(1)
def languages() -> Mapping[str, Language]:
    """All languages, by code."""
    return {code: Language(code) for code in LANGUAGE_NAMES}


def chosen_language(account: str | None, cookie: str | None, accept: str | None) -> Language:
    """The account's language, else the browser's choice kept in a cookie, else what it accepts."""
    for code in (account, cookie):
        if code is not None and code in LANGUAGE_NAMES:
            return languages()[code]
    for part in (accept or "").split(","):
        code = part.split(";")[0].strip()[:2].lower()
        if code in LANGUAGE_NAMES:
            return languages()[code]
    return languages()[DEFAULT_LANGUAGE]
