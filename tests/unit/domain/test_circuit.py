"""The tree of circuits and what it refuses."""

from __future__ import annotations

import pytest

from app.domain.circuit import Circuit, CircuitTree
from app.domain.errors import InvalidInputError
from app.domain.units import PhaseCurrents

A100 = PhaseCurrents.uniform(100_000)


def circuit(name: str, parent: str | None = None, **values: object) -> Circuit:
    fields: dict[str, object] = {"limit": A100, **values}
    return Circuit(circuit_id=name, name=name, parent_id=parent, **fields)  # type: ignore[arg-type]


def test_parents_come_before_children_whatever_the_order_given() -> None:
    tree = CircuitTree(
        [circuit("b1", "b"), circuit("b", "root"), circuit("root"), circuit("a", "root")]
    )
    assert [item.circuit_id for item in tree] == ["root", "b", "b1", "a"]
    assert tree.root.circuit_id == "root"
    assert len(tree) == 4
    assert "b1" in tree
    assert "zz" not in tree
    assert [item.circuit_id for item in tree.path("b1")] == ["b1", "b", "root"]
    assert tree.depth("b1") == 2
    assert [item.circuit_id for item in tree.children("root")] == ["b", "a"]
    assert tree.children("b1") == ()
    assert tree["a"].parent_id == "root"


@pytest.mark.parametrize(
    ("circuits", "key"),
    [
        ([], "circuit-one-root"),
        ([circuit("a"), circuit("b")], "circuit-one-root"),
        ([circuit("a"), circuit("a", "a")], "circuit-duplicate"),
        ([circuit("a"), circuit("b", "zz")], "circuit-unknown-parent"),
        ([circuit("a"), circuit("b", "c"), circuit("c", "b")], "circuit-cycle"),
        ([circuit("a", limit=PhaseCurrents(1, 0, 1))], "circuit-limit-positive"),
        ([circuit("a", margin_ma=-1)], "circuit-margin-range"),
        ([circuit("a", margin_ma=100_000)], "circuit-margin-range"),
        (
            [circuit("a", worst_background=PhaseCurrents(0, -1, 0))],
            "circuit-background-range",
        ),
        ([circuit("a", max_power_w=0)], "circuit-power-positive"),
        ([circuit("a", max_unbalance_ma=0)], "circuit-unbalance-positive"),
    ],
)
def test_what_is_not_a_tree_is_refused(circuits: list[Circuit], key: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        CircuitTree(circuits)
    assert refused.value.key == key


def test_usable_is_the_limit_less_the_margin() -> None:
    assert circuit("a", margin_ma=4_000).usable == PhaseCurrents.uniform(96_000)
