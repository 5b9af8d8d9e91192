"""Where a session stands among the others: its weight, its strict class, and what a tariff lets it.

The class is that of the time slots in which its badge, its station or a circuit above it is named
(the best of them, when several hold), else the badge's own, else the station's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from app.domain.badge import Badge
from app.domain.rules import PriorityWindow, TariffCharge, TariffWindow
from app.domain.station import ChargingStation, Connector

FULL_WEIGHT = 1_000
FIRST_CLASS = 0


class Standing(msgspec.Struct, frozen=True):
    """``weight`` in thousandths; ``priority`` 0 is served first."""

    weight: int
    priority: int


def standing(
    station: ChargingStation,
    badge: Badge | None,
    path: Sequence[str],
    slots: Iterable[PriorityWindow],
) -> Standing:
    """The standing of a session; ``slots`` hold now, ``path`` are the circuits that feed it."""
    weight, priority = station.weight, station.priority
    if badge is not None:
        # Rounded up: a share is never lost to rounding.
        weight = -(-weight * badge.weight // FULL_WEIGHT)
        if badge.priority is not None:
            priority = badge.priority
    slot = min(
        (each.priority for each in slots if _named(each, station, badge, path)), default=None
    )
    return Standing(max(1, weight), priority if slot is None else slot)


def held_to_ma(
    connector: Connector, priority: int, path: Sequence[str], windows: Iterable[TariffWindow]
) -> int | None:
    """The most a session may draw (mA) by the tariff ``windows`` that hold; ``None``: no bound."""
    charges = {
        each.charge
        for each in windows
        if (each.circuit_id is None or each.circuit_id in path)
        and not (each.spares_first and priority == FIRST_CLASS)
    }
    if not charges or TariffCharge.FULL in charges:
        return None
    return 0 if TariffCharge.NONE in charges else connector.min_ma


def _named(
    slot: PriorityWindow, station: ChargingStation, badge: Badge | None, path: Sequence[str]
) -> bool:
    return (
        station.station_id in slot.stations
        or (badge is not None and badge.key in slot.badges)
        or any(circuit in slot.circuits for circuit in path)
    )
