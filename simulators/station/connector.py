"""One outlet: the car in it, what it is offered, what it draws, and the status that follows."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from simulators.station.config import PHASES_OF_ROTATION, ConnectorConfig, TransactionRecord
from simulators.station.ev import Car
from simulators.station.persona import Persona

Triple = tuple[float, float, float]
NOTHING: Triple = (0.0, 0.0, 0.0)


class Reservation(NamedTuple):
    """An outlet (or any of them) kept for a tag, and for the group ``parent_tag``."""

    number: int
    id_tag: str
    parent_tag: str | None = None

    def admits(self, id_tag: str, parent: str | None) -> bool:
        """Whether that tag, of the group ``parent``, may use it."""
        if self.id_tag.lower() == id_tag.lower():
            return True
        return (
            self.parent_tag is not None
            and parent is not None
            and parent.lower() == self.parent_tag.lower()
        )


class Connector:
    """One outlet of a simulated station.

    ``current_a`` is what it draws on the site's L1, L2 and L3; ``offered_a`` what the pilot (or the
    socket's relay) gives each phase of the car now.
    """

    __slots__ = (
        "_drawn_a",
        "_frozen",
        "_frozen_wh",
        "_interval_from_wh",
        "_site_phases",
        "_wh_per_a_s",
        "available",
        "cable_of",
        "car",
        "config",
        "connector_id",
        "current_a",
        "energy_cap_wh",
        "fault",
        "finishing",
        "inoperative_later",
        "notified",
        "offered_a",
        "persona",
        "record",
        "register_base_wh",
        "register_wh",
        "remote_tag",
        "requested",
        "reserved_for",
        "started_s",
        "timers",
        "voltage_v",
    )

    def __init__(
        self, config: ConnectorConfig, persona: Persona, voltage_v: float, register_wh: float
    ) -> None:
        self.config = config
        self.connector_id = config.connector_id
        self.persona = persona
        self.voltage_v = voltage_v
        self._site_phases = PHASES_OF_ROTATION[config.rotation]
        self.car: Car | None = None
        self.offered_a = 0.0
        self.current_a: Triple = NOTHING
        self.register_wh = register_wh
        self.register_base_wh = 0.0
        self._interval_from_wh = register_wh
        self._drawn_a = 0.0
        self._wh_per_a_s = 0.0
        self._frozen: Triple | None = None
        self._frozen_wh = 0.0

        self.record: TransactionRecord | None = None
        self.started_s = 0.0
        """Start of the transaction on the station's clock, in seconds since the epoch."""
        self.requested = False
        self.available = True
        self.inoperative_later = False
        self.finishing = False
        self.fault = False
        self.remote_tag: str | None = None
        """Who started it from afar while no car was plugged in yet."""
        self.reserved_for: Reservation | None = None
        self.cable_of: str | None = None
        """Whose cable is locked in the outlet though the car has left."""
        self.energy_cap_wh: float | None = None
        """What the transaction may take in all: its badge was refused after the start."""
        self.notified = ""
        """The status that the central system was last told."""
        self.timers: dict[str, asyncio.TimerHandle] = {}
        """Of the periodic meter values, by the key of their interval."""

    # ------------------------------------------------------------------ physics

    def plug(self, car: Car) -> None:
        """A car arrives."""
        car.plug_in(self.config.phases)
        self.car = car
        self.cable_of = None
        self.requested = car.requests
        self._wh_per_a_s = self.voltage_v * car.used_phases / 3600.0

    def use_phases(self, most: int) -> None:
        """Give the car so many of the wired phases; it starts anew when that changes."""
        car = self.car
        if car is None or car.used_phases == min(car.phases, most):
            return
        self.cut()
        car.use_phases(most)
        self._wh_per_a_s = self.voltage_v * car.used_phases / 3600.0

    def unplug(self) -> Car | None:
        """The car leaves."""
        car, self.car = self.car, None
        self.finishing = False
        self.cut()
        return car

    def cut(self) -> None:
        """The contactor opens: no current at once."""
        self.offered_a = 0.0
        self._drawn_a = 0.0
        self.current_a = NOTHING
        if self.car is not None:
            self.car.drawn_a = 0.0

    def step(self, dt_s: float) -> bool:
        """Advance the car; whether it began or ceased to ask for energy."""
        car = self.car
        if car is None:
            return False
        drawn_a = car.step(dt_s, self.offered_a)
        if drawn_a > 0.0:
            energy_wh = drawn_a * self._wh_per_a_s * dt_s
            self.register_wh += energy_wh
            if self.record is not None:
                self.record.energy_wh += energy_wh
        if drawn_a != self._drawn_a:
            self._drawn_a = drawn_a
            currents_a = [0.0, 0.0, 0.0]
            for phase in self._site_phases[: car.used_phases]:
                currents_a[phase] = drawn_a
            self.current_a = (currents_a[0], currents_a[1], currents_a[2])
        changed = self.exhausted and self.offered_a > 0.0
        if car.requests != self.requested:
            self.requested = car.requests
            changed = True
        return changed

    @property
    def exhausted(self) -> bool:
        """Whether its transaction has taken all that a refused badge leaves it."""
        return (
            self.energy_cap_wh is not None
            and self.record is not None
            and self.record.energy_wh >= self.energy_cap_wh
        )

    @property
    def active_phases(self) -> int:
        """Phases that the present car uses, else those wired."""
        return self.config.phases if self.car is None else self.car.used_phases

    @property
    def wants_energy(self) -> bool:
        """Whether it takes part in the sharing of a common feed."""
        return self.record is not None and self.car is not None and self.car.wants_more(0.0)

    # ------------------------------------------------------------------ meter

    def freeze(self, *, frozen: bool) -> None:
        """The meter stops (or works again): it goes on reporting what it shows now."""
        if frozen and self._frozen is None:
            self._frozen_wh = self.register_wh
            self._frozen = self.measured_a()
        elif not frozen:
            self._frozen = None

    def measured_a(self) -> Triple:
        """What its own meter shows on the outlet's L1, L2 and L3."""
        if self._frozen is not None:
            return self._frozen
        drawn_a = self._drawn_a
        match self.active_phases:
            case 1:
                return (drawn_a, 0.0, 0.0)
            case 2:
                return (drawn_a, drawn_a, 0.0)
            case _:
                return (drawn_a, drawn_a, drawn_a)

    def reported_wh(self) -> float:
        """The register as it is reported, Wh."""
        register_wh = self.register_wh if self._frozen is None else self._frozen_wh
        return max(register_wh - self.register_base_wh, 0.0)

    def take_interval_wh(self) -> float:
        """Energy since this was last asked for, Wh."""
        register_wh = self.register_wh if self._frozen is None else self._frozen_wh
        energy_wh = max(register_wh - self._interval_from_wh, 0.0)
        self._interval_from_wh = register_wh
        return energy_wh

    # ------------------------------------------------------------------ transaction

    def begin(self, record: TransactionRecord, started_s: float) -> None:
        """A transaction starts."""
        self.record = record
        self.started_s = started_s
        self.finishing = False
        self.remote_tag = None
        register_wh = self.register_wh if self._frozen is None else self._frozen_wh
        self._interval_from_wh = register_wh
        if self.persona.session_register:
            self.register_base_wh = register_wh

    def end(self) -> None:
        """The transaction is over; the car may still be there."""
        self.record = None
        self.energy_cap_wh = None
        self.finishing = self.car is not None
        self.offered_a = 0.0
        self.stop_timers()

    def stop_timers(self) -> None:
        """No more periodic meter values."""
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

    def status(self) -> str:
        """The ChargePointStatus of OCPP 1.6 that describes it now."""
        if self.fault and not self.persona.fault_on_station:
            return "Faulted"
        if self.record is not None:
            return self._charging_status()
        if self.cable_of is not None:
            return "Finishing"
        if not self.available:
            return "Unavailable"
        if self.car is not None:
            return "Finishing" if self.finishing else "Preparing"
        if self.remote_tag is not None:
            return "Preparing"
        return "Available" if self.reserved_for is None else "Reserved"

    def _charging_status(self) -> str:
        if self.car is None:
            return "SuspendedEV"
        if self.offered_a < 6.0 and not self.config.socket:
            if self.persona.charging_at_zero or self.offered_a > 0.0:
                return "Charging"
            return "SuspendedEVSE"
        if self.offered_a <= 0.0:
            return "SuspendedEVSE"
        return "Charging" if self.car.requests else "SuspendedEV"
