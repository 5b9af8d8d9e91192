"""The place where a stage works: its folder, its machines, and a box that somebody set up."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from tests.image import disks
from tests.image.errors import ImageTestError
from tests.image.machine import Hardware, Machine
from tests.image.site import Site

BOOT_S: Final = 900.0
"""To HTTPS, under software emulation on a machine busy with something else; a box takes a fortieth."""

REPORT_S: Final = 600.0
OFF_S: Final = 300.0


@dataclass(slots=True)
class Bench:
    """``logs`` keeps the consoles when a stage has failed; ``scratch`` is thrown away."""

    image: Path
    logs: Path
    scratch: Path
    pictures: Path | None = None
    _began_s: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """A line of progress, with the time since the stage began."""
        sys.stdout.write(f"{time.monotonic() - self._began_s:6.0f} s  {text}\n")
        sys.stdout.flush()

    def fresh_disk(self, name: str) -> Path:
        """A freshly flashed disk."""
        return disks.overlay(self.image, self.scratch / f"{name}.qcow2")

    def payload(self, *sources: Path) -> Path:
        """The test's disk, with ``sources`` on it."""
        return disks.payload(self.scratch / "payload.img", *sources)

    def machine(self, name: str, hardware: Hardware) -> Machine:
        """A box with a folder of logs of its own."""
        return Machine(hardware, self.logs / name)


def wait_ready(box: Machine, within_s: float = BOOT_S) -> float:
    """Until the pages answer; seconds since power-on."""
    return box.wait("HTTPS", within_s, lambda: is_ready(box))


def is_ready(box: Machine) -> bool:
    """The manager answers that it is well."""
    try:
        answer = httpx.get(
            f"https://127.0.0.1:{box.web_port}/health", verify=False, timeout=10, trust_env=False
        )
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def first_person(box: Machine) -> Site:
    """Somebody who has just signed in for the first time, with the secret from the console."""
    box.wait("the secret on the console", REPORT_S, lambda: _secret(box.console))
    return Site.first(box.web_port, _secret(box.console))


def facts(box: Machine) -> dict[str, list[str]]:
    """What ``guest/facts`` says. Raises ``ImageTestError`` when a unit failed or it is degraded."""
    found: dict[str, list[str]] = {}
    for line in box.guest.output("sh /run/image-test/facts", within_s=REPORT_S).splitlines():
        name, separator, value = line.partition("=")
        if separator:
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def must_be_well(box: Machine) -> None:
    """No failed unit, and the file system came up clean. Raises ``ImageTestError``."""
    told = box.guest.output(
        "systemctl is-system-running --wait; systemctl list-units --failed --plain --no-legend;"
        " cat /run/bornier/initramfs.log; ls /run/bornier",
        within_s=REPORT_S,
    )
    state, *rest = told.splitlines()
    text = "\n".join(rest)
    if state != "running":
        raise ImageTestError(f"the box is {state}: {text}")
    if re.search(r"INCONSISTENCY|FIXED|nothing-kept|error", text, re.IGNORECASE):
        raise ImageTestError(f"the data partition did not come up clean: {text}")


def _secret(console: str) -> str:
    found = re.findall(r"First sign-in: admin / ([a-z0-9-]+)", console)
    return found[-1] if found else ""
