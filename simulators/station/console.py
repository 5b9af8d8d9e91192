"""Commands for a fleet of simulated stations, typed or read from a script, one a line.

    plug A-001 3 16        a car of three phases and 16 A (also A-001/2 for the second outlet)
    swipe A-001 TAG        a badge is held to the reader
    unplug A-001           the car leaves
    fault A-001/1          the outlet breaks down; ``repair A-001/1`` mends it
    fault A-001 NAME=VALUE changes what is wrong with it, such as clock_skew_s=3600
    cut A-001 [SECONDS]    closes its connection, or takes the network away for a while
    ghost A-001            leaves its connection half open and opens another
    power A-001 [SECONDS]  the mains fail (20 s without a number)
    reboot A-001           it restarts
    certificate A-001      it asks for a client certificate
    event A-001 KIND       it tells of a security event
    wait SECONDS           nothing more is read for so long
    status                 one line for each station
    quit                   the end

``*`` in place of a station means all. What comes after ``#`` is a remark.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import msgspec

from simulators.station.config import Faults
from simulators.station.connector import Connector
from simulators.station.ev import Car
from simulators.station.station import SimStation

MOST_LINES = 10_000
"""Lines of a script, or typed in all."""

MOST_CHARACTERS = 1_000
"""Of one line."""

LONGEST_S = 86_400.0
"""Of a wait, a cut or a power failure."""

FAULTS = Faults.__struct_fields__


class CommandError(ValueError):
    """A line that cannot be obeyed; the text says why."""


class Quit(Exception):  # noqa: N818 - the wish to end is no error
    """The end was asked for."""


class Console:
    """Obeys lines; ``tell`` gets what there is to say."""

    def __init__(self, stations: Iterable[SimStation], tell: Callable[[str], None]) -> None:
        self._stations = {station.station_id: station for station in stations}
        self._tell = tell
        self._commands: dict[str, Callable[[SimStation, int | None, list[str]], None]] = {
            "certificate": _certificate,
            "cut": _cut,
            "event": _event,
            "fault": _fault,
            "ghost": _ghost,
            "plug": _plug,
            "power": _power,
            "reboot": _reboot,
            "repair": _repair,
            "swipe": _swipe,
            "unplug": _unplug,
        }

    def obey(self, line: str) -> float:
        """Do what the line says; seconds to wait before the next one.

        Raises ``CommandError``, or ``Quit``.
        """
        if len(line) > MOST_CHARACTERS:
            raise CommandError("this line is too long")
        words = line.split("#", 1)[0].split()
        match words:
            case []:
                return 0.0
            case ["quit"]:
                raise Quit
            case ["wait", seconds]:
                return _seconds(seconds)
            case ["status"]:
                for station in self._stations.values():
                    self._tell(_status(station))
                return 0.0
            case [command, where, *rest] if command in self._commands:
                for station, outlet in self._places(where):
                    self._obey(command, station, outlet, rest)
                return 0.0
        raise CommandError(f"not understood: {' '.join(words)}")

    def _obey(self, command: str, station: SimStation, outlet: int | None, rest: list[str]) -> None:
        try:
            self._commands[command](station, outlet, rest)
        except KeyError as error:
            raise CommandError(f"{station.station_id} has no outlet {error}") from error
        except (ValueError, msgspec.ValidationError) as error:
            raise CommandError(f"{command} {station.station_id}: {error}") from error

    def _places(self, where: str) -> list[tuple[SimStation, int | None]]:
        name, slash, number = where.rpartition("/")
        if not slash or not (number.isascii() and number.isdigit()):
            name, number = where, ""
        outlet = int(number) if number else None
        if name == "*":
            return [(station, outlet) for station in self._stations.values()]
        if name not in self._stations:
            raise CommandError(f"no station {name}")
        return [(self._stations[name], outlet)]

    async def follow(self, lines: AsyncIterator[str], *, strict: bool) -> None:
        """Obey lines until they end or say ``quit``.

        A line that cannot be obeyed is told; with ``strict`` it is the end (``CommandError``).
        """
        number = 0
        async for line in lines:
            number += 1
            if number > MOST_LINES:
                raise CommandError(f"more than {MOST_LINES} lines")
            try:
                wait_s = self.obey(line)
            except Quit:
                return
            except CommandError as error:
                if strict:
                    raise CommandError(f"line {number}: {error}") from error
                self._tell(str(error))
                continue
            await asyncio.sleep(wait_s)


async def lines_of(path: Path) -> AsyncIterator[str]:
    """The lines of a script; raises ``OSError``, and ``CommandError`` where it is no text."""
    try:
        text = await asyncio.to_thread(path.read_text, "utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is no text") from error
    for line in text.splitlines():
        yield line


async def typed_lines() -> AsyncIterator[str]:
    """The lines of the standard input, as they come."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=4 * MOST_CHARACTERS)
    try:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
    except ValueError:  # a plain file: it does not keep anybody waiting
        for line in sys.stdin:
            yield line
        return
    try:
        while line := await reader.readline():
            yield line.decode("utf-8", "replace")
    finally:
        transport.close()


# ---------------------------------------------------------------------- single commands


def _plug(station: SimStation, outlet: int | None, rest: list[str]) -> None:
    if len(rest) > 2:
        raise ValueError("phases and amperes, no more")
    phases = int(rest[0]) if rest else 3
    max_a = float(rest[1]) if len(rest) > 1 else 16.0
    if phases not in (1, 2, 3) or not 1.0 <= max_a <= 80.0:
        raise ValueError("1 to 3 phases, 1 to 80 A")
    station.plug(_outlet(station, outlet).connector_id, Car(phases=phases, max_a=max_a, soc0=0.2))


def _unplug(station: SimStation, outlet: int | None, rest: list[str]) -> None:
    _none(rest)
    station.unplug(_outlet(station, outlet).connector_id)


def _swipe(station: SimStation, outlet: int | None, rest: list[str]) -> None:
    (tag,) = rest
    if not station.swipe(tag, outlet):
        raise ValueError("there is no reader, or no power")


def _fault(station: SimStation, outlet: int | None, rest: list[str]) -> None:
    if not rest:
        station.fail(_outlet(station, outlet).connector_id)
        return
    changes: dict[str, object] = {}
    for word in rest:
        name, _, value = word.partition("=")
        if name not in FAULTS:
            raise ValueError(f"no fault {name}; there are {', '.join(FAULTS)}")
        changes[name] = value.split(",") if name == "delay_s" else value
    checked = msgspec.convert(changes, Faults, strict=False)
    station.set_faults(**{name: getattr(checked, name) for name in changes})


def _repair(station: SimStation, outlet: int | None, rest: list[str]) -> None:
    _none(rest)
    station.repair(_outlet(station, outlet).connector_id)


def _cut(station: SimStation, _outlet_id: int | None, rest: list[str]) -> None:
    if rest:
        (seconds,) = rest
        station.go_offline(_seconds(seconds))
    else:
        station.drop_socket()


def _ghost(station: SimStation, _outlet_id: int | None, rest: list[str]) -> None:
    _none(rest)
    station.half_open()


def _power(station: SimStation, _outlet_id: int | None, rest: list[str]) -> None:
    (seconds,) = rest or ["20"]
    station.power_cut(_seconds(seconds))


def _reboot(station: SimStation, _outlet_id: int | None, rest: list[str]) -> None:
    _none(rest)
    station.reboot("Reboot")


def _certificate(station: SimStation, _outlet_id: int | None, rest: list[str]) -> None:
    _none(rest)
    station.request_certificate()


def _event(station: SimStation, _outlet_id: int | None, rest: list[str]) -> None:
    kind, *detail = rest
    station.security_event(kind, " ".join(detail) or None)


def _outlet(station: SimStation, number: int | None) -> Connector:
    return station.connectors[0] if number is None else station.connector(number)


def _none(rest: list[str]) -> None:
    if rest:
        raise ValueError(f"what is {rest[0]}?")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 <= seconds <= LONGEST_S:
        raise CommandError(f"seconds are a number from 0 to {LONGEST_S:.0f}, not {text}")
    return seconds


def _status(station: SimStation) -> str:
    link = "connected" if station.connected else "away" if station.powered else "without power"
    outlets = ", ".join(
        f"{each.connector_id} {each.status()} {max(each.current_a):.1f} A"
        for each in station.connectors
    )
    return f"{station.station_id} ({station.persona.name}) {link}: {outlets}"
