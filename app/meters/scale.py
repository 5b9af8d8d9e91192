"""Transformer ratios, and the units per count that depend on them.

Rules of the IME maps, from transcriptions of PR 106, PR 129 and IDP000050EN: with k = KTA x KTV, a
power count is 0.01 W below k = 5000 and 1 W from there; an energy count grows with each decade of
k. A KTV that reads 0, 1, 10 or 100 is the neutral value in one of the published resolutions: there
is no voltage transformer on a low-voltage supply.
"""

from __future__ import annotations

import msgspec

_POWER_BREAK = 5_000
_ENERGY_STEPS = ((10, 10.0), (100, 100.0), (1_000, 1e3), (10_000, 1e4), (100_000, 1e5))
_ENERGY_TOP = 1e6
_NEUTRAL_KTV = frozenset({0, 1, 10, 100})


class Ratios(msgspec.Struct, frozen=True):
    """Current (KTA) and voltage (KTV) transformer ratios; ``None`` when the meter did not say."""

    kta: int | None = None
    ktv: float | None = None

    @property
    def k(self) -> float | None:
        """KTA x KTV; ``None`` without KTA. An unknown KTV counts as 1."""
        if self.kta is None:
            return None
        return self.kta * (1.0 if self.ktv is None else self.ktv)


UNKNOWN_RATIOS = Ratios()
DIRECT = Ratios(kta=1, ktv=1.0)


def power_scale(k: float | None) -> float:
    """Watts, var or VA per count; an unknown ``k`` is taken as that of a low-voltage site."""
    return 1.0 if k is not None and k >= _POWER_BREAK else 0.01


def energy_scale(k: float | None) -> float | None:
    """Wh or varh per count; ``None`` when ``k`` is unknown."""
    if k is None:
        return None
    for below, scale in _ENERGY_STEPS:
        if k < below:
            return scale
    return _ENERGY_TOP


def ktv_value(raw: int, scale: float) -> float:
    """KTV from its register, of ``scale`` per count."""
    return 1.0 if raw in _NEUTRAL_KTV else raw * scale
