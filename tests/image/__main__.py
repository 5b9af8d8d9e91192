"""``python -m tests.image IMAGE STAGE``: boots the image and writes build/image-test.json."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.image import boot
from tests.image.machine import ImageTestError

REPORT: Final = Path("build/image-test.json")
STAGES: Final = {"boot": boot.run}


def main(image: Path, names: list[str]) -> int:
    """Runs the stages, each adding its keys to the report; 1 as soon as one fails."""
    report: dict[str, Any] = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    for name in names:
        with tempfile.TemporaryDirectory(prefix="bornier-image-") as folder:
            try:
                report |= STAGES[name](image, Path(folder))
            except ImageTestError as error:
                sys.stderr.write(f"image-test, stage {name}: {error}\n")
                return 1
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:] or list(STAGES)))
