from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.domain.meter import Quality
from app.domain.units import PhaseCurrents
from app.meters.decode import Decoder, Image, place, to_reading
from app.meters.scale import DIRECT, UNKNOWN_RATIOS, Ratios
from app.meters.schema import Block, WordFormat
from tests.support.meters import catalogue

DATA = yaml.safe_load(Path(__file__).with_name("vectors.yaml").read_text(encoding="utf-8"))


def decode(vector: dict[str, Any]) -> dict[str, float]:
    family = catalogue().families[vector["family"]]
    register = next(item for item in family.registers if item.name == vector["register"])
    image: Image = {}
    words = vector["words"]
    place(image, family, Block(register.address, len(words)), words)
    if "sign" in vector:
        assert register.sign is not None
        image[register.sign] = vector["sign"]
    decoder = Decoder(family, word_format=WordFormat(vector.get("word_format", "big")))
    return decoder.quantities(image, Ratios(vector.get("kta"), vector.get("ktv")))


@pytest.mark.parametrize("vector", DATA["vectors"], ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    value = decode(vector).get(vector["register"])
    expected = vector["value"]
    assert value == (None if expected is None else pytest.approx(expected, rel=1e-12))


@pytest.mark.parametrize("vector", DATA["blocks"], ids=lambda vector: vector["id"])
def test_block(vector: dict[str, Any]) -> None:
    family = catalogue().families[vector["family"]]
    image: Image = {}
    place(image, family, Block(vector["start"], len(vector["words"])), vector["words"])
    assert Decoder(family).quantities(image, DIRECT) == vector["decoded"]


@pytest.mark.parametrize(("flag", "amps"), [(0, 16.0), (1, -16.0), (2, 16.0), (None, 16.0)])
def test_only_a_clear_export_flag_turns_a_current_negative(flag: int | None, amps: float) -> None:
    family = catalogue().families["ime_1000"]
    image: Image = {0x1006: 0, 0x1007: 16_000}
    if flag is not None:
        image[0x1032] = flag
    assert Decoder(family).quantities(image, DIRECT)["current_l1"] == amps


def test_half_a_value_is_no_value() -> None:
    family = catalogue().families["ime_1000"]
    assert Decoder(family).quantities({0x1006: 0}, DIRECT) == {}


def test_single_phase_model_has_a_current_on_l1_only() -> None:
    model = catalogue().model("Conto D2")
    family = catalogue().families["ime_1000"]
    decoder = Decoder.of_model(model, family, WordFormat.BIG)
    image: Image = {}
    place(image, family, Block(0x1000, 12), [0x0003, 0x8270] * 3 + [0, 5000] * 3)
    assert decoder.quantities(image, DIRECT) == {"voltage_l1_n": 230.0, "current_l1": 5.0}


@pytest.mark.parametrize(
    ("model", "raw", "ktv"),
    [
        ("Nemo 96HD+", 10, 1.0),
        ("Nemo 96HD+", 0, 1.0),
        ("F4N200", 100, 1.0),
        ("Nemo 96HD+", 600, 60.0),
        ("F4N200", 600, 6.0),
    ],
)
def test_voltage_ratio_has_the_models_resolution(model: str, raw: int, ktv: float) -> None:
    reference = catalogue().model(model)
    decoder = Decoder.of_model(reference, catalogue().family_of(reference), WordFormat.BIG)
    image = {0x1200: 40, 0x1201: raw}
    ratios = decoder.ratios(image)
    assert ratios.kta == 40
    assert ratios.ktv == pytest.approx(ktv)
    assert decoder.quantities(image, UNKNOWN_RATIOS)["ct_ratio_kta"] == 40


def test_a_ratio_that_is_not_read_or_zero_is_unknown() -> None:
    assert Decoder(catalogue().families["ime_1000"]).ratios({}) == UNKNOWN_RATIOS
    assert Decoder(catalogue().families["ime_1000"]).ratios({0x1200: 0}) == UNKNOWN_RATIOS
    assert Decoder(catalogue().families["ime_5000"]).ratios({0x1200: 7}) == UNKNOWN_RATIOS


def test_scale_confirmed() -> None:
    decoder = Decoder(catalogue().families["ime_2000"])
    assert not decoder.scale_confirmed("power_active_total")
    assert decoder.scale_confirmed("current_l1")
    assert decoder.scale_confirmed("unknown")


def test_reading_rounds_to_milliamperes_and_leaves_unknowns_out() -> None:
    reading = to_reading("m", 12.5, {"current_l1": 1.2345, "current_l3": -2.0})
    assert reading.currents == PhaseCurrents(1234, 0, -2000)
    assert (reading.power_w, reading.voltages_v, reading.energy_wh) == (None, None, None)
    assert (reading.at_s, reading.quality) == (12.5, Quality.GOOD)


def test_reading_carries_power_voltages_and_energy() -> None:
    values = {
        "voltage_l1_n": 230.0,
        "voltage_l2_n": 231.0,
        "power_active_total": 5.0,
        "energy_active_import": 70.0,
    }
    reading = to_reading("m", 0.0, values, quality=Quality.IMPLAUSIBLE, reason="why")
    assert reading.voltages_v == (230.0, 231.0, 0.0)
    assert (reading.power_w, reading.energy_wh) == (5.0, 70.0)
    assert (reading.quality, reading.reason) == (Quality.IMPLAUSIBLE, "why")
    assert to_reading("m", 0.0, values, trust_power=False).power_w is None
