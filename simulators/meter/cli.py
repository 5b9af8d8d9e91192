"""``python -m simulators meter``: one meter on a port, with currents given on the command line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time
from collections.abc import Sequence

from simulators.meter.bank import Fault, RegisterBank
from simulators.meter.memory import Wiring
from simulators.meter.models import MODELS, SimulatedModel, find_model
from simulators.meter.server import MeterServer
from simulators.meter.truth import RunningTruth

_TICK_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of the command."""
    parser.add_argument("--model", type=_model, default=find_model("Nemo D4-Le"))
    parser.add_argument("--list", action="store_true", help="print the references and end")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5020, help="0: any free port")
    parser.add_argument("--unit", type=int, default=1, help="Modbus unit id")
    for phase in ("l1", "l2", "l3"):
        parser.add_argument(
            f"--{phase}", type=float, default=0.0, metavar="A", help="negative: export"
        )
    parser.add_argument("--voltage", type=float, default=230.0, metavar="V")
    parser.add_argument("--power-factor", type=float, default=1.0)
    parser.add_argument(
        "--jitter", type=float, default=0.1, metavar="A", help="random part of every current"
    )
    parser.add_argument("--kta", type=int, default=1, help="current transformer ratio")
    parser.add_argument("--ktv", type=float, default=1.0, help="voltage transformer ratio")
    parser.add_argument("--word-format", choices=("big", "little", "swap"), default="big")
    parser.add_argument("--fault", type=Fault, choices=list(Fault), default=Fault.NONE)
    parser.add_argument("--max-words", type=int, default=125, help="longest read answered")


def main(argv: Sequence[str] | None = None) -> int:
    """Parses ``argv`` and serves until interrupted; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m simulators meter", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


def run(arguments: argparse.Namespace) -> int:
    """Serves the parsed command until interrupted; the exit status."""
    if arguments.list:
        print("\n".join(MODELS))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments))
    return 0


async def serve(arguments: argparse.Namespace) -> None:
    """Serves until cancelled; raises ``OSError`` when the port is taken."""
    volts = arguments.voltage
    truth = RunningTruth(
        voltages_v=(volts, volts, volts),
        power_factor=arguments.power_factor,
        start_s=time.monotonic(),
    )
    bank = RegisterBank(
        arguments.model,
        truth,
        wiring=Wiring(arguments.kta, arguments.ktv, arguments.word_format),
        max_words=arguments.max_words,
    )
    rng = random.Random()
    steady = (arguments.l1, arguments.l2, arguments.l3)

    def flicker() -> None:
        currents = [amps + rng.uniform(-1, 1) * arguments.jitter for amps in steady]
        truth.update(currents, time.monotonic())

    flicker()
    bank.fault = arguments.fault
    server = MeterServer({arguments.unit: bank}, arguments.host, arguments.port)
    await server.start()
    print(
        f"{arguments.model.name} on {arguments.host}:{server.port}, unit {arguments.unit}",
        flush=True,
    )
    try:
        while True:
            await asyncio.sleep(_TICK_S)
            flicker()
    finally:
        await server.stop()


def _model(name: str) -> SimulatedModel:
    try:
        return find_model(name)
    except KeyError:
        raise argparse.ArgumentTypeError(f"unknown meter {name!r}; see --list") from None
