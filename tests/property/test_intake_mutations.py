"""However a station garbles the form of a transaction message, it is answered, never refused."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.ocpp16.frames import CallFrame, read_call, split
from tests.support.effort import examples
from tests.support.scripted import MemoryManager

SITE: dict[str, Any] = {
    "schema": "bornier-site/1",
    "name": "Garage",
    "circuits": [{"id": "supply", "name": "Arrivée", "limit_a": [80, 80, 80], "margin_a": 2}],
    "stations": [{"id": "A-1", "circuit": "supply", "connectors": [{"id": 1}]}],
    "badges": [{"id_tag": "04A1B2", "holder": "Claire"}],
}
SAMPLE = {
    "value": "16.1",
    "context": "Sample.Periodic",
    "measurand": "Current.Import",
    "phase": "L1",
    "unit": "A",
    "location": "Outlet",
}
METER_VALUE = {"timestamp": "2026-11-22T08:00:00Z", "sampledValue": [SAMPLE]}
MESSAGES: dict[str, dict[str, Any]] = {
    "Authorize": {"idTag": "04A1B2"},
    "StartTransaction": {
        "connectorId": 1,
        "idTag": "04A1B2",
        "meterStart": 100,
        "timestamp": "2026-11-22T08:00:00Z",
        "reservationId": 0,
    },
    "MeterValues": {"connectorId": 1, "transactionId": 7, "meterValue": [METER_VALUE]},
    "StopTransaction": {
        "transactionId": 7,
        "idTag": "04A1B2",
        "meterStop": 5_000,
        "timestamp": "2026-11-22T09:00:00Z",
        "reason": "Local",
        "transactionData": [METER_VALUE],
    },
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=300),
    st.sampled_from(["", "5", "16,5", "2026-11-22T08:00:00", "yesterday", "Current.import", "KWH"]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@st.composite
def garbled(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A transaction message with some of its parts wrong, missing, misspelt or too many."""
    action = draw(st.sampled_from(sorted(MESSAGES)))
    payload = json.loads(json.dumps(MESSAGES[action]))
    for _ in range(draw(st.integers(1, 4))):
        _spoil(draw, draw(st.sampled_from(_objects(payload))))
    return action, payload


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value] + [found for each in value.values() for found in _objects(each)]
    if isinstance(value, list):
        return [found for each in value for found in _objects(each)]
    return []


def _spoil(draw: st.DrawFn, target: dict[str, Any]) -> None:
    kind = draw(st.sampled_from(("value", "remove", "rename", "add")))
    if kind == "add" or not target:
        target[draw(st.text(max_size=12))] = draw(ANYTHING)
        return
    key = draw(st.sampled_from(sorted(target)))
    if kind == "value":
        target[key] = draw(ANYTHING)
    else:
        value = target.pop(key)
        if kind == "rename":
            target[draw(st.sampled_from((key.upper(), f"_{key}", "mesurand", key[:-1])))] = value


@settings(max_examples=examples(200))
@given(garbled())
def test_every_transaction_message_is_understood(message: tuple[str, dict[str, Any]]) -> None:
    action, payload = message
    frame, _repairs = split(json.dumps([2, "1", action, payload]))
    assert isinstance(frame, CallFrame)
    request, repairs = read_call(frame)
    assert request.action == action
    if json.dumps(payload) == json.dumps(MESSAGES[action]):  # in Python, True is equal to 1
        assert repairs == ()


@settings(max_examples=examples(12))
@given(st.lists(garbled(), min_size=1, max_size=12))
def test_every_transaction_message_is_answered(
    messages: list[tuple[str, dict[str, Any]]],
) -> None:
    asyncio.run(_all_answered(messages))


async def _all_answered(messages: list[tuple[str, dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = MemoryManager(Path(folder), SITE)
        await site.start()
        station = site.connect("A-1")
        for action, payload in messages:
            site.clock.advance(10)
            answer = await station.exchange(action, payload)
            assert answer[0] == 3, answer
            if action == "StartTransaction":
                assert answer[2]["transactionId"] > 0
        await station.hang_up()
        await site.stop()
