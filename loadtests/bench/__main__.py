"""`python -m loadtests.bench [part...]`: measures, prints, and writes build/bench.json.

Parts are `allocation`, `optimum`, `messages`, `reaction`, `storm` and `site`; all of them without an
argument.
A part's figures replace its former ones in the report. Each figure is shown against what is hoped for; the exit code
does not depend on it, for a busy machine decides it too.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from loadtests.bench import allocation, optimum, reaction, site_load, storm, throughput

REPORT = Path("build/bench.json")
LOGS = Path("build/bench")

PARTS: Mapping[str, Callable[[], Mapping[str, float]]] = {
    "allocation": allocation.measure,
    "optimum": optimum.measure,
    "messages": lambda: uvloop.run(throughput.measure(LOGS)),
    "reaction": lambda: uvloop.run(reaction.measure(LOGS)),
    "storm": lambda: uvloop.run(storm.measure(LOGS)),
    "site": lambda: site_load.measure(LOGS),
}

# What the product promises of a figure: at most (<=) or at least (>=).
PROMISES: Mapping[str, str] = {
    "alloc_200_ms_median": "<= 5",
    "alloc_200_ms_max": "<= 50",
    "alloc_2000_ms_median": "<= 100",
    "alloc_optimum_total": ">= 0.995",
    "alloc_optimum_worst": ">= 0.99",
    "heartbeat_vs_echo": ">= 0.5",
    "metervalues_vs_echo": ">= 0.35",
    "metervalues_vs_stock_ocpp": ">= 5",
    "answer_ms_p99_100": "<= 20",
    "reaction_ms_p99_200": "<= 300",
    "storm_100_tls_s": "<= 10",
    "cpu_percent_100": "<= 5",
    "rss_mb_100": "<= 150",
}


def _kept(value: float, promise: str) -> bool:
    sign, bound = promise.split()
    return value <= float(bound) if sign == "<=" else value >= float(bound)


def main(argv: Sequence[str]) -> int:
    """Exit code of the command line."""
    unknown = [name for name in argv if name not in PARTS]
    if unknown:
        print(f"unknown part {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    results: dict[str, float] = {}
    if argv and REPORT.exists():
        results.update(json.loads(REPORT.read_text())["results"])
    for name in argv or PARTS:
        start_s = time.monotonic()
        print(f"{name}:", flush=True)
        figures = PARTS[name]()
        for key, value in figures.items():
            results[key] = float(f"{value:.4g}")
            promise = PROMISES[key]
            verdict = "ok  " if _kept(results[key], promise) else "MISS"
            print(f"  {verdict} {key} = {results[key]:g} (promised {promise})")
        print(f"  ({time.monotonic() - start_s:.0f} s)", flush=True)
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(json.dumps({"results": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
