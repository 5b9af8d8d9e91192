"""Small programs of the box, run for real on folders that stand for its /sys and its start disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROLES = Path(__file__).parents[3] / "ansible" / "roles"
INTEL, REALTEK = "0x8086", "0x10ec"
ETHERNET, WIRELESS = "0x020000", "0x028000"


def name_ports(tmp_path: Path, devices: dict[str, tuple[str, str]], lan1: str = "") -> list[str]:
    """The matches of lan1, lan2… for PCI devices given as place: (class, vendor)."""
    for place, (kind, vendor) in devices.items():
        folder = tmp_path / "sys/bus/pci/devices" / place
        folder.mkdir(parents=True)
        (folder / "class").write_text(kind + "\n")
        (folder / "vendor").write_text(vendor + "\n")
    script = tmp_path / "name-ports"
    template = (ROLES / "network/templates/name-ports.j2").read_text()
    script.write_text(template.replace("{{ network_lan1_path }}", lan1))
    for _ in range(2):  # a second run replaces what the first has written
        subprocess.run(
            ["sh", script],
            env={"SYSFS": str(tmp_path / "sys"), "RUN": str(tmp_path / "run"), "PATH": os.defpath},
            check=True,
        )
    links = sorted((tmp_path / "run/systemd/network").iterdir())
    texts = [link.read_text() for link in links]
    assert all("WakeOnLan=magic" in text for text in texts)
    assert [f"Name=lan{number}" in text for number, text in enumerate(texts, 1)] == [True] * len(
        texts
    )
    return [text.splitlines()[2] for text in texts]


def test_ports_of_intel_come_first_in_the_order_of_the_bus(tmp_path: Path) -> None:
    assert name_ports(
        tmp_path,
        {
            "0000:01:00.0": (ETHERNET, REALTEK),
            "0000:00:14.3": (WIRELESS, INTEL),
            "0000:03:00.0": (ETHERNET, INTEL),
            "0000:02:00.0": (ETHERNET, INTEL),
        },
    ) == ["Path=pci-0000:02:00.0", "Path=pci-0000:03:00.0", "Path=pci-0000:01:00.0"]


def test_without_a_port_of_intel_the_first_of_any_is_lan1(tmp_path: Path) -> None:
    devices = {"0000:05:00.0": (ETHERNET, REALTEK), "0000:04:00.0": (ETHERNET, REALTEK)}
    assert name_ports(tmp_path, devices)[0] == "Path=pci-0000:04:00.0"


def test_without_any_port_on_the_bus_an_adapter_may_be_lan1(tmp_path: Path) -> None:
    assert name_ports(tmp_path, {"0000:00:02.0": ("0x030000", INTEL)}) == ["Kind=!*"]


def test_the_installer_may_choose_lan1(tmp_path: Path) -> None:
    devices = {"0000:02:00.0": (ETHERNET, INTEL), "0000:03:00.0": (ETHERNET, INTEL)}
    assert name_ports(tmp_path, devices, "pci-0000:03:00.0") == [
        "Path=pci-0000:03:00.0",
        "Path=pci-0000:02:00.0",
    ]


class StartDisk:
    """GRUB's environment block of a machine that runs one slot."""

    def __init__(self, folder: Path, running: str) -> None:
        self.block = folder / "grubenv"
        self._line = folder / "cmdline"
        self._line.write_text(f"root=PARTUUID=1 rauc.slot={running} quiet\n")

    def script(self, verb: str) -> None:
        subprocess.run(
            ["sh", ROLES / "update/files/grub-environment", verb],
            env={
                **os.environ,
                "GRUB_ENVIRONMENT": str(self.block),
                "COMMAND_LINE": str(self._line),
            },
            check=True,
        )

    def set(self, *pairs: str) -> None:
        subprocess.run(["grub-editenv", self.block, "set", *pairs], check=True)

    @property
    def values(self) -> dict[str, str]:
        told = subprocess.run(
            ["grub-editenv", self.block, "list"], capture_output=True, text=True, check=True
        )
        return dict(line.split("=", 1) for line in told.stdout.splitlines())


needs_grub = pytest.mark.skipif(
    shutil.which("grub-editenv") is None, reason="grub-editenv is not installed"
)


@needs_grub
@pytest.mark.parametrize("damage", [b"", b"# GRUB Environment Block\nORDER=A B\n", None])
def test_a_block_that_a_power_cut_has_emptied_starts_the_running_slot_first(
    tmp_path: Path, damage: bytes | None
) -> None:
    disk = StartDisk(tmp_path, "B")
    if damage is not None:
        disk.block.write_bytes(damage)
    disk.script("repair")
    assert disk.values == {
        "ORDER": "B A",
        "A_OK": "1",
        "A_TRY": "0",
        "B_OK": "1",
        "B_TRY": "1",
    }
    assert disk.block.stat().st_size == 1024


@needs_grub
def test_a_whole_block_is_left_as_it_is(tmp_path: Path) -> None:
    disk = StartDisk(tmp_path, "A")
    disk.script("repair")
    disk.set("ORDER=B A", "A_TRY=2")
    before = disk.block.read_bytes()
    disk.script("repair")
    assert disk.block.read_bytes() == before


@needs_grub
def test_a_slot_has_proved_itself_once_it_is_good(tmp_path: Path) -> None:
    disk = StartDisk(tmp_path, "A")
    disk.script("repair")
    disk.script("proven")
    assert "PROVEN" not in disk.values
    disk.set("A_TRY=0")
    disk.script("proven")
    assert disk.values["PROVEN"] == "A"
