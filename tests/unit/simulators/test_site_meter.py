"""A meter that lies, read as a master reads it."""

from __future__ import annotations

import pytest

from simulators.events import Lie
from simulators.site_meter import SiteMeter

AMPS = 0x1006


def shown(lie: Lie | None, ratio: float = 1.0) -> tuple[float, float, float]:
    meter = SiteMeter("Nemo D4-Le")
    meter.show((10.0, 20.0, 30.0), 1.0)
    if lie is not None:
        meter.lie(lie, ratio)
    meter.show((11.0, 22.0, 33.0), 2.0)
    return amperes(meter)


def amperes(meter: SiteMeter) -> tuple[float, float, float]:
    words = meter.bank.read(3, AMPS, 6)
    a, b, c = ((words[i] * 65536 + words[i + 1]) / 1000 for i in (0, 2, 4))
    return (a, b, c)


@pytest.mark.parametrize(
    ("lie", "ratio", "expected"),
    [
        (None, 1.0, (11.0, 22.0, 33.0)),
        ("frozen", 1.0, (10.0, 20.0, 30.0)),
        ("swapped", 1.0, (22.0, 11.0, 33.0)),
        ("ratio", 0.5, (5.5, 11.0, 16.5)),
        ("sign", 1.0, (11.0, 22.0, 33.0)),
    ],
)
def test_what_a_lying_meter_shows(
    lie: Lie | None, ratio: float, expected: tuple[float, float, float]
) -> None:
    assert shown(lie, ratio) == pytest.approx(expected)


@pytest.mark.parametrize(("lie", "exports"), [("sign", 1), ("ratio", 0)])
def test_transformers_the_wrong_way_round_make_import_look_like_export(
    lie: Lie, exports: int
) -> None:
    meter = SiteMeter("Nemo D4-Le")
    meter.lie(lie, 0.5)
    meter.show((10.0, 20.0, 30.0), 1.0)
    assert meter.bank.read(3, 0x101A, 1) == [exports]


def test_swapped_phases_show_half_the_power_the_other_way() -> None:
    meter = SiteMeter("Nemo D4-Le")
    meter.lie("swapped")
    meter.show((10.0, 20.0, 30.0), 1.0)
    assert meter.bank.feed().powers_w == pytest.approx((-2300.0, -1150.0, 6900.0))


def test_an_honest_meter_shows_what_flows_again() -> None:
    meter = SiteMeter("Nemo D4-Le")
    for lie in ("frozen", "swapped", "ratio", "sign"):
        meter.lie(lie, 0.5)
        meter.be_honest()
        meter.show((10.0, 20.0, 30.0), 3.0)
        assert amperes(meter) == pytest.approx((10.0, 20.0, 30.0))
        assert meter.bank.read(3, 0x101A, 1) == [0]
