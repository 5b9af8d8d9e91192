"""Stage ``install``: from a USB stick onto the box's own, empty disk, asked at the console."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tests.image import bench, disks
from tests.image.bench import Bench
from tests.image.errors import ImageTestError
from tests.image.machine import Hardware, Machine

_PROMPT: Final = "Type its name to erase it and install"
_DONE: Final = "Remove the stick"
_ASKED_S: Final = 300.0
_WRITE_S: Final = 600.0
_MODEL: Final = "QEMU HARDDISK"


def run(place: Bench) -> dict[str, Any]:
    """The stage's keys for the report. Raises ``ImageTestError`` at the first promise broken."""
    internal = disks.blank(place.scratch / "internal.qcow2", disks.DISK_BYTES)
    stick = place.fresh_disk("stick")
    with place.machine("stick", Hardware(disk=internal, stick=stick)) as box:
        box.wait("the installer's question", _ASKED_S, lambda: _questions(box) == 1)
        name = name_of_disk(box.console)
        place.say(f"it offers {name}")
        for wrong in ("yes", "", f"/dev/{name}"):
            asked = _questions(box)
            box.type(wrong + "\r")
            box.wait("the same question again", _ASKED_S, _asked_again(box, asked))
        if not disks.is_blank(internal):
            raise ImageTestError("a wrong answer changed the disk")
        place.say("wrong answers changed nothing")
        box.type(name + "\r")
        installed_s = box.wait(
            "the end of the installation", _WRITE_S, lambda: _DONE in box.console
        )
        place.say(f"installed, {installed_s:.0f} s after power-on")
        box.type("\r")
        box.wait_off(bench.OFF_S)
    with place.machine("installed", Hardware(disk=internal, payload=place.payload())) as box:
        boot_s = bench.wait_ready(box)
        bench.must_be_well(box)
        bench.first_person(box)
        place.say(f"the installed box answers after {boot_s:.0f} s")
        box.press_power_button()
        box.wait_off(bench.OFF_S)
    return {"install_ok": True}


def _questions(box: Machine) -> int:
    return box.console.count(_PROMPT)


def _asked_again(box: Machine, asked: int) -> Callable[[], bool]:
    return lambda: _questions(box) == asked + 1


def name_of_disk(console: str) -> str:
    """The internal disk's name, from the line that shows its size and model."""
    found = re.findall(rf"^\s*(\w+)\s+([\d.,]+[GM])\s.*{_MODEL}", console, re.MULTILINE)
    if [size for _, size in found] != ["8G"]:
        raise ImageTestError(f"the console offers {found}, not the one disk of 8G")
    return str(found[0][0])
