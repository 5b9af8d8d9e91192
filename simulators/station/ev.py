"""A car's on-board charger, as a station and a breaker see it.

The car follows the pilot (IEC 61851-1): it may never draw more than it is offered for longer than
its ramp, draws nothing below 6 A, and needs a moment to resume after a pause. Some cars fall asleep
when they are paused and do not resume at all until they are plugged in again.
"""

from __future__ import annotations


class Car:
    """A car with its battery; one current in amperes, the same on each phase that it uses.

    ``phases`` is what the on-board charger uses (1, 2 or 3) and ``max_a`` what it takes on each.
    The battery starts at ``soc0`` (0 to 1), or so that ``energy_wanted_kwh`` (at the outlet) fills
    it. ``ramp_down_s`` and ``ramp_up_s`` are the times from full current to none and back,
    ``resume_s`` the silence before it takes current again after a pause. Above ``taper_soc`` the
    current falls in a straight line to ``taper_floor`` of ``max_a`` when full, then to ``idle_a``.
    ``asleep_after_pauses`` is the number of pauses that it forgives less one: 1 means that it never
    resumes after a pause, ``None`` that it always does.
    """

    __slots__ = (
        "_following",
        "_resume_left_s",
        "_soc_per_a_s",
        "_wh_per_a_s",
        "asleep",
        "asleep_after_pauses",
        "battery_kwh",
        "cap_a",
        "down_a_per_s",
        "drawn_a",
        "efficiency",
        "energy_wh",
        "full",
        "idle_a",
        "max_a",
        "min_a",
        "pauses",
        "phases",
        "requests",
        "resume_s",
        "soc",
        "taper_floor",
        "taper_soc",
        "up_a_per_s",
        "used_phases",
        "voltage_v",
    )

    def __init__(  # noqa: PLR0913 - a car is its data sheet
        self,
        *,
        phases: int = 3,
        max_a: float = 16.0,
        min_a: float = 6.0,
        battery_kwh: float = 60.0,
        soc0: float = 0.4,
        energy_wanted_kwh: float | None = None,
        ramp_down_s: float = 2.0,
        ramp_up_s: float = 10.0,
        resume_s: float = 3.0,
        taper_soc: float = 0.95,
        taper_floor: float = 0.2,
        asleep_after_pauses: int | None = None,
        idle_a: float = 0.0,
        efficiency: float = 0.9,
        voltage_v: float = 230.0,
    ) -> None:
        if phases not in (1, 2, 3):
            raise ValueError(f"a car uses 1, 2 or 3 phases, not {phases}")
        if energy_wanted_kwh is not None:
            stored_kwh = energy_wanted_kwh * efficiency
            battery_kwh = max(battery_kwh, stored_kwh)
            soc0 = 1.0 - stored_kwh / battery_kwh
        self.phases = phases
        self.max_a = float(max_a)
        self.min_a = float(min_a)
        self.battery_kwh = float(battery_kwh)
        self.soc = float(soc0)
        self.down_a_per_s = max_a / ramp_down_s
        self.up_a_per_s = max_a / ramp_up_s
        self.resume_s = float(resume_s)
        self.taper_soc = taper_soc
        self.taper_floor = taper_floor
        self.asleep_after_pauses = asleep_after_pauses
        self.idle_a = float(idle_a)
        self.efficiency = efficiency
        self.voltage_v = voltage_v

        self.drawn_a = 0.0
        """What it draws now, in amperes on each phase that it uses."""
        self.energy_wh = 0.0
        """What it took since it was made, at the outlet."""
        self.cap_a = self.max_a
        """The most it would take at its present state of charge."""
        self.full = self.soc >= 1.0
        self.asleep = False
        self.pauses = 0
        self.requests = not self.full
        """Whether it asks for energy at the present pilot (state C of IEC 61851-1)."""
        self.used_phases = phases
        self._following = False
        self._resume_left_s = 0.0
        self.plug_in(3)

    def plug_in(self, wired_phases: int) -> None:
        """Connect to an outlet with that many phases; wakes a sleeping car and starts afresh."""
        self.use_phases(wired_phases)
        self.asleep = False
        self.pauses = 0
        self.drawn_a = 0.0
        self._following = False
        self._resume_left_s = 0.0
        self._set_soc(self.soc)
        self.requests = not self.full

    def use_phases(self, wired_phases: int) -> None:
        """The outlet gives that many phases from now on."""
        self.used_phases = min(self.phases, wired_phases)
        self._wh_per_a_s = self.voltage_v * self.used_phases / 3600.0
        self._soc_per_a_s = self._wh_per_a_s * self.efficiency / (self.battery_kwh * 1000.0)

    def wake(self) -> None:
        """Its driver unlocks it, or the timer of the car fires: a sleeping car resumes."""
        self.asleep = False
        self.pauses = 0

    def wants_more(self, offered_a: float) -> bool:
        """Whether 1 A more on top of ``offered_a`` would be used, now or once it has ramped up.

        A car that is paused below its least current wants more; a full or sleeping one does not.
        """
        if self.full or self.asleep:
            return False
        return offered_a < self.min_a or self.cap_a >= offered_a + 1.0

    def step(self, dt_s: float, offered_a: float) -> float:
        """Live ``dt_s`` seconds with ``offered_a`` on the pilot; amperes drawn on each used phase.

        The energy of the step is that current times its length.
        """
        target_a = self._target_a(dt_s, offered_a)
        drawn_a = self.drawn_a
        if drawn_a > target_a:
            drawn_a -= self.down_a_per_s * dt_s
            drawn_a = max(drawn_a, target_a)
            self.drawn_a = drawn_a
        elif drawn_a < target_a:
            drawn_a += self.up_a_per_s * dt_s
            drawn_a = min(drawn_a, target_a)
            self.drawn_a = drawn_a
        if drawn_a > 0.0:
            self.energy_wh += drawn_a * self._wh_per_a_s * dt_s
            if not self.full:
                soc = self.soc + drawn_a * self._soc_per_a_s * dt_s
                if soc > self.taper_soc:
                    self._set_soc(soc)
                else:
                    self.soc = soc
        return drawn_a

    def _target_a(self, dt_s: float, offered_a: float) -> float:
        if offered_a < self.min_a:
            if self._following:
                self._following = False
                self._pause()
            # Below 6 A the station pauses the car; above, the car itself declines what it is given.
            self.requests = not self.full and not self.asleep and offered_a < 6.0
            return 0.0
        if not self._following:
            self._following = True
            self._resume_left_s = self.resume_s
        self.requests = not self.full and not self.asleep
        if self._resume_left_s > 0.0:
            self._resume_left_s -= dt_s
            return 0.0
        if self.full or self.asleep:
            return self.idle_a
        return min(self.cap_a, offered_a)

    def _pause(self) -> None:
        if self.full or self.asleep:
            return
        self.pauses += 1
        if self.asleep_after_pauses is not None and self.pauses >= self.asleep_after_pauses:
            self.asleep = True

    def _set_soc(self, soc: float) -> None:
        if soc >= 1.0:
            soc = 1.0
        self.soc = soc
        self.full = soc >= 1.0
        if soc <= self.taper_soc:
            self.cap_a = self.max_a
        else:
            fallen = (soc - self.taper_soc) / (1.0 - self.taper_soc)
            self.cap_a = self.max_a * (1.0 - fallen * (1.0 - self.taper_floor))
