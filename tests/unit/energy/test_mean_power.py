"""The slope of the energy register, while the current stays the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.transaction import Sample
from app.energy.mean_power import MeanPower
from app.energy.site_state import ConnectorSample

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def sample(
    at_s: float, amperes: float | None, energy_wh: int | None, power_w: int | None = None
) -> Sample:
    current = None if amperes is None else round(amperes * 1000)
    return Sample(
        NOON + timedelta(seconds=at_s),
        at_s,
        current_unphased_ma=current,
        energy_wh=energy_wh,
        power_w=power_w,
    )


def powers(*samples: Sample) -> list[int | None]:
    mean = MeanPower()
    return [mean.add(one) for one in samples]


def test_a_steady_current_shows_its_power() -> None:
    samples = [sample(10 * n, 7, 100 + 14 * n) for n in range(5)]
    assert powers(*samples) == [None, None, None, 5_040, 5_040]


def test_little_energy_tells_nothing_yet() -> None:
    assert powers(*[sample(10 * n, 0, 5 + n) for n in range(9)])[-1] is None


@pytest.mark.parametrize(
    "odd",
    [
        sample(40, 9, 160),
        sample(40, None, 160),
        sample(40, 7, None),
        sample(5, 7, 160),
        sample(40, 7, 20),
    ],
)
def test_it_begins_anew_when_something_jumps(odd: Sample) -> None:
    steady = [sample(10 * n, 7, 100 + 14 * n) for n in range(4)]
    assert powers(*steady, odd)[-2:] == [5_040, None]


def test_truncation_may_move_the_current_by_one() -> None:
    samples = [sample(10 * n, 7 + n % 2, 100 + 14 * n) for n in range(5)]
    assert powers(*samples)[-1] == 5_040


def test_another_transaction_starts_afresh() -> None:
    mean = MeanPower()
    mean.add(sample(0, 7, 0))
    mean.restart()
    assert mean.add(sample(40, 7, 56)) is None


@pytest.mark.parametrize(("mean_w", "in_use"), [(5_040, (0, 1, 2)), (1_700, (0,)), (None, None)])
def test_it_counts_the_phases_that_a_coarse_power_cannot(
    mean_w: int | None, in_use: tuple[int, ...] | None
) -> None:
    coarse = sample(0, 7, 0, power_w=4_000)
    seen = ConnectorSample.of(coarse, 3, mean_w)
    assert seen is not None
    assert seen.conductors_in_use == in_use
    told = ConnectorSample.of(sample(0, 7, 0, power_w=1_700), 3, 5_040)
    assert told is not None
    assert told.conductors_in_use == (0,)
