"""Runs the dialogues of ``standard`` for each entry of the book of the class that derives them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversations.entries import FromManager, FromStation, malformed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    book: tuple[FromStation | FromManager, ...] | None = getattr(metafunc.cls, "book", None)
    if book is None:
        return
    names = [name for name in metafunc.fixturenames if name in CASES or name == "entry"]
    rows: list[tuple[list[Any], str]] = []
    for entry in book:
        made: list[tuple[list[Any], str]] = [([entry], f"{entry.clause} {entry.action}")]
        for name in names[1:]:
            made = [
                ([*values, value], f"{told}, {what}")
                for values, told in made
                for what, value in CASES[name](entry)
            ]
        rows += made
    metafunc.parametrize(names, [values for values, _ in rows], ids=[told for _, told in rows])


def _payloads(entry: Any) -> list[tuple[str, Any]]:
    return [("least", entry.least), ("fullest", entry.fullest)]


def _listed(field: str) -> Any:
    return lambda entry: [
        (value.get("status", f"{field} {number}"), value)
        for number, value in enumerate(getattr(entry, field))
    ]


def _faults(entry: Any) -> list[tuple[str, Any]]:
    return [(fault.why, fault) for fault in malformed(entry.action, entry.fullest)]


def _answer_faults(entry: Any) -> list[tuple[str, Any]]:
    fullest = max(entry.done, key=len)
    return [(fault.why, fault) for fault in malformed(entry.action, fullest, answer=True)]


CASES: dict[str, Any] = {
    "payload": _payloads,
    "answer": _listed("answers"),
    "done": _listed("done"),
    "refusal": _listed("refusals"),
    "fault": _faults,
    "answer_fault": _answer_faults,
}
