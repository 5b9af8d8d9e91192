from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from app.adapters.meter_catalogue import meter_models
from app.domain.errors import InvalidInputError, NotFoundError
from app.meters.catalogue import build_catalogue
from app.meters.schema import Confidence
from tests.support.meters import catalogue

REFERENCES = {
    "Legrand": "4 120 68, 4 120 81, 4 120 83, 4 120 91, 4 120 93, 4 120 41, 4 120 43, 4 120 74, 4 120 75",
    "BTicino": "F4N200, F4N300, F4N400, F21DM63N, F41DM63N, F41TMAN, F41DM125",
    "IME": (
        "Nemo D4-e, Nemo 96HD-e, Nemo D4-Le, Nemo 96HD-Le, Nemo 96HD+, Conto D1, Conto D2, "
        "Conto D2 MID, Conto D4-Pd, Conto D4-Pd MID, Conto D4-Pt, Conto D4-Pt MID, Conto D6-Pd, "
        "Conto D6-Pd MID"
    ),
}
FAMILY: dict[str, Any] = {
    "key": "f",
    "title": "t",
    "order": 1,
    "confidence": "B",
    "phases": 1,
    "function_codes": [3],
    "probe": {"start": 0, "count": 2},
    "read_plans": [{"name": "whole", "blocks": [{"start": 0, "count": 4}]}],
    "registers": [
        {"name": "voltage_l1_n", "address": 0, "kind": "uint32"},
        {"name": "current_l1", "address": 2, "kind": "uint32", "sign": 4},
        {"name": "sign_l1", "address": 4, "kind": "uint16"},
    ],
}
MODEL: dict[str, Any] = {
    "brand": "B",
    "ref": "R-1",
    "family": "f",
    "candidates": ["f"],
    "phases": 1,
    "identity_confidence": "A",
    "confidence": "B",
    "connection": "",
    "description": "",
    "interface": "",
}


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(base), **changes}


def refusal(families: list[Any], models: list[Any]) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        build_catalogue(families, models, {"S": "source"})
    assert caught.value.key == "meter-profile-invalid"
    return caught.value


def test_the_catalogue_is_exactly_the_thirty_references() -> None:
    expected = {f"{brand} {ref}" for brand, refs in REFERENCES.items() for ref in refs.split(", ")}
    labels = [model.label for model in catalogue().models]
    assert set(labels) == expected
    assert len(labels) == 30
    assert labels == sorted(labels, key=lambda label: (label.split()[0].casefold(), label))


def test_confidence_is_told_in_words() -> None:
    grades = [model.confidence for model in catalogue().models]
    counts = {letter: grades.count(letter) for letter in Confidence}
    assert counts == {"A": 0, "B": 5, "C": 12, "D": 13}
    assert len({letter.meaning for letter in Confidence}) == 4


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("IME Nemo D4-Le", "IME Nemo D4-Le"),
        ("Nemo D4-Le", "IME Nemo D4-Le"),
        ("nemo d4le", "IME Nemo D4-Le"),
        ("Nemo D4-e", "IME Nemo D4-e"),
        ("nemo 96hd+", "IME Nemo 96HD+"),
        ("412043", "Legrand 4 120 43"),
        ("legrand 4 120 43", "Legrand 4 120 43"),
        ("Conto D4-Pd", "IME Conto D4-Pd"),
        ("Conto D4-Pd MID", "IME Conto D4-Pd MID"),
        ("f4n200", "BTicino F4N200"),
    ],
)
def test_tolerant_lookup(name: str, label: str) -> None:
    assert catalogue().model(name).label == label


@pytest.mark.parametrize("name", ["", "Nemo", "Nemo 96HD", "Conto D4"])
def test_unknown_reference(name: str) -> None:
    with pytest.raises(NotFoundError, match="meter-unknown-model"):
        catalogue().model(name)


def test_every_model_finds_its_family() -> None:
    for model in catalogue().models:
        assert catalogue().family_of(model).key == model.family
        assert catalogue().model(model.label) is model
        assert catalogue().model(model.ref) is model


def test_no_profile_can_name_a_writing_function() -> None:
    refusal([changed(FAMILY, function_codes=[16])], [])


def test_the_pages_get_every_reference_with_its_confidence() -> None:
    infos = meter_models(catalogue())
    assert len(infos) == 30
    nemo = next(info for info in infos if info.label == "IME Nemo D4-Le")
    assert (nemo.confidence, nemo.family, nemo.phases) == ("B", "ime_1000", 3)
    assert nemo.confidence_meaning == Confidence.B.meaning


def test_a_minimal_catalogue_is_accepted() -> None:
    built = build_catalogue([FAMILY], [MODEL, changed(MODEL, ref="R-0", sources=["S"])], {"S": ""})
    assert [model.label for model in built.models] == ["B R-0", "B R-1"]


@pytest.mark.parametrize(
    "family",
    [
        changed(FAMILY, typo=1),
        changed(FAMILY, function_codes=[]),
        changed(FAMILY, sources=["nowhere"]),
        changed(FAMILY, registers=[*FAMILY["registers"], FAMILY["registers"][0]]),
        changed(
            FAMILY,
            registers=[*FAMILY["registers"], {"name": "x", "address": 3, "kind": "uint16"}],
        ),
        changed(FAMILY, registers=FAMILY["registers"][:2]),
        changed(FAMILY, registers=FAMILY["registers"][:1]),
        changed(FAMILY, read_plans=[{"name": "p", "blocks": [{"start": 0, "count": 3}]}]),
        changed(
            FAMILY,
            read_plans=[{"name": "p", "blocks": [{"start": 0, "count": 4, "optional": True}]}],
        ),
    ],
    ids=[
        "unknown key", "no function", "unlisted source", "name twice", "overlap",
        "flag without register", "no current", "current not read", "current only optional",
    ],
)  # fmt: skip
def test_a_wrong_family_is_refused(family: dict[str, Any]) -> None:
    refusal([family], [])


@pytest.mark.parametrize(
    "models",
    [
        [changed(MODEL, phases=4)],
        [changed(MODEL, family="g")],
        [changed(MODEL, candidates=["f", "g"])],
        [changed(MODEL, sources=["nowhere"])],
        [MODEL, changed(MODEL, ref="r 1")],
    ],
)
def test_a_wrong_model_is_refused(models: list[dict[str, Any]]) -> None:
    refusal([FAMILY], models)


def test_byte_addresses_overlap_by_bytes() -> None:
    family = changed(
        FAMILY,
        byte_addressed=True,
        read_plans=[{"name": "p", "blocks": [{"start": 4, "count": 2}]}],
        registers=[
            {"name": "current_l1", "address": 4, "kind": "uint32"},
            {"name": "flag", "address": 8, "kind": "uint8"},
            {"name": "other", "address": 9, "kind": "uint8"},
            {"name": "ct_ratio_kta", "address": 0x1200, "kind": "uint16"},
            {"name": "vt_ratio_ktv", "address": 0x1201, "kind": "uint16"},
        ],
    )
    assert build_catalogue([family], [], {}).families["f"].byte_addressed
    family["registers"][1]["address"] = 7
    refusal([family], [])


def test_profiles_survive_a_round_trip() -> None:
    families = [msgspec.to_builtins(family) for family in catalogue().families.values()]
    models = [msgspec.to_builtins(model) for model in catalogue().models]
    again = build_catalogue(families, models, catalogue().sources)
    assert again.models == catalogue().models
    assert again.families == catalogue().families
