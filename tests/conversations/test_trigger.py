"""Feature profile Remote Trigger: OCPP 1.6 ed. 2, clause 5.17."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from app.ocpp16.actions import FROM_STATION
from app.ocpp16.actions.manager_calls import TriggerMessage, TriggerMessageConfirmation
from app.ocpp16.actions.types import Call, Confirmation, MessageTrigger, TriggerMessageStatus
from tests.conversations.book import STATION_CALLS, trigger
from tests.conversations.playbook import Playbook
from tests.conversations.standard import EveryManagerCall, an_answer, manager_asks, station_asks

ACCEPTED = TriggerMessageConfirmation(TriggerMessageStatus.ACCEPTED)


def asked_for(action: str) -> tuple[Call[Any], Confirmation]:
    """The message that a trigger brings, and our answer to it."""
    (entry,) = (entry for entry in STATION_CALLS if entry.action == action)
    return msgspec.convert(entry.least, FROM_STATION[action]), an_answer(entry)


class TestTriggerCalls(EveryManagerCall):
    book = trigger.MANAGER_CALLS


@pytest.mark.parametrize("wanted", MessageTrigger)
def test_5_17_what_was_asked_for_follows_the_answer(wanted: MessageTrigger) -> None:
    play = Playbook()
    with play:
        manager_asks(play, TriggerMessage(wanted), ACCEPTED)
        station_asks(play, *asked_for(wanted))


@pytest.mark.parametrize("wanted", MessageTrigger)
def test_5_17_some_send_it_before_their_answer(wanted: MessageTrigger) -> None:
    play = Playbook()
    with play as (station, manager, _after):
        manager >> TriggerMessage(wanted, 1)
        station << TriggerMessage(wanted, 1)
        station_asks(play, *asked_for(wanted))
        station >> ACCEPTED
        manager << ACCEPTED


def test_5_17_an_accepted_trigger_may_bring_nothing() -> None:
    play = Playbook()
    with play as (_station, _manager, after):
        manager_asks(play, TriggerMessage(MessageTrigger.METER_VALUES, 1), ACCEPTED)
        after(600)
        manager_asks(play, TriggerMessage(MessageTrigger.METER_VALUES, 1), ACCEPTED)
