"""OCPP-J 1.6, chapter 4: what is said about frames, ids, errors and order."""

from __future__ import annotations

import pytest

from app.domain.capability import ProfileForm
from app.ocpp16.actions.manager_calls import (
    GetConfiguration,
    GetConfigurationConfirmation,
    KeyValue,
    Reset,
    ResetConfirmation,
    SetChargingProfileConfirmation,
    TriggerMessage,
    TriggerMessageConfirmation,
    UnlockConnector,
    UnlockConnectorConfirmation,
)
from app.ocpp16.actions.station_calls import (
    Authorize,
    AuthorizeConfirmation,
    Heartbeat,
    HeartbeatConfirmation,
    IdTagInfo,
    StatusNotification,
    StatusNotificationConfirmation,
)
from app.ocpp16.actions.types import (
    ChargePointErrorCode,
    ChargePointStatus,
    ChargingProfileStatus,
    CommandStatus,
    MessageTrigger,
    ResetType,
    TriggerMessageStatus,
    UnlockStatus,
)
from app.ocpp16.frames import ErrorCode, UnfitMessageError
from app.ocpp16.session import FailureKind, Priority, SessionLimits, StationSilent
from app.ocpp16.smart_charging import tx_profile
from tests.conversations.playbook import (
    NOON,
    SILENCE,
    CallError,
    Failed,
    Playbook,
    Rejected,
    Urgent,
    Wire,
)

ACCEPTED = AuthorizeConfirmation(IdTagInfo("Accepted"))  # type: ignore[arg-type]
TRIGGER = TriggerMessage(MessageTrigger.HEARTBEAT)
TRIGGERED = TriggerMessageConfirmation(TriggerMessageStatus.ACCEPTED)


def available(connector_id: int) -> StatusNotification:
    return StatusNotification(
        connector_id, ChargePointErrorCode.NO_ERROR, ChargePointStatus.AVAILABLE
    )


def limit(current_ma: int) -> Urgent:
    request = tx_profile(1, 7, current_ma, 3, ProfileForm())
    return Urgent(request, Priority.SAFETY, replace_key="limit/1")


def test_4_1_1_a_station_may_call_while_our_call_is_outstanding() -> None:
    with Playbook() as (station, manager, _after):
        manager >> GetConfiguration()
        station << GetConfiguration()
        station >> Heartbeat()
        manager << Heartbeat()
        manager >> HeartbeatConfirmation(NOON)
        station << HeartbeatConfirmation(NOON)
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()


def test_4_1_1_only_one_call_of_ours_is_outstanding() -> None:
    with Playbook() as (station, manager, _after):
        manager >> GetConfiguration()
        manager >> Reset(ResetType.SOFT)
        station << GetConfiguration()
        station << SILENCE
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << Reset(ResetType.SOFT)
        station >> ResetConfirmation(CommandStatus.ACCEPTED)
        manager << ResetConfirmation(CommandStatus.ACCEPTED)


def test_4_1_1_the_next_call_leaves_when_the_last_has_timed_out() -> None:
    with Playbook() as (station, manager, after):
        manager >> TRIGGER
        manager >> UnlockConnector(1)
        station << TRIGGER
        after(29)
        station << SILENCE
        after(2)
        manager << Failed(FailureKind.TIMEOUT)
        station << UnlockConnector(1)


def test_4_1_1_a_late_answer_is_not_taken_for_the_next_call() -> None:
    play = Playbook()
    with play as (station, manager, after):
        manager >> TRIGGER
        station << TRIGGER
        after(31)
        manager << Failed(FailureKind.TIMEOUT)
        manager >> TRIGGER
        station << TRIGGER
        station >> TRIGGERED  # answers the first
        manager << SILENCE
        station >> TriggerMessageConfirmation(TriggerMessageStatus.REJECTED)
        manager << TriggerMessageConfirmation(TriggerMessageStatus.REJECTED)
    assert play.session.counts == {"late-answer": 1}


def test_4_1_1_an_answer_to_nothing_is_counted() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire('[3,"never",{}]')
        station >> Wire('[4,"never","GenericError","",{}]')
        manager << SILENCE
    assert play.session.counts == {"unknown-answer": 2}


def test_4_1_1_calls_sent_ahead_are_handled_one_by_one_in_order() -> None:
    with Playbook() as (station, manager, _after):
        station >> available(0)
        station >> available(1)
        station >> available(2)
        manager << available(0)
        manager << SILENCE
        manager >> StatusNotificationConfirmation()
        manager << available(1)
        manager >> StatusNotificationConfirmation()
        manager << available(2)
        manager >> StatusNotificationConfirmation()
        for _ in range(3):
            station << StatusNotificationConfirmation()
        assert station.heard_ids == ["s1", "s2", "s3"]


def test_4_1_1_beyond_the_inbox_a_station_hears_that_we_are_busy() -> None:
    play = Playbook(SessionLimits(inbox=1))
    with play as (station, manager, _after):
        station >> available(0)
        station >> available(1)
        station >> available(2)
        station << CallError("InternalError", "Busy, try again later")
        manager << available(0)
        manager >> StatusNotificationConfirmation()
        station << StatusNotificationConfirmation()
        manager << available(1)
        manager >> StatusNotificationConfirmation()
        station << StatusNotificationConfirmation()
        station >> available(2)
        manager << available(2)
    assert play.session.counts == {"busy": 1}


def test_4_1_4_the_same_message_again_gets_the_same_answer_again() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Authorize("04A1")
        manager << Authorize("04A1")
        manager >> ACCEPTED
        station << ACCEPTED
        station >> Wire(station.last_text)
        manager << SILENCE
        station << ACCEPTED
    assert play.session.counts == {"repeated": 1}


def test_4_1_4_a_repeat_while_the_first_is_in_work_is_not_handled_twice() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Authorize("04A1")
        station >> Wire(station.last_text)
        manager << Authorize("04A1")
        manager << SILENCE
        manager >> ACCEPTED
        manager << SILENCE
        station << ACCEPTED
    assert play.session.counts == {"repeated": 1}


def test_4_1_4_an_id_used_again_for_another_call_is_another_call() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire('[2,"1","Authorize",{"idTag":"04A0"}]')
        manager << Authorize("04A0")
        manager >> ACCEPTED
        station << ACCEPTED
        station >> Wire('[2,"1","Authorize",{"idTag":"04A1"}]')
        manager << Authorize("04A1")
        station >> Wire('[2,"1","Authorize",{"idTag":"04A1"}]')  # impatient
        manager >> ACCEPTED
        station << ACCEPTED
        station >> Wire('[2,"1","Authorize",{"idTag":"04A1"}]')
        station << ACCEPTED
    assert play.session.counts == {"reused-id": 1, "repeated": 2}


def test_4_1_4_an_id_used_again_before_its_answer_is_another_call_too() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        for tag in ("04A1", "04A2", "04A1", "04A2"):
            station >> Wire(f'[2,"1","Authorize",{{"idTag":"{tag}"}}]')
        for tag in ("04A1", "04A2"):
            manager << Authorize(tag)
            manager >> ACCEPTED
            station << ACCEPTED
    assert play.session.counts == {"reused-id": 1, "repeated": 2}


def test_4_1_4_old_answers_are_forgotten() -> None:
    with Playbook(SessionLimits(answers_kept=1)) as (station, manager, _after):
        for message_id in ("1", "2", "1"):
            station >> Wire(f'[2,"{message_id}","Authorize",{{"idTag":"04A1"}}]')
            manager << Authorize("04A1")
            manager >> ACCEPTED
            station << ACCEPTED


def test_4_1_4_a_long_id_is_echoed_and_counted() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(f'[2,"{"9" * 40}","Heartbeat",{{}}]')
        manager << Heartbeat()
        manager >> HeartbeatConfirmation(NOON)
        station << HeartbeatConfirmation(NOON)
        assert station.heard_ids == ["9" * 40]
    assert play.session.repairs == {"message-id-long": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        (b"\xff\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "not a frame"),
        ("[2]", "not a frame"),
        ('[9,"1",{}]', "unknown message type"),
        ('[true,"1",{}]', "unknown message type"),
        ('[[],"1",{}]', "unknown message type"),
        ('[2,17,"Heartbeat",{}]', "message id is not a string"),
        ('[2,"\\ud800","Heartbeat",{}]', "message id is not a string"),
        ('[2,"\\ud800",17,{}]', "message id is not a string"),
        (f'[2,"{"9" * 300}","Heartbeat",{{}}]', "message id too long"),
        (f'[2,"{"9" * 300}",17,{{}}]', "message id too long"),
        ('[3,"m1"', "not JSON"),
        ('[4,"m1",17]', "unreadable"),
    ],
)
def test_4_2_what_is_no_call_is_counted_and_not_answered(text: str | bytes, reason: str) -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Wire(text)
        manager << Rejected(reason)
        station << SILENCE
    assert play.session.counts["rejected"] == 1


@pytest.mark.parametrize("text", ['[2,"1"]', '[2,"1",{"a":1},{}]', '[2,"1",null]'])
def test_4_2_a_call_without_action_is_answered(text: str) -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire(text)
        manager << Rejected("action is missing or not a string")
        station << CallError("FormationViolation")


def test_4_2_answers_to_garbage_are_limited_in_rate() -> None:
    play = Playbook(SessionLimits(rejections_answered_burst=2, rejections_answered_per_s=0.5))
    with play as (station, _manager, after):
        for _ in range(4):
            station >> Wire('[2,"1","Nonsense",{}]')
        station << CallError("NotImplemented")
        station << CallError("NotImplemented")
        station << SILENCE
        after(2)
        station >> Wire('[2,"1","Nonsense",{}]')
        station << CallError("NotImplemented")
    assert play.session.counts == {"refused": 5, "unanswered": 2}


def test_4_2_garbage_in_a_row_is_told_until_a_good_frame_comes() -> None:
    with Playbook() as (station, manager, _after):
        for in_a_row in (1, 2, 3):
            station >> Wire("garbage")
            manager << Rejected("not JSON", in_a_row)
        station >> Heartbeat()
        manager << Heartbeat()
        station >> Wire("garbage")
        manager << Rejected("not JSON", 1)


def test_4_2_3_an_unknown_action_is_not_implemented() -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire('[2,"1","MakeCoffee",{}]')
        station << CallError("NotImplemented", "Requested Action is not known by receiver")
        manager << SILENCE


@pytest.mark.parametrize("action", ["UpdateFirmware", "SetChargingProfile"])
def test_4_2_3_a_known_action_that_we_do_not_take_is_not_supported(action: str) -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire(f'[2,"1","{action}",{{}}]')
        station << CallError("NotSupported")
        manager << SILENCE


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ('"04A1"', "FormationViolation"),
        ("[1]", "FormationViolation"),
        ("{}", "ProtocolError"),
        ('{"vendorId":{}}', "TypeConstraintViolation"),
    ],
)
def test_4_2_3_what_repairs_cannot_mend_is_answered_by_its_code(payload: str, code: str) -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire(f'[2,"1","DataTransfer",{payload}]')
        station << CallError(code)
        manager << SILENCE


def test_4_2_3_a_value_outside_of_its_enumeration_violates_a_property() -> None:
    with Playbook() as (station, manager, _after):
        station >> Wire(
            '[2,"1","StatusNotification",'
            '{"connectorId":1,"errorCode":"NoError","status":"Levitating"}]'
        )
        station << CallError("PropertyConstraintViolation")
        manager << SILENCE


def test_4_2_3_the_handler_may_answer_by_an_error() -> None:
    with Playbook() as (station, manager, _after):
        station >> Heartbeat()
        manager << Heartbeat()
        manager >> CallError(ErrorCode.INTERNAL_ERROR, "x" * 300)
        station << CallError("InternalError", "x" * 255)


def test_4_2_3_a_refused_call_of_ours_fails_with_the_stations_code() -> None:
    with Playbook() as (station, manager, _after):
        manager >> TRIGGER
        station << TRIGGER
        station >> CallError("NotSupported", "no")
        manager << Failed(FailureKind.REFUSED, "NotSupported")


def test_4_2_3_an_answer_that_cannot_be_understood_is_no_refusal() -> None:
    with Playbook() as (station, manager, _after):
        manager >> TRIGGER
        station << TRIGGER
        station >> Wire('[3,"m1",{"status":"Perhaps"}]')
        manager << Failed(FailureKind.UNREADABLE, "PropertyConstraintViolation")


def test_4_2_2_a_confirmation_with_small_faults_is_taken() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> GetConfiguration()
        station << GetConfiguration()
        station >> Wire('[3,"m1",{"configurationKey":[{"key":"a","value":5,"vendor":1}]}]')
        manager << GetConfigurationConfirmation((KeyValue("a", False, "5"),))
        manager >> GetConfiguration()
        station << GetConfiguration()
        station >> Wire('[3,"m2",{"configurationKey":[],"junk":"\t"}]')
        manager << GetConfigurationConfirmation(())
    assert play.session.repairs == {
        "number-as-text": 1,
        "unknown-field": 2,
        "missing-field": 1,
        "json-loose": 1,
    }


def test_a_decrease_overtakes_what_waits() -> None:
    with Playbook() as (station, manager, _after):
        manager >> GetConfiguration()
        manager >> Urgent(TRIGGER, Priority.BACKGROUND)
        manager >> UnlockConnector(1)
        manager >> limit(6_000)
        station << GetConfiguration()
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << limit(6_000).request
        station >> SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
        manager << SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
        station << UnlockConnector(1)
        station >> UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)
        manager << UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)
        station << TRIGGER


def test_a_newer_limit_supersedes_the_one_that_waits_in_its_place() -> None:
    with Playbook() as (station, manager, _after):
        manager >> GetConfiguration()
        manager >> limit(10_000)
        manager >> Urgent(TRIGGER, Priority.SAFETY)
        manager >> limit(8_000)
        manager << Failed(FailureKind.SUPERSEDED)
        station << GetConfiguration()
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << limit(8_000).request
        station >> SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
        manager << SetChargingProfileConfirmation(ChargingProfileStatus.ACCEPTED)
        station << TRIGGER


def test_a_decrease_supersedes_an_increase_of_lesser_priority() -> None:
    with Playbook() as (station, manager, _after):
        manager >> GetConfiguration()
        manager >> Urgent(limit(16_000).request, Priority.CONTROL, "limit/1")
        manager >> Urgent(UnlockConnector(1), Priority.CONTROL, "unlock/1")
        manager >> limit(6_000)
        manager << Failed(FailureKind.SUPERSEDED)
        station << GetConfiguration()
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << limit(6_000).request


def test_over_its_bound_the_queue_drops_what_is_least_urgent_then_newest() -> None:
    with Playbook(SessionLimits(outbox=2)) as (station, manager, _after):
        manager >> GetConfiguration()
        station << GetConfiguration()
        manager >> Urgent(TRIGGER, Priority.BACKGROUND)
        manager >> UnlockConnector(1)
        manager >> UnlockConnector(2)
        manager << Failed(FailureKind.DROPPED)  # the trigger
        manager >> Urgent(TRIGGER, Priority.BACKGROUND)
        manager << Failed(FailureKind.DROPPED)  # itself
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << UnlockConnector(1)


def test_a_call_that_waited_too_long_is_never_sent() -> None:
    with Playbook(SessionLimits(queue_wait_s=20)) as (station, manager, after):
        manager >> GetConfiguration()
        manager >> TRIGGER
        station << GetConfiguration()
        after(21)
        manager << Failed(FailureKind.TIMEOUT)
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << SILENCE


def test_a_deadline_may_be_given_with_the_call() -> None:
    with Playbook() as (station, manager, after):
        manager >> Urgent(TRIGGER, timeout_s=3)
        station << TRIGGER
        after(4)
        manager << Failed(FailureKind.TIMEOUT)


def test_a_call_given_up_while_it_waits_is_not_sent() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> GetConfiguration()
        manager >> Urgent(UnlockConnector(1), Priority.BACKGROUND)
        manager >> Urgent(UnlockConnector(2), Priority.BACKGROUND)
        play.session.withdraw("m3")
        play.session.withdraw("m1")  # sent: goes on
        play.session.withdraw("m9")  # never was
        station << GetConfiguration()
        station >> GetConfigurationConfirmation()
        manager << GetConfigurationConfirmation()
        station << UnlockConnector(1)
        station >> UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)
        manager << UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)
        station << SILENCE


def test_when_the_connection_ends_every_call_fails_and_nothing_more_is_said() -> None:
    play = Playbook()
    with play as (station, manager, after):
        station >> Heartbeat()
        manager << Heartbeat()
        manager >> GetConfiguration()
        manager >> TRIGGER
        station << GetConfiguration()
        play.hang_up()
        manager << Failed(FailureKind.DROPPED)
        manager << Failed(FailureKind.DROPPED)
        manager >> HeartbeatConfirmation(NOON)
        station << SILENCE
        station >> Heartbeat()
        manager << SILENCE
        manager >> TRIGGER
        manager << Failed(FailureKind.DROPPED)
        after(100)
        play.hang_up()


def test_after_the_end_an_error_is_not_said_either() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        station >> Heartbeat()
        manager << Heartbeat()
        play.hang_up()
        manager >> CallError(ErrorCode.INTERNAL_ERROR)


def test_a_silent_station_is_told_once_until_it_speaks_again() -> None:
    play = Playbook(SessionLimits(silent_after_s=90))
    with play as (station, manager, after):
        after(60)
        station >> Heartbeat()
        manager << Heartbeat()
        manager >> HeartbeatConfirmation(NOON)
        station << HeartbeatConfirmation(NOON)
        after(89)
        manager << SILENCE
        after(1)
        manager << StationSilent(90.0)
        after(500)
        station >> Wire("anything")
        manager << Rejected("not JSON")
        play.events += play.session.advance(play.now_s + 10)  # early: nothing is due
        after(90)
        manager << StationSilent(90.0)
        play.hang_up()
        after(500)


def test_what_may_not_be_sent_is_refused_before_it_leaves() -> None:
    play = Playbook()
    with play as (station, manager, _after):
        with pytest.raises(UnfitMessageError):
            manager >> UnlockConnector("one")  # type: ignore[arg-type]
        station >> Heartbeat()
        manager << Heartbeat()
        with pytest.raises(LookupError, match="does not answer"):
            play.session.answer("s1", StatusNotificationConfirmation())
        with pytest.raises(LookupError, match="no call"):
            play.session.answer("s2", HeartbeatConfirmation(NOON))
        with pytest.raises(UnfitMessageError):
            play.session.answer("s1", HeartbeatConfirmation(NOON.replace(tzinfo=None)))
        manager >> HeartbeatConfirmation(NOON)
        station << HeartbeatConfirmation(NOON)
        with pytest.raises(LookupError, match="no call"):
            play.session.answer_error("s1", ErrorCode.INTERNAL_ERROR)
