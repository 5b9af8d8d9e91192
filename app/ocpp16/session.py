"""One station's OCPP-J 1.6 conversation, without I/O.

Rules, all of them kept here:

1. Nothing a station sends makes ``receive`` raise. What is no frame is counted, and answered by a
   CALLERROR when it is a CALL with a readable id; such answers are limited in rate.
2. CALLs of the station are handed out one at a time, in the order they came (``CallReceived``);
   the next one follows the answer to the last. A station may send ahead: up to ``inbox`` CALLs
   wait, the ones beyond are answered InternalError (busy), never dropped in silence.
3. A CALL that repeats the id and the text of an earlier one gets the same answer again, within
   ``repeat_within_s`` of it (a Heartbeat never does: its answer is the time); while the first is
   not answered, its repeat is swallowed and the one answer serves both. Another text under the
   same id is another CALL.
4. At most one CALL of ours is outstanding (clause 4.1.1). The others wait by priority, oldest
   first; a waiting CALL may be superseded by a newer one with the same ``replace_key``, in whose
   place in the queue it then stands. The queue is bounded: what is least urgent, then newest, goes.
5. Every CALL of ours ends exactly once: ``CallAnswered``, or ``CallFailed`` with how it ended.
   It fails unsent when it has waited ``queue_wait_s``, and unanswered at its action's deadline.
6. An answer is taken only for the outstanding CALL; late and unknown ones are counted.
7. After ``close`` nothing is sent or taken any more, and every pending CALL has failed.
8. Read strictly nothing is repaired, and every faulty CALL has the CALLERROR of clause 4.2.3.

Events come out of ``receive``, ``advance``, ``close`` and ``take_events``; text to send out of
``frames_to_send``. Time is monotonic seconds, given by the caller.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from app.ocpp16.actions.station_calls import Heartbeat
from app.ocpp16.actions.types import Call, Confirmation
from app.ocpp16.dialect import PLAIN, Dialect
from app.ocpp16.frames import (
    CallFrame,
    ErrorCode,
    ErrorFrame,
    FrameError,
    OcppError,
    ResultFrame,
    encode_call,
    encode_error,
    encode_result,
    read_call,
    read_confirmation,
    split,
    split_strictly,
)
from app.ocpp16.repeats import Known, Repeats


class Priority(enum.IntEnum):
    """Order in which our CALLs leave."""

    SAFETY = 0
    """Decreases of a limit."""
    CONTROL = 1
    BACKGROUND = 2


class FailureKind(enum.StrEnum):
    """How a CALL of ours ended without a confirmation."""

    REFUSED = "refused"
    """Answered by a CALLERROR: the station says that it did not do it."""
    UNREADABLE = "unreadable"
    """Answered by something that cannot be understood: it may have been done or not."""
    TIMEOUT = "timeout"
    """No answer in time, or never sent because the answers before it took too long."""
    DROPPED = "dropped"
    """The connection ended, or the queue was full."""
    SUPERSEDED = "superseded"
    """A newer CALL took its place before it was sent."""


ANSWER_TIMEOUT_S: Final[dict[str, float]] = {
    "GetConfiguration": 60.0,
    "Reset": 60.0,
    "SetChargingProfile": 25.0,
    "UnlockConnector": 60.0,
}
"""Seconds a station has to answer, by action; ``SessionLimits.answer_timeout_s`` for the others."""


class SessionLimits(msgspec.Struct, frozen=True):
    """Bounds of one conversation."""

    inbox: int = 64
    outbox: int = 64
    answers_kept: int = 32
    repeat_within_s: float = 120.0
    """How long a repeated CALL gets its first answer; later, what that tells may hold no more."""
    answer_timeout_s: float = 30.0
    queue_wait_s: float = 60.0
    rejections_answered_burst: int = 20
    rejections_answered_per_s: float = 1.0
    silent_after_s: float | None = None
    """Seconds without any frame after which ``StationSilent`` comes, to begin with; ``None``:
    never."""
    strict: bool = False
    """For conformance tests only: real stations need the repairs."""


class CallReceived(msgspec.Struct, frozen=True, gc=False):
    """A CALL to handle; answer it with ``answer`` or ``answer_error`` under ``message_id``."""

    message_id: str
    request: Call[Any]
    repairs: tuple[str, ...] = ()


class CallAnswered(msgspec.Struct, frozen=True, gc=False):
    """The station's confirmation of a CALL of ours."""

    call_id: str
    request: Call[Any]
    confirmation: Confirmation


class CallFailed(msgspec.Struct, frozen=True, gc=False):
    """A CALL of ours that got no confirmation; ``code`` is the station's when it refused."""

    call_id: str
    request: Call[Any]
    kind: FailureKind
    code: str = ""
    description: str = ""


class FrameRejected(msgspec.Struct, frozen=True, gc=False):
    """What came was no frame; ``in_a_row`` counts since the last good one."""

    reason: str
    in_a_row: int


class StationSilent(msgspec.Struct, frozen=True, gc=False):
    """Nothing came for ``silent_after_s``."""

    silent_s: float


Event = CallReceived | CallAnswered | CallFailed | FrameRejected | StationSilent


class _Outgoing(msgspec.Struct, gc=False):
    """A CALL of ours, waiting (``deadline_s`` to leave) or outstanding (``deadline_s`` to end)."""

    call_id: str
    request: Call[Any]
    text: str
    timeout_s: float
    deadline_s: float
    replace_key: str | None


class StationSession:
    """The conversation over one connection; see the rules above."""

    def __init__(
        self,
        station_id: str,
        new_message_id: Callable[[], str],
        limits: SessionLimits | None = None,
        now_s: float = 0.0,
    ) -> None:
        self.station_id = station_id
        self.limits = limits if limits is not None else SessionLimits()
        self.repairs: Counter[str] = Counter()
        """Messages repaired, by name of the repair."""
        self.repaired: tuple[str, ...] = ()
        """The repairs of the message that was taken last."""
        self.dialect: Dialect = PLAIN
        self.counts: Counter[str] = Counter()
        """What was out of order: ``rejected``, ``unanswered``, ``repeated``, ``reused-id``,
        ``busy``, ``late-answer``, ``unknown-answer``, ``refused``."""
        self.last_received_s = now_s
        self.silent_after_s = self.limits.silent_after_s
        """As in the limits; may be changed at any time."""
        self.closed = False
        self._new_message_id = new_message_id
        self._split = split_strictly if self.limits.strict else split
        self._events: list[Event] = []
        self._frames: list[str] = []
        self._in_work: CallReceived | None = None
        self._inbox: deque[CallReceived] = deque()
        self._repeats = Repeats(self.limits.answers_kept, self.limits.repeat_within_s)
        self._outstanding: _Outgoing | None = None
        self._waiting: tuple[list[_Outgoing], ...] = tuple([] for _ in Priority)
        self._given_up: deque[str] = deque(maxlen=self.limits.outbox)
        self._rejected_in_a_row = 0
        self._rejection_tokens = float(self.limits.rejections_answered_burst)
        self._rejection_at_s = now_s
        self._silence_told = False

    # ------------------------------------------------------------------ from the station

    def receive(self, text: str | bytes, now_s: float) -> list[Event]:
        """Takes one message from the socket."""
        if self.closed:
            return self.take_events()
        self.last_received_s = now_s
        self._silence_told = False
        self.repaired = ()
        try:
            frame, repairs = self._split(text)
        except FrameError as error:
            self._reject(error, now_s)
            return self.take_events()
        self._rejected_in_a_row = 0
        if isinstance(frame, CallFrame):
            self._take_call(frame, hash(text), repairs, now_s)
        else:
            if repairs:
                self._count(repairs)
            self._take_answer(frame, now_s)
        return self.take_events()

    def _reject(self, error: FrameError, now_s: float) -> None:
        self.counts["rejected"] += 1
        self._rejected_in_a_row += 1
        self._events.append(FrameRejected(error.reason, self._rejected_in_a_row))
        if error.message_id is not None:
            self._answer_rejection(
                error.message_id, ErrorCode.FORMATION_VIOLATION, error.reason, now_s
            )

    def _answer_rejection(
        self, message_id: str, code: ErrorCode, description: str, now_s: float
    ) -> None:
        """A CALLERROR on our own account, within the rate that a sane station never reaches."""
        burst = float(self.limits.rejections_answered_burst)
        regained = (now_s - self._rejection_at_s) * self.limits.rejections_answered_per_s
        self._rejection_tokens = min(burst, self._rejection_tokens + max(0.0, regained))
        self._rejection_at_s = now_s
        if self._rejection_tokens < 1.0 and not self.limits.strict:
            self.counts["unanswered"] += 1
            return
        self._rejection_tokens -= 1.0
        self._frames.append(encode_error(message_id, code, description))

    def _take_call(
        self, frame: CallFrame, fingerprint: int, repairs: tuple[str, ...], now_s: float
    ) -> None:
        message_id = frame.message_id
        if self._is_repeat(message_id, fingerprint, now_s):
            return
        try:
            request, payload_repairs = read_call(frame, self.dialect, strict=self.limits.strict)
        except OcppError as error:
            self.counts["refused"] += 1
            self._answer_rejection(message_id, error.code, error.description, now_s)
            return
        if repairs or payload_repairs:
            repairs += payload_repairs
            self._count(repairs)
        received = CallReceived(message_id, request, repairs)
        if self._in_work is None:
            self._in_work = received
            self._events.append(received)
        elif len(self._inbox) < self.limits.inbox:
            self._inbox.append(received)
        else:
            self.counts["busy"] += 1
            self._frames.append(
                encode_error(message_id, ErrorCode.INTERNAL_ERROR, "Busy, try again later")
            )
            return
        self._repeats.taken(message_id, fingerprint)

    def _count(self, repairs: tuple[str, ...]) -> None:
        self.repairs.update(repairs)
        self.repaired += repairs

    def _is_repeat(self, message_id: str, fingerprint: int, now_s: float) -> bool:
        """Whether the CALL was taken before; sends its answer again when there is one."""
        known = self._repeats.known(message_id, fingerprint, now_s)
        if known is Known.NEW:
            return False
        if known is Known.REUSED_ID:
            self.counts["reused-id"] += 1
            return False
        self.counts["repeated"] += 1
        if known is Known.ANSWERED:
            self._frames.append(self._repeats.answer_to(message_id))
        return True

    def answer(self, message_id: str, confirmation: Confirmation) -> None:
        """Answers the CALL in work and brings the next one.

        Raises ``UnfitMessageError`` for a confirmation that may not be sent (the CALL then stays
        in work), ``LookupError`` when ``message_id`` is not in work. No-op once closed.
        """
        if self.closed:
            return
        request = self._requested(message_id)
        if type(confirmation) is not request.confirmation_type:
            raise LookupError(f"{type(confirmation).__name__} does not answer {request.action}")
        self._settle(request, message_id, encode_result(message_id, confirmation))

    def answer_error(self, message_id: str, code: ErrorCode, description: str = "") -> None:
        """Answers the CALL in work by a CALLERROR; as ``answer`` otherwise."""
        if self.closed:
            return
        request = self._requested(message_id)
        self._settle(request, message_id, encode_error(message_id, code, description))

    def _requested(self, message_id: str) -> Call[Any]:
        if self._in_work is None or self._in_work.message_id != message_id:
            raise LookupError(f"no call {message_id!r} in work")
        return self._in_work.request

    def _settle(self, request: Call[Any], message_id: str, text: str) -> None:
        self._frames.append(text)
        # A heartbeat is answered anew each time: the answer tells the time.
        keep = type(request) is not Heartbeat
        self._repeats.settled(message_id, text, self.last_received_s, keep=keep)
        if self._inbox:
            self._in_work = self._inbox.popleft()
            self._events.append(self._in_work)
        else:
            self._in_work = None

    # ------------------------------------------------------------------ to the station

    def send_call(
        self,
        request: Call[Any],
        now_s: float,
        priority: Priority = Priority.CONTROL,
        timeout_s: float | None = None,
        replace_key: str | None = None,
    ) -> str:
        """Queues a CALL and returns the id that its end will carry.

        ``timeout_s`` bounds the wait for the answer once sent. ``replace_key`` supersedes a CALL
        that still waits under the same key. Raises ``UnfitMessageError``.
        """
        call_id = self._new_message_id()
        if self.dialect.connectors:
            request = self.dialect.outbound(request)
        if timeout_s is None:
            timeout_s = ANSWER_TIMEOUT_S.get(request.action, self.limits.answer_timeout_s)
        call = _Outgoing(
            call_id,
            request,
            encode_call(call_id, request),
            timeout_s,
            now_s + self.limits.queue_wait_s,
            replace_key,
        )
        if self.closed:
            self._fail(call, FailureKind.DROPPED, description="connection closed")
            return call_id
        self._enqueue(call, priority)
        self._pump(now_s)
        return call_id

    def _enqueue(self, call: _Outgoing, priority: Priority) -> None:
        queue = self._waiting[priority]
        if call.replace_key is not None:
            for other in self._waiting:
                for place, old in enumerate(other):
                    if old.replace_key != call.replace_key:
                        continue
                    self._fail(old, FailureKind.SUPERSEDED)
                    if other is queue:
                        queue[place] = call
                        return
                    del other[place]
                    break
        queue.append(call)
        if sum(map(len, self._waiting)) > self.limits.outbox:
            least = next(other for other in reversed(self._waiting) if other)
            self._fail(least.pop(), FailureKind.DROPPED, description="queue full")

    def withdraw(self, call_id: str) -> None:
        """Forgets a CALL that still waits (its caller gave up); one already sent goes on."""
        for queue in self._waiting:
            for place, call in enumerate(queue):
                if call.call_id == call_id:
                    del queue[place]
                    return

    def _pump(self, now_s: float) -> None:
        """Sends the next CALL when none is outstanding."""
        if self._outstanding is not None:
            return
        for queue in self._waiting:
            if queue:
                call = queue.pop(0)
                call.deadline_s = now_s + call.timeout_s
                self._outstanding = call
                self._frames.append(call.text)
                return

    def _take_answer(self, frame: ResultFrame | ErrorFrame, now_s: float) -> None:
        call = self._outstanding
        if call is None or call.call_id != frame.message_id:
            late = frame.message_id in self._given_up
            self.counts["late-answer" if late else "unknown-answer"] += 1
            return
        self._outstanding = None
        if isinstance(frame, ErrorFrame):
            self._fail(call, FailureKind.REFUSED, frame.code, frame.description)
        else:
            try:
                confirmation, repairs = read_confirmation(
                    call.request, frame, strict=self.limits.strict
                )
            except OcppError as error:
                self._fail(call, FailureKind.UNREADABLE, error.code, error.description)
            else:
                if repairs:
                    self._count(repairs)
                self._events.append(CallAnswered(call.call_id, call.request, confirmation))
        self._pump(now_s)

    def _fail(
        self, call: _Outgoing, kind: FailureKind, code: str = "", description: str = ""
    ) -> None:
        self._events.append(CallFailed(call.call_id, call.request, kind, code, description))

    # ------------------------------------------------------------------ for the driver

    @property
    def unsent(self) -> int:
        """How many frames wait in ``frames_to_send``."""
        return len(self._frames)

    @property
    def unhandled(self) -> int:
        """How many CALLs of the station wait behind the one in work."""
        return len(self._inbox)

    def frames_to_send(self) -> list[str]:
        """Text to write to the socket, in order; handed out once."""
        frames = self._frames
        if frames:
            self._frames = []
        return frames

    def next_frame(self) -> str:
        """The first of them alone; there must be one (``unsent``)."""
        return self._frames.pop(0)

    def put_back(self, text: str) -> None:
        """A frame that was taken and could not be sent is the first again."""
        self._frames.insert(0, text)

    def take_events(self) -> list[Event]:
        """Events not handed out yet (an answer may bring the next CALL)."""
        events = self._events
        if events:
            self._events = []
        return events

    def next_deadline(self) -> float | None:
        """When ``advance`` has something to do, in the same seconds as ``now_s``."""
        deadlines = [call.deadline_s for queue in self._waiting for call in queue]
        if self._outstanding is not None:
            deadlines.append(self._outstanding.deadline_s)
        if self.silent_after_s is not None and not (self._silence_told or self.closed):
            deadlines.append(self.last_received_s + self.silent_after_s)
        return min(deadlines, default=None)

    def advance(self, now_s: float) -> list[Event]:
        """Ends what has passed its deadline."""
        call = self._outstanding
        if call is not None and call.deadline_s <= now_s:
            self._outstanding = None
            self._given_up.append(call.call_id)
            self._fail(call, FailureKind.TIMEOUT, description="no answer")
            self._pump(now_s)  # whose turn has come is sent, not given up in the same moment
        for queue in self._waiting:
            for call in [each for each in queue if each.deadline_s <= now_s]:
                queue.remove(call)
                self._fail(call, FailureKind.TIMEOUT, description="never sent")
        silent_after_s = self.silent_after_s
        if silent_after_s is not None and not (self._silence_told or self.closed):
            silent_s = now_s - self.last_received_s
            if silent_s >= silent_after_s:
                self._silence_told = True
                self._events.append(StationSilent(silent_s))
        return self.take_events()

    def close(self) -> list[Event]:
        """Ends the conversation: pending CALLs of ours fail, those of the station are forgotten."""
        self.closed = True
        pending = [call for queue in self._waiting for call in queue]
        if self._outstanding is not None:
            pending.insert(0, self._outstanding)
            self._outstanding = None
        for queue in self._waiting:
            queue.clear()
        for call in pending:
            self._fail(call, FailureKind.DROPPED, description="connection closed")
        self._inbox.clear()
        self._frames.clear()
        return self.take_events()
