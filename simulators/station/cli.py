"""``python -m simulators stations``: a fleet of simulated stations against any OCPP address."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import random
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from simulators.station import console, trust
from simulators.station.config import ConnectorConfig, StationConfig
from simulators.station.dialer import Dialer
from simulators.station.ev import Car
from simulators.station.link import Link, LinkFactory
from simulators.station.persona import Persona, expand, load_persona, persona_names
from simulators.station.station import SimStation
from simulators.station.vault import Vault

ROTATIONS = ("RST", "STR", "TRS")
CARS = ((1, 16.0), (1, 32.0), (2, 16.0), (3, 16.0), (3, 16.0), (3, 32.0))
"""Phases and amperes of the cars that come."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the ``stations`` command."""
    parser.add_argument(
        "--url",
        default="ws://127.0.0.1:8080/ocpp",
        help="address of the central system; the station's identity is appended",
    )
    parser.add_argument("--count", type=int, default=10, help="number of stations")
    parser.add_argument("--prefix", default="A-", help="identities are the prefix and three digits")
    parser.add_argument(
        "--persona",
        action="append",
        metavar="MIX",
        help='make and firmware, or a mix such as "premium-2019:7,control-generic:3", or "all"; '
        'may be repeated, the stations take turns; "list" shows what there is',
    )
    parser.add_argument("--outlets", type=int, choices=(1, 2), default=1, help="outlets per post")
    parser.add_argument(
        "--occupied",
        type=float,
        help="share of outlets with a car (0.7; none by itself where commands say who comes)",
    )
    parser.add_argument("--free", action="store_true", help="charge without a badge")
    parser.add_argument("--id-tag", action="append", help="badges of the drivers; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="stop after this time")
    commands = parser.add_mutually_exclusive_group()
    commands.add_argument("--script", type=Path, help="commands to obey; the end of it is the end")
    commands.add_argument("--stdin", action="store_true", help="obey commands as they are typed")
    parser.epilog = console.__doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    trust.add_arguments(parser)
    trust.add_identity(parser)


def configurations(count: int, prefix: str, outlets: int, *, free: bool) -> list[StationConfig]:
    """``count`` posts with rotating phases; a second outlet is a single-phase socket."""
    configs = []
    for number in range(1, count + 1):
        rotation = ROTATIONS[number % 3]
        connectors = [ConnectorConfig(connector_id=1, rotation=rotation)]
        if outlets == 2:
            connectors.append(
                ConnectorConfig(
                    connector_id=2, phases=1, rotation=rotation, max_a=16.0, socket=True
                )
            )
        configs.append(
            StationConfig(
                station_id=f"{prefix}{number:03}",
                connectors=tuple(connectors),
                feed_limit_a=32.0,
                free_mode=free,
            )
        )
    return configs


class Fleet:
    """Stations on real sockets with cars that come and go; make it within a running loop."""

    def __init__(
        self,
        url: str,
        configs: Sequence[StationConfig],
        personas: Sequence[str],
        rng: random.Random,
        *,
        occupied: float,
        id_tags: Sequence[str] = (),
        vault_of: Callable[[str], Vault] = lambda _: Vault(),
        secure_url: str | None = None,
    ) -> None:
        self._rng = rng
        self._id_tags = list(id_tags)
        self._occupied = occupied
        self._url = url
        self._secure_url = secure_url
        self._trouble = ""
        self.stations = [
            self._station(
                config, load_persona(personas[n % len(personas)]), vault_of(config.station_id)
            )
            for n, config in enumerate(configs)
        ]

    def _station(self, config: StationConfig, persona: Persona, vault: Vault) -> SimStation:
        dialer = Dialer(self._url, config.station_id, persona, vault, self._secure_url)
        return SimStation(
            config,
            persona,
            self._telling(config.station_id, dialer),
            _utc_now,
            random.Random(self._rng.getrandbits(64)),
            vault=vault,
        )

    def _telling(self, station_id: str, dialer: Dialer) -> LinkFactory:
        async def connect() -> Link:
            try:
                return await dialer()
            except OSError as error:
                self._tell_trouble(f"{station_id}: {error}", str(error))
                raise

        return connect

    def _tell_trouble(self, text: str, cause: str) -> None:
        """A hundred stations that fail for the same cause say so once."""
        if cause != self._trouble:
            self._trouble = cause
            print(text, file=sys.stderr, flush=True)

    async def run(self, seconds: float | None) -> None:
        """Connect, plug cars in and step them once a second; for ever without ``seconds``."""
        loop = asyncio.get_running_loop()
        for station in self.stations:
            station.start(self._rng.uniform(0.0, 2.0))
        started_s = last_s = loop.time()
        try:
            while seconds is None or loop.time() - started_s < seconds:
                await asyncio.sleep(1.0)
                now_s = loop.time()
                for station in self.stations:
                    station.step(now_s - last_s)
                last_s = now_s
                self._drive()
        finally:
            await asyncio.gather(*(station.stop() for station in self.stations))

    def _drive(self) -> None:
        """Fill empty outlets up to the wanted share, and take full cars away."""
        outlets = [(s, c) for s in self.stations if s.connected for c in s.connectors]
        taken = 0
        for station, connector in outlets:
            if connector.car is not None and connector.car.full:
                station.unplug(connector.connector_id)
            taken += connector.car is not None
        for station, connector in outlets:
            if taken >= self._occupied * len(outlets):
                return
            if connector.car is None:
                phases, max_a = self._rng.choice(CARS)
                car = Car(phases=phases, max_a=max_a, soc0=self._rng.uniform(0.1, 0.8))
                tag = self._rng.choice(self._id_tags) if self._id_tags else None
                station.plug(connector.connector_id, car, tag)
                taken += 1

    def summary(self) -> str:
        """One line on what happened."""
        online = sum(station.connected for station in self.stations)
        started = sum(station.transactions_started for station in self.stations)
        profiles = sum(station.counters.profile_messages for station in self.stations)
        current_a = sum(max(c.current_a) for s in self.stations for c in s.connectors)
        return (
            f"{online}/{len(self.stations)} stations connected, {started} transactions, "
            f"{profiles} profile messages, {current_a:.0f} A drawn in all"
        )


def describe_personas() -> str:
    """The makes that there are, with a line on each."""
    names = persona_names()
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {load_persona(name).description}" for name in names)


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def serve(args: argparse.Namespace) -> None:
    """Run the fleet that ``args`` describes until it is interrupted, or its script ends."""
    commanded = args.script is not None or args.stdin
    occupied = args.occupied if args.occupied is not None else 0.0 if commanded else 0.7
    fleet = Fleet(
        args.url,
        configurations(args.count, args.prefix, args.outlets, free=args.free),
        expand(args.persona or ["control-generic"]),
        random.Random(args.seed),
        occupied=occupied,
        id_tags=args.id_tag or (),
        vault_of=functools.partial(trust.vault_of, args),
        secure_url=args.secure_url,
    )
    loop = asyncio.get_running_loop()
    running = loop.create_task(fleet.run(args.seconds))
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, running.cancel)
    reporting = loop.create_task(_report(fleet))
    listening = loop.create_task(_listen(fleet, args)) if commanded else None
    if listening is not None:
        listening.add_done_callback(lambda _: running.cancel())
    with contextlib.suppress(asyncio.CancelledError):
        await running
    reporting.cancel()
    print(fleet.summary())
    if listening is not None:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def _listen(fleet: Fleet, args: argparse.Namespace) -> None:
    obeying = console.Console(fleet.stations, lambda text: print(text, flush=True))
    if args.script is not None:
        await obeying.follow(console.lines_of(args.script), strict=True)
    else:
        await obeying.follow(console.typed_lines(), strict=False)


async def _report(fleet: Fleet) -> None:
    while True:
        await asyncio.sleep(10.0)
        print(fleet.summary(), flush=True)


def main(args: argparse.Namespace) -> int:
    """Run the command; the exit code."""
    if args.persona == ["list"]:
        print(describe_personas())
        return 0
    try:
        asyncio.run(serve(args))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"stations: {error}\n")
        return 1
    return 0
