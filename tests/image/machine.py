"""A virtual box: the image's disk in QEMU, with the drivers of the real board.

Everything is told to it from outside: the image carries nothing for tests. What only the guest can
know is asked of an agent that QEMU hands over, as a unit in a credential and a script on a disk of
the test's own.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.image import qmp
from tests.image.accelerator import CPU, FIRMWARE_CODE, FIRMWARE_VARS, accelerator
from tests.image.agent import Guest
from tests.image.errors import ImageTestError
from tests.image.serial_port import SerialPort

POLL_S: Final = 0.5
_LAN_MAC: Final = "52:54:00:0b:0e:21"
_AGENT: Final = "image-test-agent.service"
_TAIL_LINES: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a machine is made of, beside the board.

    ``disk`` is the internal one (qcow2); ``stick`` a USB stick to start from (qcow2); ``payload``
    the test's disk (raw, never written). ``rtc`` is the time of the clock's battery in QEMU's
    words, ``watchdog`` whether the board's watchdog may reset the machine: an emulator that gets no
    processor time looks like a hang, so only a test of hangs lets it. Without a ``cable`` its
    port has no link.

    A reset ends the machine, and whoever holds it powers it on again: the emulated disk and
    firmware do not survive every reset in the middle of something, as a board does.
    """

    disk: Path
    payload: Path | None = None
    stick: Path | None = None
    rtc: str = "utc"
    watchdog: bool = False
    screen: bool = False
    cable: bool = True


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machine:
    """One box, from power-on to power-off; a context manager that always ends it.

    ``logs`` is the folder that keeps the consoles, one file for each time it is powered on.
    """

    def __init__(self, hardware: Hardware, logs: Path) -> None:
        self.web_port = free_port()
        self.ocpp_port = free_port()
        self.secure_ocpp_port = free_port()
        self.hardware = hardware
        self.started_s = 0.0
        self._logs = logs
        self._starts = 0
        self._sockets = Path(tempfile.mkdtemp(prefix="bornier-box-"))
        self._variables = self._sockets / "vars.fd"
        self._process: subprocess.Popen[bytes] | None = None
        self._console: SerialPort | None = None
        self._guest: Guest | None = None
        self._agent_port: SerialPort | None = None
        logs.mkdir(parents=True, exist_ok=True)
        shutil.copy(FIRMWARE_VARS, self._variables)

    def __enter__(self) -> Self:
        self.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()
        shutil.rmtree(self._sockets)

    @property
    def console(self) -> str:
        """What appeared on the first serial port since power-on."""
        return self._console.text if self._console else ""

    @property
    def guest(self) -> Guest:
        """The agent; its first answer comes once the guest has started it."""
        assert self._guest is not None, "the machine is off"
        return self._guest

    @property
    def is_off(self) -> bool:
        """Nobody pressed anything: QEMU has ended."""
        return self._process is None or self._process.poll() is not None

    def type(self, text: str) -> None:
        """Types on the console."""
        assert self._console is not None, "the machine is off"
        self._console.write(text)

    def power_on(self) -> None:
        """Starts the machine; its disks keep what they held."""
        self._starts += 1
        for name in ("console", "agent", "qmp"):
            (self._sockets / name).unlink(missing_ok=True)
        with (self._logs / f"qemu-{self._starts}.log").open("wb") as errors:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )
        self.started_s = time.monotonic()
        self._console = SerialPort.connect(self._sockets / "console")
        self._agent_port = SerialPort.connect(self._sockets / "agent")
        self._guest = Guest(self._agent_port)
        if not self.hardware.cable:
            qmp.execute(self._sockets / "qmp", "set_link", name="lan", up=False)

    def cut_power(self) -> None:
        """Ends the machine on the spot."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in (self._console, self._agent_port):
            if port is not None:
                port.close()

    def press_power_button(self) -> None:
        """A short press, by ACPI."""
        qmp.execute(self._sockets / "qmp", "system_powerdown")

    def photograph(self, made: Path) -> None:
        """The screen, as a PNG file."""
        picture = str(made.resolve())
        qmp.execute(self._sockets / "qmp", "screendump", filename=picture, format="png")

    def wait_off(self, within_s: float) -> None:
        """Until the machine is off by itself. Raises ``ImageTestError`` when it stays on."""
        self.wait("it to switch itself off", within_s, lambda: self.is_off, may_end=True)

    def wait(
        self, what: str, within_s: float, reached: Callable[[], object], *, may_end: bool = False
    ) -> float:
        """Until ``reached()``; how many seconds after power-on.

        Raises ``ImageTestError`` with the end of the console when that takes too long, or the
        machine goes off meanwhile.
        """
        deadline_s = time.monotonic() + within_s
        while not reached():
            if self.is_off and not may_end:
                raise ImageTestError(f"the machine went off before {what}\n{self._tail()}")
            if time.monotonic() > deadline_s:
                raise ImageTestError(f"waited {within_s:.0f} s in vain for {what}\n{self._tail()}")
            time.sleep(POLL_S)
        return time.monotonic() - self.started_s

    def _tail(self) -> str:
        return "\n".join(self.console.splitlines()[-_TAIL_LINES:])

    def _command(self) -> list[str]:
        chosen = accelerator()
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
            for host, guest in (
                (self.web_port, 443),
                (self.ocpp_port, 8080),
                (self.secure_ocpp_port, 8081),
            )
        )
        command = [
            *("qemu-system-x86_64", "-M", "q35", "-accel", chosen, "-cpu", CPU[chosen]),
            # With two processors the emulator crashed a kernel now and then.
            *("-smp", "1", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none"),
            *("-vga", "std" if self.hardware.screen else "none"),
            *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE_CODE}"),
            *("-drive", f"if=pflash,format=raw,unit=1,file={self._variables}"),
            *("-drive", f"if=none,id=disk,format=qcow2,cache=writeback,file={self.hardware.disk}"),
            *("-device", f"ide-hd,drive=disk,bus=ide.0{self._order(0)}"),
            *("-netdev", f"user,id=lan,restrict=on{forwards}"),
            *("-device", f"e1000e,netdev=lan,mac={_LAN_MAC}"),
            *("-rtc", f"base={self.hardware.rtc}"),
            *(
                "-action",
                f"reboot=shutdown,watchdog={'poweroff' if self.hardware.watchdog else 'none'}",
            ),
            *("-qmp", f"unix:{self._sockets / 'qmp'},server=on,wait=off"),
        ]
        if self.hardware.watchdog:
            command += ["-global", "ICH9-LPC.noreboot=off"]
        if self.hardware.stick is not None:
            command += ["-device", "qemu-xhci"]
            command += ["-drive", f"if=none,id=stick,format=qcow2,file={self.hardware.stick}"]
            command += ["-device", f"usb-storage,drive=stick,removable=on{self._order(1)}"]
        if self.hardware.payload is not None:
            drive = f"if=none,id=payload,format=raw,snapshot=on,file={self.hardware.payload}"
            command += ["-drive", drive, "-device", "ide-hd,drive=payload,bus=ide.1"]
        for name in ("console", "agent"):
            log = self._logs / f"{name}-{self._starts}.log"
            path = self._sockets / name
            command += [
                "-chardev",
                f"socket,id={name},path={path},server=on,wait=off,logfile={log}",
            ]
            command += ["-serial", f"chardev:{name}"]
        for name, text in self._credentials().items():
            encoded = base64.b64encode(text.encode()).decode()
            command += ["-smbios", f"type=11,value=io.systemd.credential.binary:{name}={encoded}"]
        return command

    def _order(self, place: int) -> str:
        """The firmware starts the stick first, when there is one."""
        return f",bootindex={2 - place}" if self.hardware.stick else f",bootindex={place + 1}"

    def _credentials(self) -> dict[str, str]:
        if self.hardware.payload is None:
            return {}
        unit = (Path(__file__).parent / "guest" / "agent.service").read_text()
        return {
            f"systemd.extra-unit.{_AGENT}": unit,
            "systemd.unit-dropin.sysinit.target": f"[Unit]\nWants={_AGENT}\n",
        }
