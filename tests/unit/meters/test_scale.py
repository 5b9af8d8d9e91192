from __future__ import annotations

import pytest

from app.meters.scale import Ratios, energy_scale, power_scale


@pytest.mark.parametrize(
    ("k", "scale"),
    [
        (None, None), (1, 10), (9.99, 10), (10, 100), (99, 100), (100, 1e3), (999, 1e3),
        (1_000, 1e4), (9_999, 1e4), (10_000, 1e5), (99_999, 1e5), (100_000, 1e6), (1e9, 1e6),
    ],
)  # fmt: skip
def test_energy_scale_grows_with_each_decade(k: float | None, scale: float | None) -> None:
    assert energy_scale(k) == scale


@pytest.mark.parametrize(("k", "scale"), [(None, 0.01), (1, 0.01), (4999, 0.01), (5000, 1.0)])
def test_power_scale(k: float | None, scale: float) -> None:
    assert power_scale(k) == scale


def test_product_of_ratios() -> None:
    assert Ratios().k is None
    assert Ratios(ktv=2.0).k is None
    assert Ratios(40).k == 40
    assert Ratios(40, 1.5).k == 60
