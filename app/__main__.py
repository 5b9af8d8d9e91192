"""Command line of the manager: ``python -m app serve`` and its maintenance commands."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from app.config import VERSION, Settings


def main(arguments: list[str] | None = None) -> int:
    """Parses the command line, runs the command, returns the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if not options.verbose:
        # One line for each connection of each station and browser says nothing that ours do not.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return _serve(options)


def _serve(options: argparse.Namespace) -> int:
    settings = Settings(
        data_dir=options.data,
        web_host=options.web_host,
        web_port=options.web_port,
        ocpp_host=options.ocpp_host,
        ocpp_port=options.ocpp_port,
        public_names=tuple(options.name),
    )
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # OpenSSL reads its policy when it is first used: settle it before ssl is imported.
    from app.adapters.tls_policy import ensure_tls_policy  # noqa: PLC0415

    ensure_tls_policy(settings.data_dir)
    import uvloop  # noqa: PLC0415

    from app.domain.errors import BornierError  # noqa: PLC0415
    from app.main import serve  # noqa: PLC0415

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
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
    serve.add_argument("--ocpp-port", type=int, default=8080)
    serve.add_argument(
        "--name", action="append", default=[], help="further name or address in the certificate"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
