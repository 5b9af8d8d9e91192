"""Currents per phase, phase rotation, and the conversions between amperes and watts.

Currents are integer milliamperes everywhere inside; they become amperes or watts only at the
edges (OCPP frames, pages). A value per phase is a ``PhaseCurrents``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

import msgspec

MIN_CHARGE_MA = 6_000
"""Least current a car may be offered in mode 3 (IEC 61851-1); below it only 0 is meaningful."""

NOMINAL_VOLTAGE_V = 230
"""Phase-to-neutral voltage used where nothing was measured."""

PHASES = (0, 1, 2)
"""Indices of the phases L1, L2 and L3."""


class PhaseCurrents(msgspec.Struct, frozen=True):
    """Three currents in mA, one per phase; on the site's phases unless said otherwise."""

    l1: int = 0
    l2: int = 0
    l3: int = 0

    @classmethod
    def uniform(cls, current_ma: int) -> PhaseCurrents:
        """The same current (mA) on the three phases."""
        return cls(current_ma, current_ma, current_ma)

    @classmethod
    def on(cls, phases: Iterable[int], current_ma: int) -> PhaseCurrents:
        """``current_ma`` on the phase indices (0 to 2) in ``phases``, 0 elsewhere."""
        values = [0, 0, 0]
        for phase in phases:
            values[phase] = current_ma
        return cls(*values)

    @classmethod
    def of(cls, values: Iterable[int]) -> PhaseCurrents:
        """From any iterable of exactly three integers (mA)."""
        l1, l2, l3 = values
        return cls(l1, l2, l3)

    def __iter__(self) -> Iterator[int]:
        yield self.l1
        yield self.l2
        yield self.l3

    def __getitem__(self, phase: int) -> int:
        return (self.l1, self.l2, self.l3)[phase]

    def __add__(self, other: PhaseCurrents) -> PhaseCurrents:
        return PhaseCurrents(self.l1 + other.l1, self.l2 + other.l2, self.l3 + other.l3)

    def __sub__(self, other: PhaseCurrents) -> PhaseCurrents:
        return PhaseCurrents(self.l1 - other.l1, self.l2 - other.l2, self.l3 - other.l3)

    def at_least(self, other: PhaseCurrents) -> PhaseCurrents:
        """The greater of the two, phase by phase."""
        return PhaseCurrents(max(self.l1, other.l1), max(self.l2, other.l2), max(self.l3, other.l3))

    def at_most(self, other: PhaseCurrents) -> PhaseCurrents:
        """The lesser of the two, phase by phase."""
        return PhaseCurrents(min(self.l1, other.l1), min(self.l2, other.l2), min(self.l3, other.l3))

    def floored(self) -> PhaseCurrents:
        """Negative values raised to 0."""
        return self.at_least(ZERO)

    def fits(self, limit: PhaseCurrents) -> bool:
        """Whether no phase is above ``limit``."""
        return self.l1 <= limit.l1 and self.l2 <= limit.l2 and self.l3 <= limit.l3

    def peak(self) -> int:
        """The greatest of the three (mA)."""
        return max(self.l1, self.l2, self.l3)

    def total(self) -> int:
        """The sum of the three (mA)."""
        return self.l1 + self.l2 + self.l3


ZERO = PhaseCurrents()


class Rotation(enum.StrEnum):
    """How a connector's conductors meet the site's phases (OCPP 1.6 ConnectorPhaseRotation).

    The n-th letter is the site phase (R = L1, S = L2, T = L3) on the connector's n-th conductor.
    """

    RST = "RST"
    RTS = "RTS"
    SRT = "SRT"
    STR = "STR"
    TRS = "TRS"
    TSR = "TSR"

    @property
    def site_phases(self) -> tuple[int, int, int]:
        """Site phase index of the connector's first, second and third conductor."""
        return _SITE_PHASES[self]

    def to_site(self, connector: PhaseCurrents) -> PhaseCurrents:
        """Currents on the connector's conductors, moved to the site's phases."""
        values = [0, 0, 0]
        for conductor, phase in enumerate(_SITE_PHASES[self]):
            values[phase] = connector[conductor]
        return PhaseCurrents(*values)


_SITE_PHASES: dict[Rotation, tuple[int, int, int]] = {
    rotation: ("RST".index(rotation[0]), "RST".index(rotation[1]), "RST".index(rotation[2]))
    for rotation in Rotation
}


def amperes_to_ma(amperes: float) -> int:
    """Amperes to whole milliamperes (nearest)."""
    return round(amperes * 1000)


def floor_to_step(current_ma: int, step_ma: int) -> int:
    """The greatest multiple of ``step_ma`` not above ``current_ma`` (never below 0)."""
    return max(0, current_ma - current_ma % step_ma)
