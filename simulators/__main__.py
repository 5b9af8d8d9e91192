"""Command line of the simulators, ``python -m simulators``:

``list|personas|describe|run|stations|meter|replay``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from simulators import replay
from simulators.children import ManagerPorts
from simulators.live import LiveSettings, run_live
from simulators.meter import cli as meter_cli
from simulators.plan import SitePlan, make_plan
from simulators.scenario import load_scenario, scenario_names
from simulators.station import cli as station_cli
from simulators.station import trust


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line, runs the command, returns the exit status."""
    options = _parser().parse_args(arguments)
    match options.command:
        case "list":
            return _list()
        case "personas":
            print(station_cli.describe_personas())
            return 0
        case "stations":
            return station_cli.main(options)
        case "meter":
            return meter_cli.run(options)
        case "replay":
            return replay.main(options)
    try:
        plan = _plan(options)
    except ValueError as error:
        sys.stderr.write(f"simulators: {error}\n")
        return 2
    if options.command == "describe":
        document = plan.provisioning(options.meter_host, options.meter_port)
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return 0
    return _run(plan, options)


def _plan(options: argparse.Namespace) -> SitePlan:
    return make_plan(
        load_scenario(options.scenario),
        seed=options.seed,
        stations=options.stations,
        meter_model=options.meter,
    )


def _list() -> int:
    for name in scenario_names():
        scenario = load_scenario(name)
        print(f"{name}\n  {scenario.title}")
        print(textwrap.indent(textwrap.fill(scenario.description.strip(), 86), "  "))
        print()
    return 0


def _run(plan: SitePlan, options: argparse.Namespace) -> int:
    ports = ManagerPorts(web=options.web_port, ocpp=options.ocpp_port, ocpps=options.ocpps_port)
    url = options.ocpp_url or f"ws://{ports.host}:{ports.ocpp}/ocpp"
    try:
        tls = trust.client_context(url, options.ca, insecure=options.insecure)
    except OSError as error:
        sys.stderr.write(f"simulators: {options.ca}: {error}\n")
        return 2
    settings = LiveSettings(
        ocpp_url=url,
        tls=tls,
        meter_host=options.meter_host,
        meter_port=options.meter_port,
        data=options.data if options.with_manager else None,
        ports=ports,
        duration_s=options.seconds,
    )
    try:
        asyncio.run(run_live(plan, settings, _tell))
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"simulators: {error}\n")
        return 1
    return 0


def _tell(text: str) -> None:
    print(f"site: {text}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators", description="Simulated stations, cars, meter and building"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the scenarios and what happens in them")
    commands.add_parser("personas", help="the makes of station and how each behaves")
    station_cli.add_arguments(
        commands.add_parser("stations", help="stations alone, pointed at any address")
    )
    meter_cli.add_arguments(commands.add_parser("meter", help="a meter alone"))
    replay.add_arguments(
        commands.add_parser("replay", help="recorded frames of stations, said once more")
    )
    describe = commands.add_parser("describe", help="print the site as the manager imports it")
    run = commands.add_parser("run", help="play a scenario in real time over real sockets")
    for command in (describe, run):
        command.add_argument("scenario", choices=scenario_names())
        command.add_argument("--stations", type=int, help="another number of stations")
        command.add_argument("--meter", metavar="MODEL", help='such as "Nemo D4-Le"')
        command.add_argument("--seed", type=int, default=1, help="another seed, other cars")
        command.add_argument("--meter-host", default="127.0.0.1")
        command.add_argument("--meter-port", type=int, default=5020)
    run.add_argument("--seconds", type=float, help="end after this long")
    run.add_argument(
        "--ocpp-url", help="where the stations connect; the identity is appended after a slash"
    )
    run.add_argument("--with-manager", action="store_true", help="start the manager as well")
    run.add_argument("--data", type=Path, default=Path("var"), help="the manager's data directory")
    run.add_argument("--web-port", type=int, default=8443)
    run.add_argument("--ocpp-port", type=int, default=8080)
    run.add_argument("--ocpps-port", type=int, default=8081)
    trust.add_arguments(run)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
