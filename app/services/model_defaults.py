"""What is known of a make before its station is set up; the installer's word goes before it.

Only what a maker's public document says stands here. The catalogue number of a Legrand station
tells its range, but not its phases, which the same number has in both variants.
"""

from __future__ import annotations

from typing import Final

import msgspec

from app.domain.station import StationIdentity

USUAL_MAX_MA: Final = 32_000
"""Most outlets of mode 3 (IEC 61851-1); taken where nothing is known: the safe side."""

USUAL_PHASES: Final = 3
"""Reserves current on every phase until the wiring is known."""


class KnownModel(msgspec.Struct, frozen=True):
    """A range of stations: its name, and what its outlets carry.

    ``second_outlet`` where the post usually has a domestic socket beside its Type 2 outlet: the
    number of outlets is then worth a look.
    """

    name: str
    max_ma: int = USUAL_MAX_MA
    second_outlet: bool = False


_PREMIUM: Final = KnownModel("Green’up Premium", second_outlet=True)
_EARLIER: Final = KnownModel("Green’up (20 – 29)")

_LEGRAND: Final = {
    **{f"0590{number:02}": _PREMIUM for number in (0, 1, 2, 3, 4, 30, 35)},
    **{f"0590{number:02}": _EARLIER for number in range(20, 30)},
}
"""By catalogue number without spaces, as the stations send it."""


def known_model(identity: StationIdentity) -> KnownModel | None:
    """The range that a station belongs to, by what it says of itself."""
    if identity.vendor.strip().casefold() != "legrand":
        return None
    return _LEGRAND.get(identity.model.replace(" ", ""))
