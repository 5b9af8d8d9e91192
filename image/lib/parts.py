"""What the box holds beside Debian's packages: the manager, its Python libraries, front-end files."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import NamedTuple

_LONGEST_LICENSE = 80
"""Some libraries put the whole text where its name belongs."""

VENDOR = "app/web/static/vendor"
_VENDOR_FILES = {"htmx.org": "htmx.min.js", "uplot": "uPlot.iife.min.js"}
"""A file of each npm package by which one sees that it is there."""


class PartError(Exception):
    """A part that cannot be described; the message says which."""


class Part(NamedTuple):
    """One part. ``expression`` is an SPDX licence expression, ``license_name`` any other words."""

    purl: str
    name: str
    version: str
    expression: str = ""
    license_name: str = ""
    homepage: str = ""
    sha512: str = ""
    """Of the archive it came in, hexadecimal, where the lock file tells."""


def manager_folder(root: Path) -> Path:
    """The manager within a root; there must be exactly one. Raises ``PartError``."""
    found = [path for path in root.glob("opt/bornier/*") if not path.is_symlink()]
    if len(found) != 1:
        raise PartError(f"{len(found)} managers in opt/bornier")
    return found[0]


def manager_version(folder: Path) -> str:
    """As the manager tells it itself. Raises ``PartError``."""
    found = re.search(
        r'^VERSION = "([^"]+)"$', (folder / "app/config.py").read_text(), re.MULTILINE
    )
    if found is None:
        raise PartError("the manager has no version")
    return found[1]


def python_parts(library: Path) -> Iterator[Part]:
    """The distributions installed in ``library``, by name. Raises ``PartError`` for none."""
    folders = sorted(library.glob("*.dist-info"))
    if not folders:
        raise PartError(f"no Python library in {library}")
    for folder in folders:
        yield _python_part(folder)


def _python_part(folder: Path) -> Part:
    text = PathDistribution(folder).read_text("METADATA")
    if text is None:
        raise PartError(f"{folder.name} has no METADATA")
    known = HeaderParser().parsestr(text)
    name = re.sub(r"[-_.]+", "-", known["Name"]).lower()
    words = (known.get("License") or "").strip()
    if not words or "\n" in words or len(words) > _LONGEST_LICENSE:
        classified = [
            each.rsplit(" :: ", 1)[-1]
            for each in known.get_all("Classifier", [])
            if each.startswith("License :: ")
        ]
        words = " and ".join(classified)
    return Part(
        purl=f"pkg:pypi/{name}@{known['Version']}",
        name=name,
        version=known["Version"],
        expression=known.get("License-Expression") or "",
        license_name=words,
        homepage=_homepage(known.get("Home-page"), known.get_all("Project-URL", [])),
    )


def _homepage(named: str | None, urls: list[str]) -> str:
    if named:
        return named
    labelled = [each.partition(",")[::2] for each in urls]
    for label, url in labelled:
        if label.strip().lower() in ("homepage", "home"):
            return url.strip()
    return labelled[0][1].strip() if labelled else ""


def npm_parts(folder: Path, lock_file: Path) -> Iterator[Part]:
    """The front-end libraries of the manager in ``folder``, as the lock file pins them.

    Raises ``PartError`` when one that the lock file names is not there, or is not known here.
    """
    packages = json.loads(lock_file.read_text())["packages"]
    for name in sorted(packages[""]["dependencies"]):
        known = packages[f"node_modules/{name}"]
        witness = _VENDOR_FILES.get(name)
        if witness is None or not (folder / VENDOR / witness).is_file():
            raise PartError(f"the manager lacks a file of the npm package {name}")
        algorithm, _, digest = known["integrity"].partition("-")
        yield Part(
            purl=f"pkg:npm/{name}@{known['version']}",
            name=name,
            version=known["version"],
            expression=known.get("license", ""),
            sha512=base64.b64decode(digest).hex() if algorithm == "sha512" else "",
        )
