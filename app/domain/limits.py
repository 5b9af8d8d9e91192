"""Limits granted to connectors: the value, why it is what it is, and until when it holds."""

from __future__ import annotations

import enum

import msgspec

from app.domain.station import ConnectorKey
from app.domain.units import PhaseCurrents


class ReasonCode(enum.StrEnum):
    """The one constraint that binds an allocation; each has a text in every language."""

    NO_CAR = "no-car"
    """No transaction runs on the connector."""
    DEMAND = "demand"
    """The car takes no more than this."""
    CONNECTOR = "connector"
    """The outlet, its cable or its station carries no more."""
    CIRCUIT = "circuit"
    """A circuit is full on a phase and is shared (``circuit_id``, ``phase``)."""
    POWER = "power"
    """A circuit's total power is reached and shared (``circuit_id``)."""
    UNBALANCE = "unbalance"
    """A phase of a circuit may not exceed the others by more (``circuit_id``, ``phase``)."""
    WAITING = "waiting"
    """Less than the least a car can use is left on a phase: paused (``circuit_id``, ``phase``)."""
    HOLDING = "holding"
    """More would be possible, but a change waits for its turn (settling, ramp, hysteresis)."""
    METER_LOST = "meter-lost"
    """The meter is silent or implausible: the circuit keeps to its static budget."""
    OFFLINE = "offline"
    """The station is not connected; what it may draw is reserved."""
    NOT_CONTROLLABLE = "not-controllable"
    """The outlet has no pilot, or refuses limits; its rating is reserved."""
    UNKNOWN = "unknown"
    """The manager has just started and does not know yet what the station holds."""


class LimitSource(enum.StrEnum):
    """Who set the limit that binds."""

    INSTALLATION = "installation"
    """The circuit's own limit, as the installer entered it."""
    SCHEDULE = "schedule"
    """A weekly schedule."""
    EXTERNAL = "external"
    """An outside command: the network operator, the building system."""
    TARIFF = "tariff"
    """A tariff window in which charging is held back."""
    SOLAR = "solar"
    """Charging follows the sun: only the surplus is given out."""
    OPERATOR = "operator"
    """The external operator (CPO) of the station."""


class Reason(msgspec.Struct, frozen=True):
    """Why a limit is what it is. ``phase`` is 0 to 2 (L1 to L3); ``source`` who set that limit."""

    code: ReasonCode
    circuit_id: str | None = None
    phase: int | None = None
    source: LimitSource = LimitSource.INSTALLATION


class CircuitCap(msgspec.Struct, frozen=True):
    """A limit in force on a circuit for now, on top of the installer's; it can only narrow.

    ``limit`` bounds all that flows (mA per phase) and ``power_w`` the total power, building
    included; ``charging`` and ``charging_power_w`` bound what the stations below may draw, whatever
    the building does. Fields that are ``None`` bound nothing. Where several caps name one circuit
    the least counts, phase by phase.
    """

    circuit_id: str
    source: LimitSource
    limit: PhaseCurrents | None = None
    power_w: int | None = None
    charging: PhaseCurrents | None = None
    charging_power_w: int | None = None


class Allocation(msgspec.Struct, frozen=True):
    """The manager's decision for one connector: per-phase current (mA) and its binding reason."""

    key: ConnectorKey
    limit_ma: int
    reason: Reason
