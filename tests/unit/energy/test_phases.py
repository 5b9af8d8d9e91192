"""Which conductors a car uses: two samples narrow, one widens."""

from __future__ import annotations

from app.domain.units import PhaseCurrents
from app.energy.phases import PhaseTracker
from app.energy.settings import EnergySettings
from app.energy.site_state import ConnectorSample
from tests.support.energy_site import circuit, model_of, station

NODE = model_of([circuit()], [station("A")]).connectors[0]
SINGLE = model_of([circuit()], [station("A", phases=1)]).connectors[0]


def sample(at_s: float, *amperes: int) -> ConnectorSample:
    low = PhaseCurrents(*(value * 1000 for value in amperes))
    used = tuple(n for n, value in enumerate(amperes) if value > 1)
    return ConnectorSample(at_s, low, low, used if low.peak() > 3_000 else None)


def test_all_wired_conductors_until_two_samples_agree() -> None:
    tracker = PhaseTracker(EnergySettings())
    assert tracker.active(NODE, 1, None) == (0, 1, 2)
    assert tracker.active(NODE, 1, sample(1, 16, 0, 0)) == (0, 1, 2)
    assert tracker.active(NODE, 1, sample(1, 16, 0, 0)) == (0, 1, 2)
    assert tracker.active(NODE, 1, sample(2, 16, 0, 0)) == (0,)


def test_samples_that_disagree_do_not_narrow() -> None:
    tracker = PhaseTracker(EnergySettings())
    tracker.active(NODE, 1, sample(1, 16, 0, 0))
    assert tracker.active(NODE, 1, sample(2, 16, 16, 0)) == (0, 1, 2)
    assert tracker.active(NODE, 1, sample(3, 16, 16, 0)) == (0, 1)


def test_current_elsewhere_widens_at_once() -> None:
    tracker = PhaseTracker(EnergySettings())
    tracker.active(NODE, 1, sample(1, 16, 0, 0))
    tracker.active(NODE, 1, sample(2, 16, 0, 0))
    assert tracker.active(NODE, 1, sample(3, 16, 0, 16)) == (0, 2)


def test_a_small_draw_changes_nothing() -> None:
    tracker = PhaseTracker(EnergySettings())
    tracker.active(NODE, 1, sample(1, 2, 0, 0))
    assert tracker.active(NODE, 1, sample(2, 2, 0, 0)) == (0, 1, 2)


def test_a_session_forgets_the_last_one() -> None:
    tracker = PhaseTracker(EnergySettings())
    tracker.active(NODE, 1, sample(1, 16, 0, 0))
    tracker.active(NODE, 1, sample(2, 16, 0, 0))
    assert tracker.active(NODE, 2, None) == (0, 1, 2)
    tracker.active(NODE, 2, sample(3, 16, 0, 0))
    tracker.active(NODE, 2, sample(4, 16, 0, 0))
    assert tracker.active(NODE, None, None) == (0, 1, 2)
    assert tracker.active(NODE, 2, None) == (0, 1, 2)


def test_a_single_phase_outlet_has_one_conductor() -> None:
    tracker = PhaseTracker(EnergySettings())
    assert tracker.active(SINGLE, 1, None) == (0,)
    tracker.active(SINGLE, 1, sample(1, 16, 16, 16))
    assert tracker.active(SINGLE, 1, sample(2, 16, 16, 16)) == (0,)
