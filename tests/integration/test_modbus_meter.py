"""The manager's meter driver against simulated meters, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import struct
import sys
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from app.adapters.clock import SystemClock
from app.adapters.meter_poller import MeterReadError
from app.adapters.modbus_meter import ModbusLink, ModbusLinks, ModbusMeter, probe_meter
from app.domain.errors import NotFoundError
from app.domain.meter import MeterConfig, MeterReading, Quality
from app.domain.units import PhaseCurrents
from app.meters.plausibility import Doubt
from app.meters.status import Trouble
from simulators.meter.bank import Fault, RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import LEGACY, MODELS, SimulatedModel, find_model
from simulators.meter.server import MeterServer
from simulators.meter.truth import RunningTruth
from tests.support.meters import catalogue

PATIENCE_S = 30
"""Only bounds a test that would hang; nothing is decided by it."""


def simulated(
    model: str | SimulatedModel = "IME Nemo D4-Le",
    *,
    currents: tuple[float, float, float] = (10.0, 20.0, -5.0),
    wiring: Wiring | None = None,
    max_words: int = 125,
) -> RegisterBank:
    truth = RunningTruth()
    truth.update(currents, 0.0)
    found = find_model(model) if isinstance(model, str) else model
    return RegisterBank(found, truth, wiring=wiring, max_words=max_words)


@contextlib.asynccontextmanager
async def serving(*banks: RegisterBank, port: int = 0) -> AsyncIterator[MeterServer]:
    server = MeterServer(dict(enumerate(banks, start=1)), port=port, delay_s=1.0)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def config(port: int, model: str = "IME Nemo D4-Le", unit_id: int = 1) -> MeterConfig:
    return MeterConfig(
        "m", model, "127.0.0.1", "supply", port=port, unit_id=unit_id, poll_period_s=0.05
    )


class Watched:
    """A running meter whose readings can be awaited."""

    def __init__(self, settings: MeterConfig, links: ModbusLinks | None = None) -> None:
        self.readings: list[MeterReading] = []
        self._news = asyncio.Event()
        self.meter = ModbusMeter(settings, catalogue(), SystemClock(), self._receive, links=links)

    def _receive(self, reading: MeterReading) -> None:
        self.readings.append(reading)
        self._news.set()

    async def __aenter__(self) -> Watched:
        await self.meter.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.meter.stop()

    async def next_reading(self) -> MeterReading:
        self._news.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._news.wait()
        return self.readings[-1]

    async def trouble(self, expected: Trouble | None) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.meter.status.error_key is not expected:  # noqa: ASYNC110 - polled state
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("label", sorted(MODELS))
async def test_every_reference_over_a_socket(label: str) -> None:
    async with serving(simulated(label)) as server, Watched(config(server.port, label)) as watched:
        reading = await watched.next_reading()
        model = catalogue().model(label)
        assert reading.quality is Quality.GOOD
        assert reading.currents.l1 == 10_000
        assert reading.currents.l2 == (20_000 if model.phases == 3 else 0)
        await watched.next_reading()
        assert watched.meter.last_reading is watched.readings[-1]
        assert watched.meter.error_key is None
        assert server.connections == 1
        assert server.other_requests == 0


async def test_a_byte_addressed_meter_over_a_socket() -> None:
    async with serving(simulated(LEGACY)) as server:
        async with Watched(config(server.port, "Nemo 96HD-Le")) as watched:
            reading = await watched.next_reading()
            assert reading.currents == PhaseCurrents(10_000, 20_000, -5_000)
            assert watched.meter.status.family == "ime_0301"


@pytest.mark.parametrize("word_format", ["little", "swap"])
async def test_word_formats_and_ratios_over_a_socket(word_format: str) -> None:
    bank = simulated("Nemo 96HD+", wiring=Wiring(kta=80, word_format=word_format))
    async with serving(bank) as server:
        settings = msgspec.structs.replace(
            config(server.port, "Nemo 96HD+"), word_format=word_format
        )
        async with Watched(settings) as watched:
            reading = await watched.next_reading()
            assert reading.currents == PhaseCurrents(10_000, 20_000, -5_000)
            assert watched.meter.status.ratios.kta == 80


async def test_smaller_reads_over_a_socket() -> None:
    async with serving(simulated(max_words=2)) as server:
        async with Watched(config(server.port)) as watched:
            reading = await watched.next_reading()
            assert reading.currents == PhaseCurrents(10_000, 20_000, -5_000)
            assert watched.meter.status.read_plan == "one value at a time"


async def test_the_server_restarts() -> None:
    async with serving(simulated()) as server:
        port = server.port
        watched = Watched(config(port))
        await watched.meter.start()
        await watched.next_reading()
    await watched.trouble(Trouble.UNREACHABLE)
    assert not watched.meter.status.connected
    async with serving(simulated(currents=(1.0, 2.0, 3.0)), port=port):
        reading = await watched.next_reading()
        assert reading.currents == PhaseCurrents(1_000, 2_000, 3_000)
        assert watched.meter.error_key is None
        await watched.meter.stop()


async def test_the_meter_comes_up_after_the_manager() -> None:
    async with serving(simulated()) as server:
        port = server.port
    async with Watched(config(port)) as watched:
        await watched.trouble(Trouble.UNREACHABLE)
        assert watched.meter.last_reading is None
        async with serving(simulated(), port=port):
            assert (await watched.next_reading()).quality is Quality.GOOD


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        (Fault.SILENT, Trouble.TIMEOUT),
        (Fault.NOISE, Trouble.GARBAGE),
        (Fault.GATEWAY, Trouble.GATEWAY),
        (Fault.EXCEPTION, Trouble.REFUSED),
    ],
)
async def test_a_fault_is_a_state_and_heals(fault: Fault, trouble: Trouble) -> None:
    bank = simulated()
    async with serving(bank) as server, Watched(config(server.port)) as watched:
        before = await watched.next_reading()
        bank.fault = fault
        await watched.trouble(trouble)
        kept = watched.meter.last_reading
        assert kept is not None
        assert kept.at_s >= before.at_s
        assert kept.currents == before.currents  # stale, never zero
        bank.fault = Fault.NONE
        await watched.trouble(None)
        assert (await watched.next_reading()).quality is Quality.GOOD


async def test_random_words_are_never_good_readings() -> None:
    bank = simulated()
    bank.fault = Fault.GARBAGE
    async with serving(bank) as server, Watched(config(server.port)) as watched:
        for _ in range(20):
            reading = await watched.next_reading()
            assert reading.quality is Quality.IMPLAUSIBLE
            assert reading.reason


async def test_a_unit_that_is_not_there_is_the_gateways_answer() -> None:
    async with serving(simulated()) as server:
        async with Watched(config(server.port, unit_id=9)) as watched:
            await watched.trouble(Trouble.GATEWAY)
            assert watched.meter.status.error_code == 0x0B


async def test_an_answer_that_comes_late_is_not_taken_for_the_next() -> None:
    bank = simulated()
    async with serving(bank) as server:
        link = ModbusLink("127.0.0.1", server.port, timeout_s=0.5)
        bank.fault = Fault.SLOW
        with pytest.raises(MeterReadError) as caught:
            await link.read(1, 3, 0x1000, 2)
        assert caught.value.trouble is Trouble.TIMEOUT
        bank.fault = Fault.NONE
        # The late voltage arrives while this current is awaited.
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    words = await link.read(1, 3, 0x1008, 2)
                    break
                except MeterReadError:
                    continue
        assert list(words) == [0, 20_000]
        link.close()


async def test_a_cancelled_read_leaves_the_link_usable() -> None:
    bank = simulated()
    async with serving(bank) as server:
        link = ModbusLink("127.0.0.1", server.port)
        bank.fault = Fault.SILENT
        reading = asyncio.get_running_loop().create_task(link.read(1, 3, 0x1000, 2))
        async with asyncio.timeout(PATIENCE_S):
            while not bank.reads:  # noqa: ASYNC110 - polled state
                await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        bank.fault = Fault.NONE
        assert list(await link.read(1, 3, 0x1008, 2)) == [0, 20_000]
        link.close()


async def test_a_mute_connection_is_opened_anew() -> None:
    bank = simulated()
    async with serving(bank) as server:
        link = ModbusLink("127.0.0.1", server.port, timeout_s=0.05)
        bank.fault = Fault.SILENT
        for _ in range(4):
            with pytest.raises(MeterReadError):
                await link.read(1, 3, 0x1000, 2)
        assert server.connections == 2
        link.close()


async def test_meters_behind_one_gateway_share_its_connection() -> None:
    first = simulated(currents=(1.0, 1.0, 1.0))
    second = simulated("F4N200", currents=(2.0, 2.0, 2.0))
    async with serving(first, second) as server:
        links = ModbusLinks()
        one = Watched(config(server.port), links)
        await one.meter.start()
        async with Watched(config(server.port, "F4N200", unit_id=2), links) as two:
            assert (await one.next_reading()).currents == PhaseCurrents.uniform(1_000)
            assert (await two.next_reading()).currents == PhaseCurrents.uniform(2_000)
            await one.meter.stop()
            assert (await two.next_reading()).quality is Quality.GOOD
        assert server.connections == 1


Answer = Callable[[bytes], bytes]


@contextlib.asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """A server that answers each 12-byte request with whatever ``answer`` says.

    It hangs up when that is nothing.
    """

    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(
            asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
        ):
            while data := answer(await reader.readexactly(12)):
                writer.write(data)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def framed(request: bytes, pdu: bytes) -> bytes:
    return request[:4] + struct.pack(">H", len(pdu) + 1) + request[6:7] + pdu


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda _: bytes(64),
        lambda _: b"\xff" * 64,
        lambda request: framed(request, b"\x03\x02\x00\x01"),
        lambda request: framed(request, b"\x04\x04\x00\x01\x00\x02"),
        lambda request: framed(request, b"\x03\xff\x00\x01"),
        lambda request: framed(request, b"\x03\x00"),
        lambda request: framed(request, b"\x83"),
        lambda request: framed(request, b"\x55\x01\x02"),
        lambda request: framed(request, b"\x10\x10\x00\x00\x02"),
    ],
    ids=[
        "http", "zeros", "ones", "one word", "other function", "wrong length",
        "no words", "exception without code", "unknown function", "answer to a write",
    ],
)  # fmt: skip
async def test_what_is_not_an_answer_is_garbage(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    async with answering(answer) as port:
        link = ModbusLink("127.0.0.1", port, timeout_s=0.3)
        for _ in range(3):
            with pytest.raises(MeterReadError) as caught:
                await link.read(1, 3, 0x1006, 2)
            assert caught.value.trouble is Trouble.GARBAGE
        link.close()
    assert [record.getMessage() for record in caplog.records] == []


async def test_an_answer_may_come_in_pieces_or_after_a_stale_one() -> None:
    good = b"\x03\x04\x00\x01\x00\x02"

    def stale_then_good(request: bytes) -> bytes:
        stale = bytes((0x7F, 0xFF)) + framed(request, b"\x03\x04\x00\x09\x00\x09")[2:]
        return stale + framed(request, good)

    async with answering(stale_then_good) as port:
        link = ModbusLink("127.0.0.1", port)
        assert list(await link.read(1, 3, 0x1006, 2)) == [1, 2]
        link.close()

    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = framed(await reader.readexactly(12), good)
        for end in range(len(answer)):
            writer.write(answer[end : end + 1])
            await writer.drain()
            await asyncio.sleep(0.001)
        await reader.read()
        writer.close()

        done.set()

    done = asyncio.Event()
    server = await asyncio.start_server(in_pieces, "127.0.0.1", 0)
    async with server:
        link = ModbusLink("127.0.0.1", server.sockets[0].getsockname()[1])
        assert list(await link.read(1, 3, 0x1006, 2)) == [1, 2]
        link.close()
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()


async def test_a_header_without_the_rest_is_a_time_out() -> None:
    async with answering(lambda request: request[:7]) as port:
        link = ModbusLink("127.0.0.1", port, timeout_s=0.2)
        with pytest.raises(MeterReadError) as caught:
            await link.read(1, 3, 0x1006, 2)
        assert caught.value.trouble is Trouble.TIMEOUT
        link.close()


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", 1), ("no..such..host", 502), ("127.0.0.1", 70_000), ("", 1)],
)
async def test_an_address_that_leads_nowhere_is_unreachable(host: str, port: int) -> None:
    link = ModbusLink(host, port, timeout_s=0.5)
    with pytest.raises(MeterReadError) as caught:
        await link.read(1, 3, 0x1000, 2)
    assert caught.value.trouble is Trouble.UNREACHABLE


async def test_trial_of_a_good_meter() -> None:
    async with serving(simulated("F4N200", wiring=Wiring(kta=80))) as server:
        result = await probe_meter(
            config(server.port, "BTicino F4N200"), catalogue(), SystemClock()
        )
        assert (result.ok, result.error_key) == (True, None)
        assert result.verdicts == ("meter-test-identified",)
        assert ("current_l3", -5.0, "A") in result.values
        assert ("voltage_l1_n", 230.0, "V") in result.values
        assert ("ct_ratio_kta", 80.0, "ratio") in result.values
        assert {"flag", "enum", "id"}.isdisjoint(unit for _, _, unit in result.values)
        assert server.other_requests == 0


async def test_trial_of_an_unproven_model_that_speaks_another_map() -> None:
    async with serving(simulated("Nemo 96HD+")) as server:
        result = await probe_meter(
            config(server.port, "Legrand 4 120 93"), catalogue(), SystemClock()
        )
        assert result.ok
        assert result.verdicts == (
            "meter-test-other-map",
            "meter-test-other-model",
            "meter-test-unproven",
        )


async def test_trial_with_the_wrong_word_format() -> None:
    async with serving(simulated(wiring=Wiring(word_format="swap"))) as server:
        result = await probe_meter(config(server.port), catalogue(), SystemClock())
        assert not result.ok
        assert result.verdicts == (Doubt.WORD_FORMAT,)
        assert result.values


async def test_trial_of_something_that_is_no_known_meter() -> None:
    async with serving(simulated(SimulatedModel("x", ()))) as server:
        result = await probe_meter(config(server.port), catalogue(), SystemClock())
        assert (result.ok, result.error_key, result.values) == (False, "meter-refused", ())


@pytest.mark.parametrize(
    ("fault", "key"), [(Fault.SILENT, "meter-timeout"), (Fault.GATEWAY, "meter-gateway")]
)
async def test_trial_of_a_meter_that_does_not_answer(fault: Fault, key: str) -> None:
    bank = simulated()
    bank.fault = fault
    async with serving(bank) as server:
        result = await probe_meter(config(server.port), catalogue(), SystemClock())
        assert (result.ok, result.error_key) == (False, key)


async def test_trial_of_an_unknown_model() -> None:
    with pytest.raises(NotFoundError):
        await probe_meter(config(1, "Acme 1"), catalogue(), SystemClock())


async def test_trial_cut_off_halfway() -> None:
    """The gateway goes away between the reading and the probing."""
    requests = 0

    def answer(request: bytes) -> bytes:
        nonlocal requests
        requests += 1
        return framed(request, b"\x83\x02") if requests <= 12 else b""

    async with answering(answer) as port:
        result = await probe_meter(config(port), catalogue(), SystemClock())
        assert (result.ok, result.error_key) == (False, "meter-unreachable")


async def test_the_command_serves_what_it_was_told() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", "meter", "--model", "Nemo 96HD+", "--port", "0"),
        *("--unit", "7", "--l1", "40", "--l3=-8", "--jitter", "0", "--kta", "80"),
        *("--word-format", "swap"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("IME Nemo 96HD+ on 127.0.0.1:")
        port = int(line.split(":")[1].split(",")[0])
        settings = msgspec.structs.replace(
            config(port, "Nemo 96HD+", unit_id=7), word_format="swap"
        )
        async with Watched(settings) as watched:
            reading = await watched.next_reading()
            assert reading.currents == PhaseCurrents(40_000, 0, -8_000)
            assert watched.meter.status.ratios.kta == 80
    finally:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
