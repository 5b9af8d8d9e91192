"""The driver over memory, on a virtual clock: what takes a minute there takes no time here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from app.adapters.flow import FlowLimits
from app.adapters.station_connection import (
    MAX_UNHANDLED,
    MAX_UNSENT,
    REJECTED_IN_A_ROW,
    StationConnection,
)
from app.domain.errors import StationRefusedError, StationUnreachableError
from app.ocpp16.actions.manager_calls import (
    GetConfiguration,
    GetConfigurationConfirmation,
    UnlockConnector,
    UnlockConnectorConfirmation,
)
from app.ocpp16.actions.station_calls import (
    Authorize,
    BootNotificationConfirmation,
    Heartbeat,
    HeartbeatConfirmation,
    StatusNotificationConfirmation,
)
from app.ocpp16.actions.types import RegistrationStatus, UnlockStatus
from app.ocpp16.frames import ErrorCode, OcppError
from app.ocpp16.liveness import Liveness
from app.ocpp16.session import Priority, SessionLimits
from app.services.ports import StationLink
from simulators import virtual_time

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)
HEARTBEAT = '[2,"%s","Heartbeat",{}]'
ANSWER = '[3,"%s",{"currentTime":"2026-03-02T12:00:00Z"}]'


class LoopClock:
    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc_now(self) -> datetime:
        return NOON


class Pipe:
    """The station's end of a connection in memory; a ``TextTransport`` for the manager's."""

    answers_pings = False
    pinged = True

    def __init__(self) -> None:
        self.to_manager: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self.to_station: asyncio.Queue[str] = asyncio.Queue()
        self.closed: tuple[int, str] | None = None
        self.broken = False
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.take: Callable[[str | bytes], bool] = lambda _text: False
        self.taken = 0
        """Messages handed over as they came."""

    def ping(self, wanted: bool) -> None:
        self.pinged = wanted

    async def receive(self) -> str | bytes | None:
        text = await self.to_manager.get()
        if self.broken:
            raise ConnectionResetError("reset by peer")
        return text

    async def send(self, text: str) -> None:
        await self.flowing.wait()
        if self.broken or self.closed:
            raise ConnectionResetError("reset by peer")
        await self.to_station.put(text)

    def send_at_once(self, text: str) -> bool:
        if not self.flowing.is_set() or self.broken or self.closed:
            return False
        self.to_station.put_nowait(text)
        return True

    async def close(self, code: int, reason: str) -> None:
        await self.flowing.wait()
        if self.broken:
            raise ConnectionResetError("reset by peer")
        self.closed = (code, reason)

    def hand_to(self, take: Callable[[str | bytes], bool]) -> None:
        self.take = take

    def say(self, *texts: str | bytes | None) -> None:
        """The station's messages come; the first is handed over if it can be, as on a socket."""
        first, *others = texts
        waits = self.broken or not self.to_manager.empty()
        if first is not None and not waits and self.take(first):
            self.taken += 1
        else:
            others.insert(0, first)
        for text in others:
            self.to_manager.put_nowait(text)

    async def hear(self) -> str:
        return await self.to_station.get()

    async def answer(self, payload: Any, *, kind: int = 3) -> str:
        """Hears a CALL, answers it, and says what its action was."""
        _two, call_id, action, _payload = json.loads(await self.hear())
        self.say(json.dumps([kind, call_id, *payload] if kind == 4 else [kind, call_id, payload]))
        return str(action)


class Handler:
    """The services' side, with one function that handles everything."""

    def __init__(self, handle: Callable[[StationLink, Any], Awaitable[Any]] | None = None) -> None:
        self.told: list[str] = []
        self.handled: list[Any] = []
        self.link: StationLink | None = None
        self._handle = handle
        self.on_connected: Callable[[StationLink], Awaitable[None]] | None = None

    async def connected(self, link: StationLink) -> None:
        self.told.append("connected")
        self.link = link
        if self.on_connected is not None:
            await self.on_connected(link)

    async def handle(self, link: StationLink, request: Any) -> Any:
        self.handled.append(request)
        if self._handle is not None:
            return await self._handle(link, request)
        return HeartbeatConfirmation(NOON)

    async def disconnected(self, link: StationLink) -> None:
        assert link is self.link or self.link is None
        self.told.append("disconnected")


def heartbeat_after(turn: asyncio.Event) -> Callable[[StationLink, Any], Awaitable[Any]]:
    async def slow(_link: StationLink, _request: Any) -> HeartbeatConfirmation:
        await turn.wait()
        return HeartbeatConfirmation(NOON)

    return slow


class Setting:
    """A connection that runs while ``play`` plays the station."""

    def __init__(
        self,
        handler: Handler | None = None,
        limits: SessionLimits | None = None,
        liveness: Liveness | None = None,
        flow: FlowLimits | None = None,
    ) -> None:
        self.pipe = Pipe()
        self.handler = handler if handler is not None else Handler()
        self.connection = StationConnection(
            "A-001",
            self.pipe,
            self.handler,
            LoopClock(),
            generation=7,
            address="192.0.2.1",
            limits=limits,
            liveness=liveness,
            flow=flow,
        )

    async def __aenter__(self) -> Setting:
        self._task = asyncio.get_running_loop().create_task(self.connection.run())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self.pipe.say(None)
        await self._task
        assert self.connection.ended.is_set()
        assert self.handler.told[-1] == "disconnected"


def test_calls_are_answered_in_order() -> None:
    async def play() -> None:
        async with Setting() as at:
            at.pipe.say(HEARTBEAT % "1", HEARTBEAT % "2", (HEARTBEAT % "3").encode())
            for number in "123":
                assert await at.pipe.hear() == ANSWER % number
        assert at.handler.told == ["connected", "disconnected"]
        assert at.handler.handled == [Heartbeat()] * 3
        assert at.connection.repairs == {}
        assert at.connection.counts == {}

    virtual_time.run(play())


def test_a_handler_may_call_the_station_it_answers() -> None:
    async def look_up(link: StationLink, _request: Any) -> Any:
        confirmation = await link.call(GetConfiguration())
        assert confirmation == GetConfigurationConfirmation()
        return HeartbeatConfirmation(NOON)

    async def play() -> None:
        async with Setting(Handler(look_up)) as at:
            at.pipe.say(HEARTBEAT % "1", HEARTBEAT % "2")
            for number in "12":
                assert await at.pipe.answer({}) == "GetConfiguration"
                assert await at.pipe.hear() == ANSWER % number

    virtual_time.run(play())


def test_connected_may_call_the_station_before_its_first_message_is_handled() -> None:
    async def ask(link: StationLink) -> None:
        await link.call(GetConfiguration())

    async def play() -> None:
        handler = Handler()
        handler.on_connected = ask
        async with Setting(handler) as at:
            at.pipe.say(HEARTBEAT % "1")
            await at.pipe.answer({})
            assert await at.pipe.hear() == ANSWER % "1"

    virtual_time.run(play())


def test_calls_of_many_tasks_leave_one_by_one() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            calls = [
                group.create_task(at.connection.call(UnlockConnector(number)))
                for number in (1, 2, 3)
            ]
            for _ in calls:
                await at.pipe.answer({"status": "Unlocked"})
                assert at.pipe.to_station.empty()
            for call in calls:
                assert await call == UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)

    virtual_time.run(play())


def test_message_ids_are_digits_and_differ() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            seen = set()
            for _ in range(3):
                call = group.create_task(at.connection.call(GetConfiguration()))
                _two, call_id, *_rest = json.loads(await at.pipe.hear())
                assert call_id.isdecimal()
                seen.add(call_id)
                at.pipe.say(json.dumps([3, call_id, {}]))
                await call
            assert len(seen) == 3

    virtual_time.run(play())


def test_a_refusal_names_the_stations_answer() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            answering = group.create_task(
                at.pipe.answer(["NotSupported", "cannot do that", {}], kind=4)
            )
            with pytest.raises(StationRefusedError) as caught:
                await at.connection.call(UnlockConnector(1))
            assert caught.value.key == "station-refused"
            assert caught.value.params == {
                "station": "A-001",
                "action": "UnlockConnector",
                "answer": "NotSupported cannot do that",
            }
            assert await answering == "UnlockConnector"

    virtual_time.run(play())


def test_an_answer_that_cannot_be_understood_is_no_refusal() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            call = group.create_task(fails(at.connection.call(UnlockConnector(1))))
            await at.pipe.answer({"status": "Perhaps"})
            assert (await call).key == "station-answer-unreadable"

    virtual_time.run(play())


def test_no_answer_in_time() -> None:
    async def play() -> None:
        async with Setting() as at:
            before = asyncio.get_running_loop().time()
            with pytest.raises(StationUnreachableError) as caught:
                await at.connection.call(GetConfiguration(), timeout_s=12)
            assert caught.value.key == "station-no-answer"
            assert asyncio.get_running_loop().time() - before == pytest.approx(12, abs=0.1)

    virtual_time.run(play())


def test_a_shorter_deadline_after_a_longer_one_is_kept() -> None:
    async def play() -> None:
        async with Setting(limits=SessionLimits(queue_wait_s=5)) as at:
            start = asyncio.get_running_loop().time()
            calls = await asyncio.gather(
                at.connection.call(GetConfiguration(), timeout_s=50),
                at.connection.call(GetConfiguration()),
                return_exceptions=True,
            )
            assert [type(call) for call in calls] == [StationUnreachableError] * 2
            assert asyncio.get_running_loop().time() - start == pytest.approx(50, abs=0.1)

    virtual_time.run(play())


def test_the_next_call_leaves_when_the_last_has_timed_out() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            late = group.create_task(fails(at.connection.call(GetConfiguration(), timeout_s=12)))
            call = group.create_task(at.connection.call(UnlockConnector(1)))
            assert "GetConfiguration" in await at.pipe.hear()
            assert await at.pipe.answer({"status": "Unlocked"}) == "UnlockConnector"
            assert (await late).key == "station-no-answer"
            assert (await call).status is UnlockStatus.UNLOCKED

    virtual_time.run(play())


def test_a_superseded_call_says_so() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            first = group.create_task(at.connection.call(GetConfiguration()))
            await asyncio.sleep(0)
            older = group.create_task(
                fails(at.connection.call(UnlockConnector(1), replace_key="k"))
            )
            await asyncio.sleep(0)
            newer = group.create_task(
                at.connection.call(UnlockConnector(2), replace_key="k", priority=Priority.SAFETY)
            )
            assert (await older).key == "station-call-superseded"
            await at.pipe.answer({})
            await at.pipe.answer({"status": "UnlockFailed"})
            await first
            assert (await newer).status is UnlockStatus.UNLOCK_FAILED

    virtual_time.run(play())


def test_a_cancelled_caller_takes_its_waiting_call_back() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            first = group.create_task(at.connection.call(GetConfiguration()))
            await asyncio.sleep(0)
            second = group.create_task(at.connection.call(UnlockConnector(1)))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.wait({second})
            assert await at.pipe.answer({}) == "GetConfiguration"
            await first
            await asyncio.sleep(1)
            assert at.pipe.to_station.empty()

    virtual_time.run(play())


def test_a_cancelled_caller_of_a_sent_call_leaves_the_answer_to_nobody() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            for reaction in ({"status": "Unlocked"}, {"status": "Perhaps"}):
                call = group.create_task(at.connection.call(UnlockConnector(1)))
                _two, call_id, *_rest = json.loads(await at.pipe.hear())
                call.cancel()
                at.pipe.say(json.dumps([3, call_id, reaction]))
                await asyncio.wait({call})
            at.pipe.say(HEARTBEAT % "1")
            assert await at.pipe.hear() == ANSWER % "1"

    virtual_time.run(play())


def test_when_the_station_hangs_up_every_caller_is_told() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            calls = [
                group.create_task(fails(at.connection.call(UnlockConnector(number))))
                for number in (1, 2)
            ]
            await at.pipe.hear()
            at.pipe.say(None)
            assert [(await call).key for call in calls] == ["station-offline"] * 2
        assert (await fails(at.connection.call(GetConfiguration()))).key == "station-offline"

    virtual_time.run(play())


def test_a_broken_socket_ends_the_connection() -> None:
    async def play() -> None:
        async with Setting() as at:
            at.pipe.say(HEARTBEAT % "1")
            await at.pipe.hear()
            at.pipe.broken = True
            at.pipe.say(HEARTBEAT % "2")
            await at.connection.ended.wait()
        assert at.handler.told == ["connected", "disconnected"]

    virtual_time.run(play())


def test_a_transport_with_a_fault_of_its_own_ends_only_its_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Faulty(Pipe):
        async def receive(self) -> str | bytes | None:
            raise RuntimeError("a bug")

    async def play() -> None:
        at = Setting()
        at.connection._transport = at.pipe = Faulty()
        async with at:
            await at.connection.ended.wait()

    virtual_time.run(play())
    assert "reader failed" in caplog.text


def test_a_failing_handler_is_answered_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: list[Any] = [
        KeyError("a bug"),
        OcppError(ErrorCode.SECURITY_ERROR, "not you"),
        StatusNotificationConfirmation(),
        HeartbeatConfirmation(NOON.replace(tzinfo=None)),
        HeartbeatConfirmation(NOON),
    ]

    async def fail(_link: StationLink, _request: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def play() -> None:
        async with Setting(Handler(fail)) as at:
            at.pipe.say(*(HEARTBEAT % number for number in "12345"))
            assert await at.pipe.hear() == '[4,"1","InternalError","",{}]'
            assert await at.pipe.hear() == '[4,"2","SecurityError","not you",{}]'
            assert await at.pipe.hear() == '[4,"3","InternalError","",{}]'
            assert await at.pipe.hear() == '[4,"4","InternalError","",{}]'
            assert await at.pipe.hear() == ANSWER % "5"
            assert at.connection.handler_failures == 3

    virtual_time.run(play())
    assert "Heartbeat failed" in caplog.text


def test_services_that_fail_at_the_beginning_and_end_do_not_end_the_connection() -> None:
    class Clumsy(Handler):
        async def connected(self, link: StationLink) -> None:
            raise RuntimeError("a bug")

        async def disconnected(self, link: StationLink) -> None:
            await super().disconnected(link)
            raise RuntimeError("a bug")

    async def play() -> None:
        async with Setting(Clumsy()) as at:
            at.pipe.say(HEARTBEAT % "1")
            assert await at.pipe.hear() == ANSWER % "1"
        assert at.connection.handler_failures == 2

    virtual_time.run(play())


def test_close_ends_the_connection_even_from_its_own_handler() -> None:
    async def leave(link: StationLink, _request: Any) -> Any:
        await link.close("had enough")
        await link.close("again")
        return HeartbeatConfirmation(NOON)

    async def play() -> None:
        async with Setting(Handler(leave)) as at:
            at.pipe.say(HEARTBEAT % "1")
            await at.connection.ended.wait()
            assert at.pipe.closed == (1000, "had enough")

    virtual_time.run(play())


def test_close_before_the_connection_runs() -> None:
    async def play() -> None:
        at = Setting()
        await at.connection.close("changed my mind")
        async with at:
            await at.connection.ended.wait()
        assert at.pipe.closed == (1000, "changed my mind")

    virtual_time.run(play())


def test_the_call_in_work_is_finished_when_the_station_is_gone() -> None:
    done: list[str] = []

    async def slow(_link: StationLink, _request: Any) -> Any:
        await asyncio.sleep(2)
        done.append("recorded")
        return HeartbeatConfirmation(NOON)

    async def play() -> None:
        async with Setting(Handler(slow)) as at:
            at.pipe.say(HEARTBEAT % "1", HEARTBEAT % "2", None)
        assert done == ["recorded"]
        assert at.pipe.to_station.empty()

    virtual_time.run(play())


def test_a_handler_that_never_ends_is_not_waited_for_for_ever() -> None:
    async def hang(_link: StationLink, _request: Any) -> Any:
        await asyncio.Event().wait()

    async def play() -> None:
        async with Setting(Handler(hang)) as at:
            at.pipe.say(HEARTBEAT % "1", None)
            await at.connection.ended.wait()
        assert asyncio.get_running_loop().time() < 10

    virtual_time.run(play())


def test_cancelling_run_still_tells_the_services() -> None:
    async def play() -> None:
        at = Setting()
        task = asyncio.get_running_loop().create_task(at.connection.run())
        call = asyncio.get_running_loop().create_task(fails(at.connection.call(GetConfiguration())))
        await at.pipe.hear()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert at.handler.told == ["connected", "disconnected"]
        assert at.connection.ended.is_set()
        assert (await call).key == "station-offline"

    virtual_time.run(play())


def test_garbage_is_logged_a_little_and_too_much_of_it_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        async with Setting() as at:
            at.pipe.say(*["garbage"] * (REJECTED_IN_A_ROW - 1), HEARTBEAT % "1")
            assert await at.pipe.hear() == ANSWER % "1"
            assert at.pipe.closed is None
            at.pipe.say(*["garbage"] * REJECTED_IN_A_ROW)
            await at.connection.ended.wait()
            assert at.pipe.closed == (1008, "unreadable messages")

    caplog.set_level(logging.WARNING)
    virtual_time.run(play())
    assert len(caplog.records) == 5


def test_an_unknown_action_is_answered_while_a_handler_is_busy() -> None:
    async def hang(_link: StationLink, _request: Any) -> Any:
        await asyncio.sleep(60)
        return HeartbeatConfirmation(NOON)

    async def play() -> None:
        async with Setting(Handler(hang)) as at:
            at.pipe.say(HEARTBEAT % "1", '[2,"2","MakeCoffee",{}]')
            assert (await at.pipe.hear()).startswith('[4,"2","NotImplemented"')
            assert await at.pipe.hear() == ANSWER % "1"

    virtual_time.run(play())


def test_a_station_that_does_not_read_is_hung_up_on() -> None:
    async def play() -> None:
        limits = SessionLimits(rejections_answered_burst=10 * MAX_UNSENT)
        async with Setting(limits=limits) as at:
            at.pipe.flowing.clear()
            at.pipe.say(*['[2,"1","MakeCoffee",{}]'] * (3 * MAX_UNSENT))
            await at.connection.ended.wait()
            assert at.pipe.closed is None  # the close frame could not leave either
            assert at.connection.session.closed

    virtual_time.run(play())


def test_a_silent_station_is_hung_up_on() -> None:
    async def play() -> None:
        async with Setting(limits=SessionLimits(silent_after_s=90)) as at:
            await asyncio.sleep(60)
            at.pipe.say(HEARTBEAT % "1")
            assert await at.pipe.hear() == ANSWER % "1"
            await at.connection.ended.wait()
            assert at.pipe.closed == (1000, "silent for 90 s")
            assert asyncio.get_running_loop().time() == pytest.approx(150, abs=1)

    virtual_time.run(play())


def test_a_silent_station_that_answers_pings_is_kept() -> None:
    async def play() -> None:
        async with Setting(limits=SessionLimits(silent_after_s=90)) as at:
            at.pipe.answers_pings = True
            await asyncio.sleep(3600)
            at.pipe.say(HEARTBEAT % "1")
            assert await at.pipe.hear() == ANSWER % "1"
            assert at.pipe.closed is None

    virtual_time.run(play())


def test_a_setting_of_the_station_tells_how_long_it_may_be_silent() -> None:
    async def play() -> None:
        async with Setting(liveness=Liveness(60, 30)) as at, asyncio.TaskGroup() as group:
            group.create_task(at.connection.call(GetConfiguration()))
            key = {"key": "HeartbeatInterval", "readonly": False, "value": "600"}
            await at.pipe.answer({"configurationKey": [key]})
            await at.connection.ended.wait()
            assert asyncio.get_running_loop().time() == pytest.approx(1800, abs=1)

    virtual_time.run(play())


def test_the_answer_to_a_boot_does_so_too() -> None:
    async def boot(_link: StationLink, _request: Any) -> BootNotificationConfirmation:
        return BootNotificationConfirmation(RegistrationStatus.ACCEPTED, NOON, 200)

    async def play() -> None:
        async with Setting(Handler(boot), liveness=Liveness(60, 30)) as at:
            payload = {"chargePointVendor": "Legrand", "chargePointModel": "059004"}
            at.pipe.say(json.dumps([2, "1", "BootNotification", payload]))
            await at.connection.ended.wait()
            assert asyncio.get_running_loop().time() == pytest.approx(600, abs=1)

    virtual_time.run(play())


def test_a_station_is_not_read_while_the_services_are_behind() -> None:
    async def play() -> None:
        turn = asyncio.Event()
        async with Setting(Handler(heartbeat_after(turn))) as at:
            at.pipe.say(*(HEARTBEAT % number for number in range(500)))
            await asyncio.sleep(1)
            # One in work, those that wait, one in the reader's hands, and nothing taken beyond.
            assert at.pipe.to_manager.qsize() == 500 - 1 - MAX_UNHANDLED - 1
            turn.set()
            heard = [await at.pipe.hear() for _ in range(500)]
            assert heard == [ANSWER % number for number in range(500)]

    virtual_time.run(play())


METER_VALUES = '[2,"%s","MeterValues",{"connectorId":1,"meterValue":[]}]'


def test_what_is_begun_at_once_may_wait_and_keeps_its_place() -> None:
    async def play() -> None:
        turn = asyncio.Event()
        tasks: list[object] = []

        async def slow_once(_link: StationLink, request: Any) -> Any:
            tasks.append(asyncio.current_task())
            if len(tasks) == 1:
                await turn.wait()
                tasks.append(asyncio.current_task())
                await asyncio.sleep(1)
            return request.confirmation_type()

        async with Setting(Handler(slow_once)) as at:
            await asyncio.sleep(1)  # the worker has nothing to do
            at.pipe.say(METER_VALUES % "1", METER_VALUES % "2")
            await asyncio.sleep(1)
            # Our own call is answered meanwhile: the reader waits for nobody.
            async with asyncio.TaskGroup() as group:
                call = group.create_task(at.connection.call(GetConfiguration()))
                await at.pipe.answer({"configurationKey": []})
            assert call.done()
            turn.set()
            assert [await at.pipe.hear() for _ in range(2)] == ['[3,"1",{}]', '[3,"2",{}]']
            assert tasks[0] is not tasks[1]  # the worker has gone on with it
            at.pipe.say(METER_VALUES % "3")
            assert await at.pipe.hear() == '[3,"3",{}]'

    virtual_time.run(play())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (OcppError(ErrorCode.GENERIC_ERROR, "no"), '[4,"1","GenericError","no",{}]'),
        (RuntimeError("oops"), '[4,"1","InternalError","",{}]'),
    ],
)
def test_what_fails_at_once_is_answered_as_elsewhere(
    error: Exception, answer: str, waits: bool
) -> None:
    async def failing(_link: StationLink, _request: Any) -> Any:
        if waits:
            await asyncio.sleep(1)
        raise error

    async def play() -> None:
        async with Setting(Handler(failing)) as at:
            await asyncio.sleep(1)  # the worker has nothing to do
            at.pipe.say(METER_VALUES % "1")
            assert await at.pipe.hear() == answer
            assert at.connection.handler_failures == int(isinstance(error, RuntimeError))

    virtual_time.run(play())


def test_an_unfit_answer_at_once_is_an_internal_error() -> None:
    async def wrong(_link: StationLink, _request: Any) -> Any:
        return UnlockConnectorConfirmation(UnlockStatus.UNLOCKED)

    async def play() -> None:
        async with Setting(Handler(wrong)) as at:
            await asyncio.sleep(1)  # the worker has nothing to do
            at.pipe.say(METER_VALUES % "1")
            assert await at.pipe.hear() == '[4,"1","InternalError","",{}]'
            assert at.connection.handler_failures == 1

    virtual_time.run(play())


def test_what_cannot_be_sent_at_once_is_sent_in_its_turn() -> None:
    async def confirm(_link: StationLink, request: Any) -> Any:
        return request.confirmation_type()

    async def play() -> None:
        async with Setting(Handler(confirm)) as at:
            await asyncio.sleep(1)  # the worker has nothing to do
            at.pipe.flowing.clear()
            at.pipe.say(METER_VALUES % "1", METER_VALUES % "2")
            await asyncio.sleep(1)
            assert at.pipe.to_station.empty()
            at.pipe.flowing.set()
            assert [await at.pipe.hear() for _ in range(2)] == ['[3,"1",{}]', '[3,"2",{}]']

    virtual_time.run(play())


def test_a_connection_that_ends_cancels_what_was_begun() -> None:
    cancelled: list[bool] = []

    async def endless(_link: StationLink, _request: Any) -> Any:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def play() -> None:
        async with Setting(Handler(endless)) as at:
            await asyncio.sleep(1)  # the worker has nothing to do
            at.pipe.say(METER_VALUES % "1")
            await asyncio.sleep(1)
        assert cancelled == [True]

    virtual_time.run(play())


def test_a_flood_is_taken_at_the_rate_allowed() -> None:
    async def play() -> None:
        flow = FlowLimits(messages_per_s=10, messages_at_once=50)
        async with Setting(flow=flow) as at:
            at.pipe.say(*(HEARTBEAT % number for number in range(150)))
            heard = [await at.pipe.hear() for _ in range(150)]
            assert heard == [ANSWER % number for number in range(150)]
            assert asyncio.get_running_loop().time() == pytest.approx(10, abs=0.2)

    virtual_time.run(play())


def test_a_flood_of_single_messages_is_taken_at_the_rate_allowed() -> None:
    async def play() -> None:
        flow = FlowLimits(messages_per_s=10, messages_at_once=50)
        async with Setting(flow=flow) as at:
            await asyncio.sleep(1)  # the reader waits for a message
            for number in range(150):
                at.pipe.say(HEARTBEAT % number)
                await asyncio.sleep(0.001)
            heard = [await at.pipe.hear() for _ in range(150)]
            assert heard == [ANSWER % number for number in range(150)]
            assert at.pipe.taken == pytest.approx(50, abs=5)
            assert asyncio.get_running_loop().time() == pytest.approx(1 + 10, abs=0.3)

    virtual_time.run(play())


def test_a_pause_pays_what_a_flood_owes() -> None:
    async def play() -> None:
        flow = FlowLimits(messages_per_s=10, messages_at_once=10)
        async with Setting(flow=flow) as at:
            await asyncio.sleep(1)
            for number in range(30):  # two seconds too many
                at.pipe.say(HEARTBEAT % number)
            await asyncio.sleep(60)
            began_s = asyncio.get_running_loop().time()
            taken = at.pipe.taken
            at.pipe.say(HEARTBEAT % "late")
            assert at.pipe.taken == taken + 1
            for number in range(30):
                assert await at.pipe.hear() == ANSWER % number
            assert await at.pipe.hear() == ANSWER % "late"
            assert asyncio.get_running_loop().time() == began_s

    virtual_time.run(play())


def test_nothing_is_taken_at_once_while_the_services_are_behind() -> None:
    async def play() -> None:
        turn = asyncio.Event()
        async with Setting(Handler(heartbeat_after(turn))) as at:
            await asyncio.sleep(1)
            for number in range(500):
                at.pipe.say(HEARTBEAT % number)
            await asyncio.sleep(1)
            assert at.pipe.taken == 1 + MAX_UNHANDLED
            turn.set()
            heard = [await at.pipe.hear() for _ in range(500)]
            assert heard == [ANSWER % number for number in range(500)]

    virtual_time.run(play())


def test_a_connection_ends_over_what_nobody_foresaw() -> None:
    class Broken(Handler):
        def meets(self, _link: StationLink) -> None:
            return

        def repaired(self, _link: StationLink, _text: str | bytes, _names: Any) -> None:
            raise RuntimeError("oops")

    async def play(pause_s: float) -> None:
        async with Setting(Broken()) as at:
            await asyncio.sleep(pause_s)
            at.pipe.say('[2,"1","Authorize",{"idTag":17}]')
            await at.connection.ended.wait()
            assert at.pipe.closed is not None
            at.pipe.say(HEARTBEAT % "2")
            assert at.pipe.taken == int(pause_s > 0)

    for pause_s in (0, 1):
        virtual_time.run(play(pause_s))


def test_frames_keep_their_order_on_a_slow_socket() -> None:
    async def play() -> None:
        async with Setting() as at, asyncio.TaskGroup() as group:
            at.pipe.flowing.clear()
            at.pipe.say(HEARTBEAT % "1")
            await asyncio.sleep(1)
            call = group.create_task(at.connection.call(GetConfiguration()))
            at.pipe.say(HEARTBEAT % "2")
            await asyncio.sleep(1)
            at.pipe.flowing.set()
            assert await at.pipe.hear() == ANSWER % "1"
            assert await at.pipe.answer({}) == "GetConfiguration"
            assert await at.pipe.hear() == ANSWER % "2"
            await call

    virtual_time.run(play())


def test_the_repairs_of_a_station_are_counted() -> None:
    async def play() -> None:
        async with Setting() as at:
            at.pipe.say('[2,"1","Authorize",{"idTag":17}]')
            await at.pipe.hear()
            assert at.handler.handled == [Authorize("17")]
            assert at.connection.repairs == {"number-as-text": 1}
            assert at.connection.generation == 7
            assert at.connection.address == "192.0.2.1"

    virtual_time.run(play())


async def fails(call: Awaitable[Any]) -> StationUnreachableError:
    with pytest.raises(StationUnreachableError) as caught:
        await call
    return caught.value
