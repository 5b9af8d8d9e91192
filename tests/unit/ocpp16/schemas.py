"""The OCA's JSON schemas, as shipped with the ``ocpp`` package: an oracle that is not ours."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
from hypothesis import strategies as st

_ZONES = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-11.5))])
_TIMES = st.datetimes(datetime(1971, 1, 2), datetime(2099, 1, 1), timezones=_ZONES)  # noqa: DTZ001
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@cache
def schema(action: str, *, answer: bool = False) -> dict[str, Any]:
    """The schema of a request, or of the answer to it."""
    name = f"{action}{'Response' if answer else ''}.json"
    text = resources.files("ocpp.v16").joinpath("schemas", name).read_text("utf-8-sig")
    loaded = json.loads(text, parse_float=Decimal)
    assert isinstance(loaded, dict)
    whole: dict[str, Any] = _expanded(loaded, loaded.pop("definitions", {}))
    return whole


def _expanded(node: Any, definitions: dict[str, Any]) -> Any:
    """``node`` with every reference replaced by what it refers to (the schemas have no loops)."""
    if isinstance(node, list):
        return [_expanded(each, definitions) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        return _expanded(definitions[node["$ref"].rpartition("/")[2]], definitions)
    return {key: _expanded(each, definitions) for key, each in node.items()}


def valid(payload: bytes, action: str, *, answer: bool = False) -> bool:
    """Whether the schema accepts the payload; decimals are compared as written."""
    instance = json.loads(payload, parse_float=Decimal)
    validator = jsonschema.Draft4Validator(schema(action, answer=answer))
    return bool(validator.is_valid(instance))


def payloads(node: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that the schema ``node`` accepts."""
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node["type"]:
        case "object":
            required = set(node.get("required", ()))
            fields = {name: payloads(each) for name, each in node.get("properties", {}).items()}
            return st.fixed_dictionaries(
                {name: each for name, each in fields.items() if name in required},
                optional={name: each for name, each in fields.items() if name not in required},
            )
        case "array":
            return st.lists(payloads(node["items"]), min_size=node.get("minItems", 0), max_size=3)
        case "string" if node.get("format") == "date-time":
            return _TIMES.map(lambda time: time.isoformat().replace("+00:00", "Z"))
        case "string":
            return _TEXT.map(lambda text: text[: node.get("maxLength", 40)])
        case "integer":
            return st.integers(-(2**31), 2**31 - 1)
        case "number":
            tenths = st.integers(-(10**6), 10**6)
            return tenths.map(lambda number: math.copysign(abs(number) / 10, number))
        case _:
            return st.booleans()


_JUNK = st.sampled_from([17, True, "junk", "x" * 600, {"a": 1}, {}, 1.5])


@st.composite
def damaged(draw: st.DrawFn, payload: dict[str, Any]) -> dict[str, Any]:
    """``payload`` with one field, at any depth, removed, renamed or filled with junk."""
    result: dict[str, Any] = json.loads(json.dumps(payload))
    objects = [result]
    for found in objects:
        for value in found.values():
            members = value if isinstance(value, list) else [value]
            objects.extend(member for member in members if isinstance(member, dict))
    target = draw(st.sampled_from(objects))
    field = draw(st.sampled_from([*target, "vendorField"]))
    match draw(st.sampled_from(["remove", "rename", "junk"])):
        case "remove":
            target.pop(field, None)
        case "rename":
            target[field.swapcase()] = target.pop(field, 1)
        case _:
            target[field] = draw(_JUNK)
    return result
