"""Commands for the box itself: updates, network, time, power, SSH, all through its helper.

Each returns the exit status: 0 done, 2 refused or failed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from app.adapters.host import INSTALL_TIMEOUT_S, HostClient
from app.console import Console, size_text
from app.console_box import TEXTS
from app.domain import host
from app.domain.errors import BornierError, InvalidInputError

DONE, REFUSED = 0, 2


class Box:
    """The commands, told to the helper that listens on ``socket``."""

    def __init__(self, socket: Path) -> None:
        self._client = HostClient(socket)
        self._console = Console(texts=TEXTS)

    # ---------------------------------------------------------------- updates

    def inspect(self, file: Path) -> int:
        """Says what a bundle is."""

        def run() -> None:
            info = self._client.ask(host.UpdateInspect(path=_absolute(file)), host.BundleInfo)
            told = self._console.text(
                "bundle",
                {
                    "version": info.version,
                    "compatible": info.compatible,
                    "size": size_text(info.size),
                    "description": info.description,
                },
            )
            sys.stdout.write(told.rstrip() + "\n")

        return self._guarded(run)

    def install(self, file: Path, *, reboot: bool) -> int:
        """Installs a bundle, a line for each tenth of it, and restarts the box when asked to."""

        def run() -> None:
            tenths = -1

            def show(progress: host.Progress) -> None:
                nonlocal tenths
                if progress.percent // 10 > tenths:
                    tenths = progress.percent // 10
                    self._console.say("progress", percent=progress.percent, step=progress.step)
                    sys.stdout.flush()

            slots = self._client.ask(
                host.UpdateInstall(path=_absolute(file)),
                host.Slots,
                progress=show,
                timeout_s=INSTALL_TIMEOUT_S,
            )
            if slots.outcome is not None:
                self._console.say(
                    "installed", slot=slots.outcome.slot, version=slots.outcome.version
                )
            if reboot:
                self._client.ask(host.Reboot(), host.Done)
                self._console.say("restarting")

        return self._guarded(run)

    def status(self, *, json: bool) -> int:
        """Says which version runs where, and how the last update ended."""

        def run() -> None:
            slots = self._client.ask(host.SlotsRead(), host.Slots)
            if json:
                _write_json(slots)
                return
            self._console.say(
                "status",
                version=slots.version,
                running=slots.running,
                next=slots.next or self._word("none"),
            )
            for slot in slots.slots:
                self._console.say(
                    "slot-good" if slot.good else "slot-bad",
                    name=slot.name,
                    version=slot.version or self._word("unknown"),
                )
            if slots.outcome is None:
                self._console.say("outcome-none")
                return
            reason = slots.outcome.reason
            self._console.say(
                f"outcome-{slots.outcome.state}",
                version=slots.outcome.version,
                slot=slots.outcome.slot,
                reason=self._word(reason) if reason in _REASONS else reason,
                running_version=slots.version,
            )

        return self._guarded(run)

    def back(self) -> int:
        """The next start is the other slot's."""

        def run() -> None:
            slots = self._client.ask(host.SlotActivateOther(), host.Slots)
            other = next(slot for slot in slots.slots if not slot.running)
            self._console.say(
                "going-back", slot=other.name, version=other.version or self._word("unknown")
            )

        return self._guarded(run)

    # ---------------------------------------------------------------- network

    def network_show(self, *, json: bool) -> int:
        """Says how LAN1 is set."""
        return self._network(host.NetworkRead(), json=json)

    def network_set(
        self, *, dhcp: bool, addresses: list[str], gateway: str | None, dns: list[str]
    ) -> int:
        """Tries settings of LAN1 until they are confirmed or taken back."""
        return self._network(
            host.NetworkSet(dhcp=dhcp, addresses=tuple(addresses), gateway=gateway, dns=tuple(dns))
        )

    def network_confirm(self) -> int:
        """Keeps the settings that are being tried."""
        return self._network(host.NetworkConfirm())

    def _network(self, request: host.Request, *, json: bool = False) -> int:
        def run() -> None:
            state = self._client.ask(request, host.NetworkState)
            if json:
                _write_json(state)
                return
            settings = state.settings
            self._console.say(
                "network",
                dhcp=self._word("yes" if settings.dhcp else "no"),
                addresses=self._list(settings.addresses),
                gateway=settings.gateway or self._word("none"),
                dns=self._list(settings.dns),
                now=self._list(state.addresses_now),
            )
            if state.revert_in_s is not None:
                self._console.say("network-waiting", seconds=round(state.revert_in_s))

        return self._guarded(run)

    # ---------------------------------------------------------------- time

    def time_show(self, *, json: bool) -> int:
        """Says what time it is on the box, and by whom."""
        return self._time(host.TimeRead, json=json)

    def time_set(self, text: str) -> int:
        """Sets the clock; a time without an offset is this terminal's."""

        def request() -> host.Request:
            try:
                instant = datetime.fromisoformat(text)
            except ValueError as error:
                raise InvalidInputError("clock-invalid", text=text) from error
            return host.ClockSet(utc=instant.astimezone())

        return self._time(request)

    def time_zone(self, zone: str) -> int:
        """Sets the zone of the system's own records."""
        return self._time(lambda: host.ZoneSet(zone=zone))

    def time_ntp(self, servers: list[str]) -> int:
        """Sets the NTP servers; none leaves the choice to DHCP and the system."""
        return self._time(lambda: host.ServersSet(servers=tuple(servers)))

    def _time(self, request: Callable[[], host.Request], *, json: bool = False) -> int:
        def run() -> None:
            state = self._client.ask(request(), host.TimeState)
            if json:
                _write_json(state)
                return
            self._console.say(
                "time",
                utc=f"{state.utc:%Y-%m-%d %H:%M:%S}",
                zone=state.zone,
                synchronised=self._word("yes" if state.synchronised else "no"),
                servers=", ".join(state.servers) or self._word("time-of-system"),
            )

        return self._guarded(run)

    # ---------------------------------------------------------------- power, SSH

    def power_off(self) -> int:
        """Switches the box off."""
        return self._power(host.PowerOff(), "powering-off")

    def restart(self) -> int:
        """Starts the box anew."""
        return self._power(host.Reboot(), "restarting")

    def _power(self, request: host.Request, key: str) -> int:
        def run() -> None:
            self._client.ask(request, host.Done)
            self._console.say(key)

        return self._guarded(run)

    def ssh_show(self, *, json: bool) -> int:
        """Says whether SSH is open, and to which keys."""
        return self._ssh(host.SshRead, json=json)

    def ssh_enable(self, file: Path) -> int:
        """Opens SSH to the public keys of a file."""

        def request() -> host.Request:
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (OSError, ValueError) as error:
                raise InvalidInputError(
                    "ssh-file-unreadable", path=file, cause=str(error)
                ) from error
            keys = (line.strip() for line in lines)
            return host.SshEnable(keys=tuple(key for key in keys if key and key[0] != "#"))

        return self._ssh(request)

    def ssh_disable(self) -> int:
        """Closes SSH."""
        return self._ssh(host.SshDisable)

    def _ssh(self, request: Callable[[], host.Request], *, json: bool = False) -> int:
        def run() -> None:
            state = self._client.ask(request(), host.SshState)
            if json:
                _write_json(state)
                return
            if state.enabled:
                self._console.say("ssh-open", host_key=state.host_key or self._word("unknown"))
            else:
                self._console.say("ssh-closed")
            for key in state.keys:
                self._console.say("ssh-key", **msgspec.structs.asdict(key))

        return self._guarded(run)

    # ---------------------------------------------------------------- shared

    def _guarded(self, run: Callable[[], None]) -> int:
        try:
            run()
        except BornierError as error:
            self._console.complain(error)
            return REFUSED
        return DONE

    def _word(self, key: str) -> str:
        return self._console.text(key, {})

    def _list(self, texts: tuple[str, ...]) -> str:
        return ", ".join(texts) or self._word("none")


_REASONS = ("not-healthy", "not-started", "interrupted")


def _absolute(file: Path) -> str:
    """The path that the helper opens, which follows no link itself."""
    return str(file.resolve())


def _write_json(value: msgspec.Struct) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value)).decode() + "\n")
