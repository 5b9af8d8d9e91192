"""Drives one ``StationSession`` over any transport of text, on whatever event loop runs.

Three tasks live as long as the connection, and none is made per message. The *reader* takes
messages in and never waits for a CALL to be handled, so that the answer to a CALL of ours is heard
meanwhile. The *worker* handles the station's CALLs in order. The *writer* sends what neither of
them sends: CALLs of other tasks, which may be cancelled without losing a frame.

What makes up most of the traffic (``AT_ONCE``) costs less to handle than to wake a task for. So the
transport may hand a message over as it comes (``TextTransport.hand_to``) while the reader waits for
nothing else, and its handling begins there and then while the worker has nothing to do. If it has
to wait after all, the worker goes on with it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from app.adapters.begun import Begun
from app.adapters.flow import Flow, FlowLimits
from app.adapters.text_transport import TextTransport
from app.domain.errors import BornierError, StationRefusedError, StationUnreachableError
from app.ocpp16.actions.station_calls import Heartbeat, MeterValues
from app.ocpp16.actions.types import Call, Confirmation
from app.ocpp16.dialect import Dialect
from app.ocpp16.frames import ErrorCode, OcppError
from app.ocpp16.liveness import Liveness
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
from app.services.frame_ports import ConnectionTap
from app.services.ports import Clock, RepairObserver, StationHandler

log = logging.getLogger(__name__)

NORMAL_CLOSURE: Final = 1000
PROTOCOL_ERROR: Final = 1002
POLICY_VIOLATION: Final = 1008
"""Close codes of RFC 6455, clause 7.4.1."""

GRACE_S: Final = 5.0
"""How long a CALL in work may still take, and a close frame to leave, once the link is gone."""

REJECTED_IN_A_ROW: Final = 100
"""As many unreadable messages without a readable one end the connection."""

REJECTIONS_LOGGED: Final = 5
"""Unreadable messages logged per connection; the rest is only counted."""

MAX_UNSENT: Final = 256
"""Frames that may wait for a station that does not read, before the connection ends."""

MAX_UNHANDLED: Final = 32
"""CALLs that may wait for the services; beyond, the station is not read until they have caught up.

Below the session's own bound, where a CALL would be refused: a transaction's messages never are.
"""

_SHORTEST_TIMER_S: Final = 0.001

AT_ONCE: Final = frozenset({Heartbeat, MeterValues})
"""CALLs whose handling may begin outside of the worker. It must not ask for its task (no time-out)
before it waits for the first time: from there on it runs in the worker."""

_ConfirmationT = TypeVar("_ConfirmationT", bound=Confirmation)

_FAILURE_KEYS: Final[dict[FailureKind, str]] = {
    FailureKind.TIMEOUT: "station-no-answer",
    FailureKind.DROPPED: "station-offline",
    FailureKind.SUPERSEDED: "station-call-superseded",
    FailureKind.UNREADABLE: "station-answer-unreadable",
}


class StationConnection:
    """One live connection: a ``StationLink`` for the services, ``run`` for whoever accepted it."""

    def __init__(  # noqa: PLR0913 - each is told by name
        self,
        station_id: str,
        transport: TextTransport,
        handler: StationHandler,
        clock: Clock,
        *,
        generation: int,
        address: str = "",
        secure: bool = False,
        limits: SessionLimits | None = None,
        liveness: Liveness | None = None,
        flow: FlowLimits | None = None,
        tap: ConnectionTap | None = None,
    ) -> None:
        """Take ``liveness`` for a connection that may go dead without a word."""
        self.station_id = station_id
        self.generation = generation
        self.address = address
        self.secure = secure
        self.handler_failures = 0
        """CALLs that the services could not handle, answered InternalError."""
        self.ended = asyncio.Event()
        """Set once the services have been told ``disconnected``."""
        ids = itertools.count(1)
        self.session = StationSession(
            station_id,
            # Digits only, as the stations' own ids: the form every firmware can echo.
            lambda: f"{generation:06d}{next(ids):08d}",
            limits,
            clock.monotonic_s(),
        )
        self._liveness = liveness
        if liveness is not None:
            self.session.silent_after_s = liveness.silent_after_s
        self._flow = Flow(flow or FlowLimits(), clock.monotonic_s())
        self._caught_up = asyncio.Event()
        self._transport = transport
        self._handler = handler
        self._clock = clock
        self._tap = tap
        self._calls: dict[str, asyncio.Future[Any]] = {}
        self._received: CallReceived | None = None
        self._begun: Begun | None = None
        """The handling of ``_received``, when it has begun outside of the worker."""
        self._idle = False
        """Whether the worker waits for a CALL."""
        self._listening = False
        """Whether the reader waits for a message, and for nothing else."""
        self._not_before_s = 0.0
        """When the station may be heard again, by its flow."""
        self._call_came = asyncio.Event()
        self._frames_came = asyncio.Event()
        self._sending = False
        self._timer: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._close_code = NORMAL_CLOSURE
        self._close_reason = ""
        self._closing = False

    @property
    def repairs(self) -> dict[str, int]:
        """Messages repaired, by name of the repair."""
        return self.session.repairs

    @property
    def counts(self) -> dict[str, int]:
        """What was out of order on this connection, by name (``StationSession.counts``)."""
        return self.session.counts

    # ------------------------------------------------------------------ for the services

    def speak(self, dialect: Dialect, *, pings: bool = True) -> None:
        """Reads and writes the station's frames in this way from now on, and pings it or not."""
        self.session.dialect = dialect
        self._transport.ping(pings)

    async def call(
        self,
        request: Call[_ConfirmationT],
        *,
        priority: Priority = Priority.CONTROL,
        timeout_s: float | None = None,
        replace_key: str | None = None,
    ) -> _ConfirmationT:
        """Sends a CALL and returns the station's confirmation.

        Raises ``StationRefusedError`` (``station-refused``, the CALLERROR in ``answer``), and
        ``StationUnreachableError`` for whatever else: ``station-call-superseded`` was never sent;
        after ``station-offline``, ``station-no-answer`` and ``station-answer-unreadable`` nobody
        knows whether the station did it.
        """
        session = self.session
        call_id = session.send_call(
            request, self._clock.monotonic_s(), priority, timeout_s, replace_key
        )
        future: asyncio.Future[_ConfirmationT] = asyncio.get_running_loop().create_future()
        self._calls[call_id] = future
        self._dispatch(session.take_events())
        self._frames_came.set()
        self._arm()
        try:
            return await future
        finally:
            if self._calls.pop(call_id, None) is not None:  # the caller was cancelled
                session.withdraw(call_id)

    async def close(self, reason: str) -> None:
        """Asks for the end of the connection and returns at once; ``ended`` tells when it is."""
        self._end(NORMAL_CLOSURE, reason)

    # ------------------------------------------------------------------ the life of a connection

    async def run(self) -> None:
        """Serves the connection until it ends; then tells the services, whatever happened."""
        if isinstance(self._handler, RepairObserver):
            self._handler.meets(self)
        try:
            async with asyncio.TaskGroup() as group:
                reader = self._reader = group.create_task(self._read())
                worker = group.create_task(self._work())
                writer = group.create_task(self._write())
                if self._closing:
                    reader.cancel()
                self._arm()
                await asyncio.wait({reader})
                self._dispatch(self.session.close())
                self._call_came.set()
                await self._close_transport()
                await asyncio.wait({worker}, timeout=GRACE_S)
                worker.cancel()
                writer.cancel()
        finally:
            self._dispatch(self.session.close())
            if self._timer is not None:
                self._timer.cancel()
            try:
                await self._tell(self._handler.disconnected)
            finally:
                self.ended.set()

    def _end(self, code: int, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        self._close_code = code
        self._close_reason = reason
        if self._reader is not None:
            self._reader.cancel()

    async def _close_transport(self) -> None:
        try:
            async with asyncio.timeout(GRACE_S):
                await self._transport.close(self._close_code, self._close_reason)
        except (OSError, TimeoutError):
            log.debug("%s: the peer was gone before the close", self.station_id)

    async def _read(self) -> None:
        transport = self._transport
        transport.hand_to(self._take_at_once)
        try:
            while True:
                self._listening = True
                text = await transport.receive()
                self._listening = False
                if text is None:
                    return
                await self._breathe()
                self._take(text, self._clock.monotonic_s())
        except OSError as error:
            log.info("%s: connection lost: %s", self.station_id, error)
        except Exception:
            log.exception("%s: reader failed", self.station_id)
        finally:
            self._listening = False

    async def _breathe(self) -> None:
        """Waits until the station may be heard again: it sends too much, or we are behind."""
        wait_s = self._not_before_s - self._clock.monotonic_s()
        if wait_s > 0.0:
            await asyncio.sleep(wait_s)
        while self.session.unhandled >= MAX_UNHANDLED:
            self._caught_up.clear()
            await self._caught_up.wait()

    def _take_at_once(self, text: str | bytes) -> bool:
        """Takes a message in the reader's place, unless it has to wait."""
        now_s = self._clock.monotonic_s()
        if (
            not self._listening
            or self._closing
            or self.session.unhandled >= MAX_UNHANDLED
            or now_s < self._not_before_s
        ):
            return False
        try:
            self._take(text, now_s)
        except Exception:
            log.exception("%s: reader failed", self.station_id)
            self._end(NORMAL_CLOSURE, "internal error")
        return True

    def _take(self, text: str | bytes, now_s: float) -> None:
        session = self.session
        events = session.receive(text, now_s)
        if self._tap is not None:
            self._tap.received(text, session.repairs, session.counts)
        self._dispatch(events)
        while self._idle and self._received is not None:
            self._begin(self._received)
        if session.repaired and isinstance(self._handler, RepairObserver):
            self._handler.repaired(self, text, session.repaired)
        if session.unsent:
            self._frames_came.set()
            if session.unsent > MAX_UNSENT:
                self._end(POLICY_VIOLATION, "answers are not read")
        wait_s = self._flow.taken(len(text), now_s)
        if wait_s:
            self._not_before_s = now_s + wait_s

    async def _work(self) -> None:
        await self._tell(self._handler.connected)
        session = self.session
        while True:
            while self._received is None:
                if session.closed:
                    return
                self._idle = True
                await self._call_came.wait()
                self._idle = False
                self._call_came.clear()
            received, self._received = self._received, None
            begun, self._begun = self._begun, None
            try:
                if begun is None:
                    confirmation = await self._handler.handle(self, received.request)
                else:
                    confirmation = await begun
                self._answer(received, confirmation)
            except Exception as error:  # noqa: BLE001 - logged and counted there
                self._excuse(received, error)
            self._dispatch(session.take_events())
            self._caught_up.set()
            await self._flush()

    def _begin(self, received: CallReceived) -> None:
        """Handles a CALL as far as that goes without waiting; the worker does what is left."""
        if type(received.request) not in AT_ONCE:
            self._idle = False
            self._call_came.set()
            return
        handling = self._handler.handle(self, received.request)
        try:
            first = handling.send(None)
        except StopIteration as done:
            self._conclude(received, done.value)
        except Exception as error:  # noqa: BLE001 - logged and counted there
            self._received = None
            self._excuse(received, error)
        else:
            self._begun = Begun(handling, first)
            self._idle = False
            self._call_came.set()
            return
        self._dispatch(self.session.take_events())
        self._send_at_once()

    def _conclude(self, received: CallReceived, confirmation: Confirmation) -> None:
        self._received = None
        try:
            self._answer(received, confirmation)
        except Exception as error:  # noqa: BLE001 - logged and counted there
            self._excuse(received, error)

    def _answer(self, received: CallReceived, confirmation: Confirmation) -> None:
        self.session.answer(received.message_id, confirmation)
        if self._liveness is not None and self._liveness.answered(confirmation):
            self.session.silent_after_s = self._liveness.silent_after_s

    def _excuse(self, received: CallReceived, error: Exception) -> None:
        """Answers a CALL that the services have refused, or failed at."""
        if isinstance(error, OcppError):
            self.session.answer_error(received.message_id, error.code, error.description)
            return
        self.handler_failures += 1
        log.error("%s: %s failed", self.station_id, received.request.action, exc_info=error)
        self.session.answer_error(received.message_id, ErrorCode.INTERNAL_ERROR)

    def _send_at_once(self) -> None:
        """Sends what waits, as far as nobody has to wait for it; the writer sends what is left."""
        session = self.session
        while session.unsent and not self._sending:
            text = session.next_frame()
            if not self._transport.send_at_once(text):
                session.put_back(text)
                self._frames_came.set()
                return
            if self._tap is not None:
                self._tap.sent(text)

    async def _write(self) -> None:
        while True:
            await self._frames_came.wait()
            self._frames_came.clear()
            await self._flush()

    async def _flush(self) -> None:
        """Sends what waits. A second caller leaves it to the first, so that order is kept."""
        if self._sending:
            return
        self._sending = True
        try:
            while frames := self.session.frames_to_send():
                for text in frames:
                    if self._tap is not None:  # before: its answer may come while we still wait
                        self._tap.sent(text)
                    await self._transport.send(text)
        except OSError:
            log.debug("%s: could not send", self.station_id)  # the reader learns of it as well
        finally:
            self._sending = False

    async def _tell(self, notice: Any) -> None:
        """Tells the services of the connection's beginning or end; their failure ends nothing."""
        try:
            await notice(self)
        except Exception:
            self.handler_failures += 1
            log.exception("%s: %s failed", self.station_id, notice.__name__)

    # ------------------------------------------------------------------ events and time

    def _dispatch(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, CallReceived):
                self._received = event
                if not self._idle:
                    self._call_came.set()
            elif isinstance(event, CallAnswered):
                self._settle(event.call_id, event.confirmation)
                if self._liveness is not None:
                    self._liveness.confirmed(event.request, event.confirmation)
                    self.session.silent_after_s = self._liveness.silent_after_s
                self._arm()
            elif isinstance(event, CallFailed):
                future = self._calls.pop(event.call_id, None)
                if future is not None and not future.done():
                    future.set_exception(self._failure(event))
                self._arm()
            elif isinstance(event, FrameRejected):
                if self.session.counts["rejected"] <= REJECTIONS_LOGGED:
                    log.warning("%s: message ignored: %s", self.station_id, event.reason)
                if event.in_a_row >= REJECTED_IN_A_ROW:
                    self._end(POLICY_VIOLATION, "unreadable messages")
            elif not self._transport.answers_pings:
                self._end(NORMAL_CLOSURE, f"silent for {event.silent_s:.0f} s")

    def _settle(self, call_id: str, confirmation: Confirmation) -> None:
        future = self._calls.pop(call_id, None)
        if future is not None and not future.done():
            future.set_result(confirmation)

    def _failure(self, event: CallFailed) -> BornierError:
        station, action = self.station_id, event.request.action
        if event.kind is FailureKind.REFUSED:
            answer = f"{event.code} {event.description}".strip()
            return StationRefusedError(
                "station-refused", station=station, action=action, answer=answer
            )
        return StationUnreachableError(_FAILURE_KEYS[event.kind], station=station, action=action)

    def _arm(self) -> None:
        """Sets the one timer to the session's next deadline."""
        deadline_s = self.session.next_deadline()
        if deadline_s is None:
            return
        loop = asyncio.get_running_loop()
        # Never 0: on a virtual clock a deadline rounded to just ahead would come up for ever.
        delay_s = max(deadline_s - self._clock.monotonic_s(), _SHORTEST_TIMER_S)
        if self._timer is not None:
            if self._timer.when() <= loop.time() + delay_s:
                return
            self._timer.cancel()
        self._timer = loop.call_later(delay_s, self._advance)

    def _advance(self) -> None:
        self._timer = None
        self._dispatch(self.session.advance(self._clock.monotonic_s()))
        if self.session.unsent:
            self._frames_came.set()
        self._arm()
