from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import InvalidInputError
from app.privileged.boot import apply
from app.privileged.clock import BEFORE_HAND, DROP_IN, LAST_KNOWN, Clock, built_utc
from app.privileged.machine import HostError
from app.privileged.settings import Settings, SettingsStore
from tests.support.bench import Bench


class Kernel:
    """Takes what the clock is set to, for a test may not set the machine's."""

    def __init__(self) -> None:
        self.set_to: list[datetime] = []
        self.allowed = True

    def __call__(self, instant_s: float) -> None:
        if not self.allowed:
            raise PermissionError(1, "not permitted")
        self.set_to.append(datetime.fromtimestamp(instant_s, UTC))


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def clock(bench: Bench, kernel: Kernel) -> Clock:
    return Clock(bench.machine, SettingsStore(bench.machine), kernel)


def known(bench: Bench, instant: datetime) -> None:
    path = bench.file(LAST_KNOWN)
    os.utime(path, (instant.timestamp(), instant.timestamp()))


def test_the_clock_and_that_of_the_board_are_set(
    bench: Bench, clock: Clock, kernel: Kernel
) -> None:
    wanted = built_utc() + timedelta(days=3)
    clock.set(wanted)
    assert abs(kernel.set_to[0] - wanted) < timedelta(milliseconds=1)
    assert bench.calls == ["hwclock --systohc --utc"]


def test_the_clock_does_not_go_behind_what_is_known(
    bench: Bench, clock: Clock, kernel: Kernel
) -> None:
    last = built_utc() + timedelta(days=30)
    known(bench, last)
    for wanted in (built_utc() - timedelta(days=1), last - timedelta(seconds=1)):
        with pytest.raises(InvalidInputError, match="clock-before-known"):
            clock.set(wanted)
    known(bench, built_utc() - timedelta(days=900))
    with pytest.raises(InvalidInputError, match="clock-before-known"):
        clock.set(built_utc() - timedelta(seconds=1))
    with pytest.raises(InvalidInputError, match="clock-too-late"):
        clock.set(built_utc() + timedelta(days=30 * 365))
    assert kernel.set_to == []


def test_a_slip_into_the_future_can_be_corrected(
    bench: Bench, clock: Clock, kernel: Kernel
) -> None:
    right = built_utc() + timedelta(days=10)
    known(bench, right - timedelta(hours=1))
    slip = right + timedelta(days=365)
    clock.set(slip)
    known(bench, slip)  # timesyncd has saved it since
    clock.set(right)
    assert kernel.set_to[-1] < slip
    with pytest.raises(InvalidInputError, match="clock-before-known"):
        clock.set(right - timedelta(hours=2))
    bench.file(BEFORE_HAND, "damaged")
    with pytest.raises(InvalidInputError, match="clock-before-known"):
        clock.set(right)


def test_a_clock_that_cannot_be_set(bench: Bench, clock: Clock, kernel: Kernel) -> None:
    kernel.allowed = False
    with pytest.raises(HostError, match="clock-not-set"):
        clock.set(built_utc() + timedelta(days=1))
    kernel.allowed = True
    bench.failing("hwclock")
    with pytest.raises(HostError, match="host-program-failed"):
        clock.set(built_utc() + timedelta(days=1))


def test_the_zone_is_set_and_set_again_at_boot(bench: Bench, clock: Clock) -> None:
    link = bench.machine.path("/etc/localtime")
    assert clock.read().zone == "UTC"
    assert clock.set_zone("America/Argentina/Ushuaia").zone == "America/Argentina/Ushuaia"
    link.unlink()
    link.symlink_to("/usr/share/zoneinfo/UTC")
    apply(bench.machine)
    assert link.readlink().as_posix() == "/usr/share/zoneinfo/America/Argentina/Ushuaia"
    assert sorted(entry.name for entry in link.parent.iterdir()) == ["localtime", "rauc"]


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Base", "../../etc/passwd", "/etc/passwd", "Europe", "Europe/Paris\n", "a" * 99],
)
def test_unknown_zones_are_refused(bench: Bench, clock: Clock, zone: str) -> None:
    with pytest.raises(InvalidInputError, match="time-zone-unknown"):
        clock.set_zone(zone)
    assert SettingsStore(bench.machine).load() == Settings()


def test_a_system_without_a_zone_is_in_utc(bench: Bench, clock: Clock) -> None:
    link = bench.machine.path("/etc/localtime")
    link.unlink()
    assert clock.read().zone == "UTC"
    link.symlink_to("/somewhere/else")
    assert clock.read().zone == "UTC"


def test_servers_are_set_and_taken_away(bench: Bench, clock: Clock) -> None:
    state = clock.set_servers(("ntp.example.org", "10.0.0.1", "2001:db8::1"))
    assert state.servers == ("ntp.example.org", "10.0.0.1", "2001:db8::1")
    assert bench.read(DROP_IN) == "[Time]\nNTP=ntp.example.org 10.0.0.1 2001:db8::1\n"
    assert bench.calls == ["systemctl try-restart systemd-timesyncd.service"]
    bench.machine.path(DROP_IN).unlink()
    apply(bench.machine)
    assert bench.exists(DROP_IN)
    assert not clock.read().synchronised
    bench.file("/run/systemd/timesync/synchronized")
    assert clock.read().synchronised
    assert clock.set_servers(()).servers == ()
    assert not bench.exists(DROP_IN)


@pytest.mark.parametrize(
    "server",
    [
        "",
        "a b",
        "ntp.example.org\nFallbackNTP=x",
        "-x",
        "1.2.3",
        "224.0.1.1",
        "::",
        "fe80::1%lan1",
        "é",
    ],
)
def test_servers_that_cannot_be_are_refused(bench: Bench, clock: Clock, server: str) -> None:
    with pytest.raises(InvalidInputError, match="time-server-invalid"):
        clock.set_servers(("ntp.example.org", server))
    assert bench.calls == []
    assert SettingsStore(bench.machine).load().servers == ()
