"""Reads the families of stations and their quirks that are shipped inside the package."""

from __future__ import annotations

from importlib.resources import files

import yaml

from app.ocpp16.quirk import QuirkRegister, build_register


def load_quirks() -> QuirkRegister:
    """The register of the shipped families.

    Raises ``ValueError`` when a file is wrong, ``OSError`` when one is unreadable.
    """
    folder = files("app.ocpp16").joinpath("quirks")
    found = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".yaml")),
        key=lambda item: item.name,
    )
    return build_register(yaml.safe_load(item.read_text(encoding="utf-8")) for item in found)
