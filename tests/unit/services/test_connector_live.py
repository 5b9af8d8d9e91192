"""What an outlet's newest measurement says, by the wiring that is configured now."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.station import Connector, ConnectorKey
from app.domain.transaction import Sample
from app.domain.units import PhaseCurrents
from app.services.registry import ConnectorLive

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_new_wiring_holds_for_what_was_measured_before() -> None:
    live = ConnectorLive(ConnectorKey("A-001", 1), Connector(1, phases=3))
    assert live.energy_sample() is None
    live.measured(Sample(NOON, 5.0, current_unphased_ma=9_500))
    seen = live.energy_sample()
    assert seen is not None
    assert seen.high == PhaseCurrents(9_500, 9_500, 9_500)
    assert live.energy_sample() is seen  # worked out once
    live.rewire(Connector(1, phases=1))
    seen = live.energy_sample()
    assert seen is not None
    assert seen.high == seen.low == PhaseCurrents(9_500, 0, 0)
    live.measured(Sample(NOON, 15.0, current_unphased_ma=6_250))
    newer = live.energy_sample()
    assert newer is not None
    assert (newer.at_s, newer.high) == (15.0, PhaseCurrents(6_250, 0, 0))
    live.end()
    assert live.energy_sample() is None
