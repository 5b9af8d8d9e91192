"""Time of the box: clock, zone of its own records, NTP servers.

The clock is set directly and written to the board's. It never goes behind the last time known to be
true, for records must not end up before those already written, nor behind the date of this version.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from app.domain.errors import InvalidInputError
from app.domain.host import TimeState
from app.privileged.machine import HostError, Machine, make_public, write_durably
from app.privileged.settings import Settings, SettingsStore, replaced

log = logging.getLogger(__name__)

DROP_IN = "/run/systemd/timesyncd.conf.d/50-site.conf"
LAST_KNOWN = "/var/lib/systemd/timesync/clock"
BEFORE_HAND = "/run/bornier-host/clock-before"
SYNCHRONISED = "/run/systemd/timesync/synchronized"
LOCALTIME = "/etc/localtime"
ZONEINFO = "/usr/share/zoneinfo"
TIMESYNCD = "systemd-timesyncd.service"
LIFETIME = timedelta(days=20 * 365)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def set_realtime(instant_s: float) -> None:
    """Sets the kernel's clock (clock_settime(2))."""
    time.clock_settime(time.CLOCK_REALTIME, instant_s)


def built_utc() -> datetime:
    """When this version was made: the build dates every file of it alike."""
    return datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)


class Clock:
    """Reads and changes the time of the box."""

    def __init__(
        self,
        machine: Machine,
        store: SettingsStore,
        set_clock: Callable[[float], None] = set_realtime,
    ) -> None:
        self._machine = machine
        self._store = store
        self._set_clock = set_clock

    def read(self) -> TimeState:
        """The present state."""
        return TimeState(
            utc=datetime.now(UTC),
            zone=zone_of(self._machine),
            servers=self._store.load().servers,
            synchronised=self._machine.path(SYNCHRONISED).exists(),
        )

    def set(self, utc: datetime) -> TimeState:
        """Sets the clock of the system and of the board."""
        floor, built = self._floor(), built_utc()
        if utc < max(floor, built):
            raise InvalidInputError(
                "clock-before-known",
                field="utc",
                known=f"{max(floor, built):%Y-%m-%d %H:%M:%S} UTC",
            )
        if utc > built + LIFETIME:
            raise InvalidInputError("clock-too-late", field="utc")
        # A slip of the hand into the future can be corrected until the next start: what was known
        # before it stays the bound, not what timesyncd has saved since.
        write_durably(self._machine.path(BEFORE_HAND), str(floor.timestamp()).encode())
        try:
            self._set_clock(utc.timestamp())
        except OSError as error:
            raise HostError("clock-not-set", cause=str(error)) from error
        self._machine.must("hwclock", "--systohc", "--utc")
        return self.read()

    def set_zone(self, zone: str) -> TimeState:
        """Sets the zone of the system's own records."""
        check_zone(self._machine, zone)
        self._store.save(replaced(self._store.load(), zone=zone))
        put_zone(self._machine, zone)
        return self.read()

    def set_servers(self, servers: tuple[str, ...]) -> TimeState:
        """Sets the NTP servers; none leaves those of DHCP and of the system."""
        servers = checked_servers(servers)
        self._store.save(replaced(self._store.load(), servers=servers))
        render_servers(self._machine, servers)
        self._machine.must("systemctl", "try-restart", TIMESYNCD)
        return self.read()

    def _floor(self) -> datetime:
        try:
            told = float(self._machine.path(BEFORE_HAND).read_text(encoding="ascii"))
            return datetime.fromtimestamp(told, UTC)
        except (OSError, ValueError):
            pass
        try:
            return datetime.fromtimestamp(self._machine.path(LAST_KNOWN).stat().st_mtime, UTC)
        except OSError:
            return built_utc()


def render_time(machine: Machine, settings: Settings) -> None:
    """At boot, before timesyncd: zone and servers as they were set."""
    if settings.zone is not None:
        check_zone(machine, settings.zone)
        put_zone(machine, settings.zone)
    render_servers(machine, checked_servers(settings.servers))


def check_zone(machine: Machine, zone: str) -> None:
    """Raises ``InvalidInputError`` unless the system knows the zone."""
    known = _ZONE.fullmatch(zone) and machine.path(f"{ZONEINFO}/{zone}").is_file()
    if not known:
        raise InvalidInputError("time-zone-unknown", field="zone", zone=zone)


def put_zone(machine: Machine, zone: str) -> None:
    """Points /etc/localtime at a zone."""
    link = machine.path(LOCALTIME)
    new = link.with_name(".localtime.new")
    new.unlink(missing_ok=True)
    new.symlink_to(f"{ZONEINFO}/{zone}")
    new.replace(link)


def zone_of(machine: Machine) -> str:
    """The zone that /etc/localtime points at (localtime(5)); without one it is UTC."""
    try:
        target = machine.path(LOCALTIME).readlink().as_posix()
    except OSError:
        return "UTC"
    return target.partition("/zoneinfo/")[2] or "UTC"


def checked_servers(servers: tuple[str, ...]) -> tuple[str, ...]:
    """The servers; raises ``InvalidInputError`` on what is neither an address nor a host name."""
    for server in servers:
        try:
            address = ip_address(server)
        except ValueError:
            if _HOST_NAME.fullmatch(server) and not server.rpartition(".")[2].isdigit():
                continue
            raise InvalidInputError("time-server-invalid", field="servers", server=server) from None
        if address.is_multicast or address.is_unspecified or "%" in server:
            raise InvalidInputError("time-server-invalid", field="servers", server=server)
    return servers


def render_servers(machine: Machine, servers: tuple[str, ...]) -> None:
    """Writes the drop-in of timesyncd, or removes it."""
    path = machine.path(DROP_IN)
    if not servers:
        path.unlink(missing_ok=True)
        return
    make_public(path.parent)
    write_durably(path, f"[Time]\nNTP={' '.join(servers)}\n".encode("ascii"), 0o644)
