"""How long a station may be silent, from what both sides have said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.ocpp16.actions.manager_calls import (
    ChangeConfiguration,
    ChangeConfigurationConfirmation,
    GetConfiguration,
    GetConfigurationConfirmation,
    KeyValue,
    Reset,
    ResetConfirmation,
)
from app.ocpp16.actions.station_calls import BootNotificationConfirmation, HeartbeatConfirmation
from app.ocpp16.actions.types import (
    CommandStatus,
    ConfigurationStatus,
    RegistrationStatus,
    ResetType,
)
from app.ocpp16.liveness import Liveness

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("heartbeat_s", "ping_s", "silent_after_s"), [(60, 30, 180), (10, 30, 90), (60, None, 180)]
)
def test_three_times_the_longer_of_heartbeat_and_ping(
    heartbeat_s: float, ping_s: float | None, silent_after_s: float
) -> None:
    assert Liveness(heartbeat_s, ping_s).silent_after_s == silent_after_s


@pytest.mark.parametrize(("interval", "silent_after_s"), [(300, 900), (0, 180), (-1, 180)])
def test_the_answer_to_a_boot_tells_the_interval(interval: int, silent_after_s: float) -> None:
    liveness = Liveness(60, 30)
    liveness.answered(HeartbeatConfirmation(NOON))
    liveness.answered(BootNotificationConfirmation(RegistrationStatus.ACCEPTED, NOON, interval))
    assert liveness.silent_after_s == silent_after_s


@pytest.mark.parametrize(
    ("value", "silent_after_s"), [("86400", 259_200), ("0", 180), ("soon", 180), (None, 180)]
)
def test_a_station_that_keeps_its_own_interval_is_believed(
    value: str | None, silent_after_s: float
) -> None:
    liveness = Liveness(60, 30)
    setting = KeyValue("HeartbeatInterval", readonly=True, value=value)
    liveness.confirmed(GetConfiguration(), GetConfigurationConfirmation((setting,)))
    assert liveness.silent_after_s == silent_after_s


@pytest.mark.parametrize(
    ("key", "value", "status", "silent_after_s"),
    [
        ("HeartbeatInterval", "600", ConfigurationStatus.ACCEPTED, 1800),
        ("heartbeatinterval", "600", ConfigurationStatus.ACCEPTED, 1800),
        ("HeartbeatInterval", "600", ConfigurationStatus.REBOOT_REQUIRED, 180),
        ("HeartbeatInterval", "600", ConfigurationStatus.REJECTED, 180),
        ("HeartbeatInterval", "0", ConfigurationStatus.ACCEPTED, 180),
        ("HeartbeatInterval", "often", ConfigurationStatus.ACCEPTED, 180),
        ("ConnectionTimeOut", "600", ConfigurationStatus.ACCEPTED, 180),
    ],
)
def test_a_new_interval_holds_once_it_is_taken(
    key: str, value: str, status: ConfigurationStatus, silent_after_s: float
) -> None:
    liveness = Liveness(60, 30)
    liveness.confirmed(ChangeConfiguration(key, value), ChangeConfigurationConfirmation(status))
    assert liveness.silent_after_s == silent_after_s


def test_other_answers_say_nothing() -> None:
    liveness = Liveness(60, 30)
    liveness.confirmed(Reset(ResetType.SOFT), ResetConfirmation(CommandStatus.ACCEPTED))
    assert liveness.silent_after_s == 180
