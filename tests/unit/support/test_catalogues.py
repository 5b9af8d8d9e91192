"""Faults of a translation are found, and a good translation has none."""

from __future__ import annotations

from io import BytesIO

import pytest
from babel.messages.catalog import Catalog

from tests.support.catalogues import brought_up_to_date, failures
from tests.support.errors_toml import extract


def catalogue(entries: dict[str, str]) -> Catalog:
    made = Catalog(locale="fr")
    for original, translation in entries.items():
        made.add(original, translation)
    return made


SOURCES = catalogue({"Stop %(name)s": "", "{count} A": ""})


def test_a_complete_catalogue_has_no_fault() -> None:
    good = catalogue({"Stop %(name)s": "Arrêter %(name)s", "{count} A": "{count} A"})
    assert failures("fr", good, SOURCES) == []


@pytest.mark.parametrize(
    ("translation", "fault"),
    [
        ("", "is not translated"),
        ("Arrêter", "has other placeholders: name"),
        ("Arrêter %(nom)s", "has other placeholders: name, nom"),
    ],
)
def test_a_bad_translation_is_told(translation: str, fault: str) -> None:
    bad = catalogue({"Stop %(name)s": translation, "{count} A": "{count} A"})
    assert failures("fr", bad, SOURCES) == [f"fr: 'Stop %(name)s' {fault}"]


def test_texts_that_came_or_went_are_told() -> None:
    old = catalogue({"{count} A": "{count} A", "Gone": "Parti"})
    assert failures("fr", old, SOURCES) == [
        "fr: not in the catalogue: 'Stop %(name)s'",
        "fr: no longer in the sources: 'Gone'",
    ]


def test_a_plural_may_leave_the_number_out() -> None:
    sources, good = Catalog(), Catalog(locale="fr")
    sources.add(("%(n)s station", "%(n)s stations"))
    good.add(("%(n)s station", "%(n)s stations"), ("une borne", "%(n)s bornes"))
    assert failures("fr", good, sources) == []


def test_bringing_up_to_date_keeps_translations_and_drops_what_is_gone() -> None:
    french = catalogue({"{count} A": "{count} ampères", "Gone": "Parti"})
    updated = brought_up_to_date(french, SOURCES)
    assert {message.id: message.string for message in updated if message.id} == {
        "{count} A": "{count} ampères",
        "Stop %(name)s": "",
    }
    assert not updated.obsolete


def test_english_texts_stand_for_themselves() -> None:
    updated = brought_up_to_date(Catalog(locale="en"), SOURCES)
    assert failures("en", updated, SOURCES) == []


def test_texts_of_errors_are_extracted() -> None:
    source = b'# comment\n[meter-silent]\ntitle = "%(name)s is silent"\nseverity = "critical"\n'
    assert list(extract(BytesIO(source), {}, (), {})) == [
        (2, "gettext", "%(name)s is silent", []),
    ]
