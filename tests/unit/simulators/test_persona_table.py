"""The table of behaviours (``simulators/station/personas/README.md``) is held to its word."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from simulators.station.config import ConnectorConfig, Faults, StationConfig
from simulators.station.ev import Car
from simulators.station.persona import PERSONAS, Persona, load_persona, persona_names

TESTS = Path(__file__).parents[2]

KNOBS = {
    *Persona.__struct_fields__,
    *(f"faults.{name}" for name in Faults.__struct_fields__),
    *(f"station.{name}" for name in StationConfig.__struct_fields__),
    *(f"outlet.{name}" for name in ConnectorConfig.__struct_fields__),
}
CAR = {f"car.{name}" for name in inspect.signature(Car.__init__).parameters}


class Row(NamedTuple):
    behaviour: str
    knobs: tuple[str, ...]
    personas: tuple[str, ...]
    test: str


def rows() -> list[Row]:
    found = []
    for line in (PERSONAS / "README.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or cells[0] in ("behaviour", "---"):
            continue
        behaviour, knobs, personas, test = cells
        names = tuple(name for name in personas.split(", ") if name != "-")
        found.append(Row(behaviour, tuple(re.findall(r"`([^`]+)`", knobs)), names, test.strip("`")))
    return found


@functools.cache
def functions_of(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@functools.cache
def words_of_the_tests() -> frozenset[str]:
    """Every word of the tests that drive stations, this one apart."""
    files = [
        *TESTS.glob("unit/simulators/*.py"),
        *TESTS.glob("scenarios/*.py"),
        *TESTS.glob("integration/test_sim_*.py"),
    ]
    text = " ".join(file.read_text("utf-8") for file in files if file != Path(__file__))
    return frozenset(re.findall(r"\w+", text))


@functools.cache
def set_by_personas() -> frozenset[str]:
    """What the files of the personas set themselves."""
    names = set()
    for file in PERSONAS.glob("*.yaml"):
        content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        names |= content.keys() | {f"faults.{name}" for name in content.get("faults", {})}
    return frozenset(names)


def test_every_knob_is_in_the_table_and_every_knob_of_the_table_is_one() -> None:
    told = {knob for row in rows() for knob in row.knobs}
    assert told - CAR == KNOBS
    assert told & CAR


@pytest.mark.parametrize("knob", sorted(KNOBS))
def test_a_knob_is_used_by_a_persona_or_a_test(knob: str) -> None:
    name = knob.rpartition(".")[2]
    assert knob in set_by_personas() or name in words_of_the_tests()


@pytest.mark.parametrize("row", rows(), ids=[row.behaviour for row in rows()])
def test_a_row_tells_the_truth(row: Row) -> None:
    path, _, test = row.test.partition("::")
    assert test in functions_of(TESTS / path)
    plain = load_persona("control-generic")
    for name in row.personas:
        persona = load_persona(name)
        if name != "control-generic":
            values = [(value(persona, knob), value(plain, knob)) for knob in row.knobs]
            assert any(own != usual for own, usual in values)


def value(persona: Persona, knob: str) -> object:
    part, _, name = knob.rpartition(".")
    if part == "faults":
        return getattr(persona.faults, name)
    return getattr(persona, name) if not part else None


def test_every_persona_is_in_the_table() -> None:
    assert {name for row in rows() for name in row.personas} == set(persona_names())


def test_no_persona_is_another_one_by_another_name() -> None:
    described = [
        msgspec.structs.replace(load_persona(name), name="", description="", model="")
        for name in persona_names()
    ]
    assert all(a != b for n, a in enumerate(described) for b in described[:n])
