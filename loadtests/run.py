"""``python -m loadtests.run [scenario…]``: Locust against a real manager, judged by thresholds.

For each scenario a manager of its own on free loopback ports, with a site of 100 stations and an
empty database. Leaves ``build/loadtest/``: an HTML report per scenario and ``summary.json``. The
exit code is 0 when every scenario has kept the bounds of ``thresholds.toml``.
"""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from loadtests.judgement import faults, summary
from tests.support.running import RunningManager, untrusting

ROOT = Path(__file__).parents[1]
LOCUST = ROOT / ".venv-load" / "bin" / "locust"
THRESHOLDS = ROOT / "loadtests" / "thresholds.toml"
REPORTS = ROOT / "build" / "loadtest"

SCENARIO_S = 240.0
"""A scenario that takes longer is ended, and has failed."""

STATIONS = 100
ID_TAG = "LOAD0001"
SUPPLY_A = 1000
"""A third of what all stations could draw: the manager has to share."""


def site() -> dict[str, Any]:
    """A supply without a meter, two feeders, and the stations of ``loadtests.stage``."""

    def circuit(name: str, parent: str | None, limit_a: int, background_a: int) -> dict[str, Any]:
        return {
            "id": name,
            "name": name,
            "parent": parent,
            "limit_a": [limit_a] * 3,
            "worst_background_a": [background_a] * 3,
        }

    return {
        "schema": "bornier-site/1",
        "name": "Load test",
        "timezone": "Europe/Paris",
        "circuits": [
            circuit("supply", None, SUPPLY_A, 50),
            circuit("north", "supply", SUPPLY_A * 6 // 10, 0),
            circuit("south", "supply", SUPPLY_A * 6 // 10, 0),
        ],
        "meters": [],
        "stations": [
            {
                "id": f"L-{number:03d}",
                "name": f"L-{number:03d}",
                "circuit": "north" if number % 2 else "south",
                "fallback_a": 0,
                "connectors": [{"id": 1}],
            }
            for number in range(1, STATIONS + 1)
        ],
        "badges": [{"id_tag": ID_TAG, "holder": "Load test"}],
    }


def choose_password(manager: RunningManager) -> str:
    """Signs in with the first-start secret and replaces it, as a person would; the password."""
    password = secrets.token_urlsafe(18)
    visitor = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=untrusting()),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
    )

    def send(path: str, **form: str) -> str:
        request = urllib.request.Request(
            manager.web_url + path,
            urllib.parse.urlencode(form).encode() if form else None,
            {"Sec-Fetch-Site": "same-origin"},
        )
        with visitor.open(request, timeout=30) as answer:
            return str(answer.read().decode())

    secret = manager.secret()
    page = send("/sign-in", name="admin", password=secret, next="/password")
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    if token is None:
        raise RuntimeError("the first sign-in failed")
    send("/password", csrf=token[1], current=secret, new=password, again=password)
    return password


def run_locust(name: str, manager: RunningManager, password: str) -> dict[str, Any]:
    """Plays the scenario; what it has left behind. Raises ``RuntimeError`` when it did not end."""
    report = REPORTS / f"{name}.json"
    report.unlink(missing_ok=True)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "BORNIER_LOAD_SCENARIO": name,
        "BORNIER_LOAD_OCPP": manager.ocpps_url if name.startswith("storm") else manager.ocpp_url,
        "BORNIER_LOAD_WEB": manager.web_url,
        "BORNIER_LOAD_PASSWORD": password,
        "BORNIER_LOAD_REPORT": str(report),
    }
    command = [
        str(LOCUST), "-f", "loadtests/locustfile.py", "--headless", "--only-summary",
        "--html", str(REPORTS / f"{name}.html"), "--stop-timeout", "5",
        "--exit-code-on-error", "0", "--loglevel", "WARNING",
    ]  # fmt: skip
    with (REPORTS / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        try:
            process.wait(SCENARIO_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if not report.exists():
        raise RuntimeError(f"{name} did not come to its end, see {REPORTS / name}.log")
    left: dict[str, Any] = json.loads(report.read_text())
    return left


def lost_transactions(database: Path, truth: dict[str, Any]) -> int:
    """Transactions that the manager does not have, has twice, or holds open against the truth."""
    with closing(sqlite3.connect(database)) as source:
        rows = {
            str(number): (station, stopped_us is not None)
            for number, station, stopped_us in source.execute(
                "SELECT transaction_id, station_id, stopped_us FROM charge_transaction"
            )
        }
    stopped = {str(number) for number in truth["stopped"]}
    missing = sum(
        1 for number, station in truth["started"].items() if rows.get(number, ("",))[0] != station
    )
    unended = sum(1 for number in stopped if number in rows and not rows[number][1])
    invented = max(0, len(rows) - len(truth["started"]) - int(truth["unsure"]))
    return missing + unended + invented


def play(name: str, bounds: dict[str, Any]) -> dict[str, Any]:
    """One scenario from an empty manager to its verdict."""
    with tempfile.TemporaryDirectory(prefix="bornier-load-") as folder:
        manager = RunningManager(Path(folder), site())
        manager.start()
        try:
            report = run_locust(name, manager, choose_password(manager))
        finally:
            status = manager.stop()
            (REPORTS / f"{name}-manager.log").write_text(manager.output)
        lost = lost_transactions(manager.database, report["truth"])
        found = faults(report, lost, bounds)
        if status != 0 or "Traceback" in manager.output:
            found.append(f"the manager: exit status {status}, see {name}-manager.log")
    for failure in report["failures"]:
        print(f"  failed {failure['times']} times: {failure['request']}: {failure['error']}")
    return summary(report, lost, found)


def main(argv: Sequence[str]) -> int:
    """Exit code of the command line."""
    thresholds = tomllib.loads(THRESHOLDS.read_text())
    unknown = [name for name in argv if name not in thresholds]
    if unknown:
        print(f"unknown scenario {', '.join(unknown)}; there are {', '.join(thresholds)}")
        return 2
    if not LOCUST.exists():
        print(f"{LOCUST} is missing: `make loadtest` installs it")
        return 2
    REPORTS.mkdir(parents=True, exist_ok=True)
    place = REPORTS / "summary.json"
    results: dict[str, Any] = {}
    if argv and place.exists():
        results = json.loads(place.read_text())
    for name in argv or thresholds:
        began_s = time.monotonic()
        print(f"{name}:", flush=True)
        try:
            told = play(name, thresholds[name])
        except (OSError, RuntimeError, AssertionError) as error:
            told = {"users": 0, "requests": 0, "failures": 0, "p50_ms": 0, "p95_ms": 0, "p99_ms": 0}
            told |= {"passed": False, "faults": [str(error)]}
        results[name] = told
        place.write_text(json.dumps(results, indent=2) + "\n")
        print(
            f"  {told['requests']} requests of {told['users']} users, {told['failures']} failures,"
            f" p50 {told['p50_ms']:g} ms, p95 {told['p95_ms']:g} ms, p99 {told['p99_ms']:g} ms"
        )
        for fault in told["faults"]:
            print(f"  MISS {fault}")
        verdict = "passed" if told["passed"] else "FAILED"
        print(f"  {verdict} ({time.monotonic() - began_s:.0f} s)", flush=True)
    return 0 if all(results[name]["passed"] for name in argv or thresholds) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
