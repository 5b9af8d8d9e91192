"""The lists of the image's parts, and the comparison of two roots, on roots of a few files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TREE = Path(__file__).parents[2]
TOOL = TREE / ".venv-image/bin/debsbom"
EPOCH = 1_795_600_000

DPKG_STATUS = """\
Package: libtiny1
Status: install ok installed
Architecture: amd64
Source: tiny (1.2-3)
Version: 1.2-3
Maintainer: Somebody <somebody@example.org>
Homepage: https://tiny.example.org/
Description: a small library
 of no use

Package: tiny-tools
Status: install ok installed
Architecture: amd64
Source: tiny
Version: 1.2-3
Depends: libtiny1 (= 1.2-3)
Maintainer: Somebody <somebody@example.org>
Description: its commands
"""


def a_root(folder: Path) -> Path:
    files = {
        "var/lib/dpkg/status": DPKG_STATUS,
        "var/lib/apt/lists/secret-mirror.example_dists_Release": "Origin: secret-mirror.example\n",
        "etc/apt/sources.list": "deb http://secret-mirror.example/debian trixie main\n",
        "opt/bornier/0123/app/config.py": 'VERSION = "7.8.9"\n',
        "opt/bornier/0123/app/web/static/vendor/htmx.min.js": "",
        "opt/bornier/0123/app/web/static/vendor/uPlot.iife.min.js": "",
        "opt/bornier/0123/lib/Some_Lib-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.4\nName: Some.Lib\nVersion: 1.0\nLicense-Expression: MIT\n"
            "Project-URL: Homepage, https://lib.example.org\n\nText: no header\n"
        ),
        "opt/bornier/0123/lib/older-2.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: older\nVersion: 2\nHome-page: https://older.example.org\n"
            "Classifier: License :: OSI Approved :: BSD License\n"
        ),
        "opt/bornier/0123/lib/plain-4.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: plain\nVersion: 4\nLicense: Apache-2.0\n"
        ),
        "opt/bornier/0123/lib/odd-3.dist-info/METADATA": (
            "Metadata-Version: 2.4\nName: odd\nVersion: 3\nLicense-Expression: No-Such-Licence\n"
        ),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / "opt/bornier/current").symlink_to("0123")
    return folder


def described(root: Path, prefix: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TREE / "image/recipe/sbom", root, prefix],
        env=os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH)},
        capture_output=True,
        text=True,
        check=False,
    )


needs_tool = pytest.mark.skipif(
    not TOOL.exists(), reason="the tools of `make image` are not set up here"
)


@needs_tool
def test_a_root_is_described_the_same_each_time(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "another/place"):
        root = a_root(tmp_path / name)
        done = described(root, tmp_path / "parts")
        assert done.returncode == 0, done.stderr
        texts.append([(tmp_path / f"parts.{kind}.json").read_text() for kind in ("cdx", "spdx")])
    assert texts[0] == texts[1]
    for text in texts[0]:
        assert "secret-mirror" not in text
        assert str(tmp_path) not in text
    cyclonedx, spdx = (json.loads(text) for text in texts[0])
    check_cyclonedx(cyclonedx)
    check_spdx(spdx)

    (root / "opt/bornier/0123/app/config.py").write_text('VERSION = "7.9.0"\n')
    assert described(root, tmp_path / "parts").returncode == 0
    later = json.loads((tmp_path / "parts.cdx.json").read_text())
    assert later["serialNumber"] != cyclonedx["serialNumber"]


def check_cyclonedx(document: dict[str, Any]) -> None:
    assert document["metadata"]["timestamp"] == "2026-11-25T09:46:40+00:00"
    parts = {part["purl"]: part for part in document["components"]}
    lock = json.loads((TREE / "package-lock.json").read_text())["packages"]
    htmx = f"pkg:npm/htmx.org@{lock['node_modules/htmx.org']['version']}"
    uplot = f"pkg:npm/uplot@{lock['node_modules/uplot']['version']}"
    assert set(parts) == {
        "pkg:deb/debian/libtiny1@1.2-3?arch=amd64",
        "pkg:deb/debian/tiny-tools@1.2-3?arch=amd64",
        "pkg:deb/debian/tiny@1.2-3?arch=source",
        "pkg:generic/bornier@7.8.9",
        "pkg:pypi/some-lib@1.0",
        "pkg:pypi/older@2",
        "pkg:pypi/odd@3",
        "pkg:pypi/plain@4",
        htmx,
        uplot,
    }
    assert parts["pkg:pypi/some-lib@1.0"]["licenses"] == [{"expression": "MIT"}]
    assert parts["pkg:pypi/older@2"]["licenses"] == [{"license": {"name": "BSD License"}}]
    assert parts["pkg:pypi/plain@4"]["licenses"] == [{"expression": "Apache-2.0"}]
    assert parts["pkg:pypi/odd@3"]["licenses"] == [{"license": {"name": "No-Such-Licence"}}]
    pages = {
        part["name"]: part["externalReferences"][0]["url"]
        for purl, part in parts.items()
        if purl.startswith("pkg:pypi") and "externalReferences" in part
    }
    assert pages == {"some-lib": "https://lib.example.org", "older": "https://older.example.org"}
    assert len(parts[htmx]["hashes"][0]["content"]) == 128
    depends = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    whole = document["metadata"]["component"]["bom-ref"]
    assert "pkg:generic/bornier@7.8.9" in depends[whole]
    assert depends["pkg:generic/bornier@7.8.9"] == sorted(
        purl for purl in parts if purl.startswith(("pkg:npm/", "pkg:pypi/"))
    )


def check_spdx(document: dict[str, Any]) -> None:
    assert document["creationInfo"]["created"] == "2026-11-25T09:46:40Z"
    names = {package["name"] for package in document["packages"]}
    assert names >= {"libtiny1", "tiny-tools", "bornier", "some-lib", "older", "odd", "htmx.org"}
    declared = {package["name"]: package["licenseDeclared"] for package in document["packages"]}
    assert (declared["some-lib"], declared["odd"]) == ("MIT", "NOASSERTION")


@needs_tool
@pytest.mark.parametrize(
    ("lost", "cause"),
    [
        ("opt/bornier/0123/lib", "no Python library"),
        ("opt/bornier/0123/lib/older-2.dist-info/METADATA", "older-2.dist-info has no METADATA"),
        ("opt/bornier/0123/app/web/static/vendor/htmx.min.js", "htmx.org"),
        ("opt/bornier/0123", "0 managers"),
        ("var/lib/dpkg", "debsbom"),
    ],
)
def test_a_part_that_is_not_found_is_an_error(tmp_path: Path, lost: str, cause: str) -> None:
    root = a_root(tmp_path / "root")
    path = root / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    done = described(root, tmp_path / "parts")
    assert done.returncode == 1
    assert cause in done.stderr
    assert list(tmp_path.glob("parts*")) == []


def compared(one: Path, other: Path) -> tuple[int, list[list[str]]]:
    done = subprocess.run(
        [sys.executable, TREE / "image/lib/compare_roots.py", one, other],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, [line.split("\t")[:2] for line in done.stdout.splitlines()]


def test_two_roots_are_compared_in_everything_an_image_records(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for root in (one, other):
        (root / "etc").mkdir(parents=True)
        for name in ("kept", "content", "mode", "time"):
            (root / "etc" / name).write_text("same")
        (root / "etc/link").symlink_to("kept")
        for path in (root, root / "etc", *(root / "etc").iterdir()):
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    assert compared(one, other) == (0, [])

    (other / "etc/content").write_text("else")
    (other / "etc/mode").chmod(0o600)
    (other / "etc/link").unlink()
    (other / "etc/link").symlink_to("time")
    (one / "etc/only").mkdir()
    for path in (one / "etc", other / "etc", other / "etc/content", other / "etc/link"):
        os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
    os.utime(other / "etc/time", (EPOCH, EPOCH + 1))
    assert compared(one, other) == (
        1,
        [
            ["content", "etc/content"],
            ["target", "etc/link"],
            ["mode", "etc/mode"],
            ["presence", "etc/only"],
            ["mtime", "etc/time"],
        ],
    )
