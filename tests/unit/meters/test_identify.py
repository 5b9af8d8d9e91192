from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from app.meters.identify import Finding, ReadRequest, detect_word_format, identify
from app.meters.schema import WordFormat
from tests.support.meters import catalogue

Answers = Mapping[tuple[int, int, int], Sequence[int]]
VOLTS = [0x0003, 0x8270]


def play(answers: Answers) -> tuple[Finding, list[ReadRequest]]:
    asked: list[ReadRequest] = []
    dialogue = identify(catalogue().families.values(), catalogue().models)
    words: Sequence[int] | None = None
    try:
        request = next(dialogue)
        while True:
            asked.append(request)
            words = answers.get((request.function_code, request.address, request.count))
            request = dialogue.send(words)
    except StopIteration as end:
        finding: Finding = end.value
        return finding, asked


def test_a_silent_meter_is_asked_everything_and_nothing_is_found() -> None:
    finding, asked = play({})
    assert finding == Finding()
    assert [(item.function_code, item.address, item.count) for item in asked] == [
        (3, 0x0300, 1), (3, 0x1204, 1),
        (3, 0x1000, 6), (4, 0x1000, 6),
        (4, 0x501D, 6), (3, 0x501D, 6),
        (3, 0x0301, 12),
        (3, 0x2000, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "words", "family"),
    [
        ((3, 0x1000, 6), VOLTS * 3, "ime_1000"),
        ((4, 0x1000, 6), VOLTS * 3, "ime_1000"),
        ((3, 0x501D, 6), VOLTS * 3, "ime_5000"),
        ((4, 0x501D, 6), VOLTS * 3, "ime_5000"),
        ((3, 0x0301, 12), VOLTS * 3 + [0] * 6, "ime_0301"),
        ((3, 0x2000, 2), VOLTS, "ime_2000"),
    ],
)
def test_each_family_is_known_by_its_voltages(
    request_: tuple[int, int, int], words: list[int], family: str
) -> None:
    finding, asked = play({request_: words})
    assert (finding.family, finding.function_code) == (family, request_[0])
    assert asked[-1].address == request_[1]


def test_identifiers_name_the_model() -> None:
    finding, _ = play({(3, 0x0300, 1): [6], (3, 0x1000, 6): VOLTS * 3})
    assert finding.device_ids == {0x0300: 6}
    assert finding.models == ("BTicino F4N200",)
    finding, _ = play({(3, 0x1204, 1): [0x10]})
    assert finding.models == ("IME Nemo 96HD+",)


def test_other_words_are_not_taken_for_voltages() -> None:
    finding, _ = play({(3, 0x1000, 6): VOLTS * 2 + [0, 0], (3, 0x2000, 2): [0x0025, 0x0064]})
    assert finding.family is None


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([0x0003, 0x8270], WordFormat.BIG),
        ([0x8270, 0x0003], WordFormat.SWAP),
        ([0x7082, 0x0300], WordFormat.LITTLE),
        ([0x7FFF, 0xFFFF], None),
        ([0x0000, 0x0000], None),
    ],
)
def test_word_format_is_the_one_that_makes_a_voltage(
    words: list[int], found: WordFormat | None
) -> None:
    for key in ("ime_1000", "ime_0301", "ime_5000"):
        family = catalogue().families[key]
        block = words * 3 + [0] * (family.probe.count - 6)
        assert detect_word_format(family, block) is found


def test_a_value_marked_as_not_available_is_no_voltage() -> None:
    family = catalogue().families["ime_5000"]
    assert detect_word_format(family, VOLTS * 2 + [0x7FFF, 0xFFFF]) is None
