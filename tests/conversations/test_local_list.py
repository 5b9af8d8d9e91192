"""Feature profile Local Auth List Management: OCPP 1.6 ed. 2, clauses 5.10 and 5.15."""

from __future__ import annotations

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.access_calls import (
    AuthorizationData,
    GetLocalListVersion,
    GetLocalListVersionConfirmation,
    SendLocalList,
    SendLocalListConfirmation,
    UpdateStatus,
    UpdateType,
)
from app.ocpp16.actions.station_calls import IdTagInfo
from app.ocpp16.frames import ErrorCode
from app.ocpp16.session import FailureKind
from tests.conversations.book import local_list
from tests.conversations.playbook import CallError, Failed, Playbook
from tests.conversations.standard import EveryManagerCall, manager_asks

ENTRY = AuthorizationData("04A1B2C3", IdTagInfo(AuthorizationStatus.ACCEPTED))
DELTA = SendLocalList(8, UpdateType.DIFFERENTIAL, (ENTRY, AuthorizationData("04D4E5F6")))
WHOLE = SendLocalList(8, UpdateType.FULL, (ENTRY,))


class TestLocalListCalls(EveryManagerCall):
    book = local_list.MANAGER_CALLS


def test_5_15_a_list_that_went_its_own_way_is_sent_as_a_whole() -> None:
    play = Playbook()
    with play:
        manager_asks(play, GetLocalListVersion(), GetLocalListVersionConfirmation(7))
        manager_asks(play, DELTA, SendLocalListConfirmation(UpdateStatus.VERSION_MISMATCH))
        manager_asks(play, WHOLE, SendLocalListConfirmation(UpdateStatus.ACCEPTED))
        manager_asks(play, GetLocalListVersion(), GetLocalListVersionConfirmation(8))


def test_5_15_an_update_cut_off_is_settled_by_the_version() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> DELTA
        station << DELTA
        play.hang_up()
        manager << Failed(FailureKind.DROPPED)
        play.connect_again()
        manager_asks(play, GetLocalListVersion(), GetLocalListVersionConfirmation(8))


def test_5_15_a_whole_list_may_be_empty() -> None:
    play = Playbook()
    with play as (station, _manager, _after):
        empty = SendLocalList(9, UpdateType.FULL, ())
        manager_asks(play, empty, SendLocalListConfirmation(UpdateStatus.ACCEPTED))
        assert station.heard_ids == ["m1"]


def test_5_10_a_station_without_the_profile_says_so_in_its_way() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager_asks(play, GetLocalListVersion(), GetLocalListVersionConfirmation(-1))
        for code in (ErrorCode.NOT_SUPPORTED, ErrorCode.NOT_IMPLEMENTED):
            manager >> GetLocalListVersion()
            station << GetLocalListVersion()
            station >> CallError(code)
            manager << Failed(FailureKind.REFUSED, code)
