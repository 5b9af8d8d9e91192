"""Entries of the playbook's tables: one for each message in each direction.

An entry holds good payloads and the answers to them, as JSON, in the words of the specification.
What is malformed is derived from the OCA's schema of the message, so that no field is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from app.ocpp16.actions.types import Call, Confirmation
from app.ocpp16.frames import ErrorCode
from tests.unit.ocpp16.schemas import schema

Payload = dict[str, Any]


class FromStation(NamedTuple):
    """A CALL that stations make."""

    clause: str
    call: type[Call[Any]]
    least: Payload
    """Only what is required."""
    fullest: Payload
    """Every field there is."""
    answers: tuple[Payload, ...]
    """Every answer that we may give: each value of the status, and the fields left out."""
    vital: frozenset[str] = frozenset()
    """Fields without which the message means nothing: their loss may be refused, no other fault."""

    @property
    def action(self) -> str:
        """As on the wire."""
        return self.call.action


class FromManager(NamedTuple):
    """A CALL that we make."""

    clause: str
    call: type[Call[Any]]
    least: Payload
    fullest: Payload
    done: tuple[Payload, ...]
    """Answers by which the station does what it was asked."""
    refusals: tuple[Payload, ...] = ()
    """Answers by which it does not: each other value of the status."""

    @property
    def action(self) -> str:
        """As on the wire."""
        return self.call.action

    def request(self, payload: Payload) -> Call[Any]:
        """The payload as the manager would build it."""
        made: Call[Any] = msgspec.convert(payload, self.call)
        return made

    def confirmation(self, payload: Payload) -> Confirmation:
        """The answer as the manager should understand it."""
        return msgspec.convert(payload, self.call.confirmation_type)


Entry = FromStation | FromManager


class Malformed(NamedTuple):
    """A payload that the schema refuses."""

    why: str
    payload: str
    """JSON text."""
    code: ErrorCode
    """What clause 4.2.3 of OCPP-J 1.6 asks for."""
    field: str = ""
    """The field of the payload that is wrong, or in which something is; "" for the payload."""
    mendable: bool = False
    """Whether it has one reasonable meaning, whatever the field."""
    left: ErrorCode | None = None
    """The code for what repairs leave of it, when it is another one."""


MISSING: Final = ErrorCode.PROTOCOL_ERROR
PROPERTY: Final = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
TYPE: Final = ErrorCode.TYPE_CONSTRAINT_VIOLATION
OCCURENCE: Final = ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
FORMATION: Final = ErrorCode.FORMATION_VIOLATION


def malformed(action: str, payload: Payload, *, answer: bool = False) -> list[Malformed]:
    """Every way to spoil ``payload`` by one fault that the action's schema names."""
    whole = [
        *(Malformed(f"{text} as payload", text, FORMATION, "", True, MISSING) for text in EMPTY),
        *(Malformed(f"{text} as payload", text, FORMATION) for text in ('"x"', "17", "true")),
    ]
    return whole + [
        Malformed(
            f"{fault.why} {path or 'payload'}",
            json.dumps(spoilt),
            fault.code,
            path.partition(".")[0].partition("[")[0],
            fault.mendable,
            fault.left,
        )
        for path, fault, spoilt in _spoilt(schema(action, answer=answer), payload, "")
    ]


EMPTY: Final = ("[]", "null")
"""What stands for an empty payload."""


class _Fault(NamedTuple):
    why: str
    code: ErrorCode
    mendable: bool = False
    left: ErrorCode | None = None


Spoilt = Iterator[tuple[str, _Fault, Any]]
"""Path of the field, what is wrong there, and the whole value with it."""


def _spoilt(node: dict[str, Any], value: Any, path: str) -> Spoilt:
    match node["type"]:
        case "object":
            yield from _spoilt_object(node, value, path)
        case "array":
            yield path, _Fault("one object for", TYPE, mendable=True, left=OCCURENCE), {}
            if node.get("minItems"):
                yield path, _Fault("no items in", OCCURENCE, mendable=True), []
            for deeper, fault, item in _spoilt(node["items"], value[0], f"{path}[]"):
                # What is hopeless costs the item, and the whole only when no item is left.
                yield deeper, fault._replace(mendable=True, left=OCCURENCE), [item, *value[1:]]
        case "string":
            yield path, _Fault("an object for", TYPE), {}
            yield path, _Fault("a number for", TYPE, mendable="enum" not in node), 17
            if "enum" in node:
                yield path, _Fault("a stranger to the enumeration as", PROPERTY), "Levitating"
            elif "maxLength" in node:
                longer = "x" * (node["maxLength"] + 1)
                yield path, _Fault("an over-long", PROPERTY, mendable=True), longer
            elif node.get("format") == "date-time":
                yield path, _Fault("no instant as", PROPERTY), "yesterday"
        case "integer":
            yield path, _Fault("text for", TYPE), "many"
            yield path, _Fault("a number in quotes as", TYPE, mendable=True), str(value)
            yield path, _Fault("a fraction as", TYPE, mendable=True), 1.5
            yield path, _Fault("33 bits for", PROPERTY, mendable=True), 2**32
        case "number":
            yield path, _Fault("text for", TYPE), "many"
        case "boolean":
            yield path, _Fault("text for", TYPE), "perhaps"


def _spoilt_object(node: dict[str, Any], value: Payload, path: str) -> Spoilt:
    yield path, _Fault("an unknown field in", FORMATION, mendable=True), {**value, "vendorField": 1}
    if path:
        yield path, _Fault("text for the object", TYPE), "text"
    for name, inner in node.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        rest = {key: each for key, each in value.items() if key != name}
        if name in node.get("required", ()):
            yield below, _Fault("without", MISSING), rest
        yield below, _Fault("null for", TYPE, left=MISSING), {**value, name: None}
        for deeper, fault, spoilt in _spoilt(inner, value[name], below):
            yield deeper, fault, {**value, name: spoilt}


def same(node: Any) -> Callable[[Any], bool]:
    """Whether a payload has every field that ``node``, its schema, knows (first items of lists)."""

    def complete(value: Any) -> bool:
        if node["type"] == "array":
            return bool(value) and same(node["items"])(value[0])
        if node["type"] != "object":
            return True
        fields = node.get("properties", {})
        return set(value) == set(fields) and all(
            same(inner)(value[name]) for name, inner in fields.items()
        )

    return complete
