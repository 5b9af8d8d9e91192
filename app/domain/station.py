"""Charging stations and their connectors, as configured and as OCPP 1.6 reports them."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from app.domain.units import MIN_CHARGE_MA, Rotation

DEFAULT_PRIORITY = 1
"""The strict class of whoever has none of their own; 0 goes before it, 2 and 3 after."""

PRIORITIES = (0, 1, 2, 3)
"""The strict classes, the one served first first."""


class ConnectorKey(NamedTuple):
    """Identity of one outlet: the station and its OCPP connectorId (1 or more)."""

    station_id: str
    connector_id: int

    def __str__(self) -> str:
        return f"{self.station_id}/{self.connector_id}"


class ConnectorStatus(enum.StrEnum):
    """ChargePointStatus of OCPP 1.6 (clause 7.7); ``UNKNOWN`` until the station has reported."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EVSE = "SuspendedEVSE"
    SUSPENDED_EV = "SuspendedEV"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"
    UNKNOWN = "Unknown"

    @property
    def car_present(self) -> bool:
        """Whether a car is plugged in, as far as the status tells."""
        return self in _CAR_PRESENT


_CAR_PRESENT = frozenset(
    {
        ConnectorStatus.PREPARING,
        ConnectorStatus.CHARGING,
        ConnectorStatus.SUSPENDED_EVSE,
        ConnectorStatus.SUSPENDED_EV,
        ConnectorStatus.FINISHING,
    }
)


class RateUnit(enum.StrEnum):
    """ChargingRateUnitType of OCPP 1.6: what a station accepts in a charging schedule."""

    AMPERES = "A"
    WATTS = "W"


class Connector(msgspec.Struct, frozen=True):
    """An outlet for one car, as wired.

    ``phases`` is how many conductors are wired (1 or 3), ``rotation`` where they meet the site's
    phases, ``max_ma`` what the outlet may carry, ``step_ma`` the finest step the station follows,
    ``controllable`` false for a socket without pilot, which only switches on and off.
    ``line_to_line`` is a single-phase outlet between two line conductors (supplies of 3 x 230 V without
    neutral): its current loads both lines.
    """

    connector_id: int
    phases: int = 3
    rotation: Rotation = Rotation.RST
    max_ma: int = 32_000
    min_ma: int = MIN_CHARGE_MA
    step_ma: int = 1_000
    controllable: bool = True
    line_to_line: bool = False

    @property
    def site_phases(self) -> tuple[int, ...]:
        """Indices of the site phases that this outlet is wired to."""
        return self.rotation.site_phases[: 2 if self.line_to_line else self.phases]


class ChargingStation(msgspec.Struct, frozen=True):
    """A post on the wall, as adopted.

    ``max_ma`` bounds the sum of its connectors per phase; ``fallback_ma`` is what each connector
    may draw without news from the manager (0 = blocked); ``weight`` (in thousandths) is its share
    when current is scarce, ``priority`` its strict class (0 is served first, and nothing is left to
    a class before the one above has what it wants); ``free_charging`` lets anyone charge without a
    badge.
    """

    station_id: str
    name: str
    circuit_id: str
    connectors: tuple[Connector, ...]
    place: str = ""
    max_ma: int = 32_000
    fallback_ma: int = 0
    weight: int = 1_000
    free_charging: bool = False
    priority: int = DEFAULT_PRIORITY

    def connector(self, connector_id: int) -> Connector | None:
        """The connector with this OCPP number, or ``None``."""
        for connector in self.connectors:
            if connector.connector_id == connector_id:
                return connector
        return None


class StationIdentity(msgspec.Struct, frozen=True):
    """What a station said of itself in BootNotification; empty strings where it said nothing."""

    vendor: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""


class PendingStation(msgspec.Struct, frozen=True):
    """An unknown caller that waits for adoption.

    ``addresses`` are those it called from lately, the newest first. ``refusal`` is the message key
    of why it was not adopted by itself, with its plain parameters. An ``ignored`` one is answered and not shown, a ``blocked``
    one cannot even connect.
    """

    station_id: str
    identity: StationIdentity
    address: str
    first_seen_utc: str
    last_seen_utc: str
    connector_ids: tuple[int, ...] = ()
    ignored: bool = False
    blocked: bool = False
    mac: str = ""
    secure: bool = False
    addresses: tuple[str, ...] = ()
    refusal: str = ""
    refusal_params: dict[str, str | int] = {}

    @property
    def waits(self) -> bool:
        """Whether somebody should decide about it."""
        return not (self.ignored or self.blocked)
