"""The ledger: what each connector may still draw, event by event."""

from __future__ import annotations

from math import inf

import pytest

from app.domain.meter import MeterPlacement
from app.domain.station import ConnectorStatus
from app.domain.units import PhaseCurrents
from app.energy.ceilings import Ceilings
from app.energy.settings import EnergySettings
from app.energy.site_state import ConnectorSample, ConnectorState
from tests.support.energy_site import circuit, key, model_of, station

A = key("A")
SETTINGS = EnergySettings()


def ledger(
    *, metered: bool = True, fallback: float | None = 0, controllable: bool = True
) -> Ceilings:
    meters = {"supply": MeterPlacement.SUPPLY} if metered else {}
    model = model_of([circuit()], [station("A", controllable=controllable)], meters)
    made = Ceilings(model.connectors, SETTINGS)
    if fallback is not None:
        made.fallback_installed(A, round(fallback * 1000), 0.0)
    return made


def see(
    made: Ceilings,
    now_s: float,
    *,
    transaction_id: int | None = 1,
    online: bool = True,
    status: ConnectorStatus = ConnectorStatus.CHARGING,
    draw_ma: int | None = None,
    at_s: float | None = None,
    controllable: bool = True,
    interval_s: float = 10.0,
) -> None:
    sample = None
    if draw_ma is not None:
        currents = PhaseCurrents.uniform(draw_ma)
        sample = ConnectorSample(now_s if at_s is None else at_s, currents, currents)
    made.observe(
        ConnectorState(
            A,
            online=online,
            status=status,
            transaction_id=transaction_id,
            sample=sample,
            controllable=controllable,
            sample_interval_s=interval_s,
        ),
        now_s,
    )


def give(made: Ceilings, limit_ma: int, now_s: float, lease_until_s: float = 600.0) -> int:
    number = made.sent(A, limit_ma, now_s, lease_until_s)
    made.accepted(A, number, now_s)
    return number


# ----------------------------------------------------------------- no limit yet


@pytest.mark.parametrize(
    ("metered", "fallback", "online", "expected"),
    [
        (True, 0, True, 0),
        (True, 6, True, 6_000),
        (True, None, True, 32_000),
        (True, None, False, 0),
        (False, None, False, 32_000),
        (False, 6, False, 6_000),
    ],
)
def test_idle_connectors(
    metered: bool, fallback: float | None, online: bool, expected: int
) -> None:
    made = ledger(metered=metered, fallback=fallback)
    see(made, 1.0, transaction_id=None, online=online, status=ConnectorStatus.AVAILABLE)
    assert made.ceiling(A, 1.0) == expected
    assert made.limit_in_force(A, 1.0) == (None if fallback is None else expected)


def test_a_fallback_under_way_counts_when_it_is_higher() -> None:
    made = ledger(fallback=0)
    made.fallback_sent(A, 6_000)
    assert made.ceiling(A, 1.0) == 6_000
    made.fallback_sent(A, 0)
    assert made.ceiling(A, 1.0) == 6_000
    made.fallback_installed(A, 0, 1.0)
    assert made.ceiling(A, 1.0) == 0
    made.fallback_lost(A)
    assert made.ceiling(A, 1.0) == 32_000
    assert made.fallback_ma(A) is None


def test_a_fallback_installed_during_a_session_has_to_settle() -> None:
    made = ledger(fallback=None)
    see(made, 1.0)
    assert made.ceiling(A, 1.0) == 32_000
    made.fallback_installed(A, 6_000, 2.0)
    assert made.ceiling(A, 9.0) == 32_000
    assert made.ceiling(A, 10.0) == 6_000


@pytest.mark.parametrize("of_the_model", [True, False])
def test_without_a_pilot_the_rating_counts_while_a_car_is_there(of_the_model: bool) -> None:
    made = ledger(controllable=of_the_model)
    see(made, 1.0, controllable=not of_the_model, transaction_id=None)
    assert made.ceiling(A, 1.0) == 32_000
    see(
        made,
        2.0,
        controllable=not of_the_model,
        transaction_id=None,
        status=ConnectorStatus.AVAILABLE,
    )
    assert made.ceiling(A, 2.0) == 0


# ----------------------------------------------------------------- messages


def test_an_increase_counts_from_the_moment_it_is_sent() -> None:
    made = ledger()
    see(made, 1.0)
    number = made.sent(A, 16_000, 2.0, 600.0)
    assert (made.ceiling(A, 2.0), made.limit_in_force(A, 2.0), made.asked(A, 2.0)) == (
        16_000,
        0,
        16_000,
    )
    assert made.in_flight(A)
    made.accepted(A, number, 3.0)
    assert (made.ceiling(A, 3.0), made.limit_in_force(A, 3.0)) == (16_000, 16_000)
    assert not made.in_flight(A)
    assert made.lease_until_s(A) == 600.0


def test_a_decrease_frees_nothing_until_it_has_settled() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 16_000, 2.0)
    number = made.sent(A, 6_000, 20.0, 600.0)
    assert made.ceiling(A, 21.0) == 16_000
    made.accepted(A, number, 21.0)
    assert made.limit_in_force(A, 21.0) == 6_000
    assert made.ceiling(A, 28.9) == 16_000
    assert made.ceiling(A, 29.0) == 6_000


def test_the_instant_of_an_acceptance_is_known() -> None:
    made = ledger()
    see(made, 0.0)
    number = made.sent(A, 16_000, 1.0, 600.0)
    assert made.confirmed_s(A) == 0.0
    made.accepted(A, number, 1.25)
    assert made.confirmed_s(A) == 1.25


def test_measured_compliance_settles_earlier() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 16_000, 2.0)
    give(made, 6_000, 20.0)
    see(made, 21.0, draw_ma=6_400)
    assert made.ceiling(A, 21.0) == 16_000  # It may have been measured before the answer.
    see(made, 23.0, draw_ma=6_600)
    assert made.ceiling(A, 23.0) == 16_000
    see(made, 24.0, draw_ma=6_400)
    assert made.ceiling(A, 24.0) == 6_000


def test_a_car_still_rising_does_not_settle_a_decrease() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 16_000, 20.0)
    give(made, 10_000, 23.0)
    see(made, 27.0, draw_ma=8_000)
    assert made.ceiling(A, 27.0) == 16_000


def test_two_decreases_settle_one_after_the_other() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 20_000, 2.0)
    give(made, 14_000, 20.0)
    give(made, 8_000, 25.0)
    assert [made.ceiling(A, now) for now in (27.9, 28.0, 32.9, 33.0)] == [
        20_000,
        14_000,
        14_000,
        8_000,
    ]


def test_a_refused_limit_never_counted() -> None:
    made = ledger()
    see(made, 1.0)
    number = made.sent(A, 16_000, 2.0, 600.0)
    made.refused(A, number, 3.0)
    assert (made.ceiling(A, 3.0), made.asked(A, 3.0)) == (0, 0)
    made.refused(A, number, 4.0)
    assert made.retry_at_s(A) == 13.0
    assert made.retry_soon_s(A) == 8.0
    assert not made.refuses(A)
    for second in (4.0, 5.0):
        made.refused(A, made.sent(A, 16_000, second, 600.0), second)
    assert made.refuses(A)
    assert made.retry_at_s(A) == 45.0
    give(made, 16_000, 60.0)
    assert not made.refuses(A)
    assert made.retry_at_s(A) == -inf


def test_a_lost_limit_may_be_in_force_or_not() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 10_000, 2.0)
    higher = made.sent(A, 16_000, 20.0, 600.0)
    made.unanswered(A, higher, 30.0)
    assert made.uncertain(A)
    assert (made.ceiling(A, 60.0), made.asked(A, 60.0), made.floor(A, 60.0)) == (
        16_000,
        10_000,
        10_000,
    )
    lower = made.sent(A, 6_000, 40.0, 900.0)
    made.unanswered(A, lower, 50.0)
    made.unanswered(A, lower, 51.0)
    assert (made.ceiling(A, 60.0), made.floor(A, 60.0)) == (16_000, 6_000)
    # A later answer tells what became of all before it.
    give(made, 8_000, 60.0)
    assert not made.uncertain(A)
    assert (made.ceiling(A, 67.0), made.ceiling(A, 68.0)) == (16_000, 8_000)


def test_a_silent_station_does_not_grow_the_ledger() -> None:
    made = ledger()
    see(made, 1.0)
    for second in range(2, 100):
        made.unanswered(A, made.sent(A, 16_000, float(second), 600.0 + second), float(second))
    assert made.ceiling(A, 100.0) == 16_000
    assert made.ceiling(A, 600.0 + 99 + 38) == 0


def test_no_answer_for_long_is_no_answer() -> None:
    made = ledger()
    see(made, 1.0)
    made.sent(A, 16_000, 2.0, 600.0)
    see(made, 6.0)
    assert not made.overdue(A, 6.0)
    see(made, 8.0)
    assert made.overdue(A, 8.0)
    see(made, 33.0)
    assert made.uncertain(A)
    assert not made.overdue(A, 33.0)


def test_answers_out_of_order() -> None:
    made = ledger()
    see(made, 1.0)
    first = made.sent(A, 10_000, 2.0, 600.0)
    second = made.sent(A, 6_000, 3.0, 600.0)
    made.accepted(A, second, 4.0)
    made.accepted(A, first, 5.0)
    assert made.limit_in_force(A, 5.0) == 6_000
    assert made.ceiling(A, 12.0) == 6_000
    # And an answer to the first leaves the second open.
    first = made.sent(A, 10_000, 20.0, 600.0)
    made.sent(A, 20_000, 21.0, 600.0)
    made.accepted(A, first, 22.0)
    assert made.ceiling(A, 22.0) == 20_000
    made.accepted(A, 999, 23.0)
    assert made.limit_in_force(A, 23.0) == 10_000


def test_unknown_connectors_are_ignored() -> None:
    made = ledger()
    ghost = key("ghost")
    number = made.sent(ghost, 6_000, 1.0, 600.0)
    made.accepted(ghost, number, 1.0)
    made.refused(ghost, number, 1.0)
    made.unanswered(ghost, number, 1.0)
    made.fallback_sent(ghost, 6_000)
    made.fallback_installed(ghost, 6_000, 1.0)
    made.fallback_lost(ghost)
    made.restore(ghost, 1, 6_000, 600.0)
    made.transaction_changed(ghost, 1, 1.0)
    made.observe(ConnectorState(ghost, online=True), 1.0)
    assert made.ceiling(A, 1.0) == 0


# ----------------------------------------------------------------- leases, sessions, connections


def test_a_lapsed_lease_leaves_the_fallback() -> None:
    made = ledger(fallback=6)
    see(made, 1.0)
    give(made, 16_000, 2.0, lease_until_s=100.0)
    assert made.ceiling(A, 137.9) == 16_000
    assert made.ceiling(A, 138.0) == 6_000
    assert made.limit_in_force(A, 138.0) == 6_000
    # The station's clock may be early: the car may be back at the fallback already.
    assert made.low_water(A, 69.0) == 16_000
    assert made.low_water(A, 70.0) == 6_000


def test_without_a_fallback_a_lapsed_lease_proves_nothing() -> None:
    made = ledger(fallback=None)
    see(made, 1.0)
    give(made, 16_000, 2.0, lease_until_s=100.0)
    assert made.ceiling(A, 1e6) == 16_000


def test_limits_die_with_their_transaction() -> None:
    made = ledger(fallback=6)
    see(made, 1.0)
    give(made, 16_000, 2.0)
    see(made, 3.0, transaction_id=2)
    assert made.transaction_id(A) == 2
    assert (made.ceiling(A, 3.0), made.lease_until_s(A)) == (6_000, None)
    late = made.sent(A, 20_000, 4.0, 600.0)
    see(made, 5.0, transaction_id=None)
    made.accepted(A, late, 6.0)
    assert made.ceiling(A, 6.0) == 6_000


def test_an_offline_station_keeps_its_limit_until_the_lease_lapses() -> None:
    made = ledger(fallback=6)
    see(made, 1.0)
    give(made, 16_000, 2.0, lease_until_s=100.0)
    see(made, 3.0, online=False)
    assert made.ceiling(A, 100.0) == 16_000
    assert made.ceiling(A, 138.0) == 6_000


def test_an_offline_station_may_restart_on_its_fallback() -> None:
    made = ledger(fallback=6)
    see(made, 1.0)
    give(made, 0, 2.0)
    assert made.ceiling(A, 20.0) == 0
    made.missing(A)
    assert made.ceiling(A, 20.0) == 6_000


def test_a_restored_limit_counts_on_top_of_the_fallback() -> None:
    made = ledger(fallback=None)
    made.restore(A, 1, 10_000, 100.0)
    assert made.fallback_ma(A) == 0
    assert (made.ceiling(A, 1.0), made.asked(A, 1.0), made.uncertain(A)) == (10_000, 10_000, True)
    assert made.low_water(A, 1.0) == 0
    see(made, 2.0, draw_ma=900)
    assert made.lease_until_s(A) is None
    see(made, 12.0, draw_ma=9_800)
    assert (made.limit_in_force(A, 12.0), made.uncertain(A)) == (10_000, False)
    assert made.low_water(A, 12.0) == 10_000


def test_a_restored_limit_of_another_transaction_is_dropped() -> None:
    made = ledger(fallback=6)
    made.restore(A, 1, 10_000, 100.0)
    see(made, 1.0, transaction_id=2)
    assert made.ceiling(A, 1.0) == 6_000


def test_a_restored_limit_beside_a_new_one() -> None:
    made = ledger(fallback=0)
    made.restore(A, 1, 10_000, 100.0)
    see(made, 1.0)
    number = made.sent(A, 8_000, 1.0, 600.0)
    see(made, 2.0, draw_ma=9_800)
    assert made.limit_in_force(A, 2.0) == 10_000
    assert made.low_water(A, 2.0) == 8_000
    made.accepted(A, number, 3.0)
    assert made.limit_in_force(A, 3.0) == 8_000


# ----------------------------------------------------------------- measured


def test_a_draw_above_the_limit_raises_the_ceiling() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 16_000, 2.0)
    give(made, 6_000, 20.0)
    see(made, 29.0, draw_ma=16_000)
    assert not made.exceeds(A)  # It may have been measured before the car had to follow.
    see(made, 31.0, draw_ma=15_000)
    assert made.exceeds(A)
    assert made.ceiling(A, 31.0) == 16_000
    assert not made.disobeys(A, 31.0)
    see(made, 41.0, draw_ma=15_000)
    assert not made.disobeys(A, 45.9)
    assert made.disobeys(A, 46.0)
    see(made, 51.0, draw_ma=6_500)
    assert not made.exceeds(A)
    assert made.ceiling(A, 51.0) == 6_000


@pytest.mark.parametrize(
    ("limit_ma", "draw_ma", "exceeds"),
    [
        (6_000, 7_000, False),
        (6_000, 7_001, True),
        (32_000, 33_600, False),
        (32_000, 33_601, True),
        (0, 1_000, False),
    ],
)
def test_what_counts_as_a_violation(limit_ma: int, draw_ma: int, exceeds: bool) -> None:
    made = ledger()
    see(made, 1.0)
    give(made, limit_ma, 2.0)
    see(made, 30.0, draw_ma=draw_ma)
    assert made.exceeds(A) is exceeds
    assert made.ceiling(A, 30.0) <= 32_000


def test_without_any_known_limit_nothing_is_a_violation() -> None:
    made = ledger(fallback=None)
    see(made, 1.0, draw_ma=30_000)
    assert not made.exceeds(A)


def test_old_and_foreign_samples_are_not_taken() -> None:
    made = ledger()
    see(made, 1.0, transaction_id=None, draw_ma=9_000, at_s=0.5)
    assert made.sample(A) is None
    see(made, 2.0, draw_ma=9_000, at_s=0.5)
    assert made.sample(A) is None
    made.observe(
        ConnectorState(
            A,
            online=True,
            transaction_id=1,
            arrived_s=3.0,
            sample=ConnectorSample(2.5, PhaseCurrents(), PhaseCurrents()),
        ),
        4.0,
    )
    assert made.sample(A) is None


# ----------------------------------------------------------------- the low water


def test_the_least_limit_since_the_sample() -> None:
    made = ledger()
    see(made, 1.0)
    assert made.low_water(A, 1.0) == 0
    give(made, 16_000, 2.0)
    see(made, 30.0, draw_ma=16_000)
    assert made.low_water(A, 30.0) == 16_000
    lower = made.sent(A, 6_000, 31.0, 600.0)
    assert made.low_water(A, 31.0) == 6_000
    made.accepted(A, lower, 32.0)
    give(made, 16_000, 42.0)
    # The car may still be following the 6 A of a moment ago.
    see(made, 43.0, draw_ma=6_000)
    assert made.low_water(A, 43.0) == 6_000
    see(made, 53.0, draw_ma=16_000)
    assert made.low_water(A, 53.0) == 16_000


def test_no_limit_no_low_water() -> None:
    made = ledger(fallback=None)
    assert made.low_water(A, 1.0) is None


def test_a_changed_configuration_keeps_what_is_known() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 16_000, 2.0)
    model = model_of([circuit()], [station("A", rating=10), station("B")])
    made.replace_nodes(model.connectors)
    assert made.ceiling(A, 2.0) == 10_000
    assert made.ceiling(key("B"), 2.0) == 0
    assert made.changed_s(A) == made.raised_s(A) == 2.0


# ----------------------------------------------------------------- leases nobody has proven


def test_an_unproven_lease_may_have_lapsed_and_may_still_hold() -> None:
    made = ledger()
    see(made, 0.0)
    number = made.sent(A, 16_000, 0.0, 600.0, proven=False)
    made.accepted(A, number, 1.0)
    assert made.lease_until_s(A) == 600.0  # it is renewed all the same
    late_s = 600.0 + SETTINGS.lease_grace_s + 1
    see(made, late_s, online=False)
    assert made.ceiling(A, late_s) == 16_000
    assert made.low_water(A, late_s) == 0


def test_an_unanswered_limit_of_an_unproven_lease_stays_possible() -> None:
    made = ledger()
    see(made, 0.0)
    first = made.sent(A, 16_000, 0.0, 600.0, proven=False)
    made.unanswered(A, first, 8.0)
    second = made.sent(A, 16_000, 10.0, 610.0)
    made.unanswered(A, second, 18.0)
    assert made.ceiling(A, 2_000.0) == 16_000


def test_after_a_jump_of_clocks_no_lease_is_counted_on() -> None:
    made = ledger()
    see(made, 0.0)
    give(made, 16_000, 0.0)
    made.sent(A, 20_000, 5.0, 605.0)
    made.distrust_leases()
    see(made, 10.0, online=False)
    assert made.ceiling(A, 2_000.0) == 20_000
    see(made, 2_000.0)
    give(made, 10_000, 2_000.0, 2_600.0)
    assert made.ceiling(A, 2_700.0) == 0


def test_a_value_under_a_lease_that_may_have_lapsed_is_not_the_least_in_force() -> None:
    """Nor is it what the station holds: sending it again may raise."""
    made = ledger(fallback=6)
    see(made, 1.0)
    give(made, 16_000, 2.0, lease_until_s=100.0)
    assert (made.floor(A, 69.0), made.floor(A, 70.0)) == (16_000, 6_000)
    assert (made.asked(A, 129.0), made.asked(A, 130.0)) == (16_000, 6_000)
    made.sent(A, 20_000, 131.0, 731.0)
    assert (made.floor(A, 132.0), made.asked(A, 132.0)) == (6_000, 20_000)


def test_a_fallback_above_the_limit_counts_as_soon_as_the_lease_may_lapse() -> None:
    made = ledger(fallback=6)
    see(made, 1.0)
    give(made, 0, 2.0, lease_until_s=100.0)
    assert made.ceiling(A, 69.9) == 0
    assert made.ceiling(A, 70.0) == 6_000


def test_without_a_fallback_the_least_is_what_was_accepted() -> None:
    made = ledger(fallback=None)
    see(made, 1.0)
    give(made, 16_000, 2.0, lease_until_s=100.0)
    assert made.floor(A, 1e6) == made.asked(A, 1e6) == 16_000


def test_a_restored_limit_whose_lease_has_lapsed_is_not_asked_for_any_more() -> None:
    made = ledger(fallback=None)
    made.restore(A, 1, 10_000, 100.0)
    assert (made.asked(A, 129.0), made.asked(A, 130.0)) == (10_000, 0)


@pytest.mark.parametrize(("interval_s", "alone_s"), [(10.0, 30.0), (30.0, 20.0)])
def test_one_sample_alone_accuses_later_than_two(interval_s: float, alone_s: float) -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 10_000, 2.0)
    see(made, 30.0, draw_ma=16_000, interval_s=interval_s)
    assert not made.disobeys(A, 29.9 + alone_s)
    assert made.disobeys(A, 30.0 + alone_s)
    see(made, 40.0, draw_ma=16_000, interval_s=interval_s)
    assert made.disobeys(A, 45.0)


def test_an_excuse_neither_accuses_nor_acquits() -> None:
    made = ledger()
    see(made, 1.0)
    give(made, 10_000, 2.0)
    see(made, 30.0, draw_ma=16_000)
    give(made, 20_000, 31.0)
    give(made, 8_000, 32.0)
    # Measured while the car could still follow the 20 A of a moment ago.
    see(made, 36.0, draw_ma=16_000)
    assert not made.exceeds(A)
    assert not made.disobeys(A, 60.0)
    see(made, 46.0, draw_ma=16_000)
    assert made.disobeys(A, 46.0)
    see(made, 56.0, draw_ma=8_000)
    assert not made.disobeys(A, 90.0)
