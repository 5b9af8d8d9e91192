from __future__ import annotations

import pytest

from simulators.meter.bank import Fault, NoAnswerError, RefusedError, RegisterBank
from simulators.meter.cli import main
from simulators.meter.memory import Wiring
from simulators.meter.models import LEGACY, MODELS, find_model
from simulators.meter.truth import MeterTruth, RunningTruth

NEMO = MODELS["IME Nemo D4-Le"]
TRUTH = MeterTruth(currents_a=(16.0, 15.0, -14.0), voltages_v=(230.0, 231.0, 229.0))


def bank(model: str = "IME Nemo D4-Le", truth: MeterTruth = TRUTH) -> RegisterBank:
    return RegisterBank(MODELS[model], lambda: truth)


def refused(meter: RegisterBank, function: int, address: int, count: int) -> int:
    with pytest.raises(RefusedError) as caught:
        meter.read(function, address, count)
    return caught.value.code


def test_published_words() -> None:
    """230 V is 0x00038270; I2 sits at 0x1008; the flags at 0x1032 tell the export."""
    meter = bank()
    assert meter.read(3, 0x1000, 2) == [0x0003, 0x8270]
    assert meter.read(3, 0x1008, 2) == [0, 15_000]
    assert meter.read(3, 0x1032, 3) == [0, 0, 1]
    assert meter.read(3, 0x1026, 1) == [500]
    assert meter.read(3, 0x1200, 2) == [1, 10]


def test_byte_addressed_block_is_contiguous() -> None:
    meter = RegisterBank(LEGACY, lambda: TRUTH)
    assert meter.read(3, 0x0301, 12) == [
        0x0003, 0x8270, 0x0003, 0x8658, 0x0003, 0x7E88, 0, 0x3E80, 0, 0x3A98, 0, 0x36B0,
    ]  # fmt: skip
    assert meter.read(3, 0x036B, 1) == [1]
    assert refused(meter, 3, 0x0369, 2) == 2
    assert refused(meter, 3, 0x0369, 3) == 2


@pytest.mark.parametrize(
    ("word_format", "words"),
    [
        ("big", [0x0003, 0x8270]),
        ("swap", [0x8270, 0x0003]),
        ("little", [0x7082, 0x0300]),
    ],
)
def test_word_formats(word_format: str, words: list[int]) -> None:
    meter = RegisterBank(NEMO, lambda: TRUTH, wiring=Wiring(word_format=word_format))
    assert meter.read(3, 0x1000, 2) == words
    with pytest.raises(ValueError, match="unknown word format"):
        Wiring(word_format="middle")


@pytest.mark.parametrize(
    ("kta", "ktv", "power", "energy"),
    [
        (1, 1.0, 1_000_000, 1_234_567),
        (9, 1.0, 1_000_000, 1_234_567),
        (10, 1.0, 1_000_000, 123_456),
        (100, 1.0, 1_000_000, 12_345),
        (1000, 1.0, 1_000_000, 1_234),
        (500, 10.0, 10_000, 1_234),
        (4999, 1.0, 1_000_000, 1_234),
        (10_000, 1.0, 10_000, 123),
        (65_535, 100.0, 10_000, 12),
    ],
)
def test_counts_depend_on_the_ratios(kta: int, ktv: float, power: int, energy: int) -> None:
    wiring = Wiring(kta, ktv)
    assert wiring.power_counts(-10_000) == power
    assert wiring.energy_counts(12_345_678) == energy


def test_a_meter_refuses_what_it_does_not_have() -> None:
    meter = bank()
    assert refused(meter, 4, 0x1000, 2) == 1
    assert refused(meter, 16, 0x1000, 2) == 1
    assert refused(meter, 3, 0x1000, 0) == 3
    assert refused(meter, 3, 0x1000, 126) == 3
    assert refused(meter, 3, 0x5000, 2) == 2
    assert refused(meter, 3, 0x1034, 40) == 2
    assert RegisterBank(NEMO, lambda: TRUTH, max_words=24).read(3, 0x1000, 24)
    assert refused(RegisterBank(NEMO, lambda: TRUTH, max_words=24), 3, 0x1000, 25) == 2


def test_faults() -> None:
    truth = RunningTruth()
    truth.update((5.0, 5.0, 5.0), 0.0)
    meter = RegisterBank(NEMO, truth)
    healthy = meter.read(3, 0x1000, 53)
    meter.fault = Fault.FROZEN
    truth.update((9.0, 9.0, 9.0), 1.0)
    assert meter.read(3, 0x1000, 53) == healthy
    meter.fault = Fault.WRONG_SIGN
    assert meter.read(3, 0x1032, 3) == [1, 1, 1]
    meter.fault = Fault.GARBAGE
    assert meter.read(3, 0x1000, 53) != meter.read(3, 0x1000, 53)
    meter.fault = Fault.EXCEPTION
    assert refused(meter, 3, 0x1000, 2) == 4
    meter.fault = Fault.GATEWAY
    assert refused(meter, 3, 0x1000, 2) == 0x0B
    meter.fault = Fault.SILENT
    with pytest.raises(NoAnswerError):
        meter.read(3, 0x1000, 2)
    meter.fault = Fault.NONE
    assert meter.read(3, 0x1006, 2) == [0, 9000]


def test_energy_follows_power_and_direction() -> None:
    truth = RunningTruth(voltages_v=(200.0, 200.0, 200.0), start_s=100.0, import_wh=5.0)
    truth.update((10.0, 10.0, 10.0), 100.0)
    truth.update((-5.0, -5.0, -5.0), 3700.0, voltages_v=(100.0, 100.0, 100.0))
    assert truth().import_wh == pytest.approx(6_005.0)
    truth.update((0.0, 0.0, 0.0), 7300.0)
    assert truth().export_wh == pytest.approx(1_500.0)
    assert truth().import_wh == pytest.approx(6_005.0)
    assert truth().running_s == 7200.0
    truth.update((1.0, 1.0, 1.0), 7000.0)
    assert truth().running_s == 7200.0


def test_neutral_current() -> None:
    assert MeterTruth((10.0, 10.0, 10.0)).neutral_a == pytest.approx(0.0)
    assert MeterTruth((10.0, 0.0, 0.0)).neutral_a == pytest.approx(10.0)


def test_there_are_thirty_references_found_by_name() -> None:
    assert len(MODELS) == 30
    for name, model in MODELS.items():
        assert find_model(name) is model
        assert find_model(name.split(" ", 1)[1].lower()) is model
    with pytest.raises(KeyError):
        find_model("Nemo")


def test_the_command_lists_the_references(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines() == list(MODELS)


def test_the_command_refuses_an_unknown_reference(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--model", "Nemo"])
    assert caught.value.code == 2
    assert "unknown meter 'Nemo'" in capsys.readouterr().err
