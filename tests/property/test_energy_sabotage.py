"""The safety tests can see: with a barrier taken away on purpose they find an overload.

Each fault is one that could be written by mistake. The first fate in which it overloads a circuit
is searched for, and must be found; the product as it is survives that very fate.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.property.test_energy_safety import no_overload
from tests.support import sabotage
from tests.support.adversary import Adversary, Fate
from tests.support.effort import examples

FATES = range(150)
SECONDS = 200
QUIET, LOSSES = Fate(), Fate(losses=True)
EVERYWHERE, FEEDER = ("supply", "feeder"), ("feeder",)


def overloads(seed: int, fate: Fate, circuits: Sequence[str]) -> bool:
    try:
        Adversary(seed, fate, no_overload, circuits).run(SECONDS)
    except AssertionError:
        return True
    return False


FAULTS: dict[str, tuple[tuple[type, ...], Fate, Sequence[str]]] = {
    "no-barrier": ((sabotage.NodAtAll, sabotage.SeeOnlyRoom), QUIET, EVERYWHERE),
    "no-barrier-losses": ((sabotage.NodAtAll, sabotage.SeeOnlyRoom), LOSSES, EVERYWHERE),
    "old-samples": ((sabotage.BelieveOldSamples,), QUIET, EVERYWHERE),
    # On a circuit without a meter the ledger is all there is.
    "unanswered-forgotten": ((sabotage.ForgetUnanswered,), LOSSES, FEEDER),
    "orders-trusted": ((sabotage.TrustOrders,), QUIET, FEEDER),
    "nothing-settles": ((sabotage.DoNotSettle,), QUIET, FEEDER),
}


@pytest.mark.parametrize(("faults", "fate", "circuits"), FAULTS.values(), ids=FAULTS)
def test_without_it_a_circuit_is_overloaded(
    faults: Sequence[type], fate: Fate, circuits: Sequence[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sabotage.apply(patch, *faults)
        seed = next((seed for seed in FATES if overloads(seed, fate, circuits)), None)
    assert seed is not None, "nobody noticed"
    assert not overloads(seed, fate, circuits)


@pytest.mark.parametrize("barrier_gone", [sabotage.NodAtAll, sabotage.SeeOnlyRoom])
@pytest.mark.parametrize("fate", [QUIET, LOSSES], ids=["quiet", "losses"])
def test_guard_and_slack_each_suffice_alone(barrier_gone: type, fate: Fate) -> None:
    with pytest.MonkeyPatch.context() as patch:
        sabotage.apply(patch, barrier_gone)
        for seed in range(examples(15)):
            Adversary(seed, fate, no_overload).run(SECONDS)
