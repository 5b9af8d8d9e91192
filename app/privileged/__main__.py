"""``python -m app.privileged``: the helper itself, and what it does at each start of the box."""

from __future__ import annotations

import argparse
import logging
import os
import pwd
import signal
from pathlib import Path

from app.privileged.machine import Machine

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None, machine: Machine | None = None) -> int:
    """Runs one command, returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    machine = machine or Machine()
    if options.command == "serve":
        return _serve(machine, options)
    if options.command == "apply":
        from app.privileged.boot import apply  # noqa: PLC0415  each command loads its own part

        apply(machine)
        return 0
    from app.privileged.trial import Trial, run  # noqa: PLC0415

    trial = Trial(
        web_port=options.web_port,
        station_ports=tuple(options.station_port or (8080,)),
        certificate=options.certificate,
        writable=options.writable,
        within_s=options.within_s,
    )
    return run(machine, trial)


def _serve(machine: Machine, options: argparse.Namespace) -> int:
    from app.privileged.desk import Desk  # noqa: PLC0415
    from app.privileged.server import Server, own_listener, passed_listener  # noqa: PLC0415

    uids = {0, *(options.uid or ())}
    if options.user is not None:
        try:
            uids.add(pwd.getpwnam(options.user).pw_uid)
        except KeyError:
            log.error("there is no user %s: root alone may ask", options.user)
    listener = passed_listener(os.environ)
    idle_s: float | None = options.idle_s
    if listener is None:
        if options.socket is None:
            log.error("systemd passes no socket, and --socket names none")
            return 2
        # Nobody would start it anew.
        listener, idle_s = own_listener(options.socket), None
    server = Server(listener, Desk(machine), uids, idle_s=idle_s)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    with listener:
        server.serve()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.privileged", description="What the box does as root"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer requests on the socket")
    serve.add_argument("--socket", type=Path, help="where systemd passes none")
    serve.add_argument("--user", help="the manager's user, who may ask beside root")
    serve.add_argument("--uid", type=int, action="append", help="a further user who may ask")
    serve.add_argument("--idle-s", type=float, default=120.0, help="end when nobody asks for long")
    commands.add_parser("apply", help="put the settings in their place, at boot")
    trial = commands.add_parser("trial", help="is this system well? exit status 0 if it is")
    trial.add_argument("--web-port", type=int, default=443)
    trial.add_argument("--station-port", type=int, action="append", help="default: 8080")
    trial.add_argument("--certificate", default="/var/lib/bornier/ui.crt")
    trial.add_argument("--writable", help="a mount point that must not be read-only")
    trial.add_argument("--within-s", type=float, default=300.0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
