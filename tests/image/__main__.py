"""``python -m tests.image IMAGE [STAGE ...]``: boots the image and writes build/image-test.json."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

from tests.image import boot, install, power, update
from tests.image.bench import Bench
from tests.image.errors import ImageTestError

REPORT: Final = Path("build/image-test.json")
FOLDER: Final = Path("build/image-test")
_KEYS: Final = "keys.json"
STAGES: Final[dict[str, Callable[[Bench], dict[str, Any]]]] = {
    "boot": boot.run,
    "update": update.run,
    "power": power.run,
    "install": install.run,
}


def main(image: Path, names: list[str], *, pictures: bool) -> int:
    """Runs the stages, each adding its keys to the report; 1 as soon as one fails."""
    for name in names:
        began_s = time.monotonic()
        sys.stdout.write(f"==== image-test, stage {name}\n")
        logs = FOLDER / name
        # What an earlier run of the stage has found is no longer true until it passes again.
        shutil.rmtree(logs, ignore_errors=True)
        _write_report()
        scratch = logs / "scratch"
        scratch.mkdir(parents=True)
        place = Bench(image, logs, scratch, FOLDER if pictures else None)
        try:
            keys = STAGES[name](place)
        except (ImageTestError, httpx.HTTPError, OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"image-test, stage {name}: {error}\nconsoles: {logs}\n")
            return 1
        finally:
            shutil.rmtree(scratch)
        (logs / _KEYS).write_text(json.dumps(keys, indent=2) + "\n")
        _write_report()
        place.say(f"stage {name} done in {time.monotonic() - began_s:.0f} s")
    sys.stdout.write(json.dumps(_report(), indent=2) + "\n")
    return 0


def _write_report() -> None:
    """The keys of all the stages that have passed."""
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(_report(), indent=2) + "\n")


def _report() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in STAGES:
        keys = FOLDER / name / _KEYS
        if keys.exists():
            found |= json.loads(keys.read_text())
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("image", type=Path, help="the disk image, bornier-<version>-amd64.img")
    parser.add_argument("stages", nargs="*", metavar="stage", help=", ".join(STAGES))
    parser.add_argument(
        "--pictures", action="store_true", help="stage boot: photograph the console and first page"
    )
    return parser


if __name__ == "__main__":
    parser = _parser()
    options = parser.parse_args()
    unknown = set(options.stages) - set(STAGES)
    if unknown:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    raise SystemExit(main(options.image, options.stages or list(STAGES), pictures=options.pictures))
