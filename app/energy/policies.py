"""How a policy shares what is scarce: in whose order, with what weight, from which level on.

The allocator raises sessions of one class together above the least current. Everything a policy
wants is said in its terms: classes of their own for "first come", weights and starting levels for
"equal power".
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.rules import SharingPolicy
from app.energy.admission import Candidate

_EQUAL = 1_000


class Share(msgspec.Struct, frozen=True):
    """``weight`` in thousandths and the level (mA) from which on the session rises above its floor."""

    weight: int
    start_ma: int = 0


def share(policy: SharingPolicy, weight: int, floor_ma: int, phase_count: int) -> Share:
    """The share of a session of ``weight`` (thousandths) that loads ``phase_count`` phases.

    With equal power the level counts a third of the session's current summed over its phases: on
    one phase a session rises three times as fast, and begins when it has a third of the power that
    the least current means on three.
    """
    if policy is SharingPolicy.WEIGHTED:
        return Share(weight)
    if policy is SharingPolicy.EQUAL_POWER:
        return Share(3 * _EQUAL // phase_count, floor_ma * phase_count // 3)
    return Share(_EQUAL)


def classes(policy: SharingPolicy, order: Sequence[Candidate]) -> list[int]:
    """The strict class of each candidate in the order of admission, 0 served first."""
    if policy is SharingPolicy.FIRST_COME:
        return list(range(len(order)))
    return [candidate.rank for candidate in order]
