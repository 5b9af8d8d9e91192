"""Stations expected before they call, and the time in which callers are taken in by themselves."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from app.domain.units import Rotation


class PlannedStation(msgspec.Struct, frozen=True):
    """A line of an imported list: a station bound to its place before it has called.

    At least one of ``station_id`` (its identity on the network) and ``serial`` is given. What the
    list leaves open is ``None``. ``adopt`` takes it in as soon as it calls.
    """

    plan_id: str
    station_id: str
    serial: str
    name: str
    place: str
    circuit_id: str
    max_ma: int | None = None
    phases: int | None = None
    rotation: Rotation | None = None
    adopt: bool = False

    @property
    def expected_id(self) -> str:
        """The identity to type into the station."""
        return self.station_id or self.serial

    @property
    def shown_name(self) -> str:
        """Its name, or what it is known by."""
        return self.name or self.expected_id

    def fits(self, station_id: str, serial: str) -> bool:
        """Whether a caller of this identity and serial number is meant.

        Serial numbers are compared without case: lists are typed from labels.
        """
        if self.station_id:
            if self.station_id == station_id:
                return True
        elif self.serial.casefold() == station_id.casefold():
            return True
        return bool(self.serial) and self.serial.casefold() == serial.casefold()


class WindowScope(enum.StrEnum):
    """Whom a commissioning window lets in."""

    LISTED = "listed"
    """Those of the imported list."""
    ALL = "all"


class CommissioningWindow(msgspec.Struct, frozen=True):
    """A time in which callers are adopted by themselves, opened by a person.

    ``circuit_id`` feeds those that no list names.
    """

    opened_utc: datetime
    until_utc: datetime
    scope: WindowScope
    circuit_id: str
    by: str

    def is_open(self, now_utc: datetime) -> bool:
        """Whether ``now_utc`` lies in it. A clock set back to before its opening closes it."""
        return self.opened_utc <= now_utc < self.until_utc
