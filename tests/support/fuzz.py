"""Mutated frames against a real listener: ``python -m tests.support.fuzz --frames 1000000 --seed 1``.

The listener runs in a process of its own on loopback, with services that say yes to everything and
keep calling their stations, so that answers are mutated as well. Stations connect again when they
are cut. After each handful of frames a station sends a Heartbeat and waits for the answer, unless
it has been cut. Exits with 1 when an answer stays away, when the listener has logged an unexpected
error, or when its memory has grown.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import uvloop

from app.adapters.clock import SystemClock
from app.adapters.ocpp_server import OcppListener, OcppSettings
from app.domain.errors import StationRefusedError, StationUnreachableError
from app.services.ports import StationLink
from app.services.tasks import TaskSupervisor
from tests.conversations.book import MANAGER_CALLS, STATION_CALLS
from tests.support.mutations import ANSWERS, CALLS, STRAYS, mutated

STATIONS: Final = 40
PATIENCE_S: Final = 60.0
WARM_UP: Final = 0.1
"""Share of the frames after which the memory is measured for the first time."""
MAX_GROWTH_MB: Final = 24.0
TEXT, BINARY, CLOSE, PING = 0x1, 0x2, 0x8, 0x9


# ---------------------------------------------------------------- the listener's process


class Obliging:
    """Services that accept everything, and call each station as long as it is there."""

    def __init__(self) -> None:
        self._tasks = TaskSupervisor()
        self._answers = {
            entry.call: msgspec.convert(entry.answers[0], entry.call.confirmation_type)
            for entry in STATION_CALLS
        }
        self._requests = [entry.request(entry.fullest) for entry in MANAGER_CALLS]

    async def connected(self, link: StationLink) -> None:
        """Begins to call."""
        self._tasks.start(self._pester(link), f"pester {link.station_id}")

    async def handle(self, link: StationLink, request: Any) -> Any:
        """The first answer in the book."""
        del link
        return self._answers[type(request)]

    async def disconnected(self, link: StationLink) -> None:
        """Its calls fail by themselves."""

    async def _pester(self, link: StationLink) -> None:
        for request in itertools.cycle(self._requests):
            try:
                await link.call(request, timeout_s=1.0)
            except StationRefusedError:
                continue
            except StationUnreachableError as error:
                if error.key == "station-offline":
                    return


async def listen() -> None:
    """Prints the port, and listens until SIGTERM."""
    listener = OcppListener(Obliging(), OcppSettings(host="127.0.0.1", port=0), SystemClock())
    await listener.start()
    print(listener.port, flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await listener.stop()


class Listening:
    """The listener's process."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fuzz", "--listen"],
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def rss_mb(self) -> float:
        """Memory of the process."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def stop(self) -> int:
        """Ends it, and returns its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            assert self._process.stdout is not None
            self._process.stdout.close()

    def unexpected(self) -> list[str]:
        """What the log says that it should not."""
        words = ("Traceback", " failed", "Task exception", "never retrieved")
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if any(word in line for word in words)]


# ---------------------------------------------------------------- the stations


class CutError(Exception):
    """The listener has ended the connection."""


def packed(message: str | bytes, kind: int = TEXT) -> bytes:
    """A message as one WebSocket frame of a client (masked by zeros); bytes may be no UTF-8."""
    data = message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message
    return _frame(0x80 | kind, data)


def _frame(first: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + data


class Fuzz:
    """The stations of one run."""

    def __init__(self, port: int, frames: int, seed: int) -> None:
        self.port = port
        self.left = frames
        self.sent = 0
        self.connections = 0
        self.cuts = 0
        self.answers = 0
        """Heartbeats answered after mutated frames."""
        self._seed = seed
        self._heartbeats = itertools.count(1)

    async def run(self, frames: int) -> None:
        """Sends so many more frames, all stations together."""
        self.left = frames
        async with asyncio.TaskGroup() as group:
            for number in range(STATIONS):
                group.create_task(
                    self._station(number, Random(f"{self._seed}/{number}/{self.sent}"))
                )

    async def _station(self, number: int, random: Random) -> None:
        while self.left > 0:
            reader, writer = await self._connect(f"F-{number:02d}")
            try:
                # Some stay for long, some come and go.
                for _ in range(random.choice((1, 5, 50, 500))):
                    if self.left <= 0:
                        break
                    await self._handful(reader, writer, random)
            except (CutError, ConnectionError, asyncio.IncompleteReadError):
                self.cuts += 1
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()

    async def _connect(self, identity: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        self.connections += 1
        writer.write(
            f"GET /ocpp/{identity} HTTP/1.1\r\nHost: manager\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        async with asyncio.timeout(PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return reader, writer

    async def _handful(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, random: Random
    ) -> None:
        """Some mutated frames, then a Heartbeat whose answer is waited for."""
        count = min(random.choice((1, 5, 20, 60, 120)), self.left)
        self.left -= count
        for _ in range(count):
            good = random.choice(CALLS if random.random() < 0.95 else STRAYS)
            kind = BINARY if random.random() < 0.1 else TEXT
            writer.write(packed(mutated(random, good), kind))
        self.sent += count
        if random.random() < 0.002:
            writer.write(random.randbytes(random.randint(1, 200)))  # no WebSocket frame at all
        await self._alive(reader, writer, random)

    async def _alive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, random: Random
    ) -> None:
        """Sends a Heartbeat until it is answered: the listener may say that it is busy."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                heartbeat = f"h{next(self._heartbeats)}"
                writer.write(packed(f'[2,"{heartbeat}","Heartbeat",{{}}]'))
                await writer.drain()
                while (frame := await self._hear(reader, writer))[1] != heartbeat:
                    if frame[0] == 2:
                        self._answer(writer, random, frame)
                if frame[0] == 3:
                    self.answers += 1
                    return
                assert frame[2] == "InternalError", frame

    def _answer(self, writer: asyncio.StreamWriter, random: Random, call: list[Any]) -> None:
        """Answers a call of the manager, more or less."""
        if random.random() < 0.05:
            return
        good = json.dumps([3, call[1], random.choice(ANSWERS[call[2]])])
        if random.random() < 0.1:
            good = json.dumps([4, call[1], "GenericError", "", {}])
        writer.write(packed(mutated(random, good) if random.random() < 0.7 else good))
        self.sent += 1

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[Any]:
        """The next OCPP frame. Raises ``CutError`` when the listener ends the connection."""
        while True:
            first, size = await reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await reader.readexactly(8), "big")
            data = await reader.readexactly(size)
            if first & 0xF == CLOSE:
                raise CutError
            if first & 0xF == PING:
                writer.write(_frame(0x8A, data))
                continue
            frame: list[Any] = json.loads(data)
            return frame


class Outcome(msgspec.Struct, frozen=True):
    """Figures of a run."""

    frames: int
    seconds: float
    connections: int
    cuts: int
    heartbeats_answered: int
    rss_before_mb: float
    rss_after_mb: float
    unexpected: list[str]
    exit_status: int

    @property
    def faults(self) -> list[str]:
        """What is wrong with it."""
        found = [f"logged: {line}" for line in self.unexpected[:10]]
        if self.rss_after_mb - self.rss_before_mb > MAX_GROWTH_MB:
            found.append(f"memory grew from {self.rss_before_mb} to {self.rss_after_mb} MB")
        if self.exit_status != 0:
            found.append(f"the listener ended with {self.exit_status}")
        return found


async def fuzz(frames: int, seed: int, log: Path) -> Outcome:
    """Sends ``frames`` mutated frames; raises when the listener does not answer any more."""
    listening = Listening(log)
    status = -1
    started_s = time.monotonic()
    try:
        run = Fuzz(listening.port, frames, seed)
        await run.run(max(1, int(frames * WARM_UP)))
        before_mb = listening.rss_mb()
        await run.run(frames - run.sent)
        witness = Fuzz(listening.port, 0, seed)
        reader, writer = await witness._connect("witness")
        await witness._alive(reader, writer, Random(seed))
        after_mb = listening.rss_mb()
        seconds = time.monotonic() - started_s
        writer.close()
    finally:
        status = listening.stop()
    return Outcome(
        frames=run.sent,
        seconds=round(seconds, 1),
        connections=run.connections,
        cuts=run.cuts,
        heartbeats_answered=run.answers + witness.answers,
        rss_before_mb=round(before_mb, 1),
        rss_after_mb=round(after_mb, 1),
        unexpected=listening.unexpected(),
        exit_status=status,
    )


def main() -> int:
    """Exit code of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--listen", action="store_true", help="be the listener")
    options = parser.parse_args()
    if options.listen:
        logging.basicConfig(level=logging.WARNING)
        uvloop.run(listen())
        return 0
    with tempfile.TemporaryDirectory(prefix="bornier-fuzz-") as folder:
        outcome = uvloop.run(fuzz(options.frames, options.seed, Path(folder, "listener.log")))
    print(json.dumps(msgspec.to_builtins(outcome), indent=2))
    for fault in outcome.faults:
        print(fault, file=sys.stderr)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
