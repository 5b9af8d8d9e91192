"""Command line of the manager: ``python -m app serve`` and its maintenance commands."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from app.config import VERSION, Settings

_PLACE = "a directory, usb, or sftp://USER@HOST[:PORT]/FOLDER"
_FILE = "a file, or NAME behind usb/ or sftp://…/; of a place alone, the newest"


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line, runs the command, returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if not options.verbose:
        # One line for each connection of each station and browser says nothing that ours do not.
        for name in ("asyncssh", "uvicorn"):
            logging.getLogger(name).setLevel(logging.WARNING)
    if options.command == "serve":
        return _serve(options)
    if options.command in ("update", "box"):
        return _box(options)
    return _maintain(options)


def _box(options: argparse.Namespace) -> int:
    from app.box import Box  # noqa: PLC0415  serve must not import it before its TLS policy

    box = Box(options.socket)
    commands: dict[tuple[str, str], Callable[[], int]] = {
        ("update", "inspect"): lambda: box.inspect(options.file),
        ("update", "install"): lambda: box.install(options.file, reboot=options.reboot),
        ("update", "status"): lambda: box.status(json=options.json),
        ("update", "back"): box.back,
        ("network", "show"): lambda: box.network_show(json=options.json),
        ("network", "set"): lambda: box.network_set(
            dhcp=options.dhcp == "yes",
            addresses=options.address,
            gateway=options.gateway,
            dns=options.dns,
        ),
        ("network", "confirm"): box.network_confirm,
        ("time", "show"): lambda: box.time_show(json=options.json),
        ("time", "set"): lambda: box.time_set(options.instant),
        ("time", "zone"): lambda: box.time_zone(options.zone),
        ("time", "ntp"): lambda: box.time_ntp(options.server),
        ("power", "off"): box.power_off,
        ("power", "restart"): box.restart,
        ("ssh", "show"): lambda: box.ssh_show(json=options.json),
        ("ssh", "enable"): lambda: box.ssh_enable(options.keyfile),
        ("ssh", "disable"): box.ssh_disable,
    }
    return commands[getattr(options, "part", options.command), options.action]()


def _maintain(options: argparse.Namespace) -> int:
    # Serve must not import these before its TLS policy.
    from app import backup_commands, backup_schedule, maintenance  # noqa: PLC0415

    data: Path = options.data
    match options.command, getattr(options, "action", None):
        case "backup", "create":
            return backup_commands.create(data, options.to, options.passphrase_file, options.keep)
        case "backup", "verify":
            return backup_commands.verify(data, options.file, options.passphrase_file)
        case "backup", "list":
            return backup_commands.list_backups(data, options.place, options.passphrase_file)
        case "backup", "key":
            return backup_schedule.own_key(data)
        case "backup", "target":
            return backup_schedule.trust(data, options.target, options.host_key)
        case "backup", "schedule":
            return backup_schedule.schedule(
                data, options.to, options.keep, options.passphrase_file, options.remove
            )
        case "backup", "nightly":
            return backup_schedule.run_schedule(data)
        case "user", _:
            return maintenance.user_reset(options.name, data)
        case "check", _:
            return maintenance.check(data)
        case _:
            return backup_commands.restore(data, options.file, options.passphrase_file)


def _serve(options: argparse.Namespace) -> int:
    settings = Settings(
        data_dir=options.data,
        web_host=options.web_host,
        web_port=options.web_port,
        ocpp_host=options.ocpp_host,
        ocpp_port=options.ocpp_port,
        ocpps_port=options.ocpps_port,
        ocpp_strict=options.ocpp_strict,
        ftp_port=options.ftp_port,
        ftp_passive_ports=options.ftp_passive_ports,
        ntp_port=options.ntp_port,
        public_names=tuple(options.name),
        announce=options.announce,
        frames_most_mb=options.frames_mb,
        frames_keep_days=options.frames_days,
    )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # OpenSSL reads its policy when it is first used: settle it before ssl is imported.
    from app.adapters.tls_policy import ensure_tls_policy  # noqa: PLC0415

    ensure_tls_policy(settings.data_dir)
    import uvloop  # noqa: PLC0415

    from app.adapters import restore_in_place  # noqa: PLC0415
    from app.adapters.directory_lock import MANAGER_LOCK, lock  # noqa: PLC0415
    from app.domain.errors import BornierError  # noqa: PLC0415
    from app.main import serve  # noqa: PLC0415

    try:
        with (
            lock(settings.data_dir, MANAGER_LOCK) as alone,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            if not alone:
                sys.stderr.write(f"bornier: a manager is running on {settings.data_dir}\n")
                return 2
            restore_in_place.finish(settings.data_dir)
            document = None if options.provision is None else options.provision.read_bytes()
            runner.run(serve(settings, document))
    except BornierError as error:
        sys.stderr.write(f"bornier: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"bornier: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Bornier charge manager")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--verbose", action="store_true", help="log every detail")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the manager")
    serve.add_argument("--data", type=Path, default=Path("var"), help="data directory")
    serve.add_argument(
        "--provision", type=Path, help="site document (JSON) to import on an empty database"
    )
    serve.add_argument("--web-host", default="127.0.0.1")
    serve.add_argument("--web-port", type=int, default=8443)
    serve.add_argument("--ocpp-host", default="127.0.0.1")
    serve.add_argument("--ocpp-port", type=int, default=8080, help="stations")
    serve.add_argument(
        "--ocpps-port", type=_port_or_off, default=8081, help='stations over TLS; "off" for none'
    )
    serve.add_argument(
        "--ocpp-strict",
        action="store_true",
        help="no repairs of what stations send: for conformance tests only",
    )
    serve.add_argument(
        "--ftp-port",
        type=_port_or_off,
        default=8021,
        help='files of stations by FTP, while one needs it; "off" for none',
    )
    serve.add_argument(
        "--ftp-passive-ports",
        type=_port_range,
        default=(8022, 8029),
        help="FTP's data connections, first-last",
    )
    serve.add_argument(
        "--ntp-port",
        type=_port_or_off,
        default=None,
        help='tell stations the time (SNTP) on this UDP port; "off", the default, for none',
    )
    serve.add_argument(
        "--name", action="append", default=[], help="further name or address in the certificates"
    )
    serve.add_argument(
        "--no-announce",
        dest="announce",
        action="store_false",
        help="do not announce name and services on the network (mDNS)",
    )
    serve.add_argument(
        "--frames-mb", type=int, default=200, help="room for recorded OCPP frames; 0 records none"
    )
    serve.add_argument("--frames-days", type=int, default=14, help="how long they are kept")
    _add_backup(commands.add_parser("backup", help="make, check, list and restore backups"))
    restore = commands.add_parser("restore", help="the same as backup restore")
    _add_restore(restore)
    user = commands.add_parser("user", help="accounts of the pages")
    reset = user.add_subparsers(dest="action", required=True).add_parser(
        "reset", help="give an account a new one-time secret and print it"
    )
    reset.add_argument("name", help="the account, for example admin")
    _add_data(reset)
    check = commands.add_parser(
        "check", help="look at the data, the certificates and the disk; exit status 1 if wrong"
    )
    _add_data(check)
    _add_update(commands.add_parser("update", help="signed updates of the box"))
    _add_box(commands.add_parser("box", help="network, time, power and SSH of the box"))
    return parser


def _add_update(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    inspect = actions.add_parser("inspect", help="verify a bundle and say what it is")
    install = actions.add_parser("install", help="write a bundle to the other slot")
    for action in (inspect, install):
        action.add_argument("file", type=Path)
    install.add_argument("--reboot", action="store_true", help="restart into it at once")
    status = actions.add_parser("status", help="both slots, and how the last update ended")
    status.add_argument("--json", action="store_true")
    back = actions.add_parser("back", help="start the other slot next")
    for action in (inspect, install, status, back):
        _add_socket(action)


def _add_box(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", required=True)
    actions = {
        part: parts.add_parser(part).add_subparsers(dest="action", required=True)
        for part in ("network", "time", "power", "ssh")
    }

    def add(part: str, action: str, text: str) -> argparse.ArgumentParser:
        made = actions[part].add_parser(action, help=text)
        _add_socket(made)
        if action == "show":
            made.add_argument("--json", action="store_true")
        return made

    add("network", "show", "how LAN1 is set")
    network = add("network", "set", "try settings, taken back after a minute unless confirmed")
    network.add_argument("--dhcp", choices=("yes", "no"), default="yes")
    network.add_argument("--address", action="append", default=[], help="IPv4, 10.0.0.5/24")
    network.add_argument("--gateway")
    network.add_argument("--dns", action="append", default=[])
    add("network", "confirm", "keep the settings that are being tried")
    add("time", "show", "clock, zone, servers")
    add("time", "set", "set the clock").add_argument(
        "instant", help="such as 2026-11-25T14:30:00+01:00"
    )
    add("time", "zone", "set the zone of the system's records").add_argument("zone")
    add("time", "ntp", "set the servers; none leaves them to DHCP").add_argument(
        "server", nargs="*"
    )
    add("power", "off", "switch the box off")
    add("power", "restart", "start it anew")
    add("ssh", "show", "whether it is open, and to whom")
    add("ssh", "enable", "open it to the public keys of a file").add_argument("keyfile", type=Path)
    add("ssh", "disable", "close it and forget its keys")


def _add_socket(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket",
        type=Path,
        default=Path("/run/bornier-host/socket"),
        help="where the box's helper listens",
    )


def _add_backup(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make one; the manager may run meanwhile")
    create.add_argument("--to", metavar="PLACE", help=f"{_PLACE} (default: backups in the data)")
    create.add_argument(
        "--keep",
        type=_count,
        help="delete this machine's older backups beside it until so many remain",
    )
    verify = actions.add_parser("verify", help="read every byte of one")
    verify.add_argument("file", help=_FILE)
    show = actions.add_parser("list", help="name those of a place")
    show.add_argument("place", nargs="?", help=f"{_PLACE} (default: backups in the data)")
    key = actions.add_parser("key", help="print the box's public key, for an SFTP server")
    target = actions.add_parser("target", help="trust an SFTP server, and try to reach it")
    target.add_argument("target", metavar="sftp://USER@HOST[:PORT]/FOLDER")
    target.add_argument("--host-key", metavar="SHA256:…", help="what its administrator says")
    schedule = actions.add_parser("schedule", help="the targets of every night; shows them")
    schedule.add_argument("--to", metavar="PLACE", help=f"add or change: {_PLACE}")
    schedule.add_argument(
        "--keep", type=_count, default=14, help="how many of this machine stay there (default: 14)"
    )
    schedule.add_argument("--remove", metavar="PLACE", help="a target to serve no more")
    night = actions.add_parser("nightly", help="serve every scheduled target now")
    for action in (create, verify, show, key, target, schedule, night):
        _add_data(action)
    for action in (create, verify, show, schedule):
        _add_passphrase(action)
    _add_restore(actions.add_parser("restore", help="put one in the place of the data"))


def _add_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help=_FILE)
    # No default: the data that are replaced shall be named.
    parser.add_argument("--data", type=Path, required=True, help="data directory to replace")
    _add_passphrase(parser)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=Path("var"), help="data directory")


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file", type=Path, help="its first line; else asked for at the terminal"
    )


def _port_or_off(text: str) -> int | None:
    return None if text == "off" else int(text)


def _port_range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    ports = int(first), int(last if dash else first)
    if not 0 < ports[0] <= ports[1] < 65536:
        raise argparse.ArgumentTypeError("first-last")
    return ports


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    raise SystemExit(main())
