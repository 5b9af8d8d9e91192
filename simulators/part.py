"""What every section of a scenario file is made of."""

from __future__ import annotations

import msgspec

Amperes = float | tuple[float, float, float]
"""One number for all phases, or three for L1, L2 and L3."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of a scenario; a misspelt key is an error."""


def three(amperes: Amperes) -> tuple[float, float, float]:
    """One number for all phases, or three: always three."""
    if isinstance(amperes, tuple):
        return amperes
    return (float(amperes), float(amperes), float(amperes))


def times(amperes: Amperes, factor: float) -> tuple[float, float, float]:
    """So many times as much on each phase, to a tenth of an ampere."""
    a, b, c = three(amperes)
    return (round(a * factor, 1), round(b * factor, 1), round(c * factor, 1))
