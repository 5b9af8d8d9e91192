"""A backup made on one box and restored on another, with the box's own commands."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Final

from tests.image import bench, disks
from tests.image.bench import Bench
from tests.image.errors import ImageTestError
from tests.image.journal import journal
from tests.image.machine import Hardware, Machine

_COMMAND_S: Final = 300.0
_FOLDER: Final = "/run/image-test-backup"
_AS_BORNIER: Final = (
    "cd /opt/bornier/current && runuser -u bornier -- env PYTHONPATH=lib python3 -m app backup"
)
_PREPARE: Final = f"""
set -e
rm -rf {_FOLDER}
install -d -o bornier -g bornier -m 0700 {_FOLDER}
echo 'a passphrase of the test' >{_FOLDER}/passphrase
chown bornier: {_FOLDER}/passphrase
chmod 0600 {_FOLDER}/passphrase
"""


def create(box: Machine, folder: Path) -> Path:
    """A backup of a running box, copied out of it."""
    box.guest.output(_PREPARE)
    box.guest.output(
        f"{_AS_BORNIER} create --data /var/lib/bornier --to {_FOLDER}"
        f" --passphrase-file {_FOLDER}/passphrase",
        within_s=_COMMAND_S,
    )
    encoded = box.guest.output(f"base64 -w 0 {_FOLDER}/*.bornier-backup", within_s=_COMMAND_S)
    made = folder / "box.bornier-backup"
    made.write_bytes(base64.b64decode(encoded))
    return made


def restore_on_fresh_box(place: Bench, archive: Path, rows: list[dict[str, Any]]) -> None:
    """A new box with the backup must hold ``rows``. Raises ``ImageTestError`` when it does not."""
    hardware = Hardware(
        disk=place.fresh_disk("fresh"),
        payload=disks.payload(place.scratch / "fresh.payload.img", archive),
    )
    with place.machine("fresh", hardware) as box:
        bench.wait_ready(box)
        if journal(box):
            raise ImageTestError("a fresh box has transactions")
        box.guest.output(_PREPARE)
        box.guest.output(
            f"cp /run/image-test/{archive.name} {_FOLDER} && chown bornier: {_FOLDER}/{archive.name}"
            f" && systemctl stop bornier.service && {_AS_BORNIER} restore {_FOLDER}/{archive.name}"
            f" --data /var/lib/bornier --passphrase-file {_FOLDER}/passphrase",
            within_s=_COMMAND_S,
        )
        box.guest.output("systemctl start bornier.service", within_s=_COMMAND_S)
        bench.wait_ready(box)
        bench.must_be_well(box)
        restored = journal(box)
        if restored != rows:
            raise ImageTestError(
                f"{len(rows)} transactions were backed up, {len(restored)} restored or not the same"
            )
        box.press_power_button()
        box.wait_off(bench.OFF_S)
