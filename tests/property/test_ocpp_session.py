"""The session under any interleaving: losses, repeats, garbage, lateness, impatience, reconnects.

A model beside it knows what waits, what is out and what was asked. Whatever happens:

- at most one CALL of ours is outstanding, and every CALL of ours ends exactly once;
- what leaves is the most urgent of what waits, then the oldest (a newer one under its key stands in
  its place): no decrease is overtaken, and none is lost in silence;
- every CALL of a station is handled once for its id and text, in order, and answered under its id,
  or told that we are busy;
- nothing grows without bound, and the session answers a Heartbeat whatever came before.
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
from app.ocpp16.actions.station_calls import (
    Authorize,
    AuthorizeConfirmation,
    Heartbeat,
    HeartbeatConfirmation,
    IdTagInfo,
)
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
    StationSilent,
)
from tests.conversations.playbook import NOON
from tests.support.effort import EFFORT

LIMITS = SessionLimits(
    inbox=3,
    outbox=4,
    answers_kept=2,
    repeat_within_s=100,
    answer_timeout_s=30,
    queue_wait_s=50,
    rejections_answered_burst=3,
    silent_after_s=200,
)
ACCEPTED = AuthorizeConfirmation(IdTagInfo(AuthorizationStatus.ACCEPTED))
COUNTED = {
    *("rejected", "unanswered", "repeated", "reused-id", "busy"),
    *("late-answer", "unknown-answer", "refused"),
}
GARBAGE: list[str | bytes] = [
    "",
    "hello",
    "[]",
    "[2]",
    '[2,"x"]',
    '[2,"x","Nope",{}]',
    '[2,"x","Reset",{"type":"Hard"}]',
    '[2,"x","Authorize",[7]]',
    '[2,"x","StatusNotification",{"connectorId":{}}]',
    '[3,"m1"]',
    '[4,"m1",7]',
    "[" * 3000,
    b"\xff",
]


class Conversation(RuleBasedStateMachine):
    @initialize()
    def first_connection(self) -> None:
        self.our_ids = itertools.count(1)
        self.numbers = itertools.count(1)
        self.now_s = 0.0
        self.ends: dict[str, int] = {}
        """How often each CALL of ours has ended."""
        self.urgency: dict[str, Priority] = {}
        self.old_answers: list[str] = []
        self.connect()

    def connect(self) -> None:
        self.session = StationSession("A", lambda: f"m{next(self.our_ids)}", LIMITS, self.now_s)
        self.wire: str | None = None
        """The CALL of ours that the station has and has not answered."""
        self.waiting: list[list[tuple[str, str | None]]] = [[] for _ in Priority]
        """Ids and keys of the CALLs of ours that have not left, by priority."""
        self.asked: list[tuple[str, str]] = []
        """Id and tag of each CALL of the station that was taken, in order."""
        self.handled: list[tuple[str, str]] = []
        self.answered: list[tuple[str, str]] = []
        """Id and text of each answer to a CALL that was handled, in order."""
        self.in_work: tuple[str, str] | None = None
        self.said: list[str] = []
        self.answers_now: list[list[Any]] = []
        """What the last step sent in answer to the station."""

    # ------------------------------------------------------------------ the station speaks

    @rule(message_id=st.none() | st.sampled_from(["1", "2"]))
    def station_calls(self, message_id: str | None) -> None:
        """With an id of its own, or with one that it uses again and again."""
        tag = f"T{next(self.numbers)}"
        call = (message_id or tag, tag)
        text = json.dumps([2, call[0], "Authorize", {"idTag": tag}])
        full = self.in_work is not None and len(self.asked) - len(self.handled) >= LIMITS.inbox
        self.say(text)
        if full:
            assert [frame[:3] for frame in self.answers_now] == [[4, call[0], "InternalError"]]
        else:
            assert self.answers_now == []
            self.asked.append(call)
            self.said.append(text)
            self.take_up()

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def station_repeats_itself(self, data: st.DataObject) -> None:
        """Its last CALLs: those not answered yet, or the last one that was."""
        pending = len(self.asked) - len(self.answered)
        text = data.draw(st.sampled_from(self.said[-pending - 1 :]))
        message_id, tag = json.loads(text)[1], json.loads(text)[3]["idTag"]
        call = (message_id, tag)
        known = call in self.asked[-pending:] if pending else False
        if not known and not (self.answered and self.answered[-1][0] == message_id):
            return
        if not known and self.now_s - self.answered_at_s > LIMITS.repeat_within_s:
            return
        if not known and message_id in {asked for asked, _ in self.asked[len(self.answered) :]}:
            return  # used again since
        before = len(self.handled)
        self.say(text)
        assert len(self.handled) == before
        again = [] if known else [json.loads(self.answered[-1][1])]
        assert self.answers_now == again

    @rule(text=st.sampled_from(GARBAGE))
    def station_talks_nonsense(self, text: str | bytes) -> None:
        self.say(text)
        assert all(frame[0] == 4 for frame in self.answers_now)

    @precondition(lambda self: self.wire is not None)
    @rule(kind=st.sampled_from(["yes", "no", "error", "unreadable"]))
    def station_answers(self, kind: str) -> None:
        call_id = self.wire
        assert call_id is not None
        frame: list[Any] = [3, call_id, {"status": "Unlocked" if kind == "yes" else "UnlockFailed"}]
        if kind == "error":
            frame = [4, call_id, "GenericError", "", {}]
        elif kind == "unreadable":
            frame = [3, call_id, {"status": ["?"]}]
        self.old_answers.append(json.dumps(frame))
        self.say(self.old_answers[-1])
        assert self.ends[call_id] == 1

    @precondition(lambda self: self.old_answers)
    @rule(data=st.data())
    def station_answers_late_or_again(self, data: st.DataObject) -> None:
        text = data.draw(st.sampled_from(self.old_answers))
        ended = dict(self.ends)
        self.say(text)
        assert self.ends == ended

    # ------------------------------------------------------------------ the manager speaks

    @rule(priority=st.sampled_from(Priority), key=st.none() | st.sampled_from(["a", "b"]))
    def manager_calls(self, priority: Priority, key: str | None) -> None:
        call_id = self.session.send_call(UnlockConnector(1), self.now_s, priority, 30.0, key)
        assert call_id not in self.ends
        self.ends[call_id] = 0
        self.urgency[call_id] = priority
        queue = self.waiting[priority]
        place = next((n for n, (_, its) in enumerate(queue) if key and its == key), len(queue))
        queue.insert(place, (call_id, key))
        self.collect(self.session.take_events())

    @precondition(lambda self: any(self.waiting))
    @rule(data=st.data())
    def manager_gives_up(self, data: st.DataObject) -> None:
        call_id, _ = data.draw(st.sampled_from([each for queue in self.waiting for each in queue]))
        self.session.withdraw(call_id)
        self.leaves_queue(call_id)
        del self.ends[call_id]

    @precondition(lambda self: self.in_work is not None)
    @rule(fail=st.booleans())
    def manager_answers(self, fail: bool) -> None:
        assert self.in_work is not None
        message_id, _ = self.in_work
        self.in_work = None
        if fail:
            self.session.answer_error(message_id, ErrorCode.INTERNAL_ERROR)
        else:
            self.session.answer(message_id, ACCEPTED)
        self.collect(self.session.take_events())
        assert [frame[1] for frame in self.answers_now] == [message_id]
        self.answered.append((message_id, json.dumps(self.answers_now[0])))
        self.answered_at_s = self.session.last_received_s

    # ------------------------------------------------------------------ the world goes on

    @rule(seconds=st.sampled_from([0.1, 5.0, 29.0, 31.0, 120.0, 250.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.collect(self.session.advance(self.now_s))

    @rule()
    def the_connection_is_cut_and_comes_back(self) -> None:
        pending = [call_id for call_id, ends in self.ends.items() if ends == 0]
        self.collect(self.session.close(), closing=True)
        assert all(self.ends[call_id] == 1 for call_id in pending)
        assert self.session.receive('[2,"z","Heartbeat",{}]', self.now_s) == []
        assert self.session.frames_to_send() == []
        assert self.session.next_deadline() is None
        self.connect()

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def nothing_is_forgotten(self) -> None:
        pending = {call_id for call_id, ends in self.ends.items() if ends == 0}
        known = {call_id for queue in self.waiting for call_id, _ in queue}
        assert pending == known | ({self.wire} - {None})
        assert self.wire is not None or not known
        if pending:
            assert self.session.next_deadline() is not None

    @invariant()
    def nothing_grows(self) -> None:
        session = self.session
        assert len(session._inbox) <= LIMITS.inbox
        assert session._repeats.in_work <= LIMITS.inbox + 1
        assert session._repeats.answers <= LIMITS.answers_kept
        assert sum(map(len, session._waiting)) <= LIMITS.outbox
        assert len(session._given_up) <= LIMITS.outbox
        assert session.unsent == 0
        assert session.take_events() == []
        assert set(session.counts) <= COUNTED

    def teardown(self) -> None:
        """Alive at the end: a Heartbeat is answered, and so is a CALL of ours."""
        self.finish_work()
        assert self.handled == self.asked
        assert [message_id for message_id, _ in self.answered] == [each for each, _ in self.asked]
        for event in self.session.receive('[2,"alive","Heartbeat",{}]', self.now_s):
            assert isinstance(event, CallReceived)
            assert event.request == Heartbeat()
            self.session.answer("alive", HeartbeatConfirmation(NOON))
            assert json.loads(self.session.frames_to_send()[0])[:2] == [3, "alive"]
            break
        else:
            raise AssertionError("the Heartbeat is not heard")
        while self.wire is not None:
            self.station_answers("yes")
        assert all(ends == 1 for ends in self.ends.values())
        self.manager_calls(Priority.BACKGROUND, None)
        self.station_answers("yes")
        self.manager_calls(Priority.SAFETY, None)
        self.collect(self.session.close(), closing=True)
        assert all(ends == 1 for ends in self.ends.values())

    # ------------------------------------------------------------------ helpers

    def finish_work(self) -> None:
        while self.in_work is not None:
            self.manager_answers(fail=False)

    def take_up(self) -> None:
        """The CALL that has just been taken may be the one that is handled at once."""
        if self.in_work is not None and self.in_work not in self.handled:
            self.handled.append(self.in_work)

    def say(self, text: str | bytes) -> None:
        self.collect(self.session.receive(text, self.now_s))

    def leaves_queue(self, call_id: str) -> None:
        for queue in self.waiting:
            queue[:] = [each for each in queue if each[0] != call_id]

    def collect(self, events: list[Event], *, closing: bool = False) -> None:
        """Follows what the session says; failures first, as a CALL leaves when one has ended."""
        for event in events:
            self.follow(event)
        self.answers_now = []
        for text in self.session.frames_to_send():
            frame = json.loads(text)
            if frame[0] != 2:
                self.answers_now.append(frame)
                continue
            call_id = frame[1]
            assert not closing
            assert self.wire is None, "two CALLs outstanding"
            most_urgent = next(queue for queue in self.waiting if queue)
            assert call_id == most_urgent[0][0], "overtaken"
            self.leaves_queue(call_id)
            self.wire = call_id

    def follow(self, event: Event) -> None:
        match event:
            case CallReceived(message_id, request):
                assert isinstance(request, Authorize)
                assert self.in_work is None
                self.in_work = (message_id, request.id_tag)
                if self.in_work in self.asked:
                    self.handled.append(self.in_work)
            case CallAnswered(call_id):
                assert self.wire == call_id
                self.wire = None
                self.ends[call_id] += 1
            case CallFailed(call_id, _, kind):
                self.ends[call_id] += 1
                if self.wire == call_id:
                    assert kind in {
                        FailureKind.REFUSED,
                        FailureKind.UNREADABLE,
                        FailureKind.TIMEOUT,
                        FailureKind.DROPPED,
                    }
                    self.wire = None
                else:
                    assert kind in {
                        FailureKind.SUPERSEDED,
                        FailureKind.TIMEOUT,
                        FailureKind.DROPPED,
                    }
                    self.gives_way(call_id, kind)
                    self.leaves_queue(call_id)
            case _:
                assert isinstance(event, FrameRejected | StationSilent)

    def gives_way(self, call_id: str, kind: FailureKind) -> None:
        """A CALL that never left: nothing less urgent was kept in its stead."""
        ours = self.urgency[call_id]
        if kind is FailureKind.DROPPED and not self.session.closed:
            assert not any(queue for queue in self.waiting[ours + 1 :])
            assert self.waiting[ours][-1][0] == call_id


_ANY_TEXT = st.text(st.characters())
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=12,
)
_PART = st.sampled_from([2, 3, 4, 2.0, "1", "m1", "StopTransaction", "MeterValues", {}]) | _JSON
_FRAME = st.lists(_PART, max_size=6).map(json.dumps)


@given(
    st.lists(_FRAME | _ANY_TEXT | st.binary(), min_size=1, max_size=6),
    st.booleans(),
)
@settings(max_examples=400)
def test_nothing_raises_out_of_receive(texts: list[str | bytes], strict: bool) -> None:
    session = StationSession("A", lambda: "m1", SessionLimits(strict=strict))
    session.send_call(UnlockConnector(1), 0.0)
    for text in texts:
        session.receive(text, 0.0)
    assert all(json.loads(text)[0] in {2, 3, 4} for text in session.frames_to_send())


Conversation.TestCase.settings = settings(max_examples=150 * EFFORT, stateful_step_count=40)
TestConversation = Conversation.TestCase
