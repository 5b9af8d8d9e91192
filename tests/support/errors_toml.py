"""The texts of app/errors.toml, for the extraction of what is to be translated."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

TEXTS = ("title", "effect", "remedy")


def extract(
    source: IO[bytes],
    keywords: Mapping[str, Any],
    comment_tags: Collection[str],
    options: Mapping[str, Any],
) -> Iterator[tuple[int, str, str, list[str]]]:
    """Each text with the line of its section, as Babel's extraction methods yield them."""
    content = source.read().decode("utf-8")
    lines = {line.strip(): number for number, line in enumerate(content.splitlines(), 1)}
    for key, entry in tomllib.loads(content).items():
        for name in TEXTS:
            if entry.get(name):
                yield lines[f"[{key}]"], "gettext", entry[name], []
