"""Every value that can be shown has words, in every language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from app.domain.circuit import Circuit, CircuitTree
from app.domain.evidence import EventKind
from app.domain.limits import LimitSource, Reason, ReasonCode
from app.domain.meter import MeterPlacement
from app.domain.station import ConnectorStatus
from app.domain.units import PhaseCurrents
from app.services.circuit_figures import Basis
from app.services.history import Cause
from app.services.live import DisplayState, Severity
from app.web import wording
from app.web.i18n import languages

FRENCH = languages()["fr"]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (wording.STATES, DisplayState),
        (wording.STATUSES, ConnectorStatus),
        (wording.REASONS, ReasonCode),
        (wording.PLACEMENTS, MeterPlacement),
        (wording.SEVERITIES, Severity),
        (wording.BASES, Basis),
        (wording.EVENTS, EventKind),
    ],
)
def test_no_value_is_without_words(table: Mapping[Any, Any], values: Iterable[Any]) -> None:
    assert set(table) == set(values)


def test_states_are_told_apart_by_their_words() -> None:
    labels = [FRENCH.text(words.label) for words in wording.STATES.values()]
    assert len(set(labels)) == len(labels)


def test_the_reason_is_a_sentence_with_limit_circuit_and_phase() -> None:
    reason = Reason(ReasonCode.CIRCUIT, "p1", 1)
    names = {"p1": "Parking -1"}
    sentence = wording.reason_sentence(reason, 16_000, FRENCH, names)
    assert sentence.replace("\u202f", " ").replace("\xa0", " ") == (
        "16 A : part égale du circuit Parking -1, phase L2 saturée"
    )
    assert wording.reason_short(reason, FRENCH, names) == "L2 partagée · Parking -1"


@pytest.mark.parametrize("code", ReasonCode)
def test_every_reason_can_be_told_without_circuit_and_phase(code: ReasonCode) -> None:
    for language in languages().values():
        assert "%" not in wording.reason_short(Reason(code), language, {})
        assert "%" not in wording.reason_sentence(Reason(code), None, language, {})


SOURCES = [source for source in LimitSource if source is not LimitSource.INSTALLATION]


def test_every_source_but_the_installation_has_words() -> None:
    assert list(wording.SOURCES) == SOURCES


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("code", ReasonCode)
def test_a_reason_says_who_set_the_limit(code: ReasonCode, source: LimitSource) -> None:
    reason, own = Reason(code, "p1", 1, source), Reason(code, "p1", 1)
    sourced = code.value in ("connector", "circuit", "power", "waiting")
    for language in languages().values():
        short = wording.reason_short(reason, language, {})
        assert "%" not in short
        assert (short != wording.reason_short(own, language, {})) is sourced
        for limit_ma in (0, 6_000):
            sentence = wording.reason_sentence(reason, limit_ma, language, {})
            assert "%" not in sentence
            assert (sentence != wording.reason_sentence(own, limit_ma, language, {})) is sourced


def test_a_pause_says_who_asked_for_it() -> None:
    tariff = Reason(ReasonCode.CONNECTOR, source=LimitSource.TARIFF)
    sun = Reason(ReasonCode.WAITING, "p1", None, LimitSource.SOLAR)
    for reason in (tariff, sun):
        assert wording.reason_sentence(reason, 0, FRENCH, {}).startswith("En pause")
    assert wording.reason_sentence(tariff, 6_000, FRENCH, {}).startswith("6\u202fA")


def test_no_reason_says_nothing() -> None:
    assert wording.reason_short(None, FRENCH, {}) == ""
    assert wording.reason_sentence(None, 0, FRENCH, {}) == ""


@pytest.mark.parametrize(
    ("total", "tone"),
    [(0, "ok"), (79_900, "ok"), (80_000, "tight"), (95_000, "tight"), (95_100, "full"),
     (100_000, "full"), (100_100, "over")],
)  # fmt: skip
def test_a_phase_is_normal_tight_full_or_over(total: int, tone: str) -> None:
    assert wording.load_of(total, 100_000).tone == tone


def test_circuits_are_named() -> None:
    tree = CircuitTree([Circuit("supply", "Arrivée", None, PhaseCurrents.uniform(63_000))])
    assert wording.circuit_names(tree) == {"supply": "Arrivée"}


def test_every_cause_has_its_phrase_and_sources_have_their_own() -> None:
    names = {"aa": "Allée A"}
    assert set(wording.CAUSES) == set(ReasonCode)
    assert set(wording.CAUSE_SOURCES) == set(LimitSource) - {LimitSource.INSTALLATION}
    share = Cause(ReasonCode.CIRCUIT, "aa")
    assert wording.cause_phrase(share, FRENCH, names) == "limité par le départ Allée A"
    hour = Cause(ReasonCode.CIRCUIT, "aa", LimitSource.SCHEDULE)
    assert wording.cause_phrase(hour, FRENCH, names) == "la limite de l’heure sur le départ Allée A"
    asleep = Cause(ReasonCode.DEMAND, None, LimitSource.SCHEDULE)
    assert wording.cause_phrase(asleep, FRENCH, names) == "la voiture n’en prenait pas plus"
    assert {wording.tone_of(Reason(code)) for code in ReasonCode} == {
        "car",
        "most",
        "share",
        "pause",
        "settle",
        "trouble",
    }
