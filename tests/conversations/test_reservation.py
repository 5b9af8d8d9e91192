"""Feature profile Reservation: OCPP 1.6 ed. 2, clauses 5.1 and 5.13."""

from __future__ import annotations

from datetime import timedelta

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.access_calls import (
    CancelReservation,
    CancelReservationConfirmation,
    ReservationStatus,
    ReserveNow,
    ReserveNowConfirmation,
)
from app.ocpp16.actions.station_calls import (
    IdTagInfo,
    StartTransaction,
    StartTransactionConfirmation,
    StatusNotification,
    StatusNotificationConfirmation,
)
from app.ocpp16.actions.types import ChargePointErrorCode, ChargePointStatus, CommandStatus
from tests.conversations.book import reservation
from tests.conversations.playbook import NOON, Playbook
from tests.conversations.standard import EveryManagerCall, manager_asks, station_asks

RESERVE = ReserveNow(1, NOON + timedelta(hours=1), "04A1B2C3", 3)
RESERVED = ReserveNowConfirmation(ReservationStatus.ACCEPTED)


def becomes(play: Playbook, status: ChargePointStatus) -> None:
    told = StatusNotification(1, ChargePointErrorCode.NO_ERROR, status)
    station_asks(play, told, StatusNotificationConfirmation())


class TestReservationCalls(EveryManagerCall):
    book = reservation.MANAGER_CALLS


def test_5_13_a_reservation_ends_in_the_transaction_that_names_it() -> None:
    play = Playbook()
    with play:
        manager_asks(play, RESERVE, RESERVED)
        becomes(play, ChargePointStatus.RESERVED)
        becomes(play, ChargePointStatus.PREPARING)
        start = StartTransaction(1, "04A1B2C3", 0, NOON, reservation_id=3)
        answer = StartTransactionConfirmation(IdTagInfo(AuthorizationStatus.ACCEPTED), 17)
        station_asks(play, start, answer)


def test_5_13_a_reservation_that_nobody_uses_lapses() -> None:
    play = Playbook()
    with play as (_station, _manager, after):
        manager_asks(play, RESERVE, RESERVED)
        becomes(play, ChargePointStatus.RESERVED)
        after(3600)
        becomes(play, ChargePointStatus.AVAILABLE)


def test_5_13_the_same_number_again_replaces_the_reservation() -> None:
    play = Playbook()
    with play:
        manager_asks(play, RESERVE, RESERVED)
        later = ReserveNow(1, NOON + timedelta(hours=2), "04D4E5F6", 3)
        manager_asks(play, later, RESERVED)


def test_5_1_a_reservation_is_cancelled_once() -> None:
    play = Playbook()
    with play:
        manager_asks(play, RESERVE, RESERVED)
        cancel = CancelReservation(3)
        manager_asks(play, cancel, CancelReservationConfirmation(CommandStatus.ACCEPTED))
        manager_asks(play, cancel, CancelReservationConfirmation(CommandStatus.REJECTED))
