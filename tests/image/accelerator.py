"""Which accelerator QEMU may use: KVM only where it was seen to run a firmware."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, Literal

Accelerator = Literal["kvm", "tcg"]

FIRMWARE_CODE: Final = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARS: Final = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

CPU: Final = {"kvm": "host", "tcg": "qemu64,+cx16,+popcnt,+ssse3,+sse4.1,+sse4.2"}
"""Emulated, not one of Intel's models: on those the kernel changes page tables at every call of a
program, against a flaw that an emulator does not have, and a boot takes half as long again."""

_KVM: Final = Path("/dev/kvm")
_PROBE_S: Final = 10.0
_FIRMWARE_SPOKE: Final = (b"UEFI", b"BdsDxe")


@functools.cache
def accelerator() -> Accelerator:
    """``kvm`` when a firmware without a disk speaks within ten seconds under it, else ``tcg``.

    That ``/dev/kvm`` opens proves nothing: on some hosts every guest dies at its first instructions.
    """
    chosen: Accelerator = "kvm" if os.access(_KVM, os.W_OK) and _firmware_speaks("kvm") else "tcg"
    sys.stdout.write(f"accelerator: {chosen}\n")
    return chosen


def _firmware_speaks(candidate: Accelerator) -> bool:
    with tempfile.TemporaryDirectory(prefix="bornier-probe-") as folder:
        variables = shutil.copy(FIRMWARE_VARS, Path(folder) / "vars.fd")
        serial = Path(folder) / "serial.log"
        process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-M", "q35", "-accel", candidate, "-cpu", CPU[candidate]),
                *("-smp", "1", "-m", "256", "-nodefaults", "-no-user-config", "-display", "none"),
                *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={FIRMWARE_CODE}"),
                *("-drive", f"if=pflash,format=raw,unit=1,file={variables}"),
                *("-serial", f"file:{serial}"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(_PROBE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        spoken = serial.read_bytes() if serial.exists() else b""
    return any(word in spoken for word in _FIRMWARE_SPOKE)
