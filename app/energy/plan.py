"""What a planning cycle decides: allocations, the changes to send, and the balance per circuit."""

from __future__ import annotations

import enum

import msgspec

from app.domain.limits import Allocation, LimitSource, Reason
from app.domain.meter import MeterReading
from app.domain.station import ConnectorKey
from app.domain.units import PhaseCurrents


class LimitChange(msgspec.Struct, frozen=True):
    """A limit to send now: ``limit_ma`` per phase, to lapse at ``lease_until_s`` (monotonic).

    ``is_decrease`` is true when it raises nothing that the station may draw already (a lower
    limit, or the same one renewed); such a change is always safe.
    """

    key: ConnectorKey
    limit_ma: int
    is_decrease: bool
    reason: Reason
    lease_until_s: float


class BalanceSource(enum.StrEnum):
    """Where a circuit's background comes from."""

    MEASURED = "measured"
    """Its meter sees building and charging."""
    BUILDING = "building"
    """Its meter sees the building only."""
    CHARGING = "charging"
    """Its meter sees the stations only; the background is the configured worst."""
    FROZEN = "frozen"
    """Its meter is late: the last background is kept and nothing is increased."""
    STATIC = "static"
    """Its meter is lost: the configured worst background applies, or the circuit is full."""
    UNMETERED = "unmetered"
    """It has no meter."""


class CircuitBalance(msgspec.Struct, frozen=True):
    """One circuit's account, mA per site phase.

    ``limit`` is the limit in force and ``limit_source`` who set it, ``usable`` the same less the
    margin; ``background`` is the planned load other than the stations, ``background_upper`` the most it
    can be by the last reading, ``charging`` the estimated draw of the stations, ``limits`` the sum
    of the limits asked for, ``ceilings`` the most the stations may draw. ``meter`` is the last
    reading and ``age_s`` its age. ``tightest_phase`` is the phase with the least left.
    """

    circuit_id: str
    limit: PhaseCurrents
    usable: PhaseCurrents
    background: PhaseCurrents
    background_upper: PhaseCurrents
    charging: PhaseCurrents
    limits: PhaseCurrents
    ceilings: PhaseCurrents
    meter: MeterReading | None
    source: BalanceSource
    age_s: float | None
    tightest_phase: int
    limit_source: LimitSource = LimitSource.INSTALLATION


class Plan(msgspec.Struct, frozen=True):
    """The result of one cycle."""

    allocations: tuple[Allocation, ...]
    changes: tuple[LimitChange, ...]
    balances: tuple[CircuitBalance, ...]
