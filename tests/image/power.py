"""Stage ``power``: what was acknowledged survives the loss of power, every time."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tests.image import backup, bench
from tests.image.bench import Bench
from tests.image.errors import ImageTestError
from tests.image.journal import journal
from tests.image.load import Load, lost, promises
from tests.image.machine import Hardware, Machine

CUTS: Final = 10
STATIONS: Final = 20
SEED: Final = 20261125

LOAD_S: Final = 240.0
"""For the stations to find the box again and the first promises to come."""

CUT_AFTER_S: Final = (0.0, 8.0)
"""Of flowing promises, before the power goes."""

LEAST_PROMISES: Final = 10
"""Between two cuts: a cut without load would prove nothing."""

WRONG_YEAR: Final = "2001-01-01T00:00:00"
"""What a box's clock says after its battery has died; at one of the starts."""

CLOCK_LOSS_S: Final = 120.0
"""The box saves the time once a minute, on a disk that commits within seconds."""


def run(place: Bench) -> dict[str, Any]:
    """The stage's keys for the report. Raises ``ImageTestError`` at the first promise broken."""
    hardware = Hardware(disk=place.fresh_disk("power"), payload=place.payload())
    names = [f"LOAD-{number:03}" for number in range(1, STATIONS + 1)]
    with place.machine("power", hardware) as box:
        place.say(f"HTTPS after {bench.wait_ready(box):.0f} s")
        bench.first_person(box).describe(names)
        place.say(f"{STATIONS} stations described")
        with Load(_addresses(box, names), SEED) as load:
            missing = _cut_again_and_again(place, box, load)
        promised = load.promised()
        rows = journal(box)
        missing |= set(lost(promised, rows))
        keys = {
            "power_cuts": CUTS,
            "power_cuts_lost": len(missing),
            "power_cuts_acknowledged": promises(promised),
        }
        place.say(str(keys))
        if missing:
            raise ImageTestError("acknowledged and lost: " + "; ".join(sorted(missing)[:10]))
        archive = backup.create(box, place.scratch)
        place.say(f"backup of {archive.stat().st_size} bytes")
        # More transactions may have come between the two: compare with what was archived.
        rows = journal(box)
        box.press_power_button()
        box.wait_off(bench.OFF_S)
        place.say("off by its power button")
        _start_without_a_network(box)
        place.say("well without a network")
    backup.restore_on_fresh_box(place, archive, rows)
    place.say("backup restored on a fresh box")
    return keys


def _cut_again_and_again(place: Bench, box: Machine, load: Load) -> set[str]:
    """The promises lost over all the cuts."""
    rng = random.Random(SEED)
    hardware = box.hardware
    missing: set[str] = set()
    for cut in range(1, CUTS + 1):
        before = promises(load.promised())
        if not load.wait_promises(before + LEAST_PROMISES, LOAD_S):
            raise ImageTestError(f"the stations got no answers within {LOAD_S:.0f} s")
        time.sleep(rng.uniform(*CUT_AFTER_S))
        box.cut_power()
        cut_at = datetime.now(UTC)
        battery_dead = cut == CUTS // 2
        rtc = WRONG_YEAR if battery_dead else "utc"
        box.hardware = dataclasses.replace(hardware, rtc=rtc)
        box.power_on()
        ready_s = bench.wait_ready(box)
        promised = load.promised()
        bench.must_be_well(box)
        if battery_dead:
            _clock_must_not_be_before(box, cut_at)
        missing |= set(lost(promised, journal(box)))
        place.say(
            f"cut {cut}: HTTPS after {ready_s:.0f} s, {promises(promised)} acknowledged,"
            f" {len(missing)} lost"
        )
    return missing


def _start_without_a_network(box: Machine) -> None:
    """No cable, so no lease, no time server, no name server: the box charges all the same."""
    box.cut_power()
    box.hardware = dataclasses.replace(box.hardware, rtc="utc", cable=False)
    box.power_on()
    bench.must_be_well(box)
    box.guest.output(_HEALTHY_INSIDE)


_HEALTHY_INSIDE: Final = (
    'test "$(cat /sys/class/net/lan1/operstate)" != up && python3 -c "import ssl, urllib.request as r;'
    " assert r.urlopen('https://127.0.0.1/health', timeout=60,"
    " context=ssl.create_default_context(cafile='/var/lib/bornier/ui.crt')).status == 200\""
)


def _clock_must_not_be_before(box: Machine, last_known: datetime) -> None:
    told = box.guest.output("date +%s; cut -d . -f 1 /proc/uptime")
    clock_s, uptime_s = map(int, told.split())
    started = datetime.fromtimestamp(clock_s - uptime_s, UTC)
    if (last_known - started).total_seconds() > CLOCK_LOSS_S:
        raise ImageTestError(
            f"the power went at {last_known}, and the box's clock started at {started}"
        )


def _addresses(box: Machine, names: Sequence[str]) -> list[tuple[str, str]]:
    """Half of the stations over TLS."""
    plain = f"ws://127.0.0.1:{box.ocpp_port}/ocpp"
    secure = f"wss://127.0.0.1:{box.secure_ocpp_port}/ocpp"
    return [(name, secure if place % 2 else plain) for place, name in enumerate(names)]
