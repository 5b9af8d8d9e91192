"""Stage ``update``: what may replace the system, and what happens when that was a mistake."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, Final

from tests.image import bench, variants
from tests.image.bench import Bench
from tests.image.errors import ImageTestError
from tests.image.journal import journal
from tests.image.load import Acknowledged, Load, lost, promises
from tests.image.machine import Hardware, Machine

STATION: Final = "UPDATE-001"
PROMISES: Final = 6

TRIES: Final = 3
"""Of a slot that has not proved itself (GRUB's configuration)."""

REFUSED: Final = 2
"""Exit status of a command that refused what it was given."""

_COMMAND: Final = "cd /opt/bornier/current && PYTHONPATH=lib python3 -m app update"
_INSTALL_S: Final = 600.0
_TRIAL_S: Final = 600.0
"""From the order to restart until the new system has proved itself."""

_FALL_BACK_S: Final = 1500.0
"""Three starts that fail, each by its own timeout, and one that succeeds."""

_SLOT: Final = re.compile(r"Bornier, slot ([AB])[^\n]*")
"""The rest of the line too: GRUB says it twice, by the firmware's console and by the serial port."""


def run(place: Bench) -> dict[str, Any]:
    """The stage's keys for the report. Raises ``ImageTestError`` at the first promise broken."""
    following, sabotaged = variants.versions_after(place.image)
    hardware = Hardware(
        disk=place.fresh_disk("update"), payload=_bundles(place, following, sabotaged)
    )
    place.say("bundles made")
    with place.machine("update", hardware) as box:
        place.say(f"HTTPS after {bench.wait_ready(box):.0f} s")
        bench.first_person(box).describe([STATION])
        promised = _charge(box)
        place.say(f"{promises(promised)} records acknowledged")
        _wait_good(box)
        _refuse_bad_bundles(place, box)
        _update(place, box, following)
        _must_be_whole(box, promised)
        for sabotage in ("panic", "hang", "unhealthy"):
            _fall_back(place, box, sabotage)
            _must_run(box, "B", following)
            _must_tell_of_failure(box, sabotaged)
            _must_be_whole(box, promised)
    return {"update_ok": True, "rollback_ok": True}


def _bundles(place: Bench, following: str, sabotaged: str) -> Path:
    """The disk with the good bundle and all the bad ones."""
    root = place.image.parent / "root"
    ours = variants.build_keys()
    stranger = variants.strangers_keys(place.scratch / "stranger")
    work = place.scratch
    trifle = variants.trifle(work)
    newer = variants.newer(root, work / "newer.squashfs", following)
    saboteur = variants.sabotaged(root, work / "sabotaged.squashfs", sabotaged)
    next_bundle = variants.bundle(newer, following, work / "next.raucb", ours)
    made = [
        next_bundle,
        variants.bundle(saboteur, sabotaged, work / "sabotaged.raucb", ours),
        variants.bundle(trifle, following, work / "stranger.raucb", stranger),
        variants.bundle(trifle, following, work / "other.raucb", ours, compatible="other-board"),
        variants.bundle(trifle, variants.TOO_OLD, work / "old.raucb", ours),
        variants.flipped(next_bundle, work / "flipped.raucb"),
        variants.truncated(next_bundle, work / "truncated.raucb"),
    ]
    payload = place.payload(*made)
    for file in (newer, saboteur, *made):
        file.unlink()
    return payload


def _charge(box: Machine) -> list[Acknowledged]:
    with Load([(STATION, f"ws://127.0.0.1:{box.ocpp_port}/ocpp")], seed=1) as load:
        if not load.wait_promises(PROMISES, bench.REPORT_S):
            raise ImageTestError("the station got no answers")
        return load.promised()


def _refuse_bad_bundles(place: Bench, box: Machine) -> None:
    """Strangers', other hardware's, too old and damaged ones: refused, and nothing has changed."""
    before = _slots(box)
    for name in ("stranger", "other", "old", "truncated", "flipped"):
        answer = box.guest.run(
            f"{_COMMAND} install /run/image-test/{name}.raucb", within_s=_INSTALL_S
        )
        said = answer.output.strip().splitlines()
        place.say(f"{name}: exit status {answer.status}, {said[-1] if said else 'without a word'}")
        if answer.status != REFUSED or not said or "Traceback" in answer.output:
            raise ImageTestError(f"{name}.raucb was not refused properly: {answer}")
        after = _slots(box)
        if name == "flipped":
            # Its damage shows only when it is read, on its way into the slot that does not run.
            before = _running_slot(before)
            after = _running_slot(after)
        if after != before:
            raise ImageTestError(f"{name}.raucb changed the slots: {before} became {after}")


def _update(place: Bench, box: Machine, version: str) -> None:
    machine_id = box.guest.output("cat /etc/machine-id")
    inspected = box.guest.output(f"{_COMMAND} inspect /run/image-test/next.raucb")
    if version not in inspected:
        raise ImageTestError(f"inspect does not say which version it is: {inspected}")
    box.guest.output(f"{_COMMAND} install /run/image-test/next.raucb", within_s=_INSTALL_S)
    place.say("next version installed")
    box.guest.tell("systemctl reboot")
    box.wait_off(bench.OFF_S)
    _start_again(box)
    bench.wait_ready(box)
    _wait_good(box)
    _must_run(box, "B", version)
    place.say(f"version {version} runs and is good")
    if box.guest.output("cat /etc/machine-id") != machine_id:
        raise ImageTestError("the machine-id is another one after the update")
    box.guest.output(_HAS_MIGRATED)


_HAS_MIGRATED: Final = (
    "python3 -c \"import sqlite3; sqlite3.connect('file:/var/lib/bornier/bornier.sqlite3?mode=ro',"
    " uri=True).execute('SELECT * FROM image_test')\""
)


def _fall_back(place: Bench, box: Machine, sabotage: str) -> None:
    """A version that breaks in one way is tried, and given up for the one before."""
    box.guest.output(f"echo {sabotage} >/data/sabotage && sync")
    box.guest.output(f"{_COMMAND} install /run/image-test/sabotaged.raucb", within_s=_INSTALL_S)
    box.guest.tell("systemctl reboot")
    box.wait_off(bench.OFF_S)
    starts = _starts_until_back(box, sabotage)
    place.say(f"{sabotage}: slots started {' '.join(starts)}")
    bench.wait_ready(box)
    _wait_good(box)
    box.guest.output("rm /data/sabotage && sync")
    place.say(f"{sabotage}: back, {_slots(box)['outcome']}")


def _starts_until_back(box: Machine, sabotage: str) -> list[str]:
    """The slots started until the old one is."""
    starts: list[str] = []
    while starts[-1:] != ["B"]:
        if len(starts) > TRIES:
            raise ImageTestError(f"the sabotaged slot is not given up: {starts}")
        # Only a hang may look like one.
        _start_again(box, watchdog=sabotage == "hang" and len(starts) < TRIES)
        box.wait("a slot to start", _FALL_BACK_S, lambda: _starts(box))
        starts += _starts(box)[-1:]
        if starts[-1] == "A":
            box.wait("the failed start to end", _FALL_BACK_S, lambda: box.is_off, may_end=True)
    return starts


def _start_again(box: Machine, *, watchdog: bool = False) -> None:
    box.cut_power()
    box.hardware = dataclasses.replace(box.hardware, watchdog=watchdog)
    box.power_on()


def _must_be_whole(box: Machine, promised: list[Acknowledged]) -> None:
    bench.must_be_well(box)
    missing = lost(promised, journal(box))
    if missing:
        raise ImageTestError("acknowledged and lost: " + "; ".join(missing))


def _starts(box: Machine) -> list[str]:
    """The slots that GRUB has started since power-on."""
    return _SLOT.findall(box.console)


def _slots(box: Machine) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(box.guest.output(f"{_COMMAND} status --json"))
    return told


def _running_slot(slots: dict[str, Any]) -> dict[str, Any]:
    own = [slot for slot in slots["slots"] if slot["running"]]
    return {"running": slots["running"], "next": slots["next"], "slots": own}


def _must_run(box: Machine, slot: str, version: str) -> None:
    slots = _slots(box)
    told = box.guest.output(". /etc/os-release && echo $IMAGE_VERSION")
    if (slots["running"], slots["version"], told) != (slot, version, version):
        raise ImageTestError(f"version {version} does not run on slot {slot}: {told}, {slots}")


def _must_tell_of_failure(box: Machine, version: str) -> None:
    slots = _slots(box)
    outcome = slots.get("outcome") or {}
    if (outcome.get("state"), outcome.get("version")) != ("failed", version):
        raise ImageTestError(f"nothing tells of the failed update to {version}: {slots}")


def _wait_good(box: Machine) -> None:
    """Until the running slot has passed its trial."""
    box.wait("the running slot to be good", _TRIAL_S, lambda: _is_good(_slots(box)))


def _is_good(slots: dict[str, Any]) -> bool:
    return any(slot["running"] and slot["good"] for slot in slots["slots"])
