"""The playbook covers OCPP 1.6 and its security extension, and the README says where."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from app.ocpp16.actions import FROM_MANAGER, FROM_STATION, KNOWN_ACTIONS
from tests.conversations import (
    test_behind_the_intake,
    test_core_manager,
    test_core_station,
    test_firmware,
    test_local_list,
    test_ocppj_frames,
    test_reservation,
    test_security_extension,
    test_smart_charging,
    test_station_dialogues,
    test_trigger,
)
from tests.conversations.book import EVERYTHING, MANAGER_CALLS, STATION_CALLS
from tests.conversations.entries import FromManager, FromStation, malformed, same
from tests.conversations.standard import EveryManagerCall, EveryStationCall
from tests.unit.ocpp16.schemas import schema

TESTS = Path(__file__).parents[1]
DIALOGUES = (
    test_behind_the_intake,
    test_core_manager,
    test_core_station,
    test_firmware,
    test_local_list,
    test_ocppj_frames,
    test_reservation,
    test_security_extension,
    test_smart_charging,
    test_station_dialogues,
    test_trigger,
)
each_station_call = pytest.mark.parametrize("entry", STATION_CALLS, ids=lambda e: e.action)
each_manager_call = pytest.mark.parametrize("entry", MANAGER_CALLS, ids=lambda e: e.action)


def statuses(action: str) -> set[str]:
    """The values of the status in an answer."""
    properties = schema(action, answer=True).get("properties", {})
    return set(properties.get("status", {}).get("enum", ()))


def required(action: str, *, answer: bool = False) -> set[str]:
    return set(schema(action, answer=answer).get("required", ()))


def test_every_action_is_in_the_book_in_each_direction_in_which_it_goes() -> None:
    assert sorted(entry.action for entry in STATION_CALLS) == sorted(FROM_STATION)
    assert sorted(entry.action for entry in MANAGER_CALLS) == sorted(FROM_MANAGER)
    assert len(KNOWN_ACTIONS) == 39
    for entry in EVERYTHING:
        registered = FROM_STATION if isinstance(entry, FromStation) else FROM_MANAGER
        assert registered[entry.action] is entry.call


def test_every_entry_of_the_book_is_played() -> None:
    played: dict[type, list[str]] = {EveryStationCall: [], EveryManagerCall: []}
    for module in DIALOGUES:
        for value in vars(module).values():
            for base in getattr(value, "__bases__", ()):
                if base in played:
                    played[base].extend(entry.action for entry in value.book)
    assert sorted(played[EveryStationCall]) == sorted(FROM_STATION)
    assert sorted(played[EveryManagerCall]) == sorted(FROM_MANAGER)


@each_station_call
def test_a_calls_payloads_are_the_least_and_the_fullest(entry: FromStation) -> None:
    assert set(entry.least) == required(entry.action)
    assert same(schema(entry.action))(entry.fullest)
    assert entry.vital <= required(entry.action)
    told = {answer["status"] for answer in entry.answers if "status" in answer}
    assert told == statuses(entry.action)
    fields = set().union(*entry.answers)
    assert fields == set(schema(entry.action, answer=True).get("properties", {}))


@each_manager_call
def test_a_command_has_every_answer(entry: FromManager) -> None:
    assert set(entry.least) == required(entry.action)
    assert same(schema(entry.action))(entry.fullest)
    answers = (*entry.done, *entry.refusals)
    assert {answer["status"] for answer in answers if "status" in answer} == statuses(entry.action)
    assert same(schema(entry.action, answer=True))(max(entry.done, key=len))
    not_ok = {answer["status"] for answer in entry.refusals if "status" in answer}
    assert "Accepted" not in not_ok


def test_a_fault_is_made_of_every_rule_of_a_schema() -> None:
    (entry,) = (entry for entry in STATION_CALLS if entry.action == "StatusNotification")
    told = {fault.why for fault in malformed(entry.action, entry.fullest)}
    assert len(told) == len(malformed(entry.action, entry.fullest))
    assert told >= {
        "without errorCode",
        "null for info",
        "an over-long info",
        "a number for info",
        "an object for info",
        "a stranger to the enumeration as status",
        "text for connectorId",
        "33 bits for connectorId",
        "no instant as timestamp",
        "an unknown field in payload",
        '"x" as payload',
    }


# ---------------------------------------------------------------- the table of the README

ROW = re.compile(r"^\| (?P<clause>[^|]+) \| (?P<actions>[^|]+) \| (?P<proofs>[^|]+) \|$")
PROOF = re.compile(r"`([\w/]+)(?:::(\w+)(…?))?`")


def rows() -> list[tuple[str, list[str], list[tuple[str, str, str]]]]:
    """Clause, actions and proofs (module below ``tests``, name, whether cut) of each row."""
    text = (TESTS / "README.md").read_text()
    table = text.split("## OCPP 1.6, clause by clause", 1)[1].split("\n## ", 1)[0]
    found = []
    for line in table.splitlines():
        row = ROW.match(line)
        if row is not None and row["clause"] != "clause":
            proofs = [
                (path if "/" in path else f"conversations/{path}", name, cut)
                for path, name, cut in PROOF.findall(row["proofs"])
            ]
            found.append((row["clause"], re.findall(r"\w+", row["actions"]), proofs))
    return found


def names_in(path: str) -> set[str]:
    """The tests and classes of tests of a module, by its path below ``tests``."""
    tree = ast.parse((TESTS / f"{path}.py").read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


def test_the_table_names_every_action_and_clause() -> None:
    table = rows()
    assert {action for _, actions, _ in table for action in actions} >= KNOWN_ACTIONS
    for entry in EVERYTHING:
        assert any(
            entry.clause in re.split(r", ", clause) and entry.action in actions
            for clause, actions, _ in table
        ), (entry.clause, entry.action)
    assert all(proofs for _, _, proofs in table)


def test_every_test_that_the_table_names_exists() -> None:
    for clause, _, proofs in rows():
        for path, name, cut in proofs:
            known = names_in(path)
            found = any(each.startswith(name) for each in known) if cut else name in known
            assert found or not name, f"{clause}: {path}::{name}"


def test_every_dialogue_of_a_clause_is_in_the_table() -> None:
    told = {(path, name) for _, _, proofs in rows() for path, name, _ in proofs}
    for module in DIALOGUES:
        path = f"conversations/{module.__name__.rpartition('.')[2]}"
        for name in names_in(path):
            if re.match(r"test_([0-9]|[a-z][0-9]{2})", name):
                assert any(at == path and name.startswith(start) for at, start in told), name
