"""The interval of each connector's draw: what the meter's past and the limits allow."""

from __future__ import annotations

from app.domain.station import ConnectorStatus
from app.domain.units import PhaseCurrents, Rotation
from app.energy.ceilings import Ceilings
from app.energy.draws import Draw, DrawEstimator
from app.energy.settings import EnergySettings
from app.energy.site_state import ConnectorSample, ConnectorState
from tests.support.energy_site import circuit, key, model_of, station

A = key("A")
ALL = (0, 1, 2)


class Bench:
    """One connector in a session, its ledger and its estimator."""

    def __init__(self, rotation: Rotation = Rotation.RST, phases: int = 3) -> None:
        model = model_of([circuit()], [station("A", rotation=rotation, phases=phases)])
        self.node = model.connectors[0]
        self.settings = EnergySettings()
        self.ledger = Ceilings(model.connectors, self.settings)
        self.ledger.fallback_installed(A, 0, 0.0)
        self.estimator = DrawEstimator(self.settings)
        self.sample: ConnectorSample | None = None
        self.online = True
        self.transaction_id: int | None = 1
        self.status = ConnectorStatus.CHARGING

    def give(self, limit_ma: int, now_s: float) -> None:
        self.see(now_s)
        self.ledger.accepted(A, self.ledger.sent(A, limit_ma, now_s, 1e9), now_s)

    def measure(self, at_s: float, *currents: int) -> None:
        three = currents * 3 if len(currents) == 1 else currents
        low = PhaseCurrents(*three)
        self.sample = ConnectorSample(at_s, low, low)

    def see(
        self, now_s: float, meter_s: float | None = None, active: tuple[int, ...] | None = None
    ) -> Draw:
        state = ConnectorState(
            A,
            online=self.online,
            status=self.status,
            transaction_id=self.transaction_id,
            sample=self.sample,
            sample_interval_s=10.0,
        )
        self.ledger.observe(state, now_s)
        meter = now_s if meter_s is None else meter_s
        wired = tuple(range(len(self.node.conductors)))
        return self.estimator.draw(self.node, state, active or wired, self.ledger, meter, now_s)


def test_nothing_measured_anything_up_to_the_ceiling() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    seen = bench.see(2.0)
    assert seen == Draw((16_000,) * 3, (16_000,) * 3, (0, 0, 0), (16_000,) * 3, (16_000,) * 3)


def test_a_draw_unknown_for_long_counts_as_building() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    assert bench.see(60.9).likely == (16_000,) * 3
    assert bench.see(61.0).likely == (0, 0, 0)


def test_a_sample_counts_once_the_meter_is_newer() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.measure(20.0, 9_000)
    assert bench.see(20.5, meter_s=20.4).low == (0, 0, 0)
    assert bench.see(21.0, meter_s=20.9).low == (0, 0, 0)
    seen = bench.see(21.5, meter_s=21.0)
    assert (seen.low, seen.likely) == ((9_000,) * 3, (9_000,) * 3)
    # A higher one waits likewise, a lower one does not.
    bench.measure(30.0, 12_000)
    assert bench.see(30.5, meter_s=30.4).low == (9_000,) * 3
    bench.measure(31.0, 7_000)
    assert bench.see(31.1, meter_s=31.0).low == (7_000,) * 3
    assert bench.see(32.0, meter_s=32.0).low == (7_000,) * 3


def test_samples_faster_than_the_meter_count_as_well() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    for tenth in range(200, 240):
        bench.measure(tenth / 10, 9_000)
        seen = bench.see(tenth / 10)
    assert seen.low == (9_000,) * 3


def test_a_lower_limit_lowers_the_least_draw_at_once() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.measure(20.0, 16_000)
    bench.see(20.0)
    assert bench.see(22.0).low == (16_000,) * 3
    bench.ledger.sent(A, 6_000, 23.0, 1e9)
    seen = bench.see(23.0)
    assert (seen.low, seen.held, seen.likely) == ((6_000,) * 3, (16_000,) * 3, (16_000,) * 3)


def test_old_samples_tell_nothing_of_a_car_that_may_have_stopped() -> None:
    bench = Bench()
    bench.status = ConnectorStatus.SUSPENDED_EV
    bench.give(16_000, 1.0)
    bench.measure(20.0, 9_000)
    bench.see(20.0)
    assert bench.see(40.0).low == (9_000,) * 3
    assert bench.see(40.1).low == (0, 0, 0)


def test_a_car_that_charges_is_presumed_to_draw_what_it_drew_while_samples_are_lost() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.measure(20.0, 9_000)
    bench.see(20.0)
    seen = bench.see(200.0)
    assert (seen.low, seen.likely, seen.presumed) == ((9_000,) * 3, (9_000,) * 3, True)
    assert bench.see(200.1).low == (0, 0, 0)
    bench.measure(210.0, 9_000)
    bench.see(210.0)
    bench.see(240.0)
    bench.estimator.withdraw(A)
    assert bench.see(241.0).low == (0, 0, 0)


def test_an_absent_station_goes_on_drawing_as_long_as_its_limit_holds() -> None:
    bench = Bench()
    bench.see(0.5)
    number = bench.ledger.sent(A, 16_000, 1.0, 600.0)
    bench.ledger.accepted(A, number, 1.0)
    bench.measure(20.0, 9_000)
    bench.see(20.0)
    bench.see(22.0)
    bench.online = False
    assert bench.see(500.0).low == (9_000,) * 3
    gone = bench.estimator.draw(bench.node, None, ALL, bench.ledger, 500.0, 500.0)
    assert (gone.low, gone.likely, gone.ceiling) == ((9_000,) * 3, (9_000,) * 3, (16_000,) * 3)
    # Its lease may have lapsed: it may have fallen back to nothing.
    assert bench.see(571.0).low == (0, 0, 0)


def test_nothing_is_attributed_to_an_absent_station_that_the_meter_does_not_bear_out() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.measure(20.0, 9_000)
    bench.see(20.0)
    bench.see(22.0)
    bench.online = False
    assert bench.see(30.0).low == (9_000,) * 3
    bench.estimator.withdraw(A)
    assert bench.see(31.0).low == (0, 0, 0)
    bench.online = True
    assert bench.see(32.0).low == (9_000,) * 3
    bench.online = False
    assert bench.see(33.0).low == (9_000,) * 3


def test_the_end_of_a_session_forgets_its_samples() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.measure(20.0, 9_000)
    bench.see(20.0)
    bench.see(22.0)
    bench.transaction_id = 2
    assert bench.see(23.0).low == (0, 0, 0)


def test_a_ceiling_that_fell_is_held_against_the_meters_past() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.give(6_000, 10.0)
    assert bench.see(17.9).held == (16_000,) * 3
    assert bench.see(18.0).held == (16_000,) * 3
    assert bench.see(19.9).held == (16_000,) * 3
    assert bench.see(20.0).held == (6_000,) * 3
    # A rise is never held back, and ends the wait.
    bench.give(0, 30.0)
    bench.see(38.0)
    bench.give(20_000, 39.0)
    assert bench.see(39.0).held == (20_000,) * 3
    assert bench.see(45.0).held == (20_000,) * 3


def test_a_fresh_sample_long_after_the_last_rise_bounds_an_overload() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.measure(10.0, 9_000)
    assert bench.see(10.0).tight == (16_000,) * 3
    bench.measure(11.0, 9_000)
    assert bench.see(11.0).tight == (9_200,) * 3
    bench.measure(12.0, 15_900)
    assert bench.see(12.0).tight == (16_000,) * 3


def test_defiance_is_believed() -> None:
    bench = Bench()
    bench.give(16_000, 1.0)
    bench.give(6_000, 10.0)
    bench.measure(30.0, 16_000)
    bench.see(30.0)
    assert bench.see(32.0).low == (16_000,) * 3


def test_phases_follow_rotation_and_use() -> None:
    bench = Bench(Rotation.TRS)
    bench.give(16_000, 1.0)
    bench.measure(20.0, 9_000, 500, 0)
    bench.see(20.0, active=(0,))
    seen = bench.see(22.0, active=(0,))
    assert seen.ceiling == (0, 0, 16_000)
    assert seen.low == (0, 0, 9_000)
    single = Bench(Rotation.SRT, phases=1)
    single.give(16_000, 1.0)
    single.measure(20.0, 9_000, 0, 0)
    single.see(20.0, active=(0,))
    seen = single.see(22.0, active=(0,))
    assert (seen.low, seen.tight) == ((0, 9_000, 0), (0, 9_200, 0))


def test_a_session_without_any_limit_is_bounded_by_its_rating() -> None:
    bench = Bench()
    bench.ledger.fallback_lost(A)
    bench.measure(20.0, 9_000)
    bench.see(20.0)
    seen = bench.see(22.0)
    assert (seen.ceiling, seen.low) == ((32_000,) * 3, (9_000,) * 3)
