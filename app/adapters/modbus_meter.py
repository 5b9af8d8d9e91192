"""Meters over Modbus TCP, directly or behind an RS485 gateway.

One connection per gateway address, shared by the meters behind it, carries one request at a time.
Connecting again is ours: the library's own loop gives up when the first attempt fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from app.adapters.meter_poller import MeterPoller, MeterReadError, converse
from app.domain.meter import MeterConfig, MeterReading, Quality
from app.meters.catalogue import Catalogue
from app.meters.identify import Finding, identify
from app.meters.schema import Confidence, MeterModel
from app.meters.status import MeterStatus, Trouble
from app.services.circuits import MeterTest
from app.services.ports import Clock

REQUEST_TIMEOUT_S = 0.8
"""Meters answer within 200 ms by specification; a gateway adds its queue and the bus delay."""

_CLOSE_AFTER_TIMEOUTS = 3
_GATEWAY_CODES = frozenset({0x0A, 0x0B})
_INPUT_REGISTERS = 4
_READ_FUNCTIONS = frozenset({3, _INPUT_REGISTERS})
_HEADER_BYTES = 7
_SHORTEST_FRAME = 9
_LONGEST_FRAME = 260

# Every time-out is an error record of the library; here it is a state of the meter.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class ModbusLink:
    """A connection to one host and port, opened by the first read and again after a loss."""

    def __init__(self, host: str, port: int, *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._timeouts = 0
        self._garbage = False
        self._lock = asyncio.Lock()

    async def read(
        self, unit_id: int, function_code: int, address: int, count: int
    ) -> Sequence[int]:
        """``count`` words of a unit; raises ``MeterReadError``. Safe to cancel."""
        async with self._lock:
            client = await self._connected()
            ask = (
                client.read_input_registers
                if function_code == _INPUT_REGISTERS
                else client.read_holding_registers
            )
            self._garbage = False
            try:
                answer = await ask(address, count=count, device_id=unit_id)
            except ModbusException as error:
                raise self._no_answer(client) from error
            except asyncio.CancelledError:
                self.close()  # an answer under way must not meet the next request
                raise
            self._timeouts = 0
            return _words(answer, function_code, count)

    def close(self) -> None:
        """Closes the connection; the next read opens another."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is not None and self._client.connected:
            return self._client
        self.close()
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._screen,
        )
        try:
            connected = await client.connect()
        except (ValueError, OverflowError) as error:  # a host or port that cannot exist
            raise MeterReadError(Trouble.UNREACHABLE) from error
        if not connected:
            raise MeterReadError(Trouble.UNREACHABLE)
        self._client = client
        self._timeouts = 0
        return client

    def _screen(self, sending: bool, data: bytes) -> bytes:
        """Keeps from the library what would make it drop the connection with a traceback."""
        if sending or _may_be_answers(data):
            return data
        self._garbage = True
        return b""

    def _no_answer(self, client: AsyncModbusTcpClient) -> MeterReadError:
        if not client.connected:
            return MeterReadError(Trouble.UNREACHABLE)
        self._timeouts += 1
        if self._timeouts >= _CLOSE_AFTER_TIMEOUTS:  # half-open, or a gateway that lost its way
            self.close()
        return MeterReadError(Trouble.GARBAGE if self._garbage else Trouble.TIMEOUT)


def _may_be_answers(data: bytes) -> bool:
    """Whether received bytes are answers to reads, the last of them perhaps not yet complete.

    An answer is an MBAP header (transaction, protocol 0, length, unit), then function, byte count
    and words, or function + 0x80 and an exception code.
    """
    while len(data) >= _HEADER_BYTES:
        end = 6 + int.from_bytes(data[4:6], "big")
        if data[2:4] != b"\0\0" or not _SHORTEST_FRAME <= end <= _LONGEST_FRAME:
            return False
        pdu, whole, data = data[7:end], len(data) >= end, data[end:]
        if not whole:
            return True
        if pdu[0] in _READ_FUNCTIONS:
            if len(pdu) != 2 + pdu[1] or pdu[1] % 2:
                return False
        elif pdu[0] & 0x7F not in _READ_FUNCTIONS or len(pdu) != 2:
            return False
    return True


def _words(answer: ModbusPDU, function_code: int, count: int) -> Sequence[int]:
    if isinstance(answer, ExceptionResponse):
        code = answer.exception_code
        raise MeterReadError(Trouble.GATEWAY if code in _GATEWAY_CODES else Trouble.REFUSED, code)
    if answer.function_code != function_code or len(answer.registers) != count:
        raise MeterReadError(Trouble.GARBAGE)
    return answer.registers


class ModbusLinks:
    """The open links, by address, so that meters behind one gateway take turns."""

    def __init__(self) -> None:
        self._links: dict[tuple[str, int], ModbusLink] = {}
        self._users: dict[tuple[str, int], int] = {}

    def acquire(self, host: str, port: int) -> ModbusLink:
        """The link to an address; give it back with ``release``."""
        key = (host, port)
        link = self._links.setdefault(key, ModbusLink(host, port))
        self._users[key] = self._users.get(key, 0) + 1
        return link

    def release(self, host: str, port: int) -> None:
        """Gives a link back; the last user closes it."""
        key = (host, port)
        self._users[key] -= 1
        if self._users[key] == 0:
            del self._users[key]
            self._links.pop(key).close()


class ModbusSource:
    """One unit behind a link, as a source of register words."""

    def __init__(self, link: ModbusLink, unit_id: int) -> None:
        self._link = link
        self._unit_id = unit_id

    async def read(self, function_code: int, address: int, count: int) -> Sequence[int]:
        """Exactly ``count`` words; raises ``MeterReadError``."""
        return await self._link.read(self._unit_id, function_code, address, count)


class ModbusMeter:
    """A configured meter on the network; a ``RunningMeter`` of the services.

    ``links`` is shared by meters that may stand behind one gateway.
    """

    def __init__(
        self,
        config: MeterConfig,
        catalogue: Catalogue,
        clock: Clock,
        on_reading: Callable[[MeterReading], None] | None = None,
        *,
        links: ModbusLinks | None = None,
        expected_kta: int | None = None,
    ) -> None:
        self.config = config
        self._links = ModbusLinks() if links is None else links
        self._link = self._links.acquire(config.host, config.port)
        self._poller = MeterPoller(
            config,
            catalogue,
            ModbusSource(self._link, config.unit_id),
            clock,
            on_reading,
            expected_kta=expected_kta,
        )

    @property
    def status(self) -> MeterStatus:
        """Connection, trouble, last values and the way they are read."""
        return self._poller.status

    @property
    def last_reading(self) -> MeterReading | None:
        """The newest complete reading, whatever its age."""
        return self._poller.last_reading

    @property
    def error_key(self) -> str | None:
        """Message key of the present trouble or doubt; ``None`` when the last poll was good."""
        return self._poller.error_key

    async def start(self) -> None:
        """Begins to poll in the background."""
        await self._poller.start()

    async def stop(self) -> None:
        """Ends the poll and gives the connection back; the meter is not started again."""
        await self._poller.stop()
        self._links.release(self.config.host, self.config.port)


async def probe_meter(
    config: MeterConfig, catalogue: Catalogue, clock: Clock, *, links: ModbusLinks | None = None
) -> MeterTest:
    """Reads a meter once, and probes which map it speaks, before it is saved.

    Raises ``NotFoundError`` for an unknown model; trouble with the meter is in the result.
    """
    links = ModbusLinks() if links is None else links
    source = ModbusSource(links.acquire(config.host, config.port), config.unit_id)
    try:
        poller = MeterPoller(config, catalogue, source, clock)
        reading = await poller.poll()
        if poller.status.error_key in _SILENT:
            return MeterTest(ok=False, error_key=poller.status.error_key)
        finding = await converse(source, identify(catalogue.families.values(), catalogue.models))
    except MeterReadError as error:
        return MeterTest(ok=False, error_key=error.trouble.value)
    finally:
        links.release(config.host, config.port)
    verdicts = _verdicts(poller.model, reading, finding)
    values = _shown_values(catalogue, poller.status)
    good = reading is not None and reading.quality is Quality.GOOD
    return MeterTest(ok=good, error_key=poller.status.error_key, values=values, verdicts=verdicts)


_SILENT = frozenset({Trouble.UNREACHABLE, Trouble.TIMEOUT, Trouble.GATEWAY})
_HIDDEN_UNITS = frozenset({"flag", "enum", "id"})
_UNPROVEN = frozenset({Confidence.C, Confidence.D})


def _shown_values(catalogue: Catalogue, status: MeterStatus) -> tuple[tuple[str, float, str], ...]:
    """What an installer compares with the meter's display, in the order of the map."""
    if not status.quantities:
        return ()
    return tuple(
        (register.name, status.quantities[register.name], register.unit)
        for register in catalogue.families[status.family].registers
        if register.name in status.quantities and register.unit not in _HIDDEN_UNITS
    )


def _verdicts(model: MeterModel, reading: MeterReading | None, finding: Finding) -> tuple[str, ...]:
    verdicts: list[str] = []
    if reading is not None and reading.reason:
        verdicts.append(reading.reason)
    if finding.family is not None and finding.family != model.family:
        verdicts.append("meter-test-other-map")
    if finding.models and model.label not in finding.models:
        verdicts.append("meter-test-other-model")
    if model.label in finding.models:
        verdicts.append("meter-test-identified")
    if model.confidence in _UNPROVEN:
        verdicts.append("meter-test-unproven")
    return tuple(verdicts)
