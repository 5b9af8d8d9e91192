"""The manager as a process of its own, on a site made for the bench."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from loadtests.bench.process import Usage, running

ID_TAG = "BENCH0001"
START_TIMEOUT_S = 60.0


def site(stations: int) -> dict[str, Any]:
    """A supply without a meter, wide enough for every station, and one badge."""
    limit_a = 32 * stations
    return {
        "schema": "bornier-site/1",
        "name": "Bench",
        "timezone": "Europe/Paris",
        "circuits": [
            {
                "id": "supply",
                "name": "Supply",
                "parent": None,
                "limit_a": [limit_a, limit_a, limit_a],
                "margin_a": 0,
                "worst_background_a": [0, 0, 0],
            }
        ],
        "meters": [],
        "stations": [
            {
                "id": station_id,
                "name": station_id,
                "place": "",
                "circuit": "supply",
                "max_a": 32,
                "fallback_a": 0,
                "connectors": [
                    {
                        "id": 1,
                        "phases": 3,
                        "rotation": "RST",
                        "max_a": 32,
                        "min_a": 6,
                        "controllable": True,
                    }
                ],
                "free_charging": False,
                "weight": 1.0,
            }
            for station_id in station_ids(stations)
        ],
        "badges": [{"id_tag": ID_TAG, "holder": "Bench", "active": True}],
    }


def station_ids(stations: int) -> list[str]:
    return [f"B-{number:03d}" for number in range(1, stations + 1)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, alive: Any) -> None:
    """Return once something listens; raise when `alive()` says the process ended first."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if not alive():
            raise RuntimeError("the process ended before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on port {port} after {START_TIMEOUT_S:.0f} s")


class Serving(NamedTuple):
    """A running manager: its ports of stations (plain, TLS), its data and its usage."""

    port: int
    tls_port: int
    data: Path
    usage: Usage


@contextmanager
def serving(document: dict[str, Any], log: Path, *, tls: bool = False) -> Iterator[Serving]:
    """The manager on a site document and an empty database, with the stations' TLS port or not."""
    with tempfile.TemporaryDirectory(prefix="bornier-bench-") as folder:
        provision = Path(folder, "site.json")
        provision.write_text(json.dumps(document))
        port, tls_port, web_port = free_port(), free_port(), free_port()
        data = Path(folder, "var")
        command = ["-m", "app", "serve", "--provision", str(provision), "--data", str(data)]
        command += ["--ocpp-port", str(port), "--web-port", str(web_port)]
        command += ["--ftp-port", "off", "--no-announce"]
        command += ["--ocpps-port", str(tls_port) if tls else "off"]
        with running(command, log) as process:
            try:
                # The TLS port is the last one that opens.
                wait_for_port(tls_port if tls else port, lambda: process.poll() is None)
            except RuntimeError as error:
                raise RuntimeError(f"the manager did not start ({error}), see {log}") from error
            yield Serving(port, tls_port, data, Usage(process.pid))


@contextmanager
def manager(document: dict[str, Any], log: Path) -> Iterator[tuple[int, Usage]]:
    """The manager's plain port of stations, and its usage."""
    with serving(document, log) as served:
        yield served.port, served.usage
