"""Pure parts of the image tests: versions, damaged bundles, what the consoles say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.image import boot, disks, install, variants
from tests.image.errors import ImageTestError

CONSOLE = """\
  Disks of this machine:\r

    sda   8G   QEMU HARDDISK QM00001\r

  Type its name to erase it and install, or "keep" and its name to keep the data\r
"""


def test_the_versions_that_follow_an_image() -> None:
    assert variants.versions_after(Path("x/bornier-0.1.9-amd64.img")) == ("0.1.10", "0.1.11")
    with pytest.raises(ValueError, match="names no version"):
        variants.versions_after(Path("bornier-amd64.img"))


def test_damaged_bundles(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.write_bytes(bytes(range(250)) * 12)
    flipped = variants.flipped(whole, tmp_path / "flipped").read_bytes()
    differing = [
        (ours, theirs)
        for ours, theirs in zip(whole.read_bytes(), flipped, strict=True)
        if ours != theirs
    ]
    assert len(differing) == 1
    assert (differing[0][0] ^ differing[0][1]).bit_count() == 1
    assert variants.truncated(whole, tmp_path / "cut").read_bytes() == whole.read_bytes()[:1000]


def test_the_disk_that_the_installer_offers() -> None:
    assert install.name_of_disk(CONSOLE) == "sda"
    with pytest.raises(ImageTestError, match="not the one disk"):
        install.name_of_disk(CONSOLE.replace("8G", "1.2G"))
    with pytest.raises(ImageTestError, match="not the one disk"):
        install.name_of_disk("")


def test_ports_beyond_loopback_and_what_is_wrong_with_them() -> None:
    ports = boot.open_ports(
        [
            "tcp LISTEN 0 2048 0.0.0.0:443 0.0.0.0:*",
            "tcp LISTEN 0 2048 [::]:8080 [::]:*",
            "tcp LISTEN 0 2048 0.0.0.0:8081 0.0.0.0:*",
            "tcp LISTEN 0 2048 127.0.0.1:631 0.0.0.0:*",
            "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*",
            "udp UNCONN 0 0 10.0.2.15%lan1:68 0.0.0.0:*",
            "udp UNCONN 0 0 0.0.0.0:123 0.0.0.0:*",
            "udp UNCONN 0 0 [::]:5353 [::]:*",
        ]
    )
    assert ports == {"tcp": [443, 8080, 8081], "udp": [68, 123, 5353]}
    assert boot.port_trouble(ports) == []
    assert boot.port_trouble({"tcp": [22, 443, 8080], "udp": [123, 5353]}) == [
        "undocumented tcp ports [22]",
        "closed tcp ports [8081]",
    ]


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img comes with image-tools")
def test_an_overlay_leaves_its_image_and_grows_and_a_blank_disk_is_blank(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"system" * 1000)
    made = disks.overlay(image, tmp_path / "made.qcow2")
    assert not disks.is_blank(made)
    assert disks.is_blank(disks.blank(tmp_path / "blank.qcow2", disks.DISK_BYTES))
    assert image.read_bytes() == b"system" * 1000
