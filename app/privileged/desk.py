"""Which request does what. Whatever is not in this list does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from app.domain import host
from app.domain.host import Progress, Request
from app.privileged.clock import Clock
from app.privileged.machine import Machine
from app.privileged.network import Network
from app.privileged.power import power_off, reboot
from app.privileged.settings import SettingsStore
from app.privileged.slots import SlotDesk
from app.privileged.ssh import Ssh
from app.privileged.updates import Updates

Report = Callable[[Progress], None]


class Desk:
    """Does what a request asks for, in the name of a user."""

    def __init__(
        self, machine: Machine, *, network: Network | None = None, clock: Clock | None = None
    ) -> None:
        store = SettingsStore(machine)
        self.network = network = network or Network(machine, store)
        clock = clock or Clock(machine, store)
        ssh, slots = Ssh(machine, store), SlotDesk(machine)
        updates = Updates(machine, slots)
        self._answers: dict[type[Request], Callable[[Any, int, Report], msgspec.Struct]] = {
            host.NetworkRead: lambda _r, _uid, _p: network.read(),
            host.NetworkSet: lambda r, _uid, _p: network.set(wanted(r)),
            host.NetworkConfirm: lambda _r, _uid, _p: network.confirm(),
            host.TimeRead: lambda _r, _uid, _p: clock.read(),
            host.ClockSet: lambda r, _uid, _p: clock.set(r.utc),
            host.ZoneSet: lambda r, _uid, _p: clock.set_zone(r.zone),
            host.ServersSet: lambda r, _uid, _p: clock.set_servers(r.servers),
            host.PowerOff: lambda _r, _uid, _p: power_off(machine),
            host.Reboot: lambda _r, _uid, _p: reboot(machine),
            host.SlotsRead: lambda _r, _uid, _p: slots.read(),
            host.SlotActivateOther: lambda _r, _uid, _p: slots.activate_other(),
            host.UpdateInspect: lambda r, uid, _p: updates.inspect(r.path, uid),
            host.UpdateInstall: lambda r, uid, p: updates.install(r.path, uid, p),
            host.SshRead: lambda _r, _uid, _p: ssh.read(),
            host.SshEnable: lambda r, uid, _p: ssh.enable(r.keys, giver(uid)),
            host.SshDisable: lambda _r, _uid, _p: ssh.disable(),
        }

    def serve(self, request: Request, uid: int, progress: Report) -> msgspec.Struct:
        """The answer; raises ``BornierError`` when it is a refusal, ``OSError`` on other trouble."""
        return self._answers[type(request)](request, uid, progress)


def wanted(request: host.NetworkSet) -> host.NetworkSettings:
    """The settings that a request carries."""
    return host.NetworkSettings(
        dhcp=request.dhcp,
        addresses=request.addresses,
        gateway=request.gateway,
        dns=request.dns,
    )


def giver(uid: int) -> str:
    """Who a user speaks for: root sits at the console, the other user is the manager's."""
    return "console" if uid == 0 else "manager"
