"""Boot answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.station import StationIdentity
from app.ocpp16.actions.station_calls import BootNotification, BootNotificationConfirmation
from app.ocpp16.actions.types import RegistrationStatus
from app.ocpp16.registration import BootIntervals, Standing, boot_answer, identity_of

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
INTERVALS = BootIntervals(heartbeat_s=100, waiting_s=30, ignored_s=600, jitter_share=0.2)


@pytest.mark.parametrize(
    ("standing", "jitter", "status", "interval"),
    [
        (Standing.ADOPTED, 0.0, RegistrationStatus.ACCEPTED, 100),
        (Standing.ADOPTED, 1.0, RegistrationStatus.ACCEPTED, 80),
        (Standing.WAITING, 0.0, RegistrationStatus.PENDING, 30),
        (Standing.WAITING, 1.0, RegistrationStatus.PENDING, 36),
        (Standing.IGNORED, 0.5, RegistrationStatus.REJECTED, 660),
    ],
)
def test_answers(
    standing: Standing, jitter: float, status: RegistrationStatus, interval: int
) -> None:
    answer = boot_answer(standing, INTERVALS, jitter, NOON)
    assert answer == BootNotificationConfirmation(status, NOON, interval)


def test_an_interval_of_zero_would_let_the_station_choose() -> None:
    assert boot_answer(Standing.ADOPTED, BootIntervals(heartbeat_s=0), 0.0, NOON).interval == 1


def test_identity() -> None:
    boot = BootNotification("Legrand", "059004", charge_box_serial_number="260988")
    assert identity_of(boot) == StationIdentity("Legrand", "059004", "260988", "")
    full = BootNotification("V", "M", "P1", "B1", firmware_version="1.2")
    assert identity_of(full) == StationIdentity("V", "M", "P1", "1.2")
    assert identity_of(BootNotification("V", "M")).serial == ""


@pytest.mark.parametrize("waiting", list(RegistrationStatus))
def test_a_kind_that_cannot_bear_pending_is_told_otherwise_while_it_waits(
    waiting: RegistrationStatus,
) -> None:
    answer = boot_answer(Standing.WAITING, BootIntervals(), 0.0, NOON, waiting)
    assert answer.status is waiting
    assert boot_answer(Standing.ADOPTED, BootIntervals(), 0.0, NOON, waiting).status is (
        RegistrationStatus.ACCEPTED
    )
