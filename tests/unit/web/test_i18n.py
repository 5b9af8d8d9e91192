"""Numbers, dates and the choice of the language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.web.i18n import Language, chosen_language, languages

PARIS = ZoneInfo("Europe/Paris")
FRENCH, ENGLISH = languages()["fr"], languages()["en"]
NOON = datetime(2026, 11, 22, 11, 2, 3, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\xa0", " ")


@pytest.mark.parametrize(
    ("language", "written", "expected"),
    [
        (FRENCH, FRENCH.amps(12_540), "12,5"),
        (FRENCH, FRENCH.amps(16_000), "16,0"),
        (FRENCH, FRENCH.amperes(16_000), "16 A"),
        (FRENCH, FRENCH.amperes(12_540), "12,5 A"),
        (ENGLISH, ENGLISH.amperes(12_540), "12.5 A"),
        (FRENCH, FRENCH.amps_whole(167_500), "168"),
        (FRENCH, FRENCH.energy(12_440), "12,4 kWh"),
        (FRENCH, FRENCH.energy(1_234_567), "1 235 kWh"),
        (FRENCH, FRENCH.power(7_360), "7,4 kW"),
        (FRENCH, FRENCH.power(314_000), "314 kW"),
        (ENGLISH, ENGLISH.integer(12_345), "12,345"),
        (FRENCH, FRENCH.time(NOON, PARIS), "12:02"),
        (FRENCH, FRENCH.time_s(NOON, PARIS), "12:02:03"),
        (FRENCH, FRENCH.date_time(NOON, PARIS), "22 nov. 2026 12:02"),
        (ENGLISH, ENGLISH.day(NOON, PARIS), "22 Nov 2026"),
        (FRENCH, FRENCH.duration(59), "0 min"),
        (FRENCH, FRENCH.seconds(0.2804), "280 ms"),
        (FRENCH, FRENCH.seconds(3.24), "3,2 s"),
        (ENGLISH, ENGLISH.seconds(48.4), "48 s"),
        (FRENCH, FRENCH.seconds(120), "2 min"),
        (FRENCH, FRENCH.percent(0.624), "62 %"),
        (ENGLISH, ENGLISH.percent(0.624), "62%"),
        (FRENCH, FRENCH.moment_s(NOON, NOON, PARIS), "12:02:03"),
        (FRENCH, FRENCH.moment_s(NOON, NOON + timedelta(days=2), PARIS), "22 nov. 12:02"),
        (FRENCH, FRENCH.duration(7_500), "2 h 05"),
    ],
)
def test_values_are_written_as_the_language_does(
    language: Language, written: str, expected: str
) -> None:
    assert plain(written) == expected


def test_a_unit_never_leaves_its_number() -> None:
    assert " " not in FRENCH.amperes(12_500)


def test_a_moment_of_another_day_tells_the_day() -> None:
    later = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    assert FRENCH.moment(NOON, NOON, PARIS) == "12:02"
    assert FRENCH.moment(NOON, later, PARIS) == "22 nov. 12:02"


def test_plurals_follow_the_language() -> None:
    def alarms(language: Language, count: int) -> str:
        return language.ngettext("%(count)s alarm", "%(count)s alarms", count)

    assert [alarms(ENGLISH, count) for count in (0, 1, 2)] == ["0 alarms", "1 alarm", "2 alarms"]
    assert [alarms(FRENCH, count) for count in (0, 1, 2)] == ["0 alarme", "1 alarme", "2 alarmes"]


@pytest.mark.parametrize(
    ("account", "cookie", "accept", "expected"),
    [
        (None, None, None, "fr"),
        (None, None, "de-DE,de;q=0.9", "fr"),
        (None, None, "de,en-GB;q=0.8,fr;q=0.5", "en"),
        (None, "en", "fr", "en"),
        ("fr", "en", "en", "fr"),
        (None, "xx", "en", "en"),
    ],
)
def test_account_then_cookie_then_browser_choose(
    account: str | None, cookie: str | None, accept: str | None, expected: str
) -> None:
    assert chosen_language(account, cookie, accept).code == expected


def test_an_empty_text_is_not_the_catalogue_header() -> None:
    assert FRENCH.gettext("") == ""
