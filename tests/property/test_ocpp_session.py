"""The session under any interleaving: losses, repeats, garbage, lateness and impatience.

Whatever happens, at most one CALL of ours is outstanding, every CALL of ours ends exactly once,
every CALL of the station is handled once, in order, and answered under its id, and the session is
alive at the end.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from app.domain.badge import AuthorizationStatus
from app.ocpp16.actions.manager_calls import UnlockConnector
from app.ocpp16.actions.station_calls import Authorize, AuthorizeConfirmation, IdTagInfo
from app.ocpp16.frames import ErrorCode
from app.ocpp16.session import (
    CallAnswered,
    CallFailed,
    CallReceived,
    Event,
    FailureKind,
    FrameRejected,
    Priority,
    SessionLimits,
    StationSession,
)

LIMITS = SessionLimits(
    inbox=3,
    outbox=4,
    answers_kept=2,
    answer_timeout_s=30,
    queue_wait_s=50,
    rejections_answered_burst=3,
)
ACCEPTED = AuthorizeConfirmation(IdTagInfo(AuthorizationStatus.ACCEPTED))
GARBAGE = [
    "",
    "hello",
    "[]",
    "[2]",
    '[2,"x"]',
    '[2,"x","Nope",{}]',
    '[2,"x","Authorize",[7]]',
    b"\xff",
]


class Conversation(RuleBasedStateMachine):
    @initialize()
    def connect(self) -> None:
        ids = itertools.count(1)
        self.session = StationSession("A", lambda: f"m{next(ids)}", LIMITS, 0.0)
        self.now_s = 0.0
        self.ours: dict[str, int] = {}
        self.wire: str | None = None
        self.old: list[str] = []
        self.sent: list[str] = []
        self.waiting: list[str] = []
        self.handled: list[str] = []
        self.in_work: str | None = None
        self.texts: dict[str, str] = {}
        self.answers: dict[str, list[str]] = {}
        self.numbers = itertools.count(1)

    # ------------------------------------------------------------------ the station speaks

    @rule()
    def station_calls(self) -> None:
        message_id = f"s{next(self.numbers)}"
        text = json.dumps([2, message_id, "Authorize", {"idTag": message_id}])
        self.texts[message_id] = text
        self.answers[message_id] = []
        self.receive(text)
        if not self.answers[message_id]:  # else: busy
            self.sent.append(message_id)

    @rule(data=st.data())
    def station_repeats_itself(self, data: st.DataObject) -> None:
        remembered = [*self.waiting_ids(), *self.handled[-LIMITS.answers_kept :]]
        if not remembered:
            return
        message_id = data.draw(st.sampled_from(remembered))
        before = len(self.answers[message_id])
        handled = len(self.handled)
        self.receive(self.texts[message_id])
        assert len(self.handled) == handled
        if before:
            assert self.answers[message_id][-1] == self.answers[message_id][0]
            assert len(self.answers[message_id]) == before + 1

    @rule(text=st.sampled_from(GARBAGE))
    def station_talks_nonsense(self, text: str | bytes) -> None:
        self.receive(text)

    @precondition(lambda self: self.wire is not None)
    @rule(refuse=st.booleans())
    def station_answers(self, refuse: bool) -> None:
        call_id = self.wire
        self.wire = None
        frame: list[Any] = [3, call_id, {"status": "Unlocked"}]
        if refuse:
            frame = [4, call_id, "GenericError", "", {}]
        self.old.append(json.dumps(frame))
        self.receive(self.old[-1])

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def station_answers_again(self, data: st.DataObject) -> None:
        self.receive(data.draw(st.sampled_from(self.old)))

    # ------------------------------------------------------------------ the manager speaks

    @rule(
        priority=st.sampled_from(Priority),
        key=st.none() | st.sampled_from(["a", "b"]),
        connector_id=st.integers(1, 2),
    )
    def manager_calls(self, priority: Priority, key: str | None, connector_id: int) -> None:
        call_id = self.session.send_call(
            UnlockConnector(connector_id), self.now_s, priority, 30.0, key
        )
        self.ours[call_id] = 0
        self.collect(self.session.take_events())

    @precondition(lambda self: self.in_work is not None)
    @rule(fail=st.booleans())
    def manager_answers(self, fail: bool) -> None:
        message_id = self.in_work
        assert message_id is not None
        self.in_work = None
        if fail:
            self.session.answer_error(message_id, ErrorCode.INTERNAL_ERROR)
        else:
            self.session.answer(message_id, ACCEPTED)
        self.collect(self.session.take_events())

    @rule(seconds=st.sampled_from([0.1, 5.0, 29.0, 31.0, 120.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.collect(self.session.advance(self.now_s))

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def never_late(self) -> None:
        deadline_s = self.session.next_deadline()
        pending = [call_id for call_id, ends in self.ours.items() if ends == 0]
        assert (deadline_s is None) == (not pending)
        assert len(pending) <= LIMITS.outbox + 1
        assert self.wire is None or self.ours[self.wire] == 0

    def teardown(self) -> None:
        self.finish_work()
        while (deadline_s := self.session.next_deadline()) is not None:
            self.now_s = max(self.now_s, deadline_s)
            self.collect(self.session.advance(self.now_s))
        assert all(ends == 1 for ends in self.ours.values())
        # Alive: a CALL of ours leaves at once, its answer is taken, and so is a CALL of the station.
        self.manager_calls(Priority.BACKGROUND, None, 1)
        assert self.wire is not None
        self.station_answers(refuse=False)
        self.station_calls()
        self.finish_work()
        assert self.handled == self.sent
        assert all(self.answers[message_id] for message_id in self.sent)
        self.manager_calls(Priority.SAFETY, None, 1)
        self.collect(self.session.close())
        assert all(ends == 1 for ends in self.ours.values())

    # ------------------------------------------------------------------ helpers

    def finish_work(self) -> None:
        while self.in_work is not None:
            self.manager_answers(fail=False)

    def waiting_ids(self) -> list[str]:
        return self.sent[len(self.handled) :] + ([self.in_work] if self.in_work else [])

    def receive(self, text: str | bytes) -> None:
        self.collect(self.session.receive(text, self.now_s))

    def collect(self, events: list[Event]) -> None:
        for text in self.session.frames_to_send():
            kind, message_id, *_rest = json.loads(text)
            if kind == 2:
                assert message_id in self.ours or self.ours.setdefault(message_id, 0) == 0
                assert self.wire is None or self.gone(self.wire, events), "two CALLs outstanding"
                self.wire = message_id
            elif message_id in self.answers:
                self.answers[message_id].append(text)
        for event in events:
            if isinstance(event, CallReceived):
                assert self.in_work is None
                assert isinstance(event.request, Authorize)
                assert event.request.id_tag == event.message_id
                self.in_work = event.message_id
                self.handled.append(event.message_id)
            elif isinstance(event, CallAnswered | CallFailed):
                self.ours[event.call_id] = self.ours.get(event.call_id, 0) + 1
                if self.wire == event.call_id:
                    assert isinstance(event, CallFailed)
                    assert event.kind is not FailureKind.SUPERSEDED
                    self.wire = None
            else:
                assert isinstance(event, FrameRejected)

    def gone(self, call_id: str, events: list[Event]) -> bool:
        """Whether the CALL on the wire ended in the same step."""
        return any(isinstance(e, CallFailed) and e.call_id == call_id for e in events)


_ANY_TEXT = st.text(st.characters())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=12,
)
_PART = st.sampled_from([2, 3, 4, 2.0, "1", "m1", "StopTransaction", "MeterValues", {}]) | _JSON
_FRAME = st.lists(_PART, max_size=6).map(json.dumps)


@given(st.lists(_FRAME | _ANY_TEXT | st.binary(), min_size=1, max_size=6))
@settings(max_examples=400)
def test_nothing_raises_out_of_receive(texts: list[str | bytes]) -> None:
    session = StationSession("A", lambda: "m1", LIMITS)
    session.send_call(UnlockConnector(1), 0.0)
    for text in texts:
        session.receive(text, 0.0)
    assert all(json.loads(text)[0] in {2, 3, 4} for text in session.frames_to_send())


Conversation.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestConversation = Conversation.TestCase
