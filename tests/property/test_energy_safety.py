"""No circuit above its limit, whatever cars, stations and links do within the rules."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.adversary import Adversary

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_a_constant_background_never_meets_an_overload(seed: int) -> None:
    site = Adversary(seed, losses=False, steps=False)
    for _ in range(150):
        site.second()
        for circuit, limit in site.limits.items():
            assert max(site.truth(circuit)) <= limit, (circuit, site.now_s)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_lost_late_and_reordered_answers_cause_no_overload(seed: int) -> None:
    site = Adversary(seed, losses=True, steps=False)
    for _ in range(200):
        site.second()
        for circuit, limit in site.limits.items():
            assert max(site.truth(circuit)) <= limit, (circuit, site.now_s)


@settings(max_examples=40)
@given(seed=SEEDS)
def test_an_overload_ends_within_15_s_of_the_step_that_made_it(seed: int) -> None:
    site = Adversary(seed, losses=False, steps=True)
    for _ in range(250):
        site.second()
        assert max(site.truth("feeder")) <= site.limits["feeder"]
        if site.now_s - site.stepped_up_s > 15.0:
            assert max(site.truth("supply")) <= site.limits["supply"], site.now_s
