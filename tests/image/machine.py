"""A virtual box: the image's disk in QEMU, with the drivers of the real board.

Everything is told to it from outside: the image carries nothing for tests. What only the guest can
know (failed units, listening sockets) comes from a unit that QEMU hands over as a credential and
that writes to the second serial port.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

_FIRMWARE_CODE: Final = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
_FIRMWARE_VARS: Final = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
_DISK_BYTES: Final = 6 * 1024**3
"""More than the image, so that the data partition has to grow."""

POLL_S: Final = 1.0


class ImageTestError(Exception):
    """The image did not do what it must."""


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machine:
    """One box, from power-on to power-off; a context manager that always ends it."""

    def __init__(self, image: Path, folder: Path, *, units: dict[str, str] | None = None) -> None:
        self.web_port = free_port()
        self.ocpp_port = free_port()
        self._folder = folder
        self._units = units or {}
        self._disk = folder / "disk.img"
        self._console = folder / "console.log"
        self._report = folder / "report.log"
        self._monitor = folder / "monitor"
        self._process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", image, self._disk], check=True)
        with self._disk.open("r+b") as disk:
            disk.truncate(_DISK_BYTES)
        shutil.copy(_FIRMWARE_VARS, folder / "vars.fd")

    def __enter__(self) -> Self:
        self.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()

    @property
    def console(self) -> str:
        """What appeared on the first serial port."""
        return self._text(self._console)

    @property
    def report(self) -> str:
        """What the units of the test wrote."""
        return self._text(self._report)

    def power_on(self) -> None:
        """Starts the machine; its disk keeps what it held."""
        for log in (self._console, self._report):
            log.unlink(missing_ok=True)
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
            for host, guest in ((self.web_port, 443), (self.ocpp_port, 8080))
        )
        command = [
            "qemu-system-x86_64",
            *("-M", "q35", "-accel", "tcg", "-cpu", "Nehalem", "-smp", "1", "-m", "1024"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"),
            *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={_FIRMWARE_CODE}"),
            *("-drive", f"if=pflash,format=raw,unit=1,file={self._folder / 'vars.fd'}"),
            *("-drive", f"if=none,id=disk,format=raw,file={self._disk}"),
            *("-device", "ide-hd,drive=disk,bus=ide.0"),
            *("-netdev", f"user,id=lan,restrict=on{forwards}"),
            *("-device", "e1000e,netdev=lan,mac=52:54:00:0b:0e:21"),
            # An emulator that gets no processor time looks like a hang: the watchdog's reset is
            # not what this machine is for.
            *("-action", "watchdog=none"),
            *("-serial", f"file:{self._console}", "-serial", f"file:{self._report}"),
            *("-monitor", f"unix:{self._monitor},server=on,wait=off"),
        ]
        for name, text in self._units.items():
            encoded = base64.b64encode(text.encode()).decode()
            command += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={encoded}"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.started_s = time.monotonic()

    def cut_power(self) -> None:
        """Ends the machine on the spot."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def press_power_button(self) -> None:
        """A short press, by ACPI."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            monitor.sendall(b"system_powerdown\n")
            monitor.settimeout(5)
            monitor.recv(4096)

    def wait_off(self, within_s: float) -> None:
        """Until the machine is off by itself. Raises ``ImageTestError`` when it stays on."""
        self.wait("it to switch itself off", within_s, self._is_off)

    def wait(self, what: str, within_s: float, reached: Callable[[], object]) -> float:
        """Until ``reached()``; how many seconds after power-on.

        Raises ``ImageTestError`` with the end of the console when that takes too long.
        """
        deadline_s = time.monotonic() + within_s
        while not reached():
            if time.monotonic() > deadline_s:
                tail = "\n".join(self.console.splitlines()[-25:])
                raise ImageTestError(f"waited {within_s:.0f} s in vain for {what}\n{tail}")
            time.sleep(POLL_S)
        return time.monotonic() - self.started_s

    def _is_off(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @staticmethod
    def _text(path: Path) -> str:
        return path.read_text(errors="replace") if path.exists() else ""
