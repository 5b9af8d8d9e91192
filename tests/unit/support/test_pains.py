"""The table of pains in ``tests/README.md`` names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
NAMED = re.compile(
    r"`((?:conversations|integration|property|scenarios|unit)/[\w/]+)(?:::(\w+)…?)?`"
)


def test_every_test_named_beside_a_pain_exists() -> None:
    text = (TESTS / "README.md").read_text(encoding="utf-8").split("## Pains of real stations")[1]
    held = re.sub(r"open[:,] `[^`]*`", "", re.sub(r": open, `[^`]*`", "", text))
    found = NAMED.findall(held)
    assert len(found) > 50
    for module, name in found:
        path = TESTS / f"{module}.py"
        assert path.exists(), module
        assert f"def {name}" in path.read_text(encoding="utf-8"), f"{module}::{name}"


def test_shortened_names_belong_to_the_module_before_them() -> None:
    text = (TESTS / "README.md").read_text(encoding="utf-8").split("## Pains of real stations")[1]
    for row in text.splitlines():
        module = ""
        for named in re.findall(r"`([^`]+)`", row):
            if named.startswith("…"):
                source = (TESTS / f"{module}.py").read_text(encoding="utf-8")
                assert f"def {named.strip('…')}" in source, f"{module}::{named}"
            else:
                module = named.partition("::")[0]
