"""A station's own calls: one outstanding at a time, transaction messages in order and until answered.

Messages that belong to a transaction survive a lost connection and are delivered in order when it
comes back (OCPP 1.6, clauses 3.7.1 and 3.7.2); the others are given up when they are not answered.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from simulators.station.config import Counters, Faults, TransactionRecord
from simulators.station.persona import Persona

Payload = dict[str, Any]
Answer = Callable[[Payload | None], None]
"""Called with the answer, or ``None`` when there is none to be had."""

MAX_QUEUED = 5_000
"""Transaction messages kept while offline; beyond, the oldest meter values are dropped."""

_encode = msgspec.json.Encoder().encode


class Message:
    """One call on its way; a ``durable`` one is kept until it is answered.

    ``record`` is the transaction that it belongs to, whose number is filled in when it is sent.
    """

    __slots__ = (
        "action",
        "attempts",
        "durable",
        "message_id",
        "on_answer",
        "payload",
        "record",
        "repeated",
        "timer",
    )

    def __init__(
        self,
        action: str,
        payload: Payload,
        on_answer: Answer | None,
        record: TransactionRecord | None = None,
        *,
        durable: bool = False,
    ) -> None:
        self.durable = durable
        self.action = action
        self.payload = payload
        self.on_answer = on_answer
        self.record = record
        self.message_id = ""
        self.attempts = 0
        self.repeated = False
        """It is the second of its kind, or has had one."""
        self.timer: asyncio.TimerHandle | None = None


class Caller:
    """The calling half of a station's session; ``post`` is set while there is a link."""

    __slots__ = (
        "_counters",
        "_held_until_s",
        "_in_flight",
        "_loop",
        "_next_number",
        "_ordinary",
        "_persona",
        "_post",
        "_prefix",
        "_retry_s",
        "_rng",
        "_timeouts_in_a_row",
        "_wake_timer",
        "faults",
        "on_dead_link",
        "ready",
        "transactions",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        persona: Persona,
        rng: random.Random,
        counters: Counters,
        retry_s: Callable[[], tuple[int, int]],
        on_dead_link: Callable[[], None],
    ) -> None:
        """``retry_s`` gives TransactionMessageAttempts and TransactionMessageRetryInterval."""
        self._loop = loop
        self._persona = persona
        self._rng = rng
        self._counters = counters
        self._retry_s = retry_s
        self.on_dead_link = on_dead_link
        self._post: Callable[[str], None] | None = None
        self._ordinary: deque[Message] = deque()
        self.transactions: deque[Message] = deque()
        """Transaction messages that were not answered yet, those in flight not included."""
        self._in_flight: dict[str, Message] = {}
        self._held_until_s = 0.0
        self._wake_timer: asyncio.TimerHandle | None = None
        self._timeouts_in_a_row = 0
        self.faults = Faults()
        self.ready = False
        """Whether transaction messages may go out: the boot was accepted."""
        self._next_number = rng.randrange(10**18, 9 * 10**18)
        seed = f"{rng.getrandbits(80):020x}"
        self._prefix = f"{seed[:8]}-{seed[8:12]}-4{seed[12:15]}-a{seed[15:18]}-"

    # ------------------------------------------------------------------ what the station asks for

    def call(self, action: str, payload: Payload, on_answer: Answer | None = None) -> None:
        """Send an ordinary message; without a link it is given up at once."""
        if self._post is None:
            if on_answer is not None:
                self._loop.call_soon(on_answer, None)
            return
        self._ordinary.append(Message(action, payload, on_answer))
        self._pump()

    def enqueue(
        self,
        action: str,
        payload: Payload,
        record: TransactionRecord | None,
        on_answer: Answer | None = None,
    ) -> None:
        """Send a message that must arrive, now or when it can be, after those before it."""
        if len(self.transactions) >= MAX_QUEUED:
            self._forget_oldest_meter_values()
        self.transactions.append(Message(action, payload, on_answer, record, durable=True))
        self._pump()

    def _forget_oldest_meter_values(self) -> None:
        for message in self.transactions:
            if message.action == "MeterValues":
                self.transactions.remove(message)
                return

    @property
    def idle(self) -> bool:
        """Nothing is waiting and nothing is unanswered."""
        return not (self._in_flight or self._ordinary or self.transactions)

    # ------------------------------------------------------------------ link

    def link_up(self, post: Callable[[str], None]) -> None:
        """There is a new link; nothing goes out but what is called from now on."""
        self._post = post
        self._timeouts_in_a_row = 0

    def link_down(self) -> None:
        """The link is gone: transaction messages return to the queue, others are given up."""
        self._post = None
        self.ready = False
        unanswered = list(self._in_flight.values())
        self._in_flight.clear()
        for message in reversed(unanswered):
            _cancel(message)
            if message.durable:
                self.transactions.appendleft(message)
        lost = [message for message in unanswered if not message.durable]
        lost.extend(self._ordinary)
        self._ordinary.clear()
        for message in lost:
            if message.on_answer is not None:
                message.on_answer(None)

    def release(self) -> None:
        """The boot was accepted: deliver what was queued."""
        self.ready = True
        self._pump()

    # ------------------------------------------------------------------ answers

    def answered(self, message_id: str, payload: Payload) -> None:
        """A CALLRESULT arrived; one for an unknown id is ignored."""
        message = self._in_flight.get(message_id)
        if message is None or (message.durable and self._happens(self.faults.lost_answers)):
            return
        del self._in_flight[message_id]
        _cancel(message)
        self._timeouts_in_a_row = 0
        if message.on_answer is not None:
            message.on_answer(payload)
        if (
            message.action in ("StartTransaction", "StopTransaction")
            and not message.repeated
            and self._happens(self.faults.repeats)
        ):
            again = Message(message.action, message.payload, None, durable=True)
            again.repeated = True
            self.transactions.appendleft(again)
        self._pump()

    def _happens(self, share: float) -> bool:
        # No draw where nothing is wrong: a sound station's numbers stay what they are.
        return share > 0.0 and self._rng.random() < share

    def refused(self, message_id: str) -> None:
        """A CALLERROR arrived: a transaction message is tried again a few times."""
        message = self._in_flight.pop(message_id, None)
        if message is None:
            return
        _cancel(message)
        self._counters.call_errors += 1
        self._timeouts_in_a_row = 0
        attempts, interval_s = self._retry_s()
        message.attempts += 1
        if message.durable and message.attempts < attempts:
            self.transactions.appendleft(message)
            self._hold(interval_s * message.attempts)
        elif message.on_answer is not None:
            message.on_answer(None)
        self._pump()

    def _timed_out(self, message: Message) -> None:
        del self._in_flight[message.message_id]
        self._counters.call_timeouts += 1
        self._timeouts_in_a_row += 1
        if message.durable:
            self.transactions.appendleft(message)
        elif message.on_answer is not None:
            message.on_answer(None)
        if self._timeouts_in_a_row >= 2:
            self.on_dead_link()
        else:
            self._pump()

    # ------------------------------------------------------------------ sending

    def _hold(self, for_s: float) -> None:
        self._held_until_s = self._loop.time() + for_s
        self._wake_timer = self._loop.call_later(for_s, self._pump)

    def _pump(self) -> None:
        post = self._post
        if post is None:
            return
        most = 2 if self._persona.pipelines_calls else 1
        while len(self._in_flight) < most:
            if self._ordinary:
                message = self._ordinary.popleft()
            elif self.transactions and self.ready and self._loop.time() >= self._held_until_s:
                message = self.transactions.popleft()
                _fill_in(message)
            else:
                return
            self._send(message, post)

    def _send(self, message: Message, post: Callable[[str], None]) -> None:
        if not message.message_id or not self._persona.retry_same_id:
            message.message_id = self._new_id()
        payload = message.payload
        if self._persona.numbers_as_text:
            payload = _numbers_as_text(payload)
        if self._persona.extra_fields:
            payload = {**payload, **self._persona.extra_fields}
        text = _encode([2, message.message_id, message.action, payload]).decode()
        self._in_flight[message.message_id] = message
        message.timer = self._loop.call_later(
            self._persona.call_timeout_s, self._timed_out, message
        )
        self._counters.frames_sent += 1
        post(text)
        if self._happens(self.faults.duplicates):
            post(text)

    def _new_id(self) -> str:
        self._next_number += 1
        if self._persona.decimal_message_ids:
            return str(self._next_number)
        return f"{self._prefix}{self._next_number % 0x1000000000000:012x}"


def _cancel(message: Message) -> None:
    if message.timer is not None:
        message.timer.cancel()
        message.timer = None


def _numbers_as_text(value: Any, key: str = "") -> Any:
    """Whole numbers as strings, and the strings of sampled values as numbers."""
    match value:
        case dict():
            return {name: _numbers_as_text(each, name) for name, each in value.items()}
        case list():
            return [_numbers_as_text(each) for each in value]
        case int() if not isinstance(value, bool):
            return str(value)
        case str() if key == "value":
            return float(value)
    return value


def _fill_in(message: Message) -> None:
    """Set the transactionId, which may have been unknown when the message was made."""
    record = message.record
    if record is None or message.action in ("StartTransaction", "StatusNotification"):
        return
    if record.transaction_id is not None:
        message.payload["transactionId"] = record.transaction_id
    elif message.action == "StopTransaction":
        # The start was given up: the stop still has to be told, and needs a number.
        message.payload["transactionId"] = -1
