"""Frames read and written in a station's own way."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from app.ocpp16.actions.manager_calls import RemoteStartTransaction, Reset
from app.ocpp16.actions.station_calls import Heartbeat, StartTransaction
from app.ocpp16.actions.types import ResetType
from app.ocpp16.dialect import PLAIN, Dialect
from app.ocpp16.frames import CallFrame, OcppError, read_call
from app.ocpp16.session import CallReceived, StationSession

START = (
    b'{"connectorId":2,"idTag":"A","meterStart":"5","timestamp":"2026-07-01T12:00:00","colour":1}'
)


def start(dialect: Dialect) -> tuple[StartTransaction, tuple[str, ...]]:
    request, repairs = read_call(CallFrame("1", "StartTransaction", msgspec.Raw(START)), dialect)
    assert isinstance(request, StartTransaction)
    return request, repairs


def test_a_time_without_zone_is_universal_unless_the_station_is_known_for_another() -> None:
    request, repairs = start(PLAIN)
    assert request.timestamp == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert set(repairs) == {"time-zone", "text-as-number", "unknown-field"}
    request, repairs = start(Dialect(zone=ZoneInfo("Europe/Paris")))
    assert request.timestamp == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert "time-local" in repairs


def test_strict_refuses_what_would_be_repaired() -> None:
    with pytest.raises(OcppError):
        start(Dialect(strict=True))
    well_formed = CallFrame("1", "Heartbeat", msgspec.Raw(b"{}"))
    assert read_call(well_formed, Dialect(strict=True)) == (Heartbeat(), ())


def test_outlets_are_renumbered_on_the_way_in_and_out() -> None:
    crossed = Dialect(connectors={2: 1, 1: 2})
    assert start(crossed)[0].connector_id == 1
    assert crossed.outbound(RemoteStartTransaction("A", connector_id=2)).connector_id == 1  # type: ignore[attr-defined]
    assert crossed.outbound(RemoteStartTransaction("A")) == RemoteStartTransaction("A")
    reset = Reset(ResetType.SOFT)
    assert crossed.outbound(reset) is reset
    other = RemoteStartTransaction("A", connector_id=3)
    assert crossed.outbound(other) is other


def test_a_conversation_speaks_the_dialect_and_tells_what_it_repaired() -> None:
    session = StationSession("A", lambda: "m1")
    session.dialect = Dialect(connectors={2: 1})
    (event,) = session.receive(f'[2,"1","StartTransaction",{START.decode()}]', 0.0)
    assert isinstance(event, CallReceived)
    assert event.request.connector_id == 1  # type: ignore[attr-defined]
    assert set(session.repaired) == {"time-zone", "text-as-number", "unknown-field"}
    session.receive('[2,"2","Heartbeat",{}]', 1.0)
    assert session.repaired == ()
    session.send_call(RemoteStartTransaction("A", connector_id=1), 1.0)
    assert '"connectorId":2' in session.frames_to_send()[-1]
