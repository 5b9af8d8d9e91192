"""`python -m loadtests.bench [part...]`: measures, prints, and writes build/bench.json.

Parts are `allocation`, `messages` and `site`; all of them without an argument. A part's figures
replace its former ones in the report.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import uvloop

from loadtests.bench import allocation, site_load, throughput

REPORT = Path("build/bench.json")
LOGS = Path("build/bench")

PARTS: Mapping[str, Callable[[], Mapping[str, float]]] = {
    "allocation": allocation.measure,
    "messages": lambda: uvloop.run(throughput.measure(LOGS)),
    "site": lambda: site_load.measure(LOGS),
}


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
            print(f"  {key} = {results[key]:g}")
        print(f"  ({time.monotonic() - start_s:.0f} s)", flush=True)
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        REPORT.write_text(json.dumps({"results": results}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
