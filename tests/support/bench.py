"""A box in a directory: its files, and stand-ins for the programs that cannot run here.

Each stand-in notes how it was called. ``grub-editenv`` is the machine's own where it has one.
"""

from __future__ import annotations

import json
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.privileged.machine import Machine

GRUB_EDITENV = """
file=$1; shift
case $1 in
    create) printf '# GRUB Environment Block\\n' >"$file" ;;
    list) grep = "$file" ;;
    set) shift; for pair in "$@"; do
            grep -v "^${pair%%=*}=" "$file" >"$file.new"; echo "$pair" >>"$file.new"
            mv "$file.new" "$file"
        done ;;
esac
"""

# What RAUC does to GRUB's environment, as its grub backend does it.
RAUC = """
other=B; [ "$(cat "$here/booted")" = A ] || other=A
booted=$(cat "$here/booted")
mark() { grub-editenv "$here/grubenv" set "$@"; }
case "$*" in
    "status --detailed --output-format=json") cat "$here/status.json" ;;
    "status mark-"*)
        if [ -s "$here/busy" ]; then
            sed -i 1d "$here/busy"; echo 'rauc mark: rauc busy: cannot run mark' >&2; exit 1
        fi ;;
    info*) if [ -e "$here/info.json" ]; then cat "$here/info.json"
        else cat "$here/info.err" >&2; exit 1; fi ;;
    install*) cat "$here/install.out"; exit "$(cat "$here/install.status")" ;;
esac
case "$*" in
    *mark-good*booted) mark "${booted}_OK=1" "${booted}_TRY=0" ;;
    *mark-bad*booted) mark "${booted}_OK=0" "${booted}_TRY=0" ;;
    *mark-bad*other) mark "${other}_OK=0" "${other}_TRY=0" ;;
    *mark-active*booted) mark "ORDER=$booted $other" "${booted}_OK=1" "${booted}_TRY=0" ;;
    *mark-active*other) mark "ORDER=$other $booted" "${other}_OK=1" "${other}_TRY=0" ;;
esac
"""

IP = """echo '[{"ifname":"lan1","addr_info":[{"family":"inet","local":"192.168.123.1","prefixlen":24}]}]'
"""


@dataclass
class Bench:
    """The directory and what happened in it."""

    root: Path
    programs: Path

    @property
    def machine(self) -> Machine:
        return Machine(self.root, f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin")

    @property
    def calls(self) -> list[str]:
        """Every call of a stand-in, in order."""
        noted = self.programs / "calls"
        return noted.read_text().splitlines() if noted.exists() else []

    def forget_calls(self) -> None:
        (self.programs / "calls").unlink(missing_ok=True)

    def program(self, name: str, body: str = "") -> None:
        """Makes a stand-in; ``$here`` is their directory."""
        path = self.programs / name
        path.write_text(
            f'#!/bin/sh\nhere={self.programs}\necho "{name} $*" >>"$here/calls"\n{body}'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def failing(self, name: str) -> None:
        """The program refuses from now on."""
        self.program(name, f"echo '{name}: no' >&2; exit 1\n")

    def file(self, path: str, content: str = "") -> Path:
        made = self.machine.path(path)
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_text(content)
        return made

    def read(self, path: str) -> str:
        return self.machine.path(path).read_text()

    def exists(self, path: str) -> bool:
        return self.machine.path(path).exists()

    # ------------------------------------------------------------ slots

    def slots(
        self,
        booted: str = "A",
        *,
        good: str = "A",
        other_version: str | None = None,
        **grub: str,
    ) -> None:
        """RAUC's answer (as 1.13 gives it) and GRUB's environment."""

        def slot(number: int, name: str, version: str | None) -> dict[str, Any]:
            return {
                f"rootfs.{number}": {
                    "class": "rootfs",
                    "device": f"/dev/disk/by-partlabel/root-{name.lower()}",
                    "type": "raw",
                    "bootname": name,
                    "state": "booted" if name == booted else "inactive",
                    "parent": None,
                    "mountpoint": None,
                    "boot_status": "good" if name in good else "bad",
                    "slot_status": {
                        "bundle": {"compatible": None, "version": version},
                        "installed": {"timestamp": "2026-11-25T13:32:30Z", "count": 1},
                    },
                }
            }

        told = {
            "compatible": "bornier-amd64",
            "variant": "",
            "booted": booted,
            "boot_primary": f"rootfs.{'AB'.index(booted)}",
            "slots": [slot(1, "B", other_version), slot(0, "A", None)],
            "artifact-repositories": [],
        }
        (self.programs / "status.json").write_text(json.dumps(told))
        (self.programs / "booted").write_text(booted)
        environment = self.programs / "grubenv"
        values = {"ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "0", "B_TRY": "0", **grub}
        self.machine.must("grub-editenv", str(environment), "create")
        pairs = [f"{name}={value}" for name, value in values.items()]
        self.machine.must("grub-editenv", str(environment), "set", *pairs)

    @property
    def grub(self) -> dict[str, str]:
        listed = self.machine.must("grub-editenv", str(self.programs / "grubenv"), "list").output
        return dict(line.split("=", 1) for line in listed.splitlines())


def make_bench(folder: Path) -> Bench:
    """A box whose slot A runs and is good, with nothing set."""
    root, programs = folder / "root", folder / "programs"
    for made in (root, programs):
        made.mkdir()
    bench = Bench(root, programs)
    for name in ("networkctl", "nft", "systemctl", "hwclock"):
        bench.program(name)
    bench.program("ip", IP)
    bench.program("rauc", RAUC)
    if shutil.which("grub-editenv") is None:
        bench.program("grub-editenv", GRUB_EDITENV)
    bench.file(
        "/etc/rauc/system.conf",
        "[system]\ncompatible=bornier-amd64\nbootloader=grub\nmin-bundle-version=0.1.0\n"
        "grubenv=/boot/grubenv\n[keyring]\npath=/etc/rauc/keyring.pem\n",
    )
    bench.file("/boot/.keep")
    (root / "boot/grubenv").symlink_to(programs / "grubenv")
    for zone in ("UTC", "Europe/Paris", "America/Argentina/Ushuaia"):
        bench.file(f"/usr/share/zoneinfo/{zone}", "TZif")
    (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/UTC")
    bench.slots()
    bench.forget_calls()
    return bench
