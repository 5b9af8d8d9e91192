"""The picture of the site that the pages show, made once per control cycle.

``SiteView`` is frozen and complete: a page that has the newest one needs nothing else. The
``LiveFeed`` hands it to every open browser; a slow one only ever misses intermediate pictures.
"""

from __future__ import annotations

import asyncio
import enum
from datetime import datetime

import msgspec

from app.domain.limits import Reason
from app.domain.meter import MeterPlacement
from app.domain.station import ConnectorKey, ConnectorStatus
from app.domain.units import PhaseCurrents


class DisplayState(enum.StrEnum):
    """State of a connector as people see it; one-to-one from OCPP status and allocation."""

    AVAILABLE = "available"
    PLUGGED = "plugged"
    CHARGING = "charging"
    WAITING_FOR_POWER = "waiting"
    SUSPENDED_BY_CAR = "suspended-car"
    FINISHED = "finished"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"
    OFFLINE = "offline"


class Severity(enum.StrEnum):
    """How urgent an alarm is."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Alarm(msgspec.Struct, frozen=True):
    """One line of the alarm strip; ``key`` is an entry of ``errors.toml``."""

    key: str
    severity: Severity
    params: dict[str, str | int | float]
    since_utc: datetime


class CircuitView(msgspec.Struct, frozen=True):
    """A circuit as drawn: all currents in mA per site phase.

    ``total`` is what flows (measured, or the worst estimate where nothing measures), of which
    ``charging`` goes to the stations and ``building`` is the rest.
    """

    circuit_id: str
    name: str
    parent_id: str | None
    depth: int
    limit: PhaseCurrents
    total: PhaseCurrents
    charging: PhaseCurrents
    building: PhaseCurrents
    ceilings: PhaseCurrents
    metered: bool
    placement: MeterPlacement | None
    age_s: float | None
    stale: bool
    binding_phases: tuple[int, ...]
    """Phases (0 to 2) on which this circuit decides somebody's limit."""


class ConnectorView(msgspec.Struct, frozen=True):
    """A connector as its tile and its page show it. Currents in mA on the site's phases."""

    key: ConnectorKey
    station_name: str
    place: str
    circuit_id: str
    circuit_name: str
    state: DisplayState
    status: ConnectorStatus
    error_code: str
    online: bool
    offline_since_utc: datetime | None
    limit_ma: int | None
    max_ma: int
    reason: Reason | None
    measured: PhaseCurrents | None
    measured_age_s: float | None
    power_w: int | None
    energy_wh: int | None
    transaction_id: int | None
    session_since_utc: datetime | None
    badge_label: str
    controllable: bool
    obeys: bool
    reserved_until_utc: datetime | None = None
    reserved_for: str = ""
    """The badge for which the connector is kept, as ``badge_label``."""


class MeterView(msgspec.Struct, frozen=True):
    """A meter's health."""

    meter_id: str
    model: str
    circuit_id: str
    placement: MeterPlacement
    currents: PhaseCurrents | None
    age_s: float | None
    stale: bool
    error_key: str | None


class SiteView(msgspec.Struct, frozen=True):
    """The whole site at one instant. ``cycle`` counts control cycles since start."""

    cycle: int
    at_utc: datetime
    name: str
    timezone: str
    circuits: tuple[CircuitView, ...]
    connectors: tuple[ConnectorView, ...]
    meters: tuple[MeterView, ...]
    alarms: tuple[Alarm, ...]
    pending_stations: int
    cycle_ms: float

    @property
    def supply(self) -> CircuitView:
        """The root circuit."""
        return self.circuits[0]

    def counts(self) -> dict[DisplayState, int]:
        """Connectors by state."""
        counts = dict.fromkeys(DisplayState, 0)
        for connector in self.connectors:
            counts[connector.state] += 1
        return counts


class LiveFeed:
    """Hands the newest ``SiteView`` to any number of listeners."""

    def __init__(self) -> None:
        self.latest: SiteView | None = None
        self._changed = asyncio.Event()

    def publish(self, view: SiteView) -> None:
        """Makes ``view`` the newest and wakes every listener."""
        self.latest = view
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def next_after(self, cycle: int) -> SiteView:
        """The newest view whose cycle is above ``cycle``; waits for one when there is none."""
        while self.latest is None or self.latest.cycle <= cycle:
            await self._changed.wait()
        return self.latest
