"""Reads the meter profiles that are shipped inside the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from app.meters.catalogue import Catalogue, build_catalogue
from app.services.circuits import MeterModelInfo


def load_catalogue() -> Catalogue:
    """The catalogue of the shipped profiles.

    Raises ``InvalidInputError`` when a profile is wrong, ``OSError`` when a file is unreadable.
    """
    root = files("app.meters").joinpath("profiles")
    families = [_parse(file) for file in _yaml_files(root.joinpath("families"))]
    models = [
        model for file in _yaml_files(root.joinpath("models")) for model in _parse(file)["models"]
    ]
    return build_catalogue(families, models, _parse(root.joinpath("sources.yaml"))["sources"])


def meter_models(catalogue: Catalogue) -> tuple[MeterModelInfo, ...]:
    """Every reference as the pages offer it, with how far its register map can be trusted."""
    return tuple(
        MeterModelInfo(
            label=model.label,
            confidence=model.confidence.value,
            confidence_meaning=model.confidence.meaning,
            family=model.family,
            phases=model.phases,
            note=model.description,
        )
        for model in catalogue.models
    )


def _yaml_files(folder: Traversable) -> list[Traversable]:
    found = [item for item in folder.iterdir() if item.name.endswith(".yaml")]
    return sorted(found, key=lambda item: item.name)


def _parse(file: Traversable) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))
