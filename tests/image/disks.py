"""Disks of the virtual box: copies on write of an image, and the test's own disk."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

DISK_BYTES: Final = 8 * 1024**3
"""More than the image, so that the data partition has to grow."""

LABEL: Final = "BORNIER-TEST"
"""The test's disk is found by it: which of sda and sdb is which changes between boots."""

_SLACK_BYTES: Final = 16 * 1024**2
_HERE: Final = Path(__file__).parent


def overlay(base: Path, made: Path, base_format: str = "raw") -> Path:
    """A disk that starts as ``base`` and keeps its own changes; ``base`` must stay as it is.

    QEMU holds its tables in memory until the guest flushes: killing it loses what the guest had
    not made sure of, as a cut of the power does.
    """
    made.unlink(missing_ok=True)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base.resolve())]
    subprocess.run(
        [*command, "-F", base_format, str(made), *_size(base_format)], check=True, timeout=60
    )
    return made


def _size(base_format: str) -> list[str]:
    return [str(DISK_BYTES)] if base_format == "raw" else []


def blank(made: Path, size: int) -> Path:
    """An empty disk."""
    made.unlink(missing_ok=True)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", str(made), str(size)], check=True, timeout=60
    )
    return made


def clone(disk: Path, made: Path) -> Path:
    """A second disk with the state of ``disk``, whose machine must be off."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk, made], check=True, timeout=300)
    return made


def payload(made: Path, *sources: Path) -> Path:
    """The test's disk: what ``tests/image/guest`` holds, and each of ``sources`` by its name."""
    folder = made.with_suffix(".tree")
    folder.mkdir(parents=True, exist_ok=True)
    for source in (*(_HERE / "guest").iterdir(), *sources):
        subprocess.run(["cp", "-a", "--reflink=auto", source, folder], check=True, timeout=300)
    used = subprocess.run(
        ["du", "-s", "-B1", folder], check=True, capture_output=True, text=True, timeout=60
    )
    size = int(used.stdout.split()[0]) * 21 // 20 + _SLACK_BYTES
    made.unlink(missing_ok=True)
    with made.open("wb") as disk:
        disk.truncate(size)
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-b", "4096"]
    subprocess.run(
        [*command, "-L", LABEL, "-E", "root_owner=0:0", "-d", folder, made], check=True, timeout=300
    )
    subprocess.run(["rm", "-rf", folder], check=True, timeout=60)
    return made


def is_blank(disk: Path) -> bool:
    """Nothing was ever written to a disk of ``blank``."""
    told = subprocess.run(
        ["qemu-img", "map", "--output=json", "-U", str(disk)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return not any(extent["data"] for extent in json.loads(told.stdout))
