"""No circuit above its limit, whatever cars, stations and links do within the rules.

Properties 1 and 12 of load-management, checked after every message and every answer: on each phase
what flows, and what would flow if all drew the most that the ledger thinks possible.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.adversary import Adversary, Fate
from tests.support.effort import examples

SEEDS = st.integers(0, 2**32 - 1)


def no_overload(site: Adversary) -> None:
    for circuit, limit in site.limits.items():
        assert max(site.truth(circuit)) <= limit, (circuit, site.now_s)


def no_car_above_its_ceiling(site: Adversary) -> None:
    for rival in site.rivals:
        ceiling = site.planner.ceilings.ceiling(rival.key, site.now_s)
        assert rival.draw_ma(site.now_s) <= ceiling, (rival.key, site.now_s)


def the_worst_fits(site: Adversary) -> None:
    for circuit, limit in site.limits.items():
        assert max(site.worst(circuit)) <= limit, (circuit, site.now_s)


def all_is_safe(site: Adversary) -> None:
    no_overload(site)
    no_car_above_its_ceiling(site)
    the_worst_fits(site)


@settings(max_examples=examples(50))
@given(seed=SEEDS)
def test_under_a_constant_building_even_the_worst_fits_after_every_message(seed: int) -> None:
    Adversary(seed, Fate(), all_is_safe).run(150)


@settings(max_examples=examples(50))
@given(seed=SEEDS)
def test_lost_late_and_reordered_messages_leave_even_the_worst_fitting(seed: int) -> None:
    Adversary(seed, Fate(losses=True), all_is_safe).run(200)


def what_flows_is_safe(site: Adversary) -> None:
    no_overload(site)
    no_car_above_its_ceiling(site)


@settings(max_examples=examples(30))
@given(seed=SEEDS)
def test_stations_that_fall_back_to_a_current_overload_nothing(seed: int) -> None:
    Adversary(seed, Fate(losses=True, fallbacks=True), what_flows_is_safe).run(200)


@settings(max_examples=examples(30))
@given(seed=SEEDS)
def test_leases_that_lapse_overload_nothing(seed: int) -> None:
    fate = Fate(losses=True, lapses=True, fallbacks=True)
    Adversary(seed, fate, what_flows_is_safe).run(300)


@settings(max_examples=examples(50))
@given(seed=SEEDS)
def test_an_overload_ends_within_15_s_of_the_step_that_made_it(seed: int) -> None:
    def watch(site: Adversary) -> None:
        assert max(site.truth("feeder")) <= site.limits["feeder"]
        if site.now_s - site.stepped_up_s > 15.0:
            assert max(site.truth("supply")) <= site.limits["supply"], site.now_s

    Adversary(seed, Fate(steps=True), watch).run(250)
