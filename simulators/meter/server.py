"""Modbus TCP: one meter, or a gateway with several, on a listening socket.

Framing is written out here (MBAP header: transaction, protocol 0, length, unit) rather than taken
from the library the manager uses, and a connection answers its requests one after the other, as a
serial gateway does.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Mapping

from simulators.meter.bank import (
    GATEWAY_NO_RESPONSE,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Fault,
    NoAnswerError,
    RefusedError,
    RegisterBank,
)

_HEADER = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
_LONGEST = 254


class MeterServer:
    """Serves banks by unit id. An unknown unit answers like a gateway whose bus is silent.

    ``other_requests`` counts requests that were no reads: a manager must never send any.
    """

    def __init__(
        self,
        banks: Mapping[int, RegisterBank],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        delay_s: float = 2.0,
    ) -> None:
        self.banks = dict(banks)
        self.delay_s = delay_s
        self.other_requests = 0
        self.connections = 0
        """Connections accepted so far."""
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._random = random.Random(port)

    @property
    def port(self) -> int:
        """The port in use: the one asked for, or the one the system gave; it survives a stop."""
        return self._port

    async def start(self) -> None:
        """Listens; raises ``OSError`` when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Closes the socket and every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            while True:
                transaction, protocol, length, unit = _HEADER.unpack(
                    await reader.readexactly(_HEADER.size)
                )
                if protocol != 0 or not 2 <= length <= _LONGEST:
                    break
                request = await reader.readexactly(length - 1)
                answer = await self._answer(unit, request)
                if answer is not None:
                    writer.write(_HEADER.pack(transaction, 0, len(answer) + 1, unit) + answer)
                elif unit in self.banks and self.banks[unit].fault is Fault.NOISE:
                    writer.write(self._random.randbytes(40))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, unit: int, request: bytes) -> bytes | None:
        function = request[0]
        try:
            if function not in {3, 4}:
                self.other_requests += 1
                raise RefusedError(ILLEGAL_FUNCTION)
            if len(request) != _READ.size:
                raise RefusedError(ILLEGAL_VALUE)
            bank = self.banks.get(unit)
            if bank is None:
                raise RefusedError(GATEWAY_NO_RESPONSE)
            if bank.fault is Fault.SLOW:
                await asyncio.sleep(self.delay_s)
            words = bank.read(*_READ.unpack(request))
        except RefusedError as refusal:
            return bytes((function | 0x80, refusal.code))
        except NoAnswerError:
            return None
        return bytes((function, 2 * len(words))) + struct.pack(f">{len(words)}H", *words)
