"""Dialogues that every message goes through, whatever it says; profiles add those of their own.

A test class derives from ``EveryStationCall`` or ``EveryManagerCall`` and sets ``book``; each test
then runs for each entry (and each payload, answer or fault) of it: see ``conftest``.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

import msgspec
import pytest

from app.ocpp16.actions import FROM_STATION
from app.ocpp16.actions.manager_calls import TriggerMessage, TriggerMessageConfirmation
from app.ocpp16.actions.station_calls import Heartbeat, HeartbeatConfirmation
from app.ocpp16.actions.types import (
    Call,
    Confirmation,
    MessageTrigger,
    TriggerMessageStatus,
)
from app.ocpp16.frames import ErrorCode
from app.ocpp16.session import FailureKind, Priority, SessionLimits
from tests.conversations.entries import FromManager, FromStation, Malformed, Payload
from tests.conversations.playbook import (
    NOON,
    SILENCE,
    CallError,
    Failed,
    Playbook,
    Urgent,
    Wire,
)
from tests.unit.ocpp16.schemas import valid

ASKED: Final = TriggerMessage(MessageTrigger.HEARTBEAT)
ASKED_ANSWER: Final = TriggerMessageConfirmation(TriggerMessageStatus.ACCEPTED)
NEEDS_NO_REPAIR: Final = ("null for", "no items in")
"""Faults that a tolerant reader takes as they are: a field left out, a list of nothing."""

STRICT: Final = SessionLimits(strict=True)
BOTH: Final = pytest.mark.parametrize("limits", [None, STRICT], ids=["tolerant", "strict"])


def said(action: str, payload: Payload | str, message_id: str = "1") -> Wire:
    """A CALL as text."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return Wire(f'[2,"{message_id}","{action}",{text}]')


def answered(payload: Payload | str, message_id: str) -> Wire:
    """A CALLRESULT as text."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return Wire(f'[3,"{message_id}",{text}]')


class EveryStationCall:
    """For each CALL that stations make."""

    book: ClassVar[tuple[FromStation, ...]]

    @BOTH
    def test_the_good_case(
        self, entry: FromStation, payload: Payload, answer: Payload, limits: SessionLimits | None
    ) -> None:
        play = Playbook(limits)
        with play as (station, manager, _after):
            station >> said(entry.action, payload)
            manager << msgspec.convert(payload, entry.call)
            assert entry.call.confirmation_type is not None
            manager >> msgspec.convert(answer, entry.call.confirmation_type)
            text = play.wire[0]
            station << msgspec.convert(answer, entry.call.confirmation_type)
        assert json.loads(text) == [3, "1", answer]
        assert valid(json.dumps(answer).encode(), entry.action, answer=True)
        assert not play.session.repairs
        assert not play.session.counts

    def test_a_fault_has_its_error_when_read_strictly(
        self, entry: FromStation, fault: Malformed
    ) -> None:
        play = Playbook(STRICT)
        with play as (station, manager, _after):
            station >> said(entry.action, fault.payload)
            station << CallError(fault.code)
            manager << SILENCE
        assert play.session.counts == {"refused": 1}

    def test_a_fault_is_mended_or_has_the_same_error(
        self, entry: FromStation, fault: Malformed
    ) -> None:
        play = Playbook()
        with play as (station, manager, _after):
            station >> said(entry.action, fault.payload)
            if play.events:
                assert play.session.repairs or fault.why.startswith(NEEDS_NO_REPAIR)
                request = manager.hears_call()
                assert isinstance(request, entry.call)
                manager >> an_answer(entry)
                station << an_answer(entry)
            else:
                station << CallError(fault.left or fault.code)
                assert play.session.counts == {"refused": 1}
                assert fault.field in entry.vital or fault.field == ""
                assert not fault.mendable or (fault.field == "" and entry.vital)

    @BOTH
    def test_after_a_fault_the_next_one_is_served(
        self, entry: FromStation, limits: SessionLimits | None
    ) -> None:
        with Playbook(limits) as (station, manager, _after):
            station >> said(entry.action, '"nonsense"', "1")
            station << CallError(ErrorCode.FORMATION_VIOLATION)
            station >> said(entry.action, entry.least, "2")
            manager << msgspec.convert(entry.least, entry.call)
            manager >> an_answer(entry)
            station << an_answer(entry)

    def test_repeated_while_we_think_it_is_handled_and_answered_once(
        self, entry: FromStation
    ) -> None:
        play = Playbook()
        with play as (station, manager, after):
            station >> said(entry.action, entry.fullest)
            manager << msgspec.convert(entry.fullest, entry.call)
            for _ in range(3):
                after(60)
                station >> Wire(station.last_text)
                manager << SILENCE
                station << SILENCE
            manager >> an_answer(entry)
            station << an_answer(entry)
        assert play.session.counts == {"repeated": 3}

    def test_repeated_after_its_answer_it_is_not_handled_again(self, entry: FromStation) -> None:
        play = Playbook()
        with play as (station, manager, after):
            station >> said(entry.action, entry.fullest)
            manager << msgspec.convert(entry.fullest, entry.call)
            manager >> an_answer(entry)
            station << an_answer(entry)
            after(60)
            station >> Wire(station.last_text)
            if entry.call is Heartbeat:  # the answer is the time, and that has passed
                manager << Heartbeat()
                manager >> an_answer(entry)
            else:
                assert play.session.counts == {"repeated": 1}
            manager << SILENCE
            station << an_answer(entry)
        assert station.heard_ids == ["1", "1"]

    def test_repeated_much_later_it_is_another_one(self, entry: FromStation) -> None:
        with Playbook() as (station, manager, after):
            for _ in range(2):
                station >> said(entry.action, entry.fullest)
                manager << msgspec.convert(entry.fullest, entry.call)
                manager >> an_answer(entry)
                station << an_answer(entry)
                after(121)

    def test_tried_again_under_a_new_id_both_are_answered_in_order(
        self, entry: FromStation
    ) -> None:
        with Playbook() as (station, manager, after):
            station >> said(entry.action, entry.fullest, "1")
            after(30)
            station >> said(entry.action, entry.fullest, "2")
            for _ in range(2):
                manager << msgspec.convert(entry.fullest, entry.call)
                manager >> an_answer(entry)
                station << an_answer(entry)
            assert station.heard_ids == ["1", "2"]

    def test_tried_again_after_our_error_it_is_handled(self, entry: FromStation) -> None:
        with Playbook() as (station, manager, after):
            station >> said(entry.action, entry.fullest, "1")
            manager << msgspec.convert(entry.fullest, entry.call)
            manager >> CallError(ErrorCode.INTERNAL_ERROR)
            station << CallError(ErrorCode.INTERNAL_ERROR)
            after(60)
            station >> said(entry.action, entry.fullest, "2")
            manager << msgspec.convert(entry.fullest, entry.call)
            manager >> an_answer(entry)
            station << an_answer(entry)

    def test_cut_off_before_its_answer_it_comes_again_on_the_next_connection(
        self, entry: FromStation
    ) -> None:
        play = Playbook()
        with play as (station, manager, _after):
            station >> said(entry.action, entry.fullest)
            manager << msgspec.convert(entry.fullest, entry.call)
            play.hang_up()
            manager >> an_answer(entry)  # to nobody
            station << SILENCE
            play.connect_again()
            station >> Wire(station.last_text)
            manager << msgspec.convert(entry.fullest, entry.call)
            manager >> an_answer(entry)
            station << an_answer(entry)
        assert not play.session.counts

    def test_our_own_call_may_be_outstanding(self, entry: FromStation) -> None:
        with Playbook() as (station, manager, _after):
            manager >> ASKED
            station << ASKED
            station >> said(entry.action, entry.fullest)
            manager << msgspec.convert(entry.fullest, entry.call)
            station >> ASKED_ANSWER
            manager << ASKED_ANSWER
            manager >> an_answer(entry)
            station << an_answer(entry)


class EveryManagerCall:
    """For each CALL that we make."""

    book: ClassVar[tuple[FromManager, ...]]

    @BOTH
    def test_the_good_case(
        self, entry: FromManager, payload: Payload, done: Payload, limits: SessionLimits | None
    ) -> None:
        play = Playbook(limits)
        with play as (station, manager, _after):
            manager >> entry.request(payload)
            text = play.wire[0]
            station << entry.request(payload)
            station >> answered(done, "m1")
            manager << entry.confirmation(done)
        assert json.loads(text) == [2, "m1", entry.action, payload]
        assert valid(json.dumps(payload).encode(), entry.action)
        assert not play.session.repairs
        assert not play.session.counts

    @BOTH
    def test_a_refusal_is_an_answer(
        self, entry: FromManager, refusal: Payload, limits: SessionLimits | None
    ) -> None:
        with Playbook(limits) as (station, manager, _after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            station >> answered(refusal, "m1")
            manager << entry.confirmation(refusal)

    def test_an_error_is_a_failure_with_its_code(self, entry: FromManager) -> None:
        with Playbook() as (station, manager, _after):
            for code in (*ErrorCode, "OccurrenceConstraintViolation", "VendorError"):
                manager >> entry.request(entry.least)
                station << entry.request(entry.least)
                station >> CallError(code, "no")
                manager << Failed(FailureKind.REFUSED, code)

    def test_a_fault_in_the_answer_is_not_mended_when_read_strictly(
        self, entry: FromManager, answer_fault: Malformed
    ) -> None:
        with Playbook(STRICT) as (station, manager, _after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            station >> answered(answer_fault.payload, "m1")
            if answer_fault.why == "an over-long configurationKey[].value":
                manager.hears_answer()  # settings are longer in the field: not bound
            else:
                manager << Failed(FailureKind.UNREADABLE, answer_fault.code)

    def test_a_fault_in_the_answer_is_mended_or_the_answer_unreadable(
        self, entry: FromManager, answer_fault: Malformed
    ) -> None:
        play = Playbook()
        with play as (station, manager, _after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            station >> answered(answer_fault.payload, "m1")
            (event,) = play.events
            if type(event).__name__ == "CallAnswered":
                confirmation = manager.hears_answer()
                assert isinstance(confirmation, entry.call.confirmation_type)
            else:
                code = answer_fault.left or answer_fault.code
                manager << Failed(FailureKind.UNREADABLE, code)

    def test_an_answer_after_our_time_out_is_not_taken_for_the_next_one(
        self, entry: FromManager
    ) -> None:
        play = Playbook()
        with play as (station, manager, after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            after(61)
            manager << Failed(FailureKind.TIMEOUT)
            manager >> entry.request(entry.fullest)  # again, under a new id
            station << entry.request(entry.fullest)
            station >> answered((*entry.refusals, *entry.done)[0], "m1")
            manager << SILENCE
            station >> answered(entry.done[0], "m2")
            manager << entry.confirmation(entry.done[0])
        assert play.session.counts == {"late-answer": 1}
        assert station.heard_ids == ["m1", "m2"]

    def test_an_answer_said_twice_is_heard_once(self, entry: FromManager) -> None:
        play = Playbook()
        with play as (station, manager, _after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            for _ in range(2):
                station >> answered(entry.done[0], "m1")
            manager << entry.confirmation(entry.done[0])
        assert play.session.counts == {"unknown-answer": 1}

    def test_cut_off_before_its_answer_it_fails_and_is_made_again(self, entry: FromManager) -> None:
        play = Playbook()
        with play as (station, manager, _after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            play.hang_up()
            manager << Failed(FailureKind.DROPPED)
            play.connect_again()
            station >> answered(entry.done[0], "m1")  # to the connection before
            manager << SILENCE
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            station >> answered(entry.done[0], "m2")
            manager << entry.confirmation(entry.done[0])
        assert play.session.counts == {"unknown-answer": 1}

    def test_a_station_may_speak_before_it_answers(self, entry: FromManager) -> None:
        with Playbook() as (station, manager, _after):
            manager >> entry.request(entry.fullest)
            station << entry.request(entry.fullest)
            station >> Heartbeat()
            manager << Heartbeat()
            manager >> HeartbeatConfirmation(NOON)
            station << HeartbeatConfirmation(NOON)
            station >> answered(entry.done[0], "m1")
            manager << entry.confirmation(entry.done[0])

    def test_it_waits_for_its_turn_and_an_urgent_one_goes_first(self, entry: FromManager) -> None:
        with Playbook() as (station, manager, _after):
            manager >> ASKED
            manager >> Urgent(entry.request(entry.least), Priority.CONTROL)
            manager >> Urgent(entry.request(entry.fullest), Priority.SAFETY)
            station << ASKED
            station << SILENCE
            station >> ASKED_ANSWER
            manager << ASKED_ANSWER
            station << entry.request(entry.fullest)
            station >> answered(entry.done[0], "m3")
            manager << entry.confirmation(entry.done[0])
            station << entry.request(entry.least)

    @BOTH
    def test_made_by_a_station_it_is_not_supported(
        self, entry: FromManager, limits: SessionLimits | None
    ) -> None:
        if entry.action in FROM_STATION:  # DataTransfer goes both ways
            return
        with Playbook(limits) as (station, manager, _after):
            station >> said(entry.action, entry.fullest)
            station << CallError(ErrorCode.NOT_SUPPORTED)
            manager << SILENCE


def an_answer(entry: FromStation) -> Any:
    """The first of an entry's answers."""
    return msgspec.convert(entry.answers[0], entry.call.confirmation_type)


def station_asks(play: Playbook, request: Call[Any], answer: Confirmation | CallError) -> None:
    """A CALL of the station and our answer to it."""
    play.station >> request
    play.manager << request
    play.manager >> answer
    play.station << answer


def manager_asks(play: Playbook, request: Call[Any], answer: Confirmation) -> None:
    """A CALL of ours and the station's answer to it."""
    play.manager >> request
    play.station << request
    play.station >> answer
    play.manager << answer
