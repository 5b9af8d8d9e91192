"""The site document of most tests over real sockets: a garage with one circuit and some stations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def garage(
    names: Iterable[str], *, limit_a: int = 100, background_a: int = 20, free: bool = False
) -> dict[str, Any]:
    """What ``serve --provision`` imports: a supply of ``limit_a`` per phase, of which the building
    may take ``background_a``, and stations of one outlet. They charge for the badge AAAA, or for
    anybody when ``free``.
    """
    outlets: dict[str, Any] = {"circuit": "supply", "connectors": [{"id": 1}]}
    if free:
        outlets["free_charging"] = True
    return {
        "schema": "bornier-site/1",
        "name": "Garage",
        "circuits": [
            {
                "id": "supply",
                "name": "Arrivée",
                "limit_a": [limit_a] * 3,
                "worst_background_a": [background_a] * 3,
            }
        ],
        "stations": [{"id": name, **outlets} for name in names],
        "badges": [{"id_tag": "AAAA", "holder": "Claire"}],
    }
