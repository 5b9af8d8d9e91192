"""``python -m simulators replay``: the stations' side of a recorded conversation, once more.

What stations said is said again, in its order and at its pace, to any central system. What they
answered is answered again when the central system asks the same. Message ids and transaction ids
are the present ones. At the end every difference is told: an answer that differs from the recorded
one, a question that was not asked this time, and one that had not been asked then.

The file is an export of recorded frames (``bornier-frames/1``): a line about the export, then a
line of JSON for each frame.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from simulators.station import trust
from simulators.station.link import Link, websocket_link

FORMAT = "bornier-frames/1"

ANSWER_S = 30.0
"""As long as an answer is waited for."""

LONGEST_PAUSE_S = 60.0
"""A longer silence is cut short: nothing was said in it."""

LINGER_S = 1.0
"""At the end of a connection, for what the central system may still ask."""

_CLOSED: list[Any] = [0, "", "the connection was closed"]

VOLATILE = frozenset({"currentTime", "interval", "transactionId", "expiryDate", "listVersion"})
"""Fields of answers that may differ without meaning anything."""


@dataclass(frozen=True, slots=True)
class Said:
    """One recorded frame; ``kind`` is 2, 3 or 4 as on the wire, 0 for what is no frame."""

    at_s: float
    from_station: bool
    kind: int
    message_id: str
    action: str
    payload: Any
    text: str


@dataclass(slots=True)
class Connection:
    """What was said over one connection of a station, in order."""

    station_id: str
    frames: list[Said] = field(default_factory=list)

    def answers(self) -> list[tuple[Said, Said]]:
        """The central system's CALLs that the station answered, with its answers."""
        asked = {f.message_id: f for f in self.frames if f.kind == 2 and not f.from_station}
        return [
            (asked[answer.message_id], answer)
            for answer in self.frames
            if answer.from_station and answer.kind in (3, 4) and answer.message_id in asked
        ]


@dataclass(slots=True)
class Outcome:
    """How the replay of all stations went."""

    said: int = 0
    answered: int = 0
    differences: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)
    newly_asked: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether every answer was the recorded one."""
        return not self.differences


def read_recording(lines: Iterable[str]) -> dict[str, list[Connection]]:
    """The connections of each station, in order. Raises ``ValueError`` for another file."""
    source = iter(lines)
    try:
        head = json.loads(next(source))
        if head["format"] != FORMAT:
            raise ValueError(f"format {head['format']}")
    except (StopIteration, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"this is no recording of frames ({FORMAT}): {error}") from error
    found: dict[tuple[str, int], Connection] = {}
    for number, line in enumerate(source, 2):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            key = (str(record["station"]), int(record["connection"]))
            said = _said(record)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"line {number}: {error}") from error
        found.setdefault(key, Connection(key[0])).frames.append(said)
    stations: dict[str, list[Connection]] = {}
    for connection in found.values():
        stations.setdefault(connection.station_id, []).append(connection)
    return stations


def _said(record: dict[str, Any]) -> Said:
    text = str(record["text"])
    kind, message_id, action, payload = 0, "", str(record.get("action", "")), None
    try:
        frame = json.loads(text)
    except ValueError:
        frame = None
    if isinstance(frame, list) and len(frame) >= 3 and frame[0] in (2, 3, 4):
        kind, message_id = frame[0], str(frame[1])
        payload = frame[2] if kind == 3 else frame[2:] if kind == 4 else (frame[3:] or [{}])[0]
        action = str(frame[2]) if kind == 2 else action
    at = datetime.fromisoformat(record["at"]).timestamp()
    return Said(at, record["from"] == "station", kind, message_id, action, payload, text)


Connect = Callable[[str], Awaitable[Link]]
"""Opens a link for a station's identity. Raises ``OSError``."""


class StationReplay:
    """Plays all connections of one station, one after the other."""

    def __init__(
        self,
        connections: Sequence[Connection],
        connect: Connect,
        outcome: Outcome,
        speed: float,
        *,
        identity: str | None = None,
    ) -> None:
        """Play at ``speed`` times the recorded pace, as ``identity`` when that is another one."""
        self._connections = connections
        self._connect = connect
        self._outcome = outcome
        self._speed = speed
        self._identity = identity or connections[0].station_id
        self._transactions: dict[int, int] = {}
        self._link: Link | None = None
        self._ended = False
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._asked: dict[str, Said] = {}
        self._recorded: list[tuple[Said, Said]] = []
        self._given: dict[str, Said] = {}

    async def run(self) -> None:
        """Plays everything. Raises ``OSError`` when nobody answers at the address."""
        last_s: float | None = None
        for connection in self._connections:
            first_s = connection.frames[0].at_s
            if last_s is not None:
                await asyncio.sleep(self._pause_s(first_s - last_s))
            await self._play(connection)
            last_s = connection.frames[-1].at_s

    def _pause_s(self, recorded_s: float) -> float:
        return min(max(recorded_s, 0.0), LONGEST_PAUSE_S) / self._speed

    async def _play(self, connection: Connection) -> None:
        link = self._link = await self._connect(self._identity)
        self._waiting, self._asked, self._given = {}, {}, {}
        self._ended = False
        self._recorded = connection.answers()
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(link))
            try:
                last_s = connection.frames[0].at_s
                for said in connection.frames:
                    await asyncio.sleep(self._pause_s(said.at_s - last_s))
                    last_s = said.at_s
                    await self._repeat(said)
                await asyncio.sleep(LINGER_S)
            finally:
                listening.cancel()
        await link.close()
        self._outcome.not_asked += [
            f"{connection.station_id}: {question.action} {_short(question.payload)}"
            for question, _ in self._recorded
        ]

    async def _repeat(self, said: Said) -> None:
        """Says what the station said, or waits for what it was answered."""
        if said.from_station:
            if said.kind == 2:
                payload = self._present(said.payload)
                self._asked[said.message_id] = said
                waiting = asyncio.get_running_loop().create_future()
                self._waiting[said.message_id] = waiting
                if self._ended:
                    waiting.set_result(_CLOSED)
                await self._send([2, said.message_id, said.action, payload])
            elif said.kind == 0:
                assert self._link is not None
                self._outcome.said += 1
                await self._link.send(said.text)
        elif said.kind in (3, 4) and said.message_id in self._waiting:
            await self._compare(said)

    async def _send(self, frame: list[Any]) -> None:
        assert self._link is not None
        self._outcome.said += 1
        await self._link.send(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def _compare(self, recorded: Said) -> None:
        asked = self._asked.pop(recorded.message_id)
        told = f"{asked.action} {_short(asked.payload)}"
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await self._waiting[recorded.message_id]
        except TimeoutError:
            self._differ(f"{told}: no answer, recorded was {_short(recorded.payload)}")
            return
        finally:
            del self._waiting[recorded.message_id]
        self._outcome.answered += 1
        if answer[0] != recorded.kind:
            self._differ(f"{told}: {_short(answer[2:])}, recorded was {_short(recorded.payload)}")
            return
        if recorded.kind == 4:
            if answer[2:3] != recorded.payload[:1]:
                self._differ(f"{told}: {answer[2]}, recorded was {recorded.payload[0]}")
            return
        self._learn(recorded.payload, answer[2])
        if _lasting(answer[2]) != _lasting(recorded.payload):
            self._differ(f"{told}: {_short(answer[2])}, recorded was {_short(recorded.payload)}")

    def _differ(self, text: str) -> None:
        self._outcome.differences.append(f"{self._identity}: {text}")

    def _learn(self, recorded: Any, present: Any) -> None:
        if isinstance(recorded, dict) and isinstance(present, dict):
            then, now = recorded.get("transactionId"), present.get("transactionId")
            if isinstance(then, int) and isinstance(now, int):
                self._transactions[then] = now

    def _present(self, payload: Any) -> Any:
        """``payload`` with the transaction that runs now."""
        if isinstance(payload, dict) and payload.get("transactionId") in self._transactions:
            return payload | {"transactionId": self._transactions[payload["transactionId"]]}
        return payload

    async def _listen(self, link: Link) -> None:
        while (text := await link.receive()) is not None:
            try:
                frame = json.loads(text)
                kind, message_id = frame[0], frame[1]
            except (ValueError, LookupError, TypeError):
                self._differ(f"unreadable: {text[:80]}")
                continue
            if kind == 2:
                await self._answer(message_id, str(frame[2]), (frame[3:] or [{}])[0])
            elif str(message_id) in self._waiting:
                _settle(self._waiting[str(message_id)], frame)
        self._ended = True
        for waiting in self._waiting.values():
            _settle(waiting, _CLOSED)

    async def _answer(self, message_id: str, action: str, payload: Any) -> None:
        """Answers as the station did: to the same question, else to the next of its kind."""
        same_kind = [pair for pair in self._recorded if pair[0].action == action]
        pair = next(
            (each for each in same_kind if self._present(each[0].payload) == payload),
            same_kind[0] if same_kind else None,
        )
        if pair is not None:
            self._recorded.remove(pair)
            answer = self._given[action] = pair[1]
        else:
            self._outcome.newly_asked.append(f"{self._identity}: {action} {_short(payload)}")
            last = self._given.get(action)
            if last is None:
                told = "was not asked when this was recorded"
                await self._send([4, message_id, "NotSupported", told, {}])
                return
            answer = last
        tail = answer.payload if answer.kind == 4 else [answer.payload]
        await self._send([answer.kind, message_id, *tail])


def _settle(waiting: asyncio.Future[list[Any]], frame: list[Any]) -> None:
    if not waiting.done():
        waiting.set_result(frame)


def _lasting(payload: Any) -> Any:
    """An answer without what differs from run to run."""
    if isinstance(payload, dict):
        return {k: _lasting(v) for k, v in payload.items() if k not in VOLATILE}
    return payload


def _short(payload: Any) -> str:
    text = json.dumps(payload, ensure_ascii=False)
    return text if len(text) <= 120 else text[:119] + "…"


async def replay(
    stations: dict[str, list[Connection]],
    connect: Connect,
    *,
    speed: float = 1.0,
    identity: str | None = None,
) -> Outcome:
    """Plays all stations at once, each from its own first frame on.

    Raises ``OSError`` when a station finds no central system.
    """
    outcome = Outcome()
    first_s = min((each[0].frames[0].at_s for each in stations.values()), default=0.0)

    async def play(connections: list[Connection]) -> None:
        later_s = connections[0].frames[0].at_s - first_s
        await asyncio.sleep(min(later_s, LONGEST_PAUSE_S) / speed)
        await StationReplay(connections, connect, outcome, speed, identity=identity).run()

    results = await asyncio.gather(
        *(play(connections) for connections in stations.values()), return_exceptions=True
    )
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return outcome


# ---------------------------------------------------------------- command line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the ``replay`` command."""
    parser.add_argument("file", type=Path, help="an export of recorded frames (.jsonl)")
    parser.add_argument(
        "--url",
        default="ws://127.0.0.1:8080/ocpp",
        help="address of the central system; the station's identity is appended",
    )
    parser.add_argument("--station", help="of this station of the file only")
    parser.add_argument("--identity", help="play that one station under another identity")
    parser.add_argument("--speed", type=float, default=1.0, help="times the recorded pace")
    trust.add_arguments(parser)


def main(options: argparse.Namespace) -> int:
    """Runs the command: 0 when every answer was the recorded one, 1 when not, 2 in trouble."""
    try:
        with options.file.open(encoding="utf-8") as lines:
            stations = read_recording(lines)
        if options.station is not None:
            stations = {options.station: stations[options.station]}
        if options.identity is not None and len(stations) != 1:
            raise ValueError("--identity is for one station: choose it by --station")
        if options.speed <= 0:
            raise ValueError("--speed is above 0")
        tls = trust.client_context(options.url, options.ca, insecure=options.insecure)
        outcome = asyncio.run(
            replay(
                stations,
                connector(options.url, tls),
                speed=options.speed,
                identity=options.identity,
            )
        )
    except (OSError, ValueError, LookupError) as error:
        sys.stderr.write(f"replay: {error}\n")
        return 2
    print(f"{outcome.said} frames said, {outcome.answered} answers compared")
    for title, lines_told in (
        ("answered differently", outcome.differences),
        ("not asked this time", outcome.not_asked),
        ("asked this time only", outcome.newly_asked),
    ):
        if lines_told:
            print(f"{title}: {len(lines_told)}")
            for line in lines_told:
                print(f"  {line}")
    return 0 if outcome.same else 1


def connector(url: str, tls: ssl.SSLContext | None = None) -> Connect:
    """Links to ``url`` with the identity behind it."""

    async def connect(identity: str) -> Link:
        return await websocket_link(f"{url.rstrip('/')}/{quote(identity, safe='')}", tls=tls)

    return connect
