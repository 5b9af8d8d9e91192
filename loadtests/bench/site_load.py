"""What the manager costs while it runs a simulated site of 100 stations over real sockets."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from loadtests.bench.process import running
from loadtests.bench.product import free_port, manager

SCENARIO = "demo-100"
STATIONS = 100
MEASURED_S = 60.0
RUN_S = 300.0  # the simulators end by themselves, whatever happens here
ALL_CONNECTED = f"{STATIONS} of {STATIONS} stations connected"


def _wait_for(text: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            print(f"  {line.strip()}", flush=True)
            return
    raise RuntimeError(f"the simulators ended ({process.wait()}) and never said: {text}")


def measure(logs: Path) -> Mapping[str, float]:
    """Memory and share of a core, once every station is connected and cars charge."""
    meter_port = str(free_port())
    describe = [sys.executable, "-m", "simulators", "describe", SCENARIO]
    described = subprocess.run(
        [*describe, "--meter-port", meter_port], check=True, capture_output=True, text=True
    )
    with manager(json.loads(described.stdout), logs / "manager-site.log") as (port, usage):
        command = ["-m", "simulators", "run", SCENARIO, "--meter-port", meter_port]
        command += ["--seconds", str(RUN_S), "--ocpp-url", f"ws://127.0.0.1:{port}/ocpp"]
        with running(command, logs / "simulators.log") as simulators:
            _wait_for(ALL_CONNECTED, simulators)
            start_s, before_s = time.monotonic(), usage.cpu_s()
            time.sleep(MEASURED_S)
            cpu_s = usage.cpu_s() - before_s
            return {
                "cpu_percent_100": 100 * cpu_s / (time.monotonic() - start_s),
                "rss_mb_100": usage.rss_mb(),
            }
