"""What the simulated meters encode is what the manager decodes, for any wiring and any truth."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.meter import Quality
from app.meters.decode import Decoder, Image, place
from app.meters.identify import detect_word_format, identify
from app.meters.plausibility import judge
from app.meters.scale import Ratios, energy_scale, power_scale
from app.meters.schema import Family, MeterModel, WordFormat
from simulators.meter.bank import RefusedError, RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import LEGACY, MODELS, SimulatedModel
from simulators.meter.truth import MeterTruth
from tests.support.meters import catalogue

WORD_FORMATS = st.sampled_from(list(WordFormat))
VOLTS = st.floats(20.1, 599.9)
AMPS = st.floats(-1_900, 1_900).map(lambda amps: round(amps, 3))


def three(values: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, float, float]]:
    return st.tuples(values, values, values)


TRUTHS = st.builds(
    MeterTruth,
    currents_a=three(AMPS),
    voltages_v=three(VOLTS),
    power_factor=st.floats(0.3, 1.0),
    frequency_hz=st.floats(45, 65),
    import_wh=st.floats(0, 1e9),
    export_wh=st.floats(0, 1e9),
)
# Ratios up to those of a 10 kA, 20 kV board; a KTV of the neutral raw values means "none".
WIRINGS = st.builds(
    lambda kta, ktv, word_format: (kta, ktv, word_format),
    st.integers(1, 2_000),
    st.sampled_from([1.0, 1.5, 2.0, 50.0, 100.0]),
    WORD_FORMATS,
)


def read_plan(bank: RegisterBank, family: Family, plan: int, function: int) -> Image:
    image: Image = {}
    for block in (*family.read_plans[plan].blocks, *family.slow_blocks):
        try:
            words = bank.read(function, block.start, block.count)
        except RefusedError:
            continue
        place(image, family, block, words)
    return image


def check(
    values: Mapping[str, float], truth: MeterTruth, model: MeterModel, family: Family, k: float
) -> None:
    signed = family.key != "ime_5000"
    for phase in range(model.phases):
        amps = truth.currents_a[phase]
        expected = amps if signed else abs(amps)
        assert values[f"current_l{phase + 1}"] == pytest.approx(expected, abs=0.0005)
        assert values[f"voltage_l{phase + 1}_n"] == pytest.approx(
            truth.voltages_v[phase], abs=0.0005
        )
    power = values.get("power_active_total")
    if power is not None:
        watts = truth.powers_w[0] if model.phases == 1 else sum(truth.powers_w)
        count_w = 1.0 if model.phases == 1 else power_scale(k)
        if abs(watts) * 100 < 2**32:
            assert power == pytest.approx(watts, abs=count_w)
    energy = values.get("energy_active_import")
    if energy is not None:
        count_wh = 1000.0 if model.phases == 1 else energy_scale(k)
        assert count_wh is not None
        assert 0 <= truth.import_wh - energy < count_wh + 1e-6
    if "frequency" in values:
        assert values["frequency"] == pytest.approx(truth.frequency_hz, abs=0.0501)


@pytest.mark.parametrize("label", sorted(MODELS))
@settings(max_examples=25)  # for each of the 30 references
@given(truth=TRUTHS, wiring=WIRINGS, plan=st.integers(0, 2))
def test_decoding_undoes_encoding(
    label: str, truth: MeterTruth, wiring: tuple[int, float, WordFormat], plan: int
) -> None:
    model = catalogue().model(label)
    family = catalogue().family_of(model)
    if family.key != "ime_1000":
        wiring = (1, 1.0, wiring[2])
    kta, ktv, word_format = wiring
    simulated = MODELS[label]
    if model.phases == 1:
        # A single-phase meter sees its own phase only.
        truth = MeterTruth(
            (truth.currents_a[0], 0.0, 0.0), truth.voltages_v, truth.power_factor,
            truth.frequency_hz, truth.import_wh, truth.export_wh,
        )  # fmt: skip
    bank = RegisterBank(simulated, lambda: truth, wiring=Wiring(kta, ktv, word_format.value))
    image = read_plan(bank, family, plan % len(family.read_plans), simulated.functions[0])
    decoder = Decoder.of_model(model, family, word_format)
    ratios = decoder.ratios(image)
    if family.key == "ime_1000":
        assert ratios.kta == kta
        assert ratios.ktv == pytest.approx(ktv)
    values = decoder.quantities(image, ratios)
    check(values, truth, model, family, kta * ktv)
    verdict = judge(
        values, phases=model.phases, ratios=ratios,
        power_scale_confirmed=decoder.scale_confirmed("power_active_total"),
    )  # fmt: skip
    apparent = sum(
        volts * abs(amps) for volts, amps in zip(truth.voltages_v, truth.currents_a, strict=True)
    )
    assume(apparent * 100 < 2**32)
    assume(kta == 1 or max(map(abs, truth.currents_a)) <= 50 * kta)
    assert verdict.quality is Quality.GOOD, verdict


@given(truth=TRUTHS, word_format=WORD_FORMATS, plan=st.integers(0, 1))
def test_byte_addressed_layout(truth: MeterTruth, word_format: WordFormat, plan: int) -> None:
    """The legacy map, which no first guess of the catalogue uses."""
    family = catalogue().families["ime_0301"]
    model = catalogue().model("Nemo 96HD-Le")
    bank = RegisterBank(LEGACY, lambda: truth, wiring=Wiring(word_format=word_format.value))
    image = read_plan(bank, family, plan, 3)
    values = Decoder.of_model(model, family, word_format).quantities(image, Ratios())
    assert "energy_active_import" not in values
    check(values, truth, model, family, 1)


@pytest.mark.parametrize("label", sorted(MODELS))
@settings(max_examples=25)  # for each of the 30 references
@given(word_format=WORD_FORMATS, volts=st.floats(200, 250))
def test_identification_finds_the_layout_and_the_format(
    label: str, word_format: WordFormat, volts: float
) -> None:
    simulated = MODELS[label]
    truth = MeterTruth((1.0, 2.0, 3.0), (volts, volts, volts))
    bank = RegisterBank(simulated, lambda: truth, wiring=Wiring(word_format=word_format.value))
    dialogue = identify(catalogue().families.values(), catalogue().models)
    words: list[int] | None = None
    try:
        request = next(dialogue)
        while True:
            try:
                words = bank.read(request.function_code, request.address, request.count)
            except RefusedError:
                words = None
            request = dialogue.send(words)
    except StopIteration as end:
        finding = end.value
    assert finding.family == catalogue().model(label).family
    assert finding.word_format is word_format
    assert finding.function_code in simulated.functions
    assert not simulated.ids or label in finding.models


@given(
    words=st.lists(st.integers(0, 0xFFFF), min_size=53, max_size=53),
    family=st.sampled_from(sorted(catalogue().families)),
    word_format=WORD_FORMATS,
    phases=st.sampled_from([1, 3]),
    kta=st.none() | st.integers(0, 0xFFFF),
)
def test_any_words_decode_to_finite_numbers_and_a_verdict(
    words: list[int], family: str, word_format: WordFormat, phases: int, kta: int | None
) -> None:
    described = catalogue().families[family]
    image: Image = {}
    for plan in described.read_plans:
        for block in plan.blocks:
            place(image, described, block, words[: block.count])
    decoder = Decoder(described, phases=phases, word_format=word_format)
    values = decoder.quantities(image, Ratios(kta))
    assert all(math.isfinite(value) for value in values.values())
    judge(values, phases=decoder.phases, ratios=Ratios(kta))
    detect_word_format(described, words[: described.probe.count])


@given(
    label=st.sampled_from(sorted(MODELS)),
    function=st.integers(0, 255),
    address=st.integers(0, 0xFFFF),
    count=st.integers(0, 0xFFFF),
)
def test_a_bank_answers_what_was_asked_or_refuses(
    label: str, function: int, address: int, count: int
) -> None:
    simulated: SimulatedModel = MODELS[label]
    bank = RegisterBank(simulated, MeterTruth)
    words: list[int] = []
    code = 0
    try:
        words = bank.read(function, address, count)
    except RefusedError as refusal:
        code = refusal.code
    assert code in {0, 1, 2, 3}
    if not code:
        assert len(words) == count
        assert all(0 <= word <= 0xFFFF for word in words)
