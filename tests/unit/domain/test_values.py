"""Badges, stations, transactions, readings and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.domain.badge import (
    AuthorizationStatus,
    Badge,
    checked_id_tag,
    normalised_id_tag,
    reversed_id_tag,
)
from app.domain.errors import BornierError, InvalidInputError
from app.domain.meter import MeterReading
from app.domain.station import (
    ChargingStation,
    Connector,
    ConnectorKey,
    ConnectorStatus,
)
from app.domain.transaction import Transaction
from app.domain.units import ZERO, Rotation

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("badge", "status"),
    [
        (Badge("A"), AuthorizationStatus.ACCEPTED),
        (Badge("A", active=False), AuthorizationStatus.BLOCKED),
        (Badge("A", known=False), AuthorizationStatus.INVALID),
        (Badge("A", expires_utc=NOW), AuthorizationStatus.EXPIRED),
        (Badge("A", expires_utc=NOW + timedelta(seconds=1)), AuthorizationStatus.ACCEPTED),
    ],
)
def test_what_a_badge_may_do(badge: Badge, status: AuthorizationStatus) -> None:
    assert badge.status(NOW) is status


def test_badge_numbers_compare_without_case_or_blanks() -> None:
    assert Badge(" 04a1b2 ").key == normalised_id_tag("04A1B2")


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("  ", "badge-number-missing"),
        ("x" * 21, "badge-number-too-long"),
        ("a\x00b", "badge-number-unreadable"),
    ],
)
def test_unusable_badge_numbers_are_refused(typed: str, key: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        checked_id_tag(typed)
    assert refused.value.key == key
    assert refused.value.field == "id_tag"


def test_a_good_badge_number_is_trimmed() -> None:
    assert checked_id_tag(" 04A1 ") == "04A1"


def test_a_single_phase_connector_is_wired_to_one_site_phase() -> None:
    assert Connector(1, phases=1, rotation=Rotation.STR).site_phases == (1,)
    assert Connector(1, phases=3, rotation=Rotation.STR).site_phases == (1, 2, 0)


def test_connectors_are_found_by_number() -> None:
    station = ChargingStation("S", "S", "supply", (Connector(1), Connector(2)))
    second = station.connector(2)
    assert second is not None
    assert second.connector_id == 2
    assert station.connector(3) is None
    assert str(ConnectorKey("S", 2)) == "S/2"


def test_which_statuses_mean_a_car() -> None:
    present = {status for status in ConnectorStatus if status.car_present}
    assert present == {
        ConnectorStatus.PREPARING,
        ConnectorStatus.CHARGING,
        ConnectorStatus.SUSPENDED_EV,
        ConnectorStatus.SUSPENDED_EVSE,
        ConnectorStatus.FINISHING,
    }


def test_transaction_energy_and_state() -> None:
    running = Transaction(1, "S", 1, "A", NOW, NOW, 100)
    assert running.is_open
    assert running.energy_wh is None
    assert running.key == ConnectorKey("S", 1)
    stopped = Transaction(1, "S", 1, "A", NOW, NOW, 100, NOW, 90)
    assert not stopped.is_open
    assert stopped.energy_wh == 0


def test_age_of_a_reading_is_never_negative() -> None:
    reading = MeterReading("m", 10.0, ZERO)
    assert reading.age_s(12.5) == 2.5
    assert reading.age_s(9.0) == 0.0


def test_errors_say_their_key_and_parameters() -> None:
    assert str(BornierError("full")) == "full"
    error = BornierError("full", disk="sda")
    assert "sda" in str(error)
    assert error.params == {"disk": "sda"}


@pytest.mark.parametrize(
    ("read", "plain"),
    [
        ("04:a1:b2:c3", "04A1B2C3"),
        ("04-A1-B2-C3", "04A1B2C3"),
        ("04 a1 b2 c3", "04A1B2C3"),
        (" 04a1b2c3 ", "04A1B2C3"),
        ("FLEET-01", "FLEET-01"),
        ("04:A1B2", "04:A1B2"),
    ],
)
def test_bytes_of_a_badge_are_the_same_with_and_without_separators(read: str, plain: str) -> None:
    assert normalised_id_tag(read) == plain


@pytest.mark.parametrize(
    ("read", "backwards"), [("04A1B2C3", "C3B2A104"), ("04:a1", "A104"), ("FLEET", ""), ("04", "")]
)
def test_only_bytes_can_be_read_backwards(read: str, backwards: str) -> None:
    assert reversed_id_tag(read) == backwards


def test_the_end_of_a_transaction_is_sure_when_its_station_told_it() -> None:
    running = Transaction(1, "A", 1, "T", NOW, NOW, 0)
    assert not running.is_sure
    ended = msgspec.structs.replace(running, stopped_utc=NOW, meter_stop_wh=1)
    assert ended.is_sure
    assert not msgspec.structs.replace(ended, estimated_stop=True).is_sure
    assert not msgspec.structs.replace(ended, assigned_stop=True).is_sure
