"""A small language for OCPP dialogues over the session, without sockets, tasks or sleeps.

``who >> message``: who says it. ``who << message``: who hears exactly this, next. ::

    with Playbook() as (station, manager, after):
        station >> Heartbeat()
        manager << Heartbeat()
        manager >> HeartbeatConfirmation(NOON)
        station << HeartbeatConfirmation(NOON)

Both sides answer the oldest call that they have heard and not yet answered. ``after(31)`` lets
seconds pass. At the end nothing may be left that was said and not heard.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple

import msgspec

from app.ocpp16.actions import FROM_MANAGER
from app.ocpp16.actions.types import Call, Confirmation
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

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)


class Wire(NamedTuple):
    """A frame as text, said by a station that does not care for our types."""

    text: str | bytes


class CallError(NamedTuple):
    """A CALLERROR, said or heard."""

    code: ErrorCode | str
    description: str | None = None
    """``None`` when it does not matter."""


class Failed(NamedTuple):
    """What the manager hears of a call of its own that got no confirmation."""

    kind: FailureKind
    code: str | None = None


class Rejected(NamedTuple):
    """What the manager hears of a text that is no frame."""

    reason: str
    in_a_row: int | None = None


class Urgent(NamedTuple):
    """A call of the manager with a priority, and perhaps a key under which newer ones replace."""

    request: Call[Any]
    priority: Priority = Priority.CONTROL
    replace_key: str | None = None
    timeout_s: float | None = None


class Silence(NamedTuple):
    """Nothing is heard now."""


SILENCE = Silence()


class _Station:
    def __init__(self, play: Playbook) -> None:
        self._play = play
        self._ids = itertools.count(1)
        self._to_answer: list[str] = []
        self.last_text: str | bytes = ""
        self.heard_ids: list[str] = []

    def __rshift__(self, said: Call[Any] | Confirmation | CallError | Wire) -> None:
        play = self._play
        if isinstance(said, Wire):
            text = said.text
        elif isinstance(said, Call):
            text = _text([2, f"s{next(self._ids)}", said.action, said])
        elif isinstance(said, CallError):
            text = _text([4, self._to_answer.pop(0), said.code, said.description or "", {}])
        else:
            text = _text([3, self._to_answer.pop(0), said])
        self.last_text = text
        play.events += play.session.receive(text, play.now_s)
        play.collect()

    def forget(self) -> None:
        """What was heard on the connection before is not answered any more."""
        self._to_answer.clear()

    def __lshift__(self, expected: Call[Any] | Confirmation | CallError | Silence) -> None:
        wire = self._play.wire
        if isinstance(expected, Silence):
            assert wire == []
            return
        assert wire, f"the station hears nothing, not {expected}"
        text = wire.pop(0)
        kind, message_id, *rest = json.loads(text)
        self.heard_ids.append(message_id)
        if isinstance(expected, CallError):
            assert kind == 4, text
            assert rest[0] == expected.code
            assert expected.description in {None, rest[1]}
        elif isinstance(expected, Call):
            assert kind == 2, text
            assert rest[0] == expected.action
            assert msgspec.convert(rest[1], FROM_MANAGER[rest[0]]) == expected
            self._to_answer.append(message_id)
        else:
            assert kind == 3, text
            assert rest == [json.loads(msgspec.json.encode(expected))]


class _Manager:
    def __init__(self, play: Playbook) -> None:
        self._play = play
        self._to_answer: list[str] = []

    def __rshift__(self, said: Call[Any] | Confirmation | CallError | Urgent) -> None:
        play = self._play
        session = play.session
        if isinstance(said, Call):
            said = Urgent(said)
        if isinstance(said, Urgent):
            session.send_call(
                said.request, play.now_s, said.priority, said.timeout_s, said.replace_key
            )
        elif isinstance(said, CallError):
            session.answer_error(
                self._to_answer.pop(0), ErrorCode(said.code), said.description or ""
            )
        else:
            session.answer(self._to_answer.pop(0), said)
        play.collect()

    def __lshift__(
        self, expected: Call[Any] | Confirmation | Failed | Rejected | Silence | StationSilent
    ) -> None:
        events = self._play.events
        if isinstance(expected, Silence):
            assert events == []
            return
        assert events, f"the manager hears nothing, not {expected}"
        event = events.pop(0)
        if isinstance(expected, Failed):
            assert isinstance(event, CallFailed), event
            assert event.kind is expected.kind
            assert expected.code in {None, event.code}
        elif isinstance(expected, Rejected):
            assert isinstance(event, FrameRejected), event
            assert event.reason == expected.reason
            assert expected.in_a_row in {None, event.in_a_row}
        elif isinstance(expected, StationSilent):
            assert event == expected
        elif isinstance(expected, Call):
            assert isinstance(event, CallReceived), event
            assert event.request == expected
            self._to_answer.append(event.message_id)
        else:
            assert isinstance(event, CallAnswered), event
            assert event.confirmation == expected

    def forget(self) -> None:
        """What was heard on the connection before is not answered any more."""
        self._to_answer.clear()

    def hears_call(self) -> Call[Any]:
        """Hears a call, whatever it says, and returns it."""
        event = self._play.events.pop(0)
        assert isinstance(event, CallReceived), event
        self._to_answer.append(event.message_id)
        return event.request

    def hears_answer(self) -> Confirmation:
        """Hears an answer, whatever it says, and returns it."""
        event = self._play.events.pop(0)
        assert isinstance(event, CallAnswered), event
        return event.confirmation


class Playbook:
    """One dialogue; see the module."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        ids = itertools.count(1)
        self._new_id = lambda: f"m{next(ids)}"
        self._limits = limits
        self.now_s = 1000.0
        self.session = StationSession("A-001", self._new_id, limits, self.now_s)
        self.events: list[Event] = []
        self.wire: list[str] = []
        self.station = _Station(self)
        self.manager = _Manager(self)

    def __enter__(self) -> tuple[_Station, _Manager, Callable[[float], None]]:
        return self.station, self.manager, self.after

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            assert self.events == [], "the manager did not hear this"
            assert self.wire == [], "the station did not hear this"

    def after(self, seconds: float) -> None:
        """Lets time pass, deadline by deadline."""
        end_s = self.now_s + seconds
        while (deadline_s := self.session.next_deadline()) is not None and deadline_s <= end_s:
            self.now_s = max(self.now_s, deadline_s)
            self.events += self.session.advance(self.now_s)
            self.collect()
        self.now_s = end_s

    def hang_up(self) -> None:
        """The connection ends."""
        self.events += self.session.close()
        self.collect()

    def connect_again(self) -> None:
        """The station comes back: a new session, which knows nothing of the one before."""
        self.session = StationSession("A-001", self._new_id, self._limits, self.now_s)
        self.station.forget()
        self.manager.forget()

    def collect(self) -> None:
        """Moves what the session has to say to both sides."""
        self.events += self.session.take_events()
        self.wire += self.session.frames_to_send()


def _text(frame: list[Any]) -> str:
    return msgspec.json.encode(frame).decode()
